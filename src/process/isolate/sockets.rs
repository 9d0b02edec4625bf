//! Sockets in the file system on which somebody listens. A network namespace
//! does not close them: who can reach the file can connect, be it to a
//! container's daemon, a terminal multiplexer or an agent.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// All of them in this network namespace. To be called before leaving it.
pub fn bound_here() -> io::Result<Vec<PathBuf>> {
    // Another mount namespace may mean something else by the same path.
    let is_socket = |path: &PathBuf| {
        path.symlink_metadata()
            .is_ok_and(|found| found.file_type().is_socket())
    };
    let mut found = paths(&std::fs::read("/proc/net/unix")?);
    found.retain(is_socket);
    Ok(found)
}

/// The paths in `/proc/net/unix`: what follows seven columns. A name that
/// begins with `@` is abstract and belongs to the network namespace; one
/// without a slash in front says nothing to anybody else.
fn paths(listing: &[u8]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = listing
        .split(|byte| *byte == b'\n')
        .filter_map(after_columns)
        .filter(|path| path.starts_with(b"/"))
        .map(|path| Path::new(OsStr::from_bytes(path)).to_owned())
        .collect();
    found.sort();
    found.dedup();
    found
}

fn after_columns(line: &[u8]) -> Option<&[u8]> {
    let mut rest = line;
    for _ in 0..7 {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|byte| *byte == b' ')?;
        rest = &rest[end..];
    }
    rest.get(1..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_read() {
        let listing = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01    12 /run/a b.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 99999\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 12345 @/tmp/abstract\n\
            0000000000000000: 00000002 00000000 00000000 0002 01 12346 relative\n\
            0000000000000000: 00000002 00000000 00000000 0002 01 12347 /dev/log\n\
            0000000000000000: 00000002 00000000 00000000 0002 01 12347 /dev/log";
        let expected = [PathBuf::from("/dev/log"), PathBuf::from("/run/a b.sock")];
        assert_eq!(paths(listing), expected);
    }

    #[test]
    fn a_socket_of_this_test_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a socket");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(bound_here().unwrap().contains(&path));
    }
}
