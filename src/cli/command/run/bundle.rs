//! The files by which a child trusts the gateway: the authority's certificate
//! alone, for variables that add to what a client trusts, and beside the roots
//! that are trusted anyway, for those that replace them. They lie in a folder
//! of their own that goes with the run; what a killed run has left, the next
//! one takes away.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::files::{self, FileError, PathContext};
use crate::{net, process};

/// Larger files are no list of roots.
const LARGEST: usize = 16 * 1024 * 1024;
const FOLDER: &str = "run-";
const AUTHORITY: &str = "ca.pem";
const EVERYTHING: &str = "bundle.pem";

/// The two files, until this is dropped.
pub struct Bundle {
    folder: PathBuf,
    /// What is odd about it, to be told to the person.
    pub warnings: Vec<String>,
}

impl Bundle {
    /// Writes them under the first of these folders that can be written to.
    ///
    /// # Errors
    /// None can: each is somebody else's, or read-only.
    pub fn write(folders: &[&Path], authority: &str, trusted: &Trusted) -> Result<Self, FileError> {
        let mut failed = None;
        for folder in folders {
            match Self::write_in(folder, authority, trusted) {
                Ok(bundle) => return Ok(bundle),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or_else(|| {
            let nowhere = io::ErrorKind::NotFound.into();
            FileError::from_io("use", Path::new("a runtime folder"), nowhere)
        }))
    }

    fn write_in(runtime: &Path, authority: &str, trusted: &Trusted) -> Result<Self, FileError> {
        check_folder(runtime)?;
        sweep(runtime);
        let folder = make_folder(runtime)?;
        // From here on dropping it takes away what there is.
        let mut made = Self {
            folder,
            warnings: Vec::new(),
        };
        let everything = made.everything(authority, trusted, net::system_file());
        write(&made.authority(), authority.as_bytes())?;
        write(&made.path(), &everything)?;
        Ok(made)
    }

    /// The folder that both are in, and nothing else.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.join(AUTHORITY)
    }

    /// All that is to be trusted, the authority among it.
    pub fn path(&self) -> PathBuf {
        self.folder.join(EVERYTHING)
    }

    fn everything(&mut self, authority: &str, trusted: &Trusted, system: Option<&Path>) -> Vec<u8> {
        let mut all = Vec::new();
        let base = trusted.instead.as_deref().or(system);
        let others = trusted.besides.iter().map(PathBuf::as_path);
        let mut seen: Vec<&Path> = Vec::new();
        for path in base.into_iter().chain(others) {
            if seen.contains(&path) {
                continue;
            }
            seen.push(path);
            match read_roots(path) {
                Ok(roots) => append(&mut all, &roots),
                Err(error) => self.warnings.push(format!(
                    "The program does not get the roots of {}: {error}",
                    path.display()
                )),
            }
        }
        if all.is_empty() {
            self.warnings.push(
                "This system has no file of roots: the program can reach nothing by TLS but the \
                 providers that you are logged in to. Install its CA certificates, or name a \
                 file: export SSL_CERT_FILE=…"
                    .to_owned(),
            );
        }
        append(&mut all, authority.as_bytes());
        all
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// The files of roots that the environment names.
#[derive(Debug, Default)]
pub struct Trusted {
    /// In place of the system's own.
    pub instead: Option<PathBuf>,
    /// Beside them: what one client or another was told to trust.
    pub besides: Vec<PathBuf>,
}

/// As bytes; whether they are certificates is their reader's business.
fn read_roots(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe could keep us waiting, and a folder is searched in another way.
    let found = fs::metadata(path)?;
    if !found.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if found.len() > LARGEST as u64 {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    fs::read(path)
}

fn append(all: &mut Vec<u8>, more: &[u8]) {
    if all.last().is_some_and(|last| *last != b'\n') {
        all.push(b'\n');
    }
    all.extend_from_slice(more);
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = files::create_new_private(path).at("make", path)?;
    file.write_all(bytes).at("write", path)
}

/// Under a shared folder for temporary files somebody else may have been
/// first.
fn check_folder(folder: &Path) -> Result<(), FileError> {
    files::make_private_folder(folder)?;
    let found = fs::symlink_metadata(folder).at("look at", folder)?;
    let is_ours = found.is_dir() && found.uid() == process::user_id() && found.mode() & 0o022 == 0;
    if is_ours {
        return Ok(());
    }
    let reason = "others can change it";
    let reason = io::Error::new(io::ErrorKind::PermissionDenied, reason);
    Err(FileError::from_io("use the folder", folder, reason))
}

/// A folder that was not there before, named for this process.
fn make_folder(runtime: &Path) -> Result<PathBuf, FileError> {
    let mut random = [0; 8];
    getrandom::getrandom(&mut random)
        .map_err(io::Error::from)
        .at("name a folder in", runtime)?;
    let number = std::process::id();
    let path = runtime.join(format!(
        "{FOLDER}{number}-{:016x}",
        u64::from_le_bytes(random)
    ));
    DirBuilder::new()
        .mode(0o700)
        .create(&path)
        .at("make the folder", &path)?;
    Ok(path)
}

/// Takes away the folders of runs that are over.
fn sweep(runtime: &Path) {
    let Ok(entries) = fs::read_dir(runtime) else {
        return;
    };
    for entry in entries.flatten() {
        let is_left = process_of(&entry.file_name()).is_some_and(|id| !process::is_alive(id));
        if is_left {
            remove(&entry.path());
        }
    }
}

/// The number of the process that a folder is named for.
fn process_of(name: &OsStr) -> Option<u32> {
    let (number, random) = name.to_str()?.strip_prefix(FOLDER)?.split_once('-')?;
    let is_random = random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit());
    number.parse().ok().filter(|_| is_random)
}

/// Only what is ours in it, and it only if nothing else is.
fn remove(folder: &Path) {
    for name in [AUTHORITY, EVERYTHING] {
        let _ = fs::remove_file(folder.join(name));
    }
    let _ = fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "-----BEGIN CERTIFICATE-----\nFAKE\n-----END CERTIFICATE-----\n";

    fn made(trusted: &Trusted, system: Option<&Path>) -> (String, Vec<String>) {
        let mut bundle = Bundle {
            folder: PathBuf::from("/nonexistent"),
            warnings: Vec::new(),
        };
        let all = bundle.everything(OURS, trusted, system);
        let warnings = std::mem::take(&mut bundle.warnings);
        (String::from_utf8(all).unwrap(), warnings)
    }

    #[test]
    fn the_files_are_private_and_go_with_the_run() {
        let root = tempfile::tempdir().unwrap();
        let runtime = root.path().join("runtime");
        let bundle = Bundle::write_in(&runtime, OURS, &Trusted::default()).unwrap();
        assert_eq!(fs::read_to_string(bundle.authority()).unwrap(), OURS);
        assert!(fs::read_to_string(bundle.path()).unwrap().ends_with(OURS));
        assert_eq!(fs::metadata(&bundle.folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(bundle.path()).unwrap().mode() & 0o777, 0o600);
        drop(bundle);
        assert_eq!(fs::read_dir(&runtime).unwrap().count(), 0);
    }

    #[test]
    fn what_a_dead_run_left_is_swept_and_what_a_living_one_uses_is_not() {
        let root = tempfile::tempdir().unwrap();
        let mut gone = std::process::Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        let folder = |name: String| {
            let path = root.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join(EVERYTHING), "FAKE").unwrap();
            path
        };
        let dead = folder(format!("run-{}-0123456789abcdef", gone.id()));
        let living = folder(format!("run-{}-0123456789abcdef", std::process::id()));
        let others = folder(format!("run-{}", gone.id()));
        let bundle = Bundle::write_in(root.path(), OURS, &Trusted::default()).unwrap();
        assert!(!dead.exists());
        assert!(living.exists() && others.exists());
        drop(bundle);
    }

    #[test]
    fn the_bundle_holds_the_systems_roots_or_those_that_stand_in_for_them() {
        let root = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = root.path().join(name);
            fs::write(&path, name).unwrap();
            path
        };
        let (system, own, other) = (file("system"), file("own"), file("other"));
        let (all, warnings) = made(&Trusted::default(), Some(&system));
        assert_eq!(all, format!("system\n{OURS}"));
        assert!(warnings.is_empty());
        let trusted = Trusted {
            instead: Some(own.clone()),
            besides: vec![other.clone(), own, other, root.path().join("missing")],
        };
        let (all, warnings) = made(&trusted, Some(&system));
        assert_eq!(all, format!("own\nother\n{OURS}"));
        assert!(
            warnings.len() == 1 && warnings[0].contains("missing"),
            "{warnings:?}"
        );
    }

    #[test]
    fn without_any_roots_the_authority_stands_alone_and_it_is_said() {
        let (all, warnings) = made(&Trusted::default(), None);
        assert_eq!(all, OURS);
        assert!(warnings[0].contains("no file of roots"), "{warnings:?}");
    }

    #[test]
    fn a_runtime_folder_that_others_can_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Bundle::write_in(root.path(), OURS, &Trusted::default()).is_err());
        let link = root.path().join("link");
        std::os::unix::fs::symlink(tempfile::tempdir().unwrap().path(), &link).unwrap();
        assert!(Bundle::write_in(&link, OURS, &Trusted::default()).is_err());
    }
}
