//! One expression, as an automaton that is built when it is first needed and
//! grows within bounds as it is used. It is tried at one place only, so that
//! what it costs is known: how far it looked.

use std::ops::RangeInclusive;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::{Anchored, Input};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Hir, HirKind, Literal, Look};

/// No key is longer than this.
pub const LONGEST: usize = 4096;
/// How far in a text that is searched for may stand.
pub const FURTHEST: usize = 256;
/// What one expression may be compiled to; those of definitions were held to
/// less when they were read.
const COMPILED_SIZE: usize = 4 << 20;
/// What those of one provider together may be compiled to.
const OF_A_PROVIDER: usize = 2 << 20;
/// What one thread keeps of the states of one automaton.
const CACHE: usize = 1 << 20;

/// An expression, its anchors at both ends taken off.
pub struct Automaton {
    hir: Hir,
    longest: usize,
    compiled: OnceLock<Option<DFA>>,
}

/// What came of trying an expression at one place.
pub struct Tried {
    /// Where the match ends.
    pub end: Option<usize>,
    /// How many bytes were looked at, and how many the automaton grew by for
    /// it: that is what takes time where an expression has many states.
    pub cost: u64,
}

/// How large an automaton was before it was tried.
struct Meter {
    size: usize,
    clears: usize,
}

impl Meter {
    fn of(cache: &Cache) -> Self {
        Self {
            size: cache.memory_usage(),
            clears: cache.clear_count(),
        }
    }

    fn cost(&self, cache: &Cache, looked_at: usize) -> u64 {
        let grown = match cache.clear_count() - self.clears {
            0 => cache.memory_usage().saturating_sub(self.size),
            times => cache.memory_usage() + times * CACHE,
        };
        (looked_at + grown) as u64
    }
}

impl Automaton {
    /// The automaton of an expression; `None` where it is none.
    pub fn of(expression: &str) -> Option<Self> {
        let hir = ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .nest_limit(64)
            .build()
            .parse(expression)
            .ok()?;
        let hir = unanchored(&hir);
        Some(Self {
            longest: hir
                .properties()
                .maximum_len()
                .map_or(LONGEST, |most| most.min(LONGEST)),
            hir,
            compiled: OnceLock::new(),
        })
    }

    /// What every match begins with one of; empty where that cannot be said.
    pub fn beginnings(&self) -> Vec<Vec<u8>> {
        let mut extractor = Extractor::new();
        extractor
            .kind(ExtractKind::Prefix)
            .limit_class(6)
            .limit_repeat(4)
            .limit_literal_len(32)
            .limit_total(64);
        let found = extractor.extract(&self.hir);
        let literals = found.literals().unwrap_or_default();
        let mut beginnings: Vec<_> = literals.iter().map(|one| one.as_bytes().to_vec()).collect();
        beginnings.sort();
        beginnings.dedup();
        if beginnings.iter().any(Vec::is_empty) {
            beginnings.clear();
        }
        beginnings
    }

    /// A text that every match holds, and how many bytes stand before it at
    /// least and at most.
    pub fn inner(&self) -> Option<(Vec<u8>, RangeInclusive<usize>)> {
        let HirKind::Concat(parts) = self.hir.kind() else {
            return None;
        };
        let (mut least, mut most) = (0, 0);
        for part in parts {
            if let HirKind::Literal(Literal(text)) = part.kind() {
                return Some((text.to_vec(), least..=most));
            }
            least += part.properties().minimum_len()?;
            most += part.properties().maximum_len()?;
            if most > FURTHEST {
                return None;
            }
        }
        None
    }

    /// Whether it turned out to be too large to be used.
    pub fn is_too_large(&self) -> bool {
        matches!(self.compiled.get(), Some(None))
    }

    /// Tries it at `start`, and breaks off once that has cost more than
    /// `budget`. `cache` is this automaton's own; `compiled` is how much the
    /// automata of its provider have come to.
    pub fn try_at(
        &self,
        text: &[u8],
        start: usize,
        budget: u64,
        cache: &mut Option<Cache>,
        compiled: &AtomicUsize,
    ) -> Tried {
        let Some(dfa) = self.compiled.get_or_init(|| self.compile(compiled)) else {
            return Tried { end: None, cost: 0 };
        };
        let cache = cache.get_or_insert_with(|| dfa.create_cache());
        let meter = Meter::of(cache);
        let limit = (start + self.longest).min(text.len());
        let input = Input::new(text).range(start..limit).anchored(Anchored::Yes);
        let Ok(mut state) = dfa.start_state_forward(cache, &input) else {
            return Tried { end: None, cost: 0 };
        };
        let mut end = None;
        for (at, byte) in text.iter().enumerate().take(limit).skip(start) {
            let looked_at = at + 1 - start;
            let is_over = looked_at.is_multiple_of(64) && meter.cost(cache, looked_at) > budget;
            let Some(next) = dfa
                .next_state(cache, state, *byte)
                .ok()
                .filter(|_| !is_over)
            else {
                let cost = meter.cost(cache, looked_at);
                return Tried { end: None, cost };
            };
            state = next;
            if state.is_tagged() {
                // A match is seen one byte after its end.
                if state.is_match() {
                    end = Self::better(text, start, end, at);
                } else if state.is_dead() || state.is_quit() {
                    let cost = meter.cost(cache, looked_at);
                    return Tried { end, cost };
                }
            }
        }
        let last = match text.get(limit) {
            Some(byte) => dfa.next_state(cache, state, *byte),
            None => dfa.next_eoi_state(cache, state),
        };
        if last.is_ok_and(|state| state.is_match()) {
            end = Self::better(text, start, end, limit);
        }
        let cost = meter.cost(cache, limit + 1 - start);
        Tried { end, cost }
    }

    /// The longest match counts, but a sentence's full stop is no part of a key.
    fn better(text: &[u8], start: usize, known: Option<usize>, at: usize) -> Option<usize> {
        let is_stop = |end: usize| end > start && matches!(text[end - 1], b'.' | b'/');
        match known {
            Some(end) if is_stop(at) && !is_stop(end) => Some(end),
            _ => Some(at),
        }
    }

    fn compile(&self, compiled: &AtomicUsize) -> Option<DFA> {
        let ended = Hir::concat(vec![self.hir.clone(), Hir::look(Look::WordEndHalfAscii)]);
        let config = thompson::Config::new()
            .utf8(false)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(COMPILED_SIZE));
        let nfa = thompson::Compiler::new()
            .configure(config)
            .build_from_hir(&ended)
            .ok()?;
        let with = |sum: usize| {
            let sum = sum + nfa.memory_usage();
            (sum <= OF_A_PROVIDER).then_some(sum)
        };
        compiled
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, with)
            .ok()?;
        let config = Config::new()
            .cache_capacity(CACHE)
            .skip_cache_capacity_check(true);
        DFA::builder().configure(config).build_from_nfa(nfa).ok()
    }
}

/// The same without the anchors that say where a whole text begins and ends:
/// a key stands in the midst of one. Groups go as well.
fn unanchored(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Look(Look::Start | Look::End) => Hir::empty(),
        HirKind::Capture(group) => unanchored(&group.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(unanchored).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(unanchored).collect()),
        _ => hir.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(expression: &str, text: &str, start: usize) -> Tried {
        let automaton = Automaton::of(expression).unwrap();
        automaton.try_at(
            text.as_bytes(),
            start,
            u64::MAX,
            &mut None,
            &AtomicUsize::new(0),
        )
    }

    #[test]
    fn an_expression_is_found_amid_other_text_with_or_without_anchors() {
        for expression in [
            "^ab[0-9]{2}$",
            "ab[0-9]{2}",
            "^ab12|ab[0-9]{2}$",
            "^(ab[0-9]{2})$",
            "\\Aab[0-9]{2}\\z",
        ] {
            assert_eq!(
                tried(expression, "x ab12 y", 2).end,
                Some(6),
                "{expression}"
            );
            assert_eq!(tried(expression, "x ab12", 2).end, Some(6), "{expression}");
            assert_eq!(tried(expression, "x ab123", 2).end, None, "{expression}");
            assert_eq!(tried(expression, "x ab12 y", 1).end, None, "{expression}");
        }
    }

    #[test]
    fn the_longest_that_the_expression_prefers_is_taken() {
        assert_eq!(
            tried("^ab[0-9]{2,9}(?:-[0-9]{2})?$", "ab123-45 ", 0).end,
            Some(8)
        );
        assert_eq!(
            tried("^ab[0-9]{2,9}(?:-[0-9]{2})?$", "ab123-456 ", 0).end,
            Some(5)
        );
    }

    #[test]
    fn it_looks_no_further_than_a_key_is_long() {
        let text = "a".repeat(3 * LONGEST);
        let cost = |expression: &str| {
            let automaton = Automaton::of(expression).unwrap();
            let (cache, compiled) = (&mut None, AtomicUsize::new(0));
            automaton.try_at(text.as_bytes(), 5, u64::MAX, cache, &compiled);
            // Once more: now it has grown.
            automaton
                .try_at(text.as_bytes(), 5, u64::MAX, cache, &compiled)
                .cost
        };
        assert_eq!(cost("^[a-z]{2,30}$"), 31);
        assert_eq!(cost("^(?:a|aa)+$"), LONGEST as u64 + 1);
        assert_eq!(cost("^b+$"), 1);
        assert_eq!(tried("^[a-z]+$", &text, 0).end, None);
    }

    #[test]
    fn what_a_match_begins_with_is_read_from_the_expression() {
        let beginnings = |expression: &str| {
            let found = Automaton::of(expression).unwrap().beginnings();
            found
                .iter()
                .map(|one| String::from_utf8_lossy(one).into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(beginnings("^gh[po]_[A-Za-z0-9]{36}$"), ["gho_", "ghp_"]);
        assert_eq!(beginnings("^sk-ant-api\\d{2,4}-x$"), ["sk-ant-api"]);
        assert_eq!(beginnings("^(?:AKIA|ASIA)[A-Z0-9]{16}$"), ["AKIA", "ASIA"]);
        for open in ["^[a-f0-9]{32}$", ".*", "(?:x|[a-z]+)y", "(?:ab)?", "^x*$"] {
            assert!(beginnings(open).is_empty(), "{open}");
        }
    }

    #[test]
    fn a_text_amid_a_match_is_read_from_the_expression() {
        let inner = |expression: &str| {
            let found = Automaton::of(expression).unwrap().inner();
            found.map(|(text, place)| (String::from_utf8(text).unwrap(), place))
        };
        assert_eq!(
            inner("^[0-9]{8,10}:AA[a-z]{9}$"),
            Some((":AA".into(), 8..=10))
        );
        assert_eq!(
            inner("^(?:[a-f]{4}|eu[a-f]{2})FFF[a-z]$"),
            Some(("FFF".into(), 4..=4))
        );
        for without in [
            "^[a-f0-9]{32}$",
            "^a|b$",
            "^[a-z]+FFF$",
            "^[a-z]{257}FFF$",
            ".*",
        ] {
            assert_eq!(inner(without), None, "{without}");
        }
    }

    #[test]
    fn what_grows_too_large_fits_nothing_and_says_so() {
        let automaton = Automaton::of("(a{1000}){1000}").unwrap();
        let spent = AtomicUsize::new(0);
        assert_eq!(automaton.try_at(b"aaaa", 0, 1, &mut None, &spent).end, None);
        assert!(automaton.is_too_large());
        let automaton = Automaton::of("a").unwrap();
        let spent = AtomicUsize::new(OF_A_PROVIDER);
        assert_eq!(automaton.try_at(b"a", 0, 1, &mut None, &spent).end, None);
        assert!(automaton.is_too_large());
    }
}
