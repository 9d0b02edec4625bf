//! Secrets taken out of what passes, as it passes. Pure: bytes in, bytes out.
//!
//! What comes out is as long as what went in; no byte of a find is ever
//! handed on, however the pieces are cut and however forms overlap; and no
//! more is held back than what may still become one.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous;
use aho_corasick::{AhoCorasick, Anchored, MatchKind};
use hyper::body::Bytes;

use crate::secret::Secret;

/// What stands for each byte of a find. One for one, so that lengths that
/// were announced, frames and offsets stay true.
const MASK: u8 = b'*';

/// How much of each form the quick search looks for. Forms that differ only
/// further on cost it nothing.
const PREFIX: usize = 8;

/// Finds forms of secrets and writes over them. A copy shares the tables.
#[derive(Clone, Default)]
pub struct Redactor(Option<Arc<Search>>);

impl Redactor {
    /// Looks for these; see [`forms`](super::echo::forms).
    pub fn new(forms: &[Secret]) -> Self {
        let forms: Vec<&[u8]> = forms
            .iter()
            .map(|form| form.reveal().as_bytes())
            .filter(|form| !form.is_empty())
            .collect();
        Self((!forms.is_empty()).then(|| Arc::new(Search::of(&forms))))
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// A text that is there as a whole, written over; `None` where nothing is
    /// found.
    pub fn text(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut copy = None;
        let mut run = 0..0;
        let search = self.0.as_deref()?;
        search.walk(search.start, text, |found| {
            let copy = copy.get_or_insert_with(|| text.to_vec());
            mask(copy, &mut run, found.end - found.length..found.end);
        });
        copy
    }

    /// For a text that comes in pieces.
    pub fn stream(&self) -> Stream {
        Stream {
            state: self.0.as_ref().map(|search| search.start),
            search: self.0.clone(),
            held: Vec::new(),
            run: 0..0,
        }
    }
}

/// One text that comes in pieces.
pub struct Stream {
    search: Option<Arc<Search>>,
    /// Where the automaton stands after all that came; `None` without one.
    state: Option<StateID>,
    /// What came and may be the beginning of a form, with what was found in
    /// it written over.
    held: Vec<u8>,
    /// The last run that was written over, counted from the beginning of what
    /// is held.
    run: Range<usize>,
}

impl Stream {
    /// Takes the next piece and gives what can go on. A piece in which there
    /// is nothing is given back as it is.
    pub fn feed(&mut self, piece: Bytes) -> Bytes {
        let (Some(search), Some(state)) = (self.search.as_deref(), self.state) else {
            return piece;
        };
        let before = self.held.len();
        let mut copy = (before > 0).then(|| {
            let mut text = std::mem::take(&mut self.held);
            text.extend_from_slice(&piece);
            text
        });
        let run = &mut self.run;
        let state = search.walk(state, &piece, |found| {
            let text = copy.get_or_insert_with(|| piece.to_vec());
            // What was handed on of this find was written over already, as
            // part of an earlier one: all else of it is held.
            let end = before + found.end;
            mask(text, run, end.saturating_sub(found.length)..end);
        });
        self.state = Some(state);

        let mut border = (before + piece.len()).saturating_sub(search.hold(state));
        if run.contains(&border) {
            border = run.end;
        }
        *run = run.start.saturating_sub(border)..run.end.saturating_sub(border);
        match copy {
            // A beginning that grows stays where it is.
            Some(text) if border == 0 => {
                self.held = text;
                Bytes::new()
            }
            Some(mut text) => {
                self.held = text.split_off(border);
                Bytes::from(text)
            }
            None => {
                // A copy, so that a few bytes do not keep the whole piece.
                self.held = piece[border..].to_vec();
                piece.slice(..border)
            }
        }
    }

    /// The end of the text: what was held back did not become a find.
    pub fn finish(&mut self) -> Bytes {
        self.state = self.search.as_deref().map(|search| search.start);
        self.run = 0..0;
        Bytes::from(std::mem::take(&mut self.held))
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.held.len()
    }
}

/// The tables, shared by all streams.
struct Search {
    /// Finds in one go where a form may begin: the first bytes of each.
    beginnings: AhoCorasick,
    /// How long those are.
    prefix: usize,
    /// Goes byte by byte; sees each place where a form ends, also where one
    /// lies within or across another.
    steps: contiguous::NFA,
    /// Where it stands when nothing has begun.
    start: StateID,
    /// How much of the end of the text may be the start of a form, for each
    /// state in which some is. A whole form that begins no longer one is not
    /// here: what ends in it was written over and can go.
    holds: HashMap<StateID, usize>,
}

impl Search {
    /// None of `forms` is empty.
    fn of(forms: &[&[u8]]) -> Self {
        let shortest = forms.iter().map(|form| form.len()).min().unwrap_or(0);
        let prefix = shortest.min(PREFIX);
        let beginnings: BTreeSet<_> = forms.iter().map(|form| &form[..prefix]).collect();
        let beginnings = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(beginnings)
            .expect("the forms of one connection's secrets are far below 2^31 bytes");
        let steps = contiguous::NFA::builder()
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(forms)
            .expect("as above");
        let start = steps
            .start_state(Anchored::No)
            .expect("this kind of automaton can start anywhere in a text");
        let holds = holds(&steps, start, forms);
        Self {
            beginnings,
            prefix,
            steps,
            start,
            holds,
        }
    }

    /// Goes on from `state` through `text` and tells of each find, in the
    /// order of their ends: the longest of those that end at one place.
    fn walk(&self, state: StateID, text: &[u8], mut found: impl FnMut(Find)) -> StateID {
        let mut state = state;
        let mut at = 0;
        while at < text.len() {
            if state == self.start && text.len() - at >= self.prefix {
                // Before the first full beginning no form begins; and what
                // begins after it is seen by the steps that start there. With
                // none, only the last few bytes can be the start of one.
                match self.beginnings.find(&text[at..]) {
                    Some(beginning) => at += beginning.start(),
                    None => at = text.len() - (self.prefix - 1),
                }
                if at == text.len() {
                    break;
                }
            }
            state = self.steps.next_state(Anchored::No, state, text[at]);
            at += 1;
            if self.steps.is_match(state) {
                found(Find {
                    end: at,
                    length: self.longest(state),
                });
            }
        }
        state
    }

    fn longest(&self, state: StateID) -> usize {
        (0..self.steps.match_len(state))
            .map(|index| {
                let form = self.steps.match_pattern(state, index);
                self.steps.pattern_len(form)
            })
            .max()
            .unwrap_or(0)
    }

    fn hold(&self, state: StateID) -> usize {
        self.holds.get(&state).copied().unwrap_or(0)
    }
}

/// A find in the last of the pieces; it may have begun in an earlier one.
struct Find {
    /// Where it ends in that piece.
    end: usize,
    length: usize,
}

/// See [`Search::holds`].
fn holds(steps: &contiguous::NFA, start: StateID, forms: &[&[u8]]) -> HashMap<StateID, usize> {
    let mut holds = HashMap::new();
    for form in forms {
        let mut state = start;
        for (at, byte) in form[..form.len() - 1].iter().enumerate() {
            state = steps.next_state(Anchored::No, state, *byte);
            holds.insert(state, at + 1);
        }
    }
    holds
}

/// Writes over a find. `run` is the last run that was, and becomes the one
/// that this is part of, so that no byte is written over again and again
/// where a form repeats itself.
fn mask(text: &mut [u8], run: &mut Range<usize>, found: Range<usize>) {
    if found.start > run.end {
        text[found.clone()].fill(MASK);
        *run = found;
        return;
    }
    if found.start < run.start {
        text[found.start..run.start].fill(MASK);
        run.start = found.start;
    }
    if found.end > run.end {
        text[run.end..found.end].fill(MASK);
        run.end = found.end;
    }
}

#[cfg(test)]
mod tests;
