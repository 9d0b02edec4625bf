//! `unlock`, `lock`, and the session process between them.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::audit::{Entry, Event};
use crate::cli::context::Context;
use crate::cli::output;
use crate::error::{Error, Kind, Result};
use crate::seal::VaultKey;
use crate::secret::SecretBuffer;
use crate::span::Span;
use crate::unlock::session::{self, Ending, Keeper};
use crate::vault::{Places, Store};

/// Keep the vault open for a while, so that its passphrase is typed once
#[derive(Debug, Args)]
#[command(
    after_help = "A small process keeps the vault's key, not the passphrase, in memory that \
is neither swapped nor dumped, until nobody has asked for it for that long.\n\nExamples:\n  vault \
unlock\n  vault unlock --ttl 8h\n  vault lock"
)]
pub struct UnlockArgs {
    /// End when nothing was asked for this long
    #[arg(long, value_name = "TIME", default_value = "15m")]
    ttl: Span,
}

/// Two paths, a number and a key have room in it.
const LARGEST_ORDERS: usize = 64 * 1024;

/// What the session process is told on its standard input, before the key.
#[derive(Serialize, Deserialize)]
struct Orders {
    socket: PathBuf,
    vault: PathBuf,
    seconds: u64,
}

/// Begins a session.
pub fn run(args: &UnlockArgs, context: &Context) -> Result<()> {
    let (store, opened) = context.open()?;
    let orders = Orders {
        socket: context.places()?.session_socket(store.path()),
        vault: store.path().to_owned(),
        seconds: args.ttl.0.as_secs(),
    };
    start(&orders, &opened.key)?;
    let ttl = args.ttl.to_string();
    context.audit(&Entry::new(Event::Unlock, "unlock").with("ttl", &ttl));
    if context.output.json {
        return output::print_json(&serde_json::json!({"status": "unlocked", "ttl": ttl}));
    }
    context.output.note(&format!(
        "Unlocked until nothing has used it for {ttl}. End it sooner: vault lock"
    ));
    Ok(())
}

/// Ends the session.
pub fn lock(context: &Context) -> Result<()> {
    let store = context.store()?;
    let ended = match session::end(&context.places()?.session_socket(store.path())) {
        Ending::Ended => true,
        Ending::NoSession => false,
        Ending::Silent(process) => return Err(silent(process)),
    };
    if ended {
        context.audit(&Entry::new(Event::Lock, "lock"));
    }
    if context.output.json {
        return output::print_json(&serde_json::json!({"status": "locked", "ended": ended}));
    }
    context.output.note(if ended {
        "Locked."
    } else {
        "There was no session; the vault is locked."
    });
    Ok(())
}

fn silent(process: Option<u32>) -> Error {
    let (name, hint) = match process {
        Some(number) => (
            format!("The session (process {number})"),
            format!("End it yourself: kill -KILL {number}"),
        ),
        None => (
            "The session".to_owned(),
            "Find it and end it: ps -ef | grep __session".to_owned(),
        ),
    };
    let message = format!("{name} does not answer, and may still hold the key");
    Error::new(Kind::Failed, message).with_hint(hint)
}

/// Starts the session process and waits until it listens. It has no
/// environment, no terminal and none of our descriptors.
fn start(orders: &Orders, key: &VaultKey) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::new(Kind::Failed, "Cannot start the session").with_source(error)
    };
    let program = std::env::current_exe().map_err(failed)?;
    let mut child = Command::new(program)
        .arg("__session")
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let mut told = SecretBuffer::default();
    serde_json::to_writer(&mut told, orders).map_err(|error| failed(error.into()))?;
    told.push(b"\n");
    told.push(key.slot_text().as_bytes());
    let mut stdin = child
        .stdin
        .take()
        .expect("its standard input is a pipe of ours");
    stdin.write_all(told.as_bytes()).map_err(failed)?;
    drop(stdin);
    let mut stdout = child
        .stdout
        .take()
        .expect("its standard output is a pipe of ours");
    // To its end, not to the end of the line: then the session has also let go
    // of our pipes.
    let mut answer = String::new();
    stdout.read_to_string(&mut answer).map_err(failed)?;
    match answer.trim_end() {
        "ready" => Ok(()),
        "" => Err(
            Error::new(Kind::Failed, "The session ended before it began")
                .with_hint("See what is amiss: vault doctor"),
        ),
        reason => Err(
            Error::new(Kind::Failed, format!("Cannot start the session: {reason}"))
                .with_hint("See what is amiss: vault doctor"),
        ),
    }
}

/// The session process itself: hidden from people, started by `unlock`.
pub fn keep() -> Result<()> {
    crate::process::close_inherited_descriptors();
    let failed = |reason: String| Error::new(Kind::Failed, reason);
    // A session of its own survives the terminal that it was started from.
    // It fails only for a process that leads a group, which is not one that
    // `unlock` started.
    rustix::process::setsid()
        .map_err(|_| failed("This command is for vault itself; use: vault unlock".to_owned()))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    // Past the library's own buffer, which would keep the key for good.
    let told = SecretBuffer::read_from(rustix::stdio::stdin(), 0, LARGEST_ORDERS)
        .map_err(|error| failed(error.to_string()))?;
    let (orders, key) = understand(&told).map_err(failed)?;
    drop(told);
    let idle = std::time::Duration::from_secs(orders.seconds);
    let keeper = match Keeper::listen(&orders.socket, &key, idle) {
        Ok(keeper) => keeper,
        Err(error) => {
            output::print(&format!("{error}\n"))?;
            return Ok(());
        }
    };
    output::print("ready\n")?;
    detach().map_err(|error| failed(error.to_string()))?;
    // The one copy that stays is the keeper's.
    drop(key);
    let mut watch = Watch::of(&orders.vault);
    keeper.serve(&mut |key| watch.is_current(key));
    Ok(())
}

/// The orders are one line, the key is what follows.
fn understand(told: &SecretBuffer) -> Result<(Orders, VaultKey), String> {
    let mut parts = told.as_bytes().splitn(2, |byte| *byte == b'\n');
    let orders = serde_json::from_slice(parts.next().unwrap_or_default())
        .map_err(|error| error.to_string())?;
    let key = parts.next().and_then(VaultKey::from_slot_text);
    Ok((orders, key.ok_or("no key was given")?))
}

/// Lets go of the pipes of whoever started us, so that `$(vault unlock)`
/// returns.
fn detach() -> std::io::Result<()> {
    let null = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

/// Looks whether a key is still the vault's, and reads the file only when it
/// changed.
struct Watch {
    vault: PathBuf,
    seen: Option<(SystemTime, u64)>,
}

impl Watch {
    fn of(vault: &Path) -> Self {
        Self {
            vault: vault.to_owned(),
            seen: None,
        }
    }

    fn is_current(&mut self, key: &[u8]) -> bool {
        use std::os::unix::fs::MetadataExt;
        let Ok(metadata) = std::fs::metadata(&self.vault) else {
            return false;
        };
        let found = metadata.modified().ok().map(|time| (time, metadata.ino()));
        if found.is_some() && found == self.seen {
            return true;
        }
        self.seen = found;
        let places = Places {
            file: self.vault.clone(),
            state: PathBuf::new(),
            backups: None,
        };
        let sealed = Store::at(places, None)
            .ok()
            .and_then(|store| store.read().ok().flatten());
        let key = VaultKey::from_slot_text(key);
        matches!((sealed, key), (Some(sealed), Some(key)) if sealed.fits(&key))
    }
}
