//! The table of mounts: under which other paths a file is to be found.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Every mount that there is.
#[derive(Debug)]
pub struct Mounts(Vec<Mount>);

#[derive(Debug)]
struct Mount {
    device: Vec<u8>,
    /// What of the file system is mounted.
    root: PathBuf,
    /// Where.
    point: PathBuf,
}

impl Mounts {
    /// Reads the table.
    pub fn read() -> io::Result<Self> {
        Ok(Self::parse(&std::fs::read("/proc/self/mountinfo")?))
    }

    /// proc_pid_mountinfo(5): number, parent, device, root, point.
    fn parse(table: &[u8]) -> Self {
        let mount = |line: &[u8]| {
            let mut columns = line.split(|byte| *byte == b' ').skip(2);
            Some(Mount {
                device: columns.next()?.to_owned(),
                root: unescaped(columns.next()?),
                point: unescaped(columns.next()?),
            })
        };
        Self(table.split(|b| *b == b'\n').filter_map(mount).collect())
    }

    /// The other paths of what is at `path`, and of what is mounted from
    /// within it. Some may be covered by later mounts.
    pub fn aliases(&self, path: &Path) -> Vec<PathBuf> {
        // Of several at one point the last lies on top.
        let holder = self
            .0
            .iter()
            .filter(|mount| path.starts_with(&mount.point))
            .max_by_key(|mount| mount.point.components().count());
        let Some((holder, rest)) = holder.and_then(|holder| {
            let rest = path.strip_prefix(&holder.point).ok()?;
            Some((holder, rest))
        }) else {
            return Vec::new();
        };
        let place = joined(&holder.root, rest);
        let alias = |mount: &Mount| {
            if let Ok(rest) = place.strip_prefix(&mount.root) {
                return Some(joined(&mount.point, rest));
            }
            mount.root.starts_with(&place).then(|| mount.point.clone())
        };
        let same = self.0.iter().filter(|mount| mount.device == holder.device);
        same.filter_map(alias)
            .filter(|alias| !alias.starts_with(path))
            .collect()
    }
}

/// Without the slash that joining nothing would leave at the end.
fn joined(folder: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() {
        folder.to_owned()
    } else {
        folder.join(rest)
    }
}

/// Blanks and backslashes are three octal digits there.
fn unescaped(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let code = after
            .get(..3)
            .filter(|_| *first == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"1 0 0:9 /@ / rw - btrfs x rw\n\
        2 1 0:9 /@home /home rw - btrfs x rw\n\
        3 1 0:9 / /mnt/whole\\040disk rw - btrfs x rw\n\
        4 1 0:9 /@home/you/vault/backups /srv/b rw - btrfs x rw\n\
        5 1 0:7 /@home/you /other rw - tmpfs x rw\n";

    #[test]
    fn a_file_is_found_under_every_mount_that_holds_it() {
        let mounts = Mounts::parse(TABLE);
        let found = mounts.aliases(Path::new("/home/you/vault"));
        let expected = ["/mnt/whole disk/@home/you/vault", "/srv/b"];
        assert_eq!(found, expected.map(PathBuf::from));
        assert_eq!(
            mounts.aliases(Path::new("/etc/vault")),
            [PathBuf::from("/mnt/whole disk/@/etc/vault")]
        );
        assert!(mounts.aliases(Path::new("/other/x")).is_empty());
    }

    #[test]
    fn a_mount_that_is_hidden_itself_is_found_elsewhere() {
        let mounts = Mounts::parse(TABLE);
        let found = mounts.aliases(Path::new("/home"));
        assert_eq!(
            found,
            ["/mnt/whole disk/@home", "/srv/b"].map(PathBuf::from)
        );
    }
}
