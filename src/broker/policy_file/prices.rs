//! The prices in force: the bundled ones, and those of a file before them.

use std::path::Path;
use std::sync::Arc;

use super::watched::{Change, Content, Watched, read};
use super::{Hear, News, shown};
use crate::error::{Error, Kind, Result};
use crate::usage::Prices;

/// `prices.json` as it was last read.
pub struct PriceFile(Watched<Prices>);

impl PriceFile {
    /// Reads it for the first time; it need not be there.
    ///
    /// # Errors
    /// It is broken, or cannot be read.
    pub fn open(path: &Path, hear: Hear) -> Result<Self> {
        let (text, content) = read(path);
        let shown = shown(path);
        let read = match &content {
            Content::Unread(reason) => Err(reason.clone()),
            Content::Absent | Content::Text(_) => prices_of(text.as_deref()),
        };
        let prices = read.map_err(|reason| {
            Error::new(
                Kind::InvalidInput,
                format!("{shown} has no prices: {reason}"),
            )
            .with_hint(look(&shown))
        })?;
        let told = move |change: Change<'_, Prices>| {
            let path = shown.clone();
            hear(&match change {
                Change::New(..) => News::Prices { path },
                Change::Broken(reason) => News::Broken {
                    hint: look(&path),
                    path,
                    reason: reason.to_owned(),
                },
                Change::Mended => News::Mended { path },
            });
        };
        let first = (prices, content);
        Ok(Self(Watched::new(path, prices_of, first, Box::new(told))))
    }

    /// Looks whether they have changed, also where that was done just now.
    pub fn look_now(&self) {
        self.0.look_now();
    }

    #[cfg(test)]
    pub(super) fn look(&self, now: super::watched::Glance) {
        self.0.look(now);
    }

    /// The prices that hold now.
    pub fn current(&self) -> Arc<Prices> {
        self.0.current()
    }
}

fn prices_of(text: Option<&str>) -> std::result::Result<Prices, String> {
    match text {
        None => Ok(Prices::embedded()),
        Some(text) => Prices::with_override(text).map_err(|bad| bad.to_string()),
    }
}

fn look(shown: &str) -> String {
    format!("Mend it, or put it aside: mv '{shown}' '{shown}.bak'")
}
