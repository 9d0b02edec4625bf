//! Everything that is looked for, in all definitions at once: what keys begin
//! with, in a few searches over the same text, and an automaton for each shape
//! that is tried where one could begin.

use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use regex_automata::hybrid::dfa::Cache;

use super::assignment::{self, LONGEST_NAME};
use super::automaton::{Automaton, LONGEST};
use super::check;
use super::search::{Search, searches};
use crate::name::{FieldName, ProviderName};
use crate::provider::{Definition, Field};

/// A shorter beginning is no reason to look at what follows together with the
/// others.
const SHORT: usize = 3;
/// How much of a name's end is searched for. There are few ends: `_KEY`.
const NAME_END: usize = 4;
/// How many automata keep their states from one file to the next, in each
/// thread.
const MOST_CACHES: usize = 128;
/// How much an expression may look at of each byte of a file, and in any case.
const EFFORT: u64 = 64;
const FREE_EFFORT: u64 = 1 << 20;

/// Looks for the keys of some providers.
pub struct Scanner {
    shapes: Vec<Shape>,
    /// By first byte: what a shape begins with.
    beginnings: Vec<Vec<Beginning>>,
    /// Shapes that could begin anywhere.
    anywhere: Vec<usize>,
    searches: Vec<Search>,
    /// Shapes that hold a text which is better searched for than what they
    /// begin with.
    inner: Vec<Inner>,
    names: HashMap<Vec<u8>, Vec<Assigned>>,
    name_ends: Vec<Search>,
}

/// One way in which a provider's keys look.
struct Shape {
    provider: ProviderName,
    field: FieldName,
    min_entropy: Option<f64>,
    automaton: Automaton,
    /// What the automata of its provider have come to.
    compiled: Arc<AtomicUsize>,
}

struct Beginning {
    text: Vec<u8>,
    shape: usize,
}

struct Inner {
    search: Search,
    shape: usize,
    /// How many bytes of the key stand before the text.
    before: RangeInclusive<usize>,
}

/// A secret field that a name is known for.
struct Assigned {
    provider: ProviderName,
    field: Field,
    /// What its pattern begins with.
    beginnings: Vec<Vec<u8>>,
    /// Which of several comes first.
    order: (usize, i32),
}

/// Something that was found in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// Where.
    pub place: Range<usize>,
    /// Whose it is.
    pub provider: &'a ProviderName,
    /// What it is.
    pub field: &'a FieldName,
    /// How much of it is fixed by its shape: the more, the surer. Nothing
    /// where it was found by its name.
    pub fixed: Option<usize>,
}

/// What may begin somewhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Which {
    /// The shapes that begin with what stands there, and those that begin
    /// with anything.
    Any,
    /// This one.
    One(usize),
}

/// What one thread keeps while it looks through files.
pub struct Effort {
    caches: Vec<Option<Cache>>,
    spent: Vec<u64>,
    resume: Vec<u64>,
    given_up: Vec<bool>,
    /// Names that begin before this stand in the value of another one.
    names_resume: u64,
    candidates: Vec<(usize, Which)>,
}

/// A part of a file that is looked at in one go.
#[derive(Clone, Copy)]
pub struct Window<'a> {
    /// The text, with what is before and after it.
    pub text: &'a [u8],
    /// Keys that begin from here…
    pub from: usize,
    /// …to here are this window's.
    pub to: usize,
    /// Where the text is in the file.
    pub offset: u64,
}

impl Scanner {
    /// Looks for the keys of these.
    pub fn new(definitions: &[Definition]) -> Self {
        let mut scanner = Self {
            shapes: Vec::new(),
            beginnings: (0..256).map(|_| Vec::new()).collect(),
            anywhere: Vec::new(),
            searches: Vec::new(),
            inner: Vec::new(),
            names: HashMap::new(),
            name_ends: Vec::new(),
        };
        let mut needles = Vec::new();
        for definition in definitions {
            scanner.add_shapes(definition, &mut needles);
            scanner.add_names(definition);
        }
        for beginnings in &mut scanner.beginnings {
            // Of one shape, the one that says most comes first.
            beginnings.sort_by_key(|one| (one.shape, std::cmp::Reverse(one.text.len())));
        }
        scanner.searches.extend(searches(needles));
        let ends = scanner
            .names
            .keys()
            .map(|name| name[name.len() - NAME_END..].to_vec());
        scanner.name_ends = searches(ends.collect());
        for owners in scanner.names.values_mut() {
            owners.sort_by_key(|owner| owner.order);
        }
        scanner
    }

    fn add_shapes(&mut self, definition: &Definition, needles: &mut Vec<Vec<u8>>) {
        let compiled = Arc::new(AtomicUsize::new(0));
        let first_secret = definition.fields.iter().find(|field| field.is_secret);
        for detect in &definition.detect {
            let field = detect
                .field
                .as_ref()
                .or(first_secret.map(|field| &field.name));
            // A token that a person is not asked for at login.
            let field = field.cloned().or_else(|| "access_token".parse().ok());
            let automaton = Automaton::of(detect.pattern.as_str());
            let Some((field, automaton)) = field.zip(automaton) else {
                continue;
            };
            self.add_search(&automaton, needles);
            self.shapes.push(Shape {
                provider: definition.name.clone(),
                field,
                min_entropy: detect.min_entropy,
                automaton,
                compiled: Arc::clone(&compiled),
            });
        }
    }

    /// Decides how the places are found where this shape could begin.
    fn add_search(&mut self, automaton: &Automaton, needles: &mut Vec<Vec<u8>>) {
        let shape = self.shapes.len();
        let texts = automaton.beginnings();
        let is_short = texts.iter().any(|text| text.len() < SHORT);
        let inner = automaton.inner().filter(|(text, _)| text.len() > 1);
        match inner {
            Some((text, before)) if texts.is_empty() || is_short => {
                let search = searches(vec![text]).pop();
                self.inner.extend(search.map(|search| Inner {
                    search,
                    shape,
                    before,
                }));
                return;
            }
            _ if texts.is_empty() => self.anywhere.push(shape),
            // One or two letters stand everywhere: a search of its own.
            _ if is_short => self.searches.extend(searches(texts.clone())),
            _ => needles.extend(texts.iter().cloned()),
        }
        for text in texts {
            self.beginnings[usize::from(text[0])].push(Beginning { text, shape });
        }
    }

    fn add_names(&mut self, definition: &Definition) {
        for field in definition.fields.iter().filter(|field| field.is_secret) {
            let pattern = field.pattern.as_ref();
            let automaton = pattern.and_then(|pattern| Automaton::of(pattern.as_str()));
            let beginnings = automaton
                .map(|automaton| automaton.beginnings())
                .unwrap_or_default();
            for (rank, name) in field.env.iter().enumerate() {
                let name = name.as_str().as_bytes();
                if !(NAME_END..=LONGEST_NAME).contains(&name.len()) {
                    continue;
                }
                // `aws_secret_access_key`, as files of settings have it.
                for name in [name.to_vec(), name.to_ascii_lowercase()] {
                    self.names.entry(name).or_default().push(Assigned {
                        provider: definition.name.clone(),
                        field: field.clone(),
                        beginnings: beginnings.clone(),
                        order: (rank, -definition.priority),
                    });
                }
            }
        }
    }

    /// What a thread needs.
    pub fn effort(&self) -> Effort {
        let none = || vec![0; self.shapes.len()];
        Effort {
            caches: self.shapes.iter().map(|_| None).collect(),
            spent: none(),
            resume: none(),
            given_up: vec![false; self.shapes.len()],
            names_resume: 0,
            candidates: Vec::new(),
        }
    }

    /// Finds what is in a window, in order.
    pub fn look(&self, window: Window<'_>, effort: &mut Effort) -> Vec<Found<'_>> {
        let mut found = Vec::new();
        if window.from >= window.to {
            return found;
        }
        let mut candidates = std::mem::take(&mut effort.candidates);
        candidates.clear();
        for search in &self.searches {
            search.each(window.text, window.from..window.to, |hit| {
                if check::begins(window.text, hit.start) {
                    candidates.push((hit.start, Which::Any));
                }
            });
        }
        for Inner {
            search,
            shape,
            before,
        } in &self.inner
        {
            let (least, most) = (before.start(), before.end());
            // Hits come in order: no place is looked at for two of them.
            let mut next = window.from;
            search.each(window.text, window.from + least..window.to + most, |hit| {
                let first = hit.start.saturating_sub(*most).max(next);
                let last = (hit.start - least).min(window.to - 1);
                next = next.max(last + 1);
                let begins = (first..=last).filter(|at| check::begins(window.text, *at));
                candidates.extend(begins.map(|at| (at, Which::One(*shape))));
            });
        }
        if !self.anywhere.is_empty() {
            let places = (window.from..window.to).filter(|at| check::begins(window.text, *at));
            candidates.extend(places.map(|at| (at, Which::Any)));
        }
        candidates.sort_unstable();
        candidates.dedup();
        for (at, which) in &candidates {
            match which {
                Which::Any => self.look_at(window, *at, effort, &mut found),
                Which::One(shape) => found.extend(self.try_shape(*shape, 0, window, *at, effort)),
            }
        }
        effort.candidates = candidates;
        self.look_for_names(window, effort, &mut found);
        found.sort_by_key(|found| found.place.start);
        found
    }

    /// Tries every shape that could begin here.
    fn look_at<'a>(
        &'a self,
        window: Window<'_>,
        at: usize,
        effort: &mut Effort,
        found: &mut Vec<Found<'a>>,
    ) {
        let mut last = None;
        for Beginning { text, shape } in &self.beginnings[usize::from(window.text[at])] {
            if last != Some(*shape) && window.text[at..].starts_with(text) {
                last = Some(*shape);
                found.extend(self.try_shape(*shape, text.len(), window, at, effort));
            }
        }
        for shape in &self.anywhere {
            found.extend(self.try_shape(*shape, 0, window, at, effort));
        }
    }

    fn try_shape(
        &self,
        number: usize,
        fixed: usize,
        window: Window<'_>,
        at: usize,
        effort: &mut Effort,
    ) -> Option<Found<'_>> {
        let shape = &self.shapes[number];
        let position = window.offset + at as u64;
        let (resume, spent) = (&mut effort.resume[number], &mut effort.spent[number]);
        if position < *resume {
            return None;
        }
        let allowed = FREE_EFFORT + EFFORT * position;
        if *spent > allowed {
            effort.given_up[number] = true;
            return None;
        }
        let (budget, cache) = (allowed - *spent, &mut effort.caches[number]);
        let tried = shape
            .automaton
            .try_at(window.text, at, budget, cache, &shape.compiled);
        *spent += tried.cost;
        effort.given_up[number] |= *spent > allowed;
        let place = at..tried.end.filter(|end| *end > at)?;
        // A key does not begin within another text of the same shape.
        *resume = window.offset + place.end as u64;
        let rest = window.text.get(place.start + fixed..place.end)?;
        let is_key = check::ends(window.text, place.end)
            && !check::is_placeholder(rest)
            && !check::asks_for_a_key(rest)
            && shape
                .min_entropy
                .is_none_or(|least| check::entropy(rest) >= least)
            && std::str::from_utf8(&window.text[place.clone()]).is_ok();
        is_key.then_some(Found {
            place,
            provider: &shape.provider,
            field: &shape.field,
            fixed: Some(fixed),
        })
    }

    fn look_for_names<'a>(
        &'a self,
        window: Window<'_>,
        effort: &mut Effort,
        found: &mut Vec<Found<'a>>,
    ) {
        let reach = window.from..(window.to + LONGEST_NAME).min(window.text.len());
        let mut ends = Vec::new();
        for search in &self.name_ends {
            search.each(window.text, reach.clone(), |end| ends.push(end.end));
        }
        ends.sort_unstable();
        ends.dedup();
        for end in ends {
            let Some((name, owners, place)) = self.assigned(window, end) else {
                continue;
            };
            if window.offset + (name.start as u64) < effort.names_resume {
                continue;
            }
            effort.names_resume = window.offset + place.end as u64;
            let value = std::str::from_utf8(&window.text[place.clone()]).ok();
            let owner = value.and_then(|value| owners.iter().find(|owner| owner.takes(value)));
            found.extend(owner.map(|owner| Found {
                place,
                provider: &owner.provider,
                field: &owner.field.name,
                fixed: None,
            }));
        }
    }

    /// The known name that ends here, and what is assigned to it.
    fn assigned(
        &self,
        window: Window<'_>,
        end: usize,
    ) -> Option<(Range<usize>, &[Assigned], Range<usize>)> {
        let text = window.text;
        if text.get(end).is_some_and(|next| check::is_word(*next)) {
            return None;
        }
        let name = assignment::name_before(text, end);
        if !(window.from..window.to).contains(&name.start) || !check::begins(text, name.start) {
            return None;
        }
        let owners = self.names.get(&text[name.clone()])?;
        let place = assignment::value_after(text, end)?;
        let is_quoted = place.start > 0 && b"\"'`".contains(&text[place.start - 1]);
        let is_reference = !is_quoted && text[place.clone()].contains(&b'.');
        if is_reference && text[name.clone()].iter().any(u8::is_ascii_lowercase) {
            // `api_key = settings.api_key2`: code, and no file of settings.
            return None;
        }
        Some((name, owners, place))
    }

    /// Whose expressions turned out to be too large.
    pub fn left_out(&self) -> impl Iterator<Item = &ProviderName> {
        let large = self
            .shapes
            .iter()
            .filter(|shape| shape.automaton.is_too_large());
        large.map(|shape| &shape.provider)
    }

    /// Whose expressions cost so much on the file that was read that they did
    /// not see all of it.
    pub fn given_up(&self, effort: &Effort) -> impl Iterator<Item = &ProviderName> {
        let shapes = self.shapes.iter().zip(&effort.given_up);
        let given_up = shapes.filter(|(_, given_up)| **given_up);
        given_up.map(|(shape, _)| &shape.provider)
    }
}

impl Effort {
    /// Begins with another file.
    pub fn begin(&mut self) {
        self.spent.fill(0);
        self.resume.fill(0);
        self.given_up.fill(false);
        self.names_resume = 0;
        // However many shapes there are, memory stays within bounds.
        if self.caches.iter().flatten().count() > MOST_CACHES {
            self.caches.fill_with(|| None);
        }
    }
}

impl Assigned {
    fn takes(&self, value: &str) -> bool {
        let bytes = value.as_bytes();
        let beginnings = self
            .beginnings
            .iter()
            .filter(|text| bytes.starts_with(text));
        let fixed = beginnings.map(Vec::len).max().unwrap_or(0);
        let rest = &bytes[fixed..];
        let fits = match &self.field.pattern {
            Some(pattern) => {
                bytes.len() <= LONGEST
                    && pattern.fits(value)
                    && (fixed >= SHORT || check::entropy(rest) >= 3.0)
            }
            None => assignment::could_be_a_key(bytes),
        };
        fits && !check::is_placeholder(rest) && !check::asks_for_a_key(bytes)
    }
}
