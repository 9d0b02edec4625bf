//! Where one of a few texts stands, found by vector instructions.

use std::ops::Range;

use regex_automata::util::prefilter::Prefilter;
use regex_automata::{MatchKind, Span};

/// How many texts one search looks for: so few that it goes by vector
/// instructions, and with few false alarms.
const GROUP: usize = 16;

/// A search for a few texts.
pub struct Search {
    prefilter: Prefilter,
    longest: usize,
}

/// Searches for all of these; a text that another one begins goes with that.
pub fn searches(mut texts: Vec<Vec<u8>>) -> Vec<Search> {
    texts.sort();
    texts.dedup_by(|next, kept| next.starts_with(kept));
    let groups = texts.chunks(GROUP);
    groups
        .filter_map(|group| {
            Some(Search {
                prefilter: Prefilter::new(MatchKind::LeftmostFirst, group)?,
                longest: group.iter().map(Vec::len).max()?,
            })
        })
        .collect()
}

impl Search {
    /// Every place that begins in `range`.
    pub fn each(&self, text: &[u8], range: Range<usize>, mut act: impl FnMut(Range<usize>)) {
        let end = (range.end + self.longest - 1).min(text.len());
        let mut start = range.start;
        if start >= end {
            return;
        }
        while let Some(hit) = self.prefilter.find(text, Span { start, end }) {
            if hit.start >= range.end {
                return;
            }
            act(hit.start..hit.end);
            start = hit.start + 1;
        }
    }
}
