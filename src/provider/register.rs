//! The user's own definitions as files: put there whole or not at all, and
//! taken away again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::catalog::file_of;
use super::definition::Definition;
use super::parse::validate;
use crate::error::{Error, Kind};
use crate::files::{self, PathContext};
use crate::name::ProviderName;
use crate::text::printable;

/// Checks a definition and puts its text, unchanged, into the user's folder.
/// `origin` is where it was read from. Returns the definition and its file.
///
/// # Errors
/// The definition cannot be used, there is one already and `force` is not
/// given, or the file cannot be written.
pub fn register(
    folder: &Path,
    text: &str,
    origin: &Path,
    force: bool,
) -> Result<(Definition, PathBuf), Error> {
    let definition = validate(text, origin)?;
    let path = file_of(folder, &definition.name);
    files::make_private_folder(folder)?;
    if force {
        files::replace_private(&path, text.as_bytes())?;
        return Ok((definition, path));
    }
    let staged = files::Staged::write(&path, text.as_bytes())?;
    match staged.place_new(&path) {
        Ok(()) => Ok((definition, path)),
        Err(error) if error.io_kind() == io::ErrorKind::AlreadyExists => {
            let message = format!(
                "There is a definition of '{}' already, {}.",
                definition.name,
                printable(&path.display().to_string())
            );
            Err(Error::new(Kind::Conflict, message).with_hint(format!(
                "Replace it with: vault provider register '{}' --force",
                printable(&origin.display().to_string())
            )))
        }
        Err(error) => Err(error.into()),
    }
}

/// Removes the user's own definition of a provider. Returns whether there was
/// one.
///
/// # Errors
/// The file cannot be removed.
pub fn remove(folder: &Path, name: &ProviderName) -> Result<bool, Error> {
    let path = file_of(folder, name);
    match fs::remove_file(&path) {
        Ok(()) => {
            files::sync_folder(folder)?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Ok(Err(error).at("remove", &path)?),
    }
}
