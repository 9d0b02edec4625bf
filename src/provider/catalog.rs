//! All definitions: the bundled ones, and the user's own, which win. Asking
//! for one reads that one alone; a broken file takes out its own provider and
//! no other.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::definition::Definition;
use super::{bundled, parse};
use crate::error::{Error, Kind};
use crate::files::{self, PathContext};
use crate::name::ProviderName;
use crate::text::{nearest, printable};

/// The bundled definitions and those of a folder.
#[derive(Debug, Clone)]
pub struct Catalog {
    folder: Option<PathBuf>,
}

/// Where a definition comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It is part of this program.
    Bundled,
    /// It is the user's own.
    Custom,
}

impl Source {
    /// The word for it in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bundled => "bundled",
            Self::Custom => "custom",
        }
    }
}

/// A definition and where it comes from.
#[derive(Debug, Clone)]
pub struct Found {
    /// The definition in force.
    pub definition: Definition,
    /// Where it comes from.
    pub source: Source,
    /// The user's file, if it is that.
    pub path: Option<PathBuf>,
}

/// One line of the list of all providers.
#[derive(Debug)]
pub struct Entry {
    /// The provider's name, or, where that is what is wrong, the file's.
    pub name: String,
    /// Where its definition comes from.
    pub source: Source,
    /// The definition, or why it cannot be used.
    pub definition: Result<Definition, Error>,
}

impl Catalog {
    /// The bundled definitions and those in the user's folder, which need not
    /// be there.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// The definition in force of one provider.
    ///
    /// # Errors
    /// There is no such provider, or the user's file for it is broken.
    pub fn find(&self, name: &ProviderName) -> Result<Found, Error> {
        if let Some(path) = self.path_of(name)
            && let Some(definition) = read(&path, name)?
        {
            return Ok(Found {
                definition,
                source: Source::Custom,
                path: Some(path),
            });
        }
        let text = bundled::text(name.as_str()).ok_or_else(|| self.unknown(name.as_str()))?;
        Ok(Found {
            definition: parse::bundled(text, name)?,
            source: Source::Bundled,
            path: None,
        })
    }

    /// Whether there is a bundled definition of this name.
    pub fn is_bundled(name: &ProviderName) -> bool {
        bundled::text(name.as_str()).is_some()
    }

    /// The user's file for this provider, whether or not it is there.
    pub fn path_of(&self, name: &ProviderName) -> Option<PathBuf> {
        self.folder.as_deref().map(|folder| file_of(folder, name))
    }

    /// All names, sorted. A folder that cannot be read adds none.
    pub fn names(&self) -> Vec<ProviderName> {
        let mut names: Vec<ProviderName> = bundled::names()
            .filter_map(|name| name.parse().ok())
            .collect();
        names.extend(
            self.stems()
                .unwrap_or_default()
                .iter()
                .filter_map(|stem| stem.parse().ok()),
        );
        names.sort();
        names.dedup();
        names
    }

    /// All providers by name, the broken ones with their errors.
    ///
    /// # Errors
    /// The user's folder is there but cannot be read.
    pub fn all(&self) -> Result<Vec<Entry>, Error> {
        let mut stems: BTreeSet<String> = bundled::names().map(str::to_owned).collect();
        stems.extend(self.stems()?);
        Ok(stems.into_iter().map(|stem| self.entry(stem)).collect())
    }

    fn entry(&self, stem: String) -> Entry {
        let found = match stem.parse::<ProviderName>() {
            Ok(name) => self.find(&name),
            Err(bad) => {
                let folder = self.folder.as_deref().unwrap_or(Path::new(""));
                let path = folder.join(format!("{stem}.json"));
                Err(parse::broken(
                    &path.display().to_string(),
                    None,
                    &bad.to_string(),
                ))
            }
        };
        let name = printable(&stem).into_owned();
        match found {
            Ok(found) => Entry {
                name,
                source: found.source,
                definition: Ok(found.definition),
            },
            // Bundled definitions are whole: a test reads each of them.
            Err(error) => Entry {
                name,
                source: Source::Custom,
                definition: Err(error),
            },
        }
    }

    /// The name that was most likely meant.
    pub fn suggest(&self, given: &str) -> Option<String> {
        let names = self.names();
        nearest(given, names.iter().map(ProviderName::as_str)).map(str::to_owned)
    }

    /// The error about a provider that is not there.
    pub fn unknown(&self, given: &str) -> Error {
        let hint = match self.suggest(given) {
            Some(name) => format!("Did you mean '{name}'? See all: vault provider list"),
            None => "See all: vault provider list".to_owned(),
        };
        Error::new(
            Kind::NotFound,
            format!("No provider '{}'.", printable(given)),
        )
        .with_hint(hint)
    }

    /// What the files of the user's folder are called, without `.json`.
    fn stems(&self) -> Result<Vec<String>, Error> {
        let Some(folder) = &self.folder else {
            return Ok(Vec::new());
        };
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            failed => failed.at("read", folder)?,
        };
        let mut stems = Vec::new();
        for entry in entries {
            let file = entry.at("read", folder)?.file_name();
            let file = file.to_string_lossy();
            if let Some(stem) = file
                .strip_suffix(".json")
                .filter(|_| !file.starts_with('.'))
            {
                stems.push(stem.to_owned());
            }
        }
        Ok(stems)
    }
}

/// Where the user's definition of a provider lies.
pub(super) fn file_of(folder: &Path, name: &ProviderName) -> PathBuf {
    folder.join(format!("{name}.json"))
}

/// Reads a user's file; `None` where there is none.
fn read(path: &Path, name: &ProviderName) -> Result<Option<Definition>, Error> {
    let place = path.display().to_string();
    let broken = |what: &str| Err(parse::broken(&place, None, what));
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return if fs::symlink_metadata(path).is_ok() {
                broken("it is a link to a file that is not there")
            } else {
                Ok(None)
            };
        }
        // No file can be in a folder that is none.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
        known => known.at("read", path)?,
    };
    if metadata.is_dir() {
        return broken("it is a folder");
    }
    if !metadata.is_file() {
        // Opening a pipe could wait for ever.
        return broken("it is no regular file");
    }
    if metadata.len() == 0 && Catalog::is_bundled(name) {
        // `vault inspect P > providers/P.json`: the shell has emptied the file
        // before we run, to take what we print.
        return Ok(None);
    }
    let file = match files::read_private(path, parse::LARGEST) {
        Ok(Some(file)) => file,
        Ok(None) => return Ok(None),
        Err(error) if error.io_kind() == io::ErrorKind::FileTooLarge => {
            return broken(&format!("it is larger than {} bytes", parse::LARGEST));
        }
        Err(error) => return Err(error.into()),
    };
    let Ok(text) = std::str::from_utf8(&file.bytes) else {
        return broken("it is not UTF-8 text");
    };
    let mut definition = parse::custom(text.to_owned(), name, path)?;
    if file.loose_mode().is_some_and(|mode| mode & 0o022 != 0) {
        definition.warnings.push(format!(
            "others than you can write to {}",
            printable(&place)
        ));
    }
    Ok(Some(definition))
}
