//! What the program does not find: an empty folder that nobody can write lies
//! over each hidden folder, and over each hidden file a device that nobody can
//! open. The program cannot take them away: it has no rights over this mount
//! namespace, and in one of its own they are locked (mount_namespaces(7)).
//!
//! A path is hidden wherever the file system that holds it is mounted. Once a
//! file that was hidden by itself is replaced by another one, that one is
//! seen: the system drops a mount whose place is gone. So folders are hidden
//! where possible.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, OFlags, access};
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind, mount_change, mount_remount,
};

use super::channel::{Failure, Step};
use super::mounts::Mounts;
use super::sockets;

/// Who acts for the user, or for everybody, on a machine: their sockets, and
/// the folders in which they make new ones.
const MACHINE: [&str; 12] = [
    "/run/containerd",
    "/run/dbus",
    "/run/docker.sock",
    "/run/podman",
    "/run/snapd.socket",
    "/run/systemd/journal",
    "/run/systemd/private",
    "/tmp/.ICE-unix",
    "/tmp/.X11-unix",
    "/var/lib/incus/unix.socket",
    "/var/lib/lxd/unix.socket",
    "/var/run/docker.sock",
];

/// Everything that is to be hidden, under all its paths, none of them within
/// another one.
#[derive(Debug, PartialEq, Eq)]
pub struct Hidden(Vec<PathBuf>);

impl Hidden {
    /// These, and what no isolated program is to find on any machine. Looks
    /// around in the namespaces that the stage is about to leave.
    pub fn find(named: &[OsString], user: u32) -> Result<Self, Failure> {
        let looked = |error| Failure::of(Step::Look, error);
        let mounts = Mounts::read().map_err(looked)?;
        let mut wanted: Vec<PathBuf> = named.iter().map(PathBuf::from).collect();
        wanted.extend(MACHINE.map(PathBuf::from));
        wanted.push(format!("/run/user/{user}").into());
        wanted.extend(sockets::bound_here().map_err(looked)?);
        wanted.extend(disks(Path::new("/dev")));
        let mut found = Vec::new();
        for path in wanted {
            let Some(path) = resolved(&path)? else {
                continue;
            };
            let device = device(&path);
            let aliases = mounts.aliases(&path).into_iter();
            // A later mount can lie over it, and show something else there.
            found.extend(aliases.filter(|alias| self::device(alias) == device));
            found.push(path);
        }
        if found.iter().any(|path| path.parent().is_none()) {
            let root = Step::Hide("/".into());
            return Err(Failure::of(root, rustix::io::Errno::INVAL));
        }
        Ok(Self(outermost(found)))
    }

    /// Hides them. Has to be called in a mount namespace of our own.
    pub fn cover(&self, keep: Option<&Path>) -> Result<(), Failure> {
        let mounts = |error| Failure::of(Step::Mounts, error);
        // Held open, since its path may lead nowhere in a moment; and the
        // folder that we are in may be seen from within though it is hidden,
        // unless it is found by its path again.
        let kept = keep.map(Kept::open).transpose()?;
        let folder = std::env::current_dir().map_err(mounts)?;
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).map_err(|error| mounts(error.into()))?;
        for path in &self.0 {
            let hidden = if path.is_dir() {
                cover_folder(path, keep)
            } else {
                cover_file(path)
            };
            hidden.map_err(|error| Failure::of(Step::Hide(path.into()), error))?;
        }
        if let Some(kept) = kept {
            kept.put_back()?;
        }
        std::env::set_current_dir(&folder)
            .map_err(|error| Failure::of(Step::Folder(folder.into()), error))
    }
}

/// A folder that stays.
struct Kept<'a> {
    path: &'a Path,
    open: std::fs::File,
}

impl<'a> Kept<'a> {
    fn open(path: &'a Path) -> Result<Self, Failure> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let open = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)
            .map_err(|error| Failure::of(Step::Keep(path.into()), error))?;
        Ok(Self { path, open })
    }

    fn put_back(self) -> Result<(), Failure> {
        let source = format!("/proc/self/fd/{}", self.open.as_raw_fd());
        mount_bind(source, self.path)
            .and_then(|()| seal(self.path))
            .map_err(|error| Failure::of(Step::Keep(self.path.into()), error))
    }
}

fn cover_folder(path: &Path, keep: Option<&Path>) -> io::Result<()> {
    let options = c"mode=0755,size=64k";
    mount("tmpfs", path, "tmpfs", closed(), options)?;
    if let Some(keep) = keep.filter(|keep| keep.starts_with(path)) {
        std::fs::create_dir_all(keep)?;
    }
    Ok(seal(path)?)
}

/// A device on a mount without devices: not even root can open it.
fn cover_file(path: &Path) -> io::Result<()> {
    mount_bind("/dev/null", path)?;
    Ok(seal(path)?)
}

fn closed() -> MountFlags {
    MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC
}

/// Closes a mount for writing, and for all else that a mount can forbid. To
/// forbid more is always allowed, whatever is locked.
fn seal(path: &Path) -> rustix::io::Result<()> {
    mount_remount(path, MountFlags::BIND | MountFlags::RDONLY | closed(), c"")
}

/// The path without links, where there is something that we can reach at all.
fn resolved(path: &Path) -> Result<Option<PathBuf>, Failure> {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    match path.canonicalize() {
        Ok(path) => Ok(Some(path)),
        // Whom it is closed to now, it stays closed to.
        Err(error) if matches!(error.kind(), NotFound | NotADirectory | PermissionDenied) => {
            Ok(None)
        }
        Err(error) => Err(Failure::of(Step::Hide(path.into()), error)),
    }
}

fn device(path: &Path) -> Option<u64> {
    path.symlink_metadata().ok().map(|found| found.dev())
}

/// Disks that this user may read, past every file system: root, or who is in
/// the disks' group.
fn disks(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let path = entry.path();
        if kind.is_dir() {
            found.extend(disks(&path));
        } else if kind.is_block_device() && access(&path, Access::READ_OK).is_ok() {
            found.push(path);
        }
    }
    found
}

/// Without what lies within another one, once each.
fn outermost(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.sort();
    let mut kept: Vec<PathBuf> = Vec::new();
    for path in paths {
        if kept.last().is_none_or(|last| !path.starts_with(last)) {
            kept.push(path);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_within_a_hidden_folder_is_not_hidden_again() {
        let paths = ["/b/c/d", "/a", "/b", "/b.x", "/a", "/b/c"].map(PathBuf::from);
        let expected = ["/a", "/b", "/b.x"].map(PathBuf::from);
        assert_eq!(outermost(paths.into()), expected);
    }

    #[test]
    fn the_whole_tree_cannot_be_hidden() {
        let failure = Hidden::find(&["/".into()], 0).unwrap_err();
        assert_eq!(failure.step, Step::Hide("/".into()));
    }

    #[test]
    fn links_are_followed_and_what_is_not_there_is_no_matter() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (real, link) = (root.join("real"), root.join("link"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let named = [link, root.join("missing")].map(OsString::from);
        let Hidden(found) = Hidden::find(&named, 0).unwrap();
        assert!(found.contains(&real), "{found:?}");
        assert!(!found.contains(&root.join("missing")));
    }
}
