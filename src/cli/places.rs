//! Where things lie.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use sha2::{Digest, Sha256};

use super::environment::Environment;
use crate::error::{Error, Kind, Result};
use crate::files::socket::PrivateSocket;
use crate::process;

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
    /// Rules, limits, budgets and routes.
    pub policy: PathBuf,
    /// Pins, usage, audit.
    pub state: PathBuf,
    /// Sockets.
    pub runtime: PathBuf,
    /// Sockets, where the folder above does not do.
    temporary: PathBuf,
    /// Sockets, where the paths of both are too long.
    shortest: PathBuf,
}

impl Places {
    /// The places that flag and environment name, else the platform's.
    ///
    /// # Errors
    /// There is no home folder.
    pub fn find(environment: &Environment, file: Option<&Path>) -> Result<Self> {
        let shared = environment.temporary.as_deref();
        let temporary = own_folder(&absolute(shared.unwrap_or(Path::new("/tmp")))?);
        let mut places = match &environment.home {
            Some(home) => Self::under(&absolute(home)?, temporary),
            None => Self::of_platform(temporary)?,
        };
        if let Some(file) = file.or(environment.file.as_deref()) {
            places.file = absolute(file)?;
            places.backups = None;
        }
        Ok(places)
    }

    /// Where files of the moment may lie, in the order in which to try.
    pub fn runtime_folders(&self) -> [&Path; 2] {
        [&self.runtime, &self.temporary]
    }

    /// Where sockets may lie, in the order in which to try: the last one is
    /// short enough for any address.
    pub fn socket_folders(&self) -> [&Path; 3] {
        [&self.runtime, &self.temporary, &self.shortest]
    }

    fn under(home: &Path, temporary: PathBuf) -> Self {
        Self {
            file: home.join("vault.age"),
            backups: Some(home.join("backups")),
            identity: home.join("identity.txt"),
            providers: home.join("providers"),
            policy: home.join("policy.json"),
            state: home.join("state"),
            runtime: home.join("state"),
            temporary,
            shortest: shortest(),
        }
    }

    fn of_platform(temporary: PathBuf) -> Result<Self> {
        let folders = ProjectDirs::from("", "", "vault").ok_or_else(|| {
            Error::new(Kind::Failed, "There is no home folder to keep the vault in")
                .with_hint("Say where: export VAULT_HOME=/path/to/a/folder")
        })?;
        let data = folders.data_dir();
        let runtime = folders
            .runtime_dir()
            .filter(|folder| folder.parent().is_some_and(is_own_folder));
        Ok(Self {
            file: data.join("vault.age"),
            backups: Some(data.join("backups")),
            identity: folders.config_dir().join("identity.txt"),
            providers: folders.config_dir().join("providers"),
            policy: folders.config_dir().join("policy.json"),
            state: folders
                .state_dir()
                .map_or_else(|| data.join("state"), Path::to_owned),
            runtime: runtime.map_or_else(|| temporary.clone(), Path::to_owned),
            temporary,
            shortest: shortest(),
        })
    }

    /// Everything that is ours alone, but for the vault file.
    pub fn own(&self) -> impl Iterator<Item = &Path> {
        let folders = [&self.identity, &self.providers, &self.policy, &self.state];
        let sockets = [&self.runtime, &self.temporary, &self.shortest];
        let all = folders.into_iter().chain(sockets).chain(&self.backups);
        all.map(PathBuf::as_path)
    }

    /// The socket of the session of the vault at `vault`.
    pub fn session_socket(&self, vault: &Path) -> PathBuf {
        let digest = Sha256::digest(vault.as_os_str().as_bytes());
        let name: String = digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = format!("s-{name}.sock");
        let mut places = self.socket_folders().map(|folder| folder.join(&name));
        let last = places.len() - 1;
        let fits = |path: &PathBuf| PrivateSocket::fits(path);
        let found = places.iter().position(fits).unwrap_or(last);
        std::mem::take(&mut places[found])
    }
}

/// Whether this is a folder of the user we act for. A runtime folder that is
/// named and missing is that of a session that has ended; one that belongs to
/// somebody else came along through su or sudo.
fn is_own_folder(folder: &Path) -> bool {
    folder
        .metadata()
        .is_ok_and(|found| found.is_dir() && found.uid() == process::user_id())
}

/// A folder for sockets where the platform gives none.
fn own_folder(shared: &Path) -> PathBuf {
    shared.join(format!("vault-{}", process::user_id()))
}

fn shortest() -> PathBuf {
    own_folder(Path::new("/tmp"))
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
        let places = Places::under(Path::new("/h"), PathBuf::from("/t"));
        assert_eq!(places.file, Path::new("/h/vault.age"));
        assert_eq!(places.identity, Path::new("/h/identity.txt"));
        assert_eq!(places.providers, Path::new("/h/providers"));
        assert_eq!(places.policy, Path::new("/h/policy.json"));
        assert_eq!(places.backups.as_deref(), Some(Path::new("/h/backups")));
        assert_eq!(places.state, Path::new("/h/state"));
    }

    #[test]
    fn a_runtime_folder_of_another_user_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        assert!(is_own_folder(folder.path()));
        assert!(!is_own_folder(&folder.path().join("missing")));
        if process::user_id() == 0 {
            std::os::unix::fs::chown(folder.path(), Some(12_345), None).unwrap();
            assert!(!is_own_folder(folder.path()));
        } else {
            assert!(!is_own_folder(Path::new("/")));
        }
    }

    #[test]
    fn a_socket_path_always_fits_an_address() {
        let under = |home: &str| Places::under(Path::new(home), PathBuf::from("/t"));
        let short = under("/h");
        assert!(
            short
                .session_socket(Path::new("/h/vault.age"))
                .starts_with("/h/state")
        );
        let long = under(&format!("/{}", "x".repeat(120)));
        let socket = long.session_socket(Path::new("/v"));
        assert!(socket.starts_with("/t"), "{}", socket.display());
        assert!(
            socket.as_os_str().len() <= crate::files::socket::LONGEST,
            "{}",
            socket.display()
        );
    }
}
