//! Keys of known providers that lie in plain files: where they are, whose they
//! are, and what tells one from another. Never what they are.
//!
//! Files are read in windows, so memory stays flat whatever a file's size and
//! however long its lines. Time is linear in what is read: what keys begin
//! with is searched for all shapes at once, a place where one could begin
//! costs a bounded look ahead, and an expression that is looked at too much is
//! given up for that file, and named.

mod assignment;
mod automaton;
mod check;
mod reader;
mod search;
mod shapes;
mod walk;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::name::{FieldName, ProviderName};
use crate::secret::Secret;

pub use shapes::Scanner;
pub use walk::{NotThere, Options};

/// One key in one place.
pub struct Finding {
    /// The file, as it was come upon; a dash for standard input.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// The character in the line that it begins at, from 1.
    pub column: u64,
    /// Whose it is.
    pub provider: ProviderName,
    /// Which of the provider's fields it is a value of.
    pub field: FieldName,
    /// The key itself.
    pub key: Secret,
    /// `sha256:` and the first half of the key's digest, for those who have
    /// no vault to compare it with.
    pub digest: String,
}

/// What came of a scan.
#[derive(Default)]
pub struct Report {
    /// By path, line and column.
    pub findings: Vec<Finding>,
    /// How many files were read.
    pub files: usize,
    /// How many were not: binaries, and what could not be read.
    pub skipped: usize,
    /// How many files and folders could not be read.
    pub unreadable: usize,
    /// How many keys of each provider there are.
    counts: BTreeMap<ProviderName, usize>,
    /// What a person should know of, in sentences.
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests;
