//! Made-up keys of a provider's own shape: what a program is given in place
//! of the real one. Pure: randomness is an argument.
//!
//! A placeholder passes the check that a real key has to pass, and no two are
//! alike. It opens nothing; whoever makes one remembers it, and refuses it
//! anywhere but at its own provider.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::field::Field;
use crate::secret::Secret;

/// The bits of chance below which more is asked of a pattern that could give
/// more: one of two placeholders never is the other.
const WANTED_BITS: f64 = 64.0;
/// The same in characters, so that it also looks like a key.
const WANTED_CHARACTERS: usize = 16;
/// With fewer bits than this it could be a word that a program says by
/// chance, and would be refused for it.
const FEWEST_BITS: f64 = 40.0;
/// How much longer than it must be a repetition is made, in turn.
const STRETCHES: [u32; 6] = [0, 4, 8, 16, 32, 64];
/// Longer ones are of no pattern that stands for a key.
const LONGEST: usize = 4096;
/// How often one that turns out to look like another's key is made anew.
const TRIES: u32 = 50;
/// From this try on, the other branches of alternations have their turn.
const FIRST_BRANCH_TRIES: u32 = 20;

/// Fills a buffer with random bytes.
pub type Random<'a> = &'a mut dyn FnMut(&mut [u8]);

/// A random value that this field takes for its own; none for a field of many
/// lines, such as a PEM key, and for one whose shape leaves no room for chance.
pub fn placeholder(field: &Field, random: Random<'_>) -> Option<Secret> {
    if field.is_multiline {
        return None;
    }
    let Some(pattern) = &field.pattern else {
        return Some(shapeless(random)).filter(|made| field.check(made).is_ok());
    };
    let syntax = pattern.syntax().ok()?;
    for attempt in 0..TRIES {
        let is_open = attempt >= FIRST_BRANCH_TRIES;
        let made = walked(&syntax, is_open, random);
        if let Some(made) = made.filter(|made| field.check(made).is_ok()) {
            return Some(made);
        }
    }
    for attempt in 0..TRIES {
        let examples = &field.examples.fitting;
        let example = examples.get(attempt as usize % examples.len().max(1))?;
        let made = with_random_tail(example, random);
        if let Some(made) = made.filter(|made| field.check(made).is_ok()) {
            return Some(made);
        }
    }
    None
}

/// One for a value of which nothing is known.
pub fn shapeless(random: Random<'_>) -> Secret {
    let mut bytes = [0; 16];
    random(&mut bytes);
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Secret::from(format!("vault-placeholder-{digits}"))
}

/// One with as much chance in it as is wanted, where the pattern has room.
fn walked(syntax: &Hir, is_open: bool, random: Random<'_>) -> Option<Secret> {
    let mut best: Option<(f64, Vec<u8>)> = None;
    for stretch in STRETCHES {
        let mut walk = Walk {
            made: Vec::new(),
            bits: 0.0,
            characters: 0,
            stretch,
            is_open,
            random: &mut *random,
        };
        if walk.follow(syntax).is_none() {
            break;
        }
        let is_enough = walk.bits >= WANTED_BITS && walk.characters >= WANTED_CHARACTERS;
        if best.as_ref().is_none_or(|(bits, _)| walk.bits > *bits) {
            best = Some((walk.bits, walk.made));
        }
        if is_enough {
            break;
        }
    }
    let (bits, made) = best?;
    let text = String::from_utf8(made).ok()?;
    (bits >= FEWEST_BITS).then(|| Secret::from(text))
}

/// A way through a pattern's syntax tree.
struct Walk<'a> {
    made: Vec<u8>,
    bits: f64,
    characters: usize,
    /// How much longer than they must be repetitions are made.
    stretch: u32,
    /// Whether any branch will do, or the first.
    is_open: bool,
    random: Random<'a>,
}

impl Walk<'_> {
    /// Nothing where the pattern fits no text, or a very long one only.
    fn follow(&mut self, syntax: &Hir) -> Option<()> {
        match syntax.kind() {
            // An anchor makes nothing; whether it was met, the check tells.
            HirKind::Empty | HirKind::Look(_) => Some(()),
            HirKind::Literal(literal) => {
                self.made.extend_from_slice(&literal.0);
                (self.made.len() <= LONGEST).then_some(())
            }
            HirKind::Class(class) => self.character(&members(class)),
            HirKind::Capture(capture) => self.follow(&capture.sub),
            HirKind::Concat(parts) => parts.iter().try_for_each(|part| self.follow(part)),
            HirKind::Alternation(branches) => self.branch(branches),
            HirKind::Repetition(repetition) => {
                let most = repetition.max.unwrap_or(u32::MAX);
                let times = repetition.min.saturating_add(self.stretch).min(most);
                for _ in 0..times {
                    let before = self.made.len();
                    self.follow(&repetition.sub)?;
                    if self.made.len() == before {
                        break;
                    }
                }
                Some(())
            }
        }
    }

    fn branch(&mut self, branches: &[Hir]) -> Option<()> {
        let first = match self.is_open {
            true => self.below(branches.len())?,
            false => 0,
        };
        let (before, after) = branches.split_at(first);
        let length = self.made.len();
        after.iter().chain(before).find_map(|branch| {
            self.made.truncate(length);
            self.follow(branch)
        })
    }

    fn character(&mut self, members: &[char]) -> Option<()> {
        let chosen = *members.get(self.below(members.len())?)?;
        if members.len() > 1 {
            self.bits += f64::from(u32::try_from(members.len()).ok()?).log2();
            self.characters += 1;
        }
        let mut room = [0; 4];
        self.made
            .extend_from_slice(chosen.encode_utf8(&mut room).as_bytes());
        (self.made.len() <= LONGEST).then_some(())
    }

    fn below(&mut self, count: usize) -> Option<usize> {
        below(count, self.random)
    }
}

/// A random number below `count`. With so few to choose from, what the
/// remainder favours is beyond notice.
fn below(count: usize, random: Random<'_>) -> Option<usize> {
    let mut bytes = [0; 4];
    random(&mut bytes);
    let number = usize::try_from(u32::from_le_bytes(bytes)).ok()?;
    number.checked_rem(count)
}

/// The letters and digits of a class; where it has none, what is visible.
fn members(class: &Class) -> Vec<char> {
    let is_in = |c: char| match class {
        Class::Bytes(class) => {
            let ranges = || class.iter();
            u8::try_from(c).is_ok_and(|byte| {
                ranges().any(|range| (range.start()..=range.end()).contains(&byte))
            })
        }
        Class::Unicode(class) => class
            .iter()
            .any(|range| (range.start()..=range.end()).contains(&c)),
    };
    let visible: Vec<char> = ('!'..='~').filter(|c| is_in(*c)).collect();
    let usual: Vec<char> = visible
        .iter()
        .copied()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    match (usual.is_empty(), visible.is_empty()) {
        (false, _) => usual,
        (true, false) => visible,
        (true, true) => [' '].into_iter().filter(|c| is_in(*c)).collect(),
    }
}

/// An example whose last letters and digits are others of their kind.
fn with_random_tail(example: &str, random: Random<'_>) -> Option<Secret> {
    let mut made: Vec<char> = example.chars().collect();
    let tail = made.len() / 2;
    let is_hexadecimal = |c: &char| c.is_ascii_digit() || ('a'..='f').contains(c);
    let mut used = made[tail..].iter().filter(|c| c.is_ascii_alphanumeric());
    let letters = if used.all(is_hexadecimal) { 'f' } else { 'z' };
    let mut bits = 0.0;
    for c in &mut made[tail..] {
        let kind = match *c {
            '0'..='9' => '0'..='9',
            'a'..='z' => 'a'..=letters,
            'A'..='Z' => 'A'..='Z',
            _ => continue,
        };
        let kind: Vec<char> = kind.collect();
        bits += f64::from(u32::try_from(kind.len()).ok()?).log2();
        *c = *kind.get(below(kind.len(), random)?)?;
    }
    (bits >= FEWEST_BITS).then(|| Secret::from(made.into_iter().collect::<String>()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::provider::{Catalog, validate};

    /// The fields of bundled providers that have no placeholder: a file of
    /// many lines is no variable that a client checks and sends.
    const WITHOUT: [&str; 1] = ["gcp/service_account_json"];

    fn random(bytes: &mut [u8]) {
        getrandom::getrandom(bytes).unwrap();
    }

    fn field(pattern: &str, more: &str) -> Field {
        let pattern = serde_json::to_string(pattern).unwrap();
        let text = format!(
            r#"{{"schema_version": 1, "name": "x", "display_name": "X", "auth": ["api_key"],
            "hosts": ["x.example.com"],
            "fields": [{{"name": "api_key", "pattern": {pattern}{more}}}]}}"#
        );
        let definition = validate(&text, std::path::Path::new("x.json"));
        definition.unwrap().fields.remove(0)
    }

    fn made(pattern: &str) -> Option<String> {
        placeholder(&field(pattern, ""), &mut random).map(|made| made.reveal().to_owned())
    }

    #[test]
    fn every_secret_field_of_every_bundled_provider_has_one_of_its_own_shape() {
        let catalog = Catalog::new(None);
        let mut without = Vec::new();
        let mut count = 0;
        for name in catalog.names() {
            let definition = catalog.find(&name).unwrap().definition;
            for field in definition.fields.iter().filter(|field| field.is_secret) {
                let label = format!("{name}/{}", field.name);
                let all: BTreeSet<String> = (0..20)
                    .filter_map(|_| placeholder(field, &mut random))
                    .map(|made| {
                        assert!(field.check(&made).is_ok(), "{label}: {}", made.reveal());
                        made.reveal().to_owned()
                    })
                    .collect();
                match all.len() {
                    0 => without.push(label),
                    different => assert_eq!(different, 20, "{label}: {all:?}"),
                }
                count += 1;
            }
        }
        assert_eq!(without, WITHOUT);
        assert!(count > 70, "{count}");
    }

    #[test]
    fn chance_is_added_where_the_pattern_has_room_for_it() {
        assert!(made("^k-[a-z]+$").unwrap().len() >= 18);
        assert!(made("^k-(?:[0-9]{2}-?)*$").unwrap().len() >= 18);
        assert!(made("^[0-9]{14}$").is_some());
        for narrow in ["^[0-9]{6}$", "^(?:US|EU)$", "^constant$"] {
            assert!(made(narrow).is_none(), "{narrow}");
        }
    }

    #[test]
    fn the_first_branch_is_taken_and_the_next_where_it_leads_nowhere() {
        assert!(
            made("^(?:first_[a-z]{20}|second_[a-z]{20})$")
                .is_some_and(|text| { text.starts_with("first_") })
        );
        assert!(
            made(r"^(?:[^\s\S]|second_[a-z]{20})$")
                .is_some_and(|text| { text.starts_with("second_") })
        );
    }

    #[test]
    fn letters_and_digits_come_before_signs() {
        let text = made(r"^[^\s@/:]{30}$").unwrap();
        assert!(
            text.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "{text}"
        );
        assert_eq!(made("^[-_+.]{40}$").unwrap().len(), 40);
    }

    #[test]
    fn a_pattern_that_is_hard_to_meet_falls_back_to_an_example() {
        // The walk prefers letters, and there is no word boundary between two.
        let examples = r#", "examples": {"fitting": ["a-FAKEFAKEFAKEFAKEFAKEFAKE"]}"#;
        let hard = field(r"^a[a-z-]\b[A-Z]{24}$", examples);
        assert!(placeholder(&hard, &mut random).is_some());
        let impossible = field(r"^a[a-z-]\b[A-Z]{24}$", "");
        assert!(placeholder(&impossible, &mut random).is_none());
    }

    #[test]
    fn a_field_of_many_lines_has_none_and_one_without_a_pattern_a_plain_one() {
        let many = field(r"^[\s\S]{50,}$", r#", "multiline": true"#);
        assert!(placeholder(&many, &mut random).is_none());
        let plain = shapeless(&mut random);
        assert!(plain.reveal().starts_with("vault-placeholder-"));
        assert_eq!(plain.len(), 18 + 32);
    }

    #[test]
    fn no_pattern_takes_long() {
        for hostile in [
            "^(?:(?:[a-z]{200}){200}){200}$",
            "^(?:(?:){1000000000}){1000000000}$",
            "^(?:(?:(?:a*)*)*)*$",
        ] {
            if let Ok(pattern) = hostile.parse::<crate::provider::Pattern>()
                && let Ok(syntax) = pattern.syntax()
            {
                let _ = walked(&syntax, false, &mut random);
            }
        }
    }

    #[test]
    fn randomness_that_never_changes_ends_too() {
        let mut constant = |bytes: &mut [u8]| bytes.fill(0xff);
        let made = placeholder(&field("^k-[a-z]{20}$", ""), &mut constant);
        assert!(made.is_some());
    }
}
