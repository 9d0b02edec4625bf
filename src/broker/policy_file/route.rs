//! Which set of routes is in use: one name in `state/route`, for all gateways
//! of that folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::watched::{Change, Content, Watched, read};
use super::{Hear, News, shown};
use crate::error::{Error, Kind, Result};
use crate::files;

/// The name of the set of routes that is in use where none was chosen.
pub const DEFAULT_ROUTE: &str = "default";

/// What stands for a choice that cannot be read. No set has this name, so that
/// none is used: it may have been made to keep data at home.
const UNREADABLE: &str = "(unreadable)";

/// Longer than any name that a person types.
const LONGEST: usize = 100;

/// `state/route` as it was last read.
pub struct RouteFile(pub(super) Watched<Arc<str>>);

impl RouteFile {
    /// Follows the file in this folder. Where it is not there, the default
    /// set is in use; where it cannot be read at the beginning, none is.
    pub fn open(state: &Path, hear: Hear) -> Self {
        let path = file_in(state);
        let (text, content) = read(&path);
        let first = match (name_of(text.as_deref()), content) {
            // The next look says so.
            (Err(_), _) | (_, Content::Unread(_)) => (UNREADABLE.into(), Content::Absent),
            (Ok(name), content) => (name, content),
        };
        let shown = shown(&path);
        let told = move |change: Change<'_, Arc<str>>| {
            let path = shown.clone();
            hear(&match change {
                Change::New(name, _) => News::Route {
                    name: Arc::clone(name),
                },
                Change::Broken(reason) => News::Broken {
                    path,
                    reason: reason.to_owned(),
                    hint: format!("Choose a set of routes: vault route use {DEFAULT_ROUTE}"),
                },
                Change::Mended => News::Mended { path },
            });
        };
        Self(Watched::new(&path, name_of, first, Box::new(told)))
    }

    /// The name of the set in use; that there is such a set is not said.
    pub fn in_use(&self) -> Arc<str> {
        Arc::clone(&self.0.current())
    }

    /// Looks whether it has changed, also where that was done just now.
    pub fn look_now(&self) {
        self.0.look_now();
    }
}

/// Puts a set of routes into use, for all gateways of this state folder.
///
/// # Errors
/// It is no name, or the file cannot be written.
pub fn use_route(state: &Path, name: &str) -> Result<()> {
    let name = name_of(Some(name)).map_err(|reason| {
        Error::new(
            Kind::InvalidInput,
            format!("That is no set of routes: {reason}"),
        )
        .with_hint("See which there are: vault route list")
    })?;
    files::make_private_folder(state)?;
    files::replace_private(&file_in(state), format!("{name}\n").as_bytes())?;
    Ok(())
}

fn file_in(state: &Path) -> PathBuf {
    state.join("route")
}

fn name_of(text: Option<&str>) -> Result<Arc<str>, String> {
    let Some(text) = text else {
        return Ok(DEFAULT_ROUTE.into());
    };
    let name = text.trim();
    if name.is_empty() {
        return Err("it names none".to_owned());
    }
    if name.len() > LONGEST || name.chars().any(char::is_control) {
        return Err("it is not one name on one line".to_owned());
    }
    Ok(name.into())
}
