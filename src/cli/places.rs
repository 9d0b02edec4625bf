//! Where things lie.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use sha2::{Digest, Sha256};

use super::environment::Environment;
use crate::error::{Error, Kind, Result};
use crate::process;

/// What a socket's address can hold, everywhere.
const LONGEST_SOCKET: usize = 103;

/// The places of one user, or of one `VAULT_HOME`.
#[derive(Debug, Clone)]
pub struct Places {
    /// The vault, perhaps a symbolic link to it.
    pub file: PathBuf,
    /// Earlier vault files; `None` means beside the vault.
    pub backups: Option<PathBuf>,
    /// The machine's own identity.
    pub identity: PathBuf,
    /// The user's provider definitions.
    pub providers: PathBuf,
    /// Pins, usage, audit.
    pub state: PathBuf,
    /// Sockets.
    pub runtime: PathBuf,
}

impl Places {
    /// The places that flag and environment name, else the platform's.
    ///
    /// # Errors
    /// There is no home folder.
    pub fn find(environment: &Environment, file: Option<&Path>) -> Result<Self> {
        let mut places = match &environment.home {
            Some(home) => Self::under(&absolute(home)?),
            None => Self::of_platform()?,
        };
        if let Some(file) = file.or(environment.file.as_deref()) {
            places.file = absolute(file)?;
            places.backups = None;
        }
        Ok(places)
    }

    fn under(home: &Path) -> Self {
        Self {
            file: home.join("vault.age"),
            backups: Some(home.join("backups")),
            identity: home.join("identity.txt"),
            providers: home.join("providers"),
            state: home.join("state"),
            runtime: home.join("state"),
        }
    }

    fn of_platform() -> Result<Self> {
        let folders = ProjectDirs::from("", "", "vault").ok_or_else(|| {
            Error::new(Kind::Failed, "There is no home folder to keep the vault in")
                .with_hint("Say where: export VAULT_HOME=/path/to/a/folder")
        })?;
        let data = folders.data_dir();
        // A runtime folder that is named but missing is that of a session
        // that has ended, or of another user (su, sudo, cron).
        let runtime = folders
            .runtime_dir()
            .filter(|folder| folder.parent().is_some_and(Path::is_dir));
        Ok(Self {
            file: data.join("vault.age"),
            backups: Some(data.join("backups")),
            identity: folders.config_dir().join("identity.txt"),
            providers: folders.config_dir().join("providers"),
            state: folders
                .state_dir()
                .map_or_else(|| data.join("state"), Path::to_owned),
            runtime: runtime.map_or_else(temporary_runtime, Path::to_owned),
        })
    }

    /// The socket of the session of the vault at `vault`.
    pub fn session_socket(&self, vault: &Path) -> PathBuf {
        let digest = Sha256::digest(vault.as_os_str().as_bytes());
        let name: String = digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = format!("s-{name}.sock");
        let fits = |path: &PathBuf| path.as_os_str().len() + 12 <= LONGEST_SOCKET;
        [self.runtime.join(&name), temporary_runtime().join(&name)]
            .into_iter()
            .find(fits)
            .unwrap_or_else(|| own_folder(Path::new("/tmp")).join(&name))
    }
}

/// A folder for sockets where the platform gives none.
fn temporary_runtime() -> PathBuf {
    own_folder(&std::env::temp_dir())
}

fn own_folder(shared: &Path) -> PathBuf {
    shared.join(format!("vault-{}", process::user_id()))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| {
        Error::new(Kind::Failed, format!("Cannot find {}", path.display())).with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_a_home_of_its_own_everything_lies_under_it() {
        let places = Places::under(Path::new("/h"));
        assert_eq!(places.file, Path::new("/h/vault.age"));
        assert_eq!(places.identity, Path::new("/h/identity.txt"));
        assert_eq!(places.providers, Path::new("/h/providers"));
        assert_eq!(places.backups.as_deref(), Some(Path::new("/h/backups")));
        assert_eq!(places.state, Path::new("/h/state"));
    }

    #[test]
    fn a_socket_path_always_fits_an_address() {
        let short = Places::under(Path::new("/h"));
        assert!(
            short
                .session_socket(Path::new("/h/vault.age"))
                .starts_with("/h/state")
        );
        let long = Places::under(Path::new(&format!("/{}", "x".repeat(120))));
        let socket = long.session_socket(Path::new("/v"));
        assert!(
            socket.as_os_str().len() <= LONGEST_SOCKET,
            "{}",
            socket.display()
        );
    }
}
