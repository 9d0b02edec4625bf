//! The hidden command behind `run --isolate`, and what an isolated program is
//! not to find.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use directories::BaseDirs;

use crate::cli::context::Context;
use crate::cli::environment::Environment;
use crate::cli::output::{ColorChoice, Output};
use crate::cli::places::Places;
use crate::error::{Error, Kind, Result};
use crate::files;
use crate::process::{Inherited, isolate};
use crate::seal::IdentityFile;

/// The stage of an isolated program, if this process was started as that. It
/// is asked for before the environment is looked at, which is the program's.
pub fn stage(arguments: &[OsString], inherited: &std::io::Result<Inherited>) -> Option<u8> {
    let rest = match arguments {
        [_, command, rest @ ..] if command == isolate::COMMAND => rest,
        _ => return None,
    };
    let ended = match inherited {
        Ok(inherited) => isolate::stage(rest, inherited),
        Err(error) => Err(Error::new(Kind::Failed, error.to_string())),
    };
    Some(ended.unwrap_or_else(|error| {
        Output::new(false, false, ColorChoice::Never, true).error(&error);
        error.kind().exit_code()
    }))
}

/// The ways into the vault, and to whoever acts for the user.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// What an isolated program must not find.
    pub paths: Vec<PathBuf>,
    /// The folder of the vault, where other things lie too: it stays, the
    /// vault in it is hidden by itself, and is seen again, sealed, once it is
    /// replaced by a newer one. A person should know.
    pub shared: Option<PathBuf>,
}

impl Hidden {
    /// All that this run of the program knows of.
    ///
    /// # Errors
    /// There is no home folder.
    pub fn of(context: &Context) -> Result<Self> {
        let folders = BaseDirs::new();
        let home = folders.as_ref().map(BaseDirs::home_dir);
        let mut hidden = Self::default();
        hidden.add_places(&context.places()?, home);
        hidden.add_keys(&context.environment);
        let given = &context.global;
        hidden.paths.extend(given.identity.iter().cloned());
        hidden.paths.extend(given.passphrase_file.clone());
        // A runtime folder may be named wrongly; the home is needed.
        let is_needed = |path: &&PathBuf| home.is_some_and(|home| home.starts_with(path));
        let agents = context.environment.agents.iter();
        hidden
            .paths
            .extend(agents.filter(|path| !is_needed(path)).cloned());
        hidden
            .paths
            .extend(home.map(sockets_of_gnupg).unwrap_or_default());
        Ok(hidden)
    }

    /// What is ours: folders as a whole where nothing else lies in them, and
    /// everything that we know of in the others.
    fn add_places(&mut self, places: &Places, home: Option<&Path>) {
        // What the vault's path leads to may lie in another folder.
        let real = places.file.canonicalize().ok();
        for file in [&places.file].into_iter().chain(&real) {
            let mut lock = file.clone().into_os_string();
            lock.push(".lock");
            let folder = files::folder_of(file);
            self.paths.extend([file.clone(), lock.into()]);
            self.paths.push(folder.join("backups"));
            if is_ours(folder, file.file_name().unwrap_or_default(), home) {
                self.paths.push(folder.to_owned());
            } else if folder.is_dir() {
                self.shared = Some(folder.to_owned());
            }
        }
        let config = files::folder_of(&places.identity);
        if is_ours(config, OsStr::new("vault.age"), home) {
            self.paths.push(config.to_owned());
        }
        self.paths.extend(places.own().map(Path::to_owned));
        self.paths.push(config.join("policy.json"));
    }

    /// What variables say of keys, where they name files.
    fn add_keys(&mut self, environment: &Environment) {
        let is_path = |value: &&OsString| match value.to_str() {
            Some(text) => !IdentityFile::looks_like_identities(text),
            None => true,
        };
        let identity = environment.identity.as_ref().filter(is_path);
        self.paths.extend(identity.map(PathBuf::from));
        self.paths.extend(environment.passphrase_file.clone());
        self.paths.extend(environment.credentials.clone());
    }
}

/// What lies in a folder of ours beside the vault.
const OURS: [&str; 5] = [
    "identity.txt",
    "policy.json",
    "providers",
    "backups",
    "state",
];

/// Whether nothing lies there that is not ours, so that nobody misses it. The
/// user's home is never ours, whatever lies there.
fn is_ours(folder: &Path, vault: &OsStr, home: Option<&Path>) -> bool {
    if home.is_some_and(|home| home.starts_with(folder)) {
        return false;
    }
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    // Also its lock and its temporary files.
    let vault = vault.to_string_lossy();
    let is_of_vault = |name: &str| {
        let name = name.strip_prefix('.').unwrap_or(name);
        let rest = name.strip_prefix(&*vault);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    entries.flatten().all(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_temporary = name.starts_with(".identity.txt.tmp-");
        is_of_vault(&name) || is_temporary || OURS.contains(&&*name)
    })
}

/// Those of older systems; newer ones have them in the runtime folder.
fn sockets_of_gnupg(home: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home.join(".gnupg"));
    entries
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"S."))
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        folder: tempfile::TempDir,
        environment: Environment,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mut environment = Environment::read();
            environment.home = Some(folder.path().join("vault"));
            environment.file = None;
            environment.identity = None;
            Self {
                folder,
                environment,
            }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&self, name: &str) -> PathBuf {
            let path = self.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "FAKE").unwrap();
            path
        }

        fn hidden(&self, home: &str) -> Hidden {
            let mut hidden = Hidden::default();
            let places = Places::find(&self.environment, None).unwrap();
            hidden.add_places(&places, Some(&self.path(home)));
            hidden.add_keys(&self.environment);
            hidden
        }
    }

    #[test]
    fn a_folder_of_ours_is_hidden_whole() {
        let world = World::new();
        for name in [
            "vault.age",
            "vault.age.lock",
            ".vault.age.tmp-1-2",
            "identity.txt",
        ] {
            world.write(&format!("vault/{name}"));
        }
        let hidden = world.hidden("home");
        assert!(hidden.paths.contains(&world.path("vault")));
        assert_eq!(hidden.shared, None);
    }

    #[test]
    fn in_a_folder_of_others_only_what_is_ours_is_hidden() {
        for (stranger, home) in [("vault/notes.txt", "home"), ("vault/state", "vault/me")] {
            let world = World::new();
            let file = world.write("vault/vault.age");
            world.write(stranger);
            let hidden = world.hidden(home);
            assert!(!hidden.paths.contains(&world.path("vault")));
            for name in [
                "vault.age.lock",
                "identity.txt",
                "backups",
                "state",
                "providers",
            ] {
                assert!(
                    hidden.paths.contains(&world.path("vault").join(name)),
                    "{name}"
                );
            }
            assert!(hidden.paths.contains(&file));
            assert_eq!(hidden.shared, Some(world.path("vault")));
        }
    }

    #[test]
    fn every_folder_where_a_socket_may_lie_is_hidden() {
        let world = World::new();
        let places = Places::find(&world.environment, None).unwrap();
        let hidden = world.hidden("home");
        for folder in places.socket_folders() {
            assert!(hidden.paths.contains(&folder.to_owned()), "{folder:?}");
        }
    }

    #[test]
    fn what_the_vaults_path_leads_to_is_hidden_with_its_folder() {
        let world = World::new();
        let real = world.write("elsewhere/mine.age");
        std::fs::create_dir(world.path("vault")).unwrap();
        std::os::unix::fs::symlink(&real, world.path("vault/vault.age")).unwrap();
        let hidden = world.hidden("home");
        let elsewhere = real.canonicalize().unwrap().parent().unwrap().to_owned();
        assert!(hidden.paths.contains(&elsewhere));
        assert!(hidden.paths.contains(&world.path("vault")));
    }

    #[test]
    fn an_identity_in_a_variable_is_hidden_if_it_is_a_path() {
        let mut world = World::new();
        world.environment.identity = Some("/keys/mine.txt".into());
        assert!(
            world
                .hidden("home")
                .paths
                .contains(&"/keys/mine.txt".into())
        );
        let key = format!("AGE-SECRET-KEY-1{}", "FAKE".repeat(14));
        world.environment.identity = Some(key.into());
        let paths = world.hidden("home").paths;
        assert!(
            !paths
                .iter()
                .any(|path| path.to_string_lossy().contains("FAKE"))
        );
    }
}
