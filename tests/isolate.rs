//! Isolation, tried from within: what a program finds in namespaces of its
//! own. Where the system allows none, these tests say so and pass, unless
//! `VAULT_TEST_REQUIRE` asks for `namespaces`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{make_folder, skip};
use vault::error::Error;
use vault::process::isolate::{ADDRESS, Plan, Waiting};

/// The program that has the hidden command, and folders to play with.
struct World {
    root: tempfile::TempDir,
    plan: Plan,
}

fn plan() -> Plan {
    Plan {
        stage: assert_cmd::cargo::cargo_bin!("vault").to_owned(),
        ..Plan::default()
    }
}

impl World {
    /// None where namespaces are not to be had.
    fn new() -> Option<Self> {
        // Asked of another program: that ours cannot must not look like this.
        let words = ["-Urmni", "mount", "-t", "tmpfs", "tmpfs", "/mnt"];
        let asked = Command::new("unshare").args(words).output();
        if !asked.is_ok_and(|output| output.status.success()) {
            skip("namespaces", "this machine allows none, or has no unshare");
            return None;
        }
        let plan = plan();
        plan.probe().unwrap();
        let root = tempfile::tempdir().unwrap();
        Some(Self { root, plan })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(name)
    }

    fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        make_folder(&path);
        path
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        make_folder(path.parent().unwrap());
        fs::write(&path, text).unwrap();
        path
    }

    fn hide(&mut self, path: impl Into<PathBuf>) {
        self.plan.hidden.push(path.into());
    }

    /// Runs a script in there, with these as `$1` and so on.
    #[track_caller]
    fn script<A: AsRef<OsStr>>(&self, script: &str, arguments: &[A]) -> String {
        let output = self.begin(script, arguments).end();
        said(&output)
    }

    fn begin<A: AsRef<OsStr>>(&self, script: &str, arguments: &[A]) -> Begun {
        let mut words: Vec<OsString> = ["-c", script, "sh"].map(OsString::from).into();
        words.extend(arguments.iter().map(|word| word.as_ref().to_owned()));
        let (mut command, mut waiting) = self.plan.command("sh".as_ref(), &words).unwrap();
        command
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        drop(command);
        let listener = waiting.listener().unwrap();
        waiting.go().unwrap();
        Begun { child, listener }
    }
}

/// A program inside, and the listener that it can reach.
struct Begun {
    child: Child,
    listener: TcpListener,
}

impl Begun {
    fn end(self) -> Output {
        self.child.wait_with_output().unwrap()
    }
}

/// Spawns a command of a plan, lets it begin and waits for its end.
#[track_caller]
fn end(mut command: Command, mut waiting: Waiting) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    drop(command);
    waiting.listener().unwrap();
    waiting.go().unwrap();
    child.wait_with_output().unwrap()
}

/// What a script that must succeed printed.
#[track_caller]
fn said(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

// The network.

/// What Python prints after it tried to reach something.
fn attempt(world: &World, code: &str, argument: &str) -> String {
    let program = format!(
        "import socket, sys\nwhere = sys.argv[1]\ntry:\n{}\n    print('reached')\nexcept OSError as e:\n    print(e.strerror or e)\n",
        code.lines()
            .map(|line| format!("    {line}\n"))
            .collect::<String>()
    );
    let path = world.file("attempt.py", &program);
    world.script(
        "exec python3 \"$1\" \"$2\"",
        &[path.as_os_str(), argument.as_ref()],
    )
}

fn has_python() -> bool {
    let found = Command::new("python3").arg("--version").output();
    let has = found.is_ok_and(|output| output.status.success());
    if !has {
        skip("python3", "it is not installed");
    }
    has
}

#[test]
fn the_listener_inside_is_the_parents_and_answers() {
    let Some(world) = World::new() else { return };
    if !has_python() {
        return;
    }
    let client = world.file(
        "client.py",
        "import socket\ns = socket.create_connection(('127.0.0.1', 8765))\ns.sendall(b'who?')\nprint(s.recv(100).decode())\n",
    );
    let begun = world.begin("exec python3 \"$1\"", &[client]);
    assert_eq!(begun.listener.local_addr().unwrap(), ADDRESS.into());
    // Where the client cannot come, nobody would.
    let is_heard = PollFlags::IN;
    let seconds = Timespec {
        tv_sec: 10,
        tv_nsec: 0,
    };
    let mut waited = [PollFd::new(&begun.listener, is_heard)];
    assert_eq!(poll(&mut waited, Some(&seconds)).unwrap(), 1);
    let (mut connection, peer) = begun.listener.accept().unwrap();
    assert!(peer.ip().is_loopback());
    let mut heard = [0; 4];
    connection.read_exact(&mut heard).unwrap();
    connection.write_all(b"the parent").unwrap();
    drop(connection);
    assert_eq!(
        (&heard, said(&begun.end()).as_str()),
        (b"who?", "the parent")
    );
}

#[test]
fn nothing_else_answers() {
    let Some(world) = World::new() else { return };
    if !has_python() {
        return;
    }
    let outside = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = outside.local_addr().unwrap().port().to_string();
    let tcp = "socket.create_connection(('127.0.0.1', int(where)), 5)";
    assert_eq!(attempt(&world, tcp, &port), "Connection refused");
    // And it is there, for whom is not isolated.
    drop(std::net::TcpStream::connect(outside.local_addr().unwrap()).unwrap());

    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = datagrams.local_addr().unwrap().port().to_string();
    let udp = "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.settimeout(5)\n\
               s.connect(('127.0.0.1', int(where)))\ns.send(b'x')\ns.recv(1)";
    assert_eq!(attempt(&world, udp, &port), "Connection refused");

    for address in ["192.0.2.1", "2001:db8::1", "169.254.169.254"] {
        let far = "socket.create_connection((where, 443), 5)";
        let answer = attempt(&world, far, address);
        assert_eq!(answer, "Network is unreachable", "{address}");
        let datagram = "family = socket.AF_INET6 if ':' in where else socket.AF_INET\n\
                        socket.socket(family, socket.SOCK_DGRAM).sendto(b'x', (where, 53))";
        let answer = attempt(&world, datagram, address);
        assert_eq!(answer, "Network is unreachable", "{address}");
    }
    let raw = "socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)";
    assert_eq!(attempt(&world, raw, ""), "Operation not permitted");
    let packet = "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)";
    assert_eq!(attempt(&world, packet, ""), "Operation not permitted");
    let name = "socket.getaddrinfo(where, 443)";
    let answer = attempt(&world, name, "example.com");
    assert!(!answer.contains("reached"), "{answer}");
}

#[test]
fn abstract_sockets_of_the_host_do_not_answer() {
    use std::os::linux::net::SocketAddrExt as _;
    let Some(world) = World::new() else { return };
    if !has_python() {
        return;
    }
    let name = format!("vault-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let code = "socket.socket(socket.AF_UNIX).connect('\\0' + where)";
    assert_eq!(attempt(&world, code, &name), "Connection refused");
}

#[test]
fn a_socket_that_listens_anywhere_on_this_machine_is_hidden_unasked() {
    let Some(world) = World::new() else { return };
    if !has_python() {
        return;
    }
    let path = world.folder("d").join("agent.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let code = "socket.socket(socket.AF_UNIX).connect(where)";
    assert_eq!(
        attempt(&world, code, path.to_str().unwrap()),
        "Connection refused"
    );
}

// The places.

#[test]
fn hidden_folders_are_empty_and_closed() {
    let Some(mut world) = World::new() else {
        return;
    };
    let file = world.file("home/vault/vault.age", "FAKE");
    world.hide(world.path("home/vault"));
    let script = "ls -A \"$1\" | wc -l; cat \"$1/vault.age\" || true; \
                  if touch \"$1/x\"; then echo written; fi";
    let printed = world.script(script, &[file.parent().unwrap()]);
    assert_eq!(printed.trim(), "0");
    // Nothing of it shows outside.
    assert_eq!(fs::read_to_string(&file).unwrap(), "FAKE");
}

#[test]
fn hidden_files_cannot_be_opened_written_or_replaced() {
    let Some(mut world) = World::new() else {
        return;
    };
    let file = world.file("shared/identity.txt", "FAKE");
    let near = world.file("shared/near", "seen");
    world.hide(&file);
    let script = "if cat \"$1\" 2>/dev/null; then echo read; fi
                  if echo x 2>/dev/null > \"$1\"; then echo written; fi
                  if mv \"$2\" \"$1\" 2>/dev/null; then echo replaced; fi
                  if rm -f \"$1\" 2>/dev/null; then echo removed; fi
                  cat \"$2\"";
    assert_eq!(world.script(script, &[&file, &near]), "seen");
    assert_eq!(fs::read_to_string(&file).unwrap(), "FAKE");
}

#[test]
fn a_link_hides_what_it_leads_to() {
    let Some(mut world) = World::new() else {
        return;
    };
    let file = world.file("real/identity.txt", "FAKE");
    let link = world.path("link.txt");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    world.hide(&link);
    let script = "if cat \"$1\" || cat \"$2\"; then echo read; fi 2>/dev/null";
    assert_eq!(world.script(script, &[&file, &link]), "");
}

#[test]
fn a_path_of_any_bytes_is_hidden() {
    let Some(mut world) = World::new() else {
        return;
    };
    let name = OsString::from_vec(b"a \xff\n\\".to_vec());
    let folder = world.path("x").join(name);
    make_folder(&folder);
    fs::write(folder.join("key"), "FAKE").unwrap();
    world.hide(&folder);
    assert_eq!(world.script("ls -A \"$1\"", &[folder]), "");
}

#[test]
fn what_is_kept_is_seen_and_cannot_be_changed() {
    let Some(mut world) = World::new() else {
        return;
    };
    let run = world.folder("runtime/vault/run-1");
    fs::write(run.join("ca.pem"), "a certificate").unwrap();
    world.file("runtime/vault/s.sock", "FAKE");
    world.file("runtime/bus", "FAKE");
    world.hide(world.path("runtime"));
    world.plan.keep = Some(run.clone());
    let script = "cat \"$1/ca.pem\"; echo; ls -A \"$1/..\" \"$1/../..\" | grep -v :
                  if touch \"$1/ca.pem\" \"$1/x\" 2>/dev/null; then echo written; fi";
    let printed = world.script(script, &[&run]);
    let lines: Vec<_> = printed.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, ["a certificate", "run-1", "vault"]);
}

#[test]
fn a_folder_that_we_stand_in_is_hidden_too() {
    let Some(mut world) = World::new() else {
        return;
    };
    let below = world.folder("vault/below");
    world.file("vault/identity.txt", "FAKE");
    world.hide(world.path("vault"));
    let (mut command, waiting) = world
        .plan
        .command("ls".as_ref(), &["-A".into(), ".".into()])
        .unwrap();
    command
        .current_dir(world.path("vault"))
        .stdout(Stdio::piped());
    let output = end(command, waiting);
    assert_eq!(said(&output), "");

    let (mut command, mut waiting) = world.plan.command("ls".as_ref(), &[]).unwrap();
    let mut child = command.current_dir(&below).spawn().unwrap();
    drop(command);
    let error = waiting.listener().unwrap_err();
    assert!(
        error.to_string().contains("this folder is hidden"),
        "{error}"
    );
    assert_eq!(error.hint(), Some("Go somewhere else first: cd ~"));
    child.wait().unwrap();
}

/// A script that a program inside runs in namespaces within its own, where it
/// has every right and mounts what it likes. (Root without rights may not map
/// itself, and does with being nobody.)
fn nested(world: &World, script: &str, argument: &Path) -> String {
    let outer = "options=-Urm; unshare $options true 2>/dev/null || options='-Um --keep-caps'
                 exec unshare $options sh -c \"$1\" sh \"$2\"";
    let script = format!("mount -t tmpfs tmpfs /mnt && echo may mount\n{script}");
    let printed = world.script(outer, &[script.as_ref(), argument.as_os_str()]);
    let rest = printed.strip_prefix("may mount");
    rest.expect("it has every right").trim().to_owned()
}

#[test]
fn nobody_inside_takes_the_covers_away() {
    let Some(mut world) = World::new() else {
        return;
    };
    let folder = world.folder("vault");
    fs::write(folder.join("key"), "FAKE").unwrap();
    world.hide(&folder);
    let tries = "{ umount \"$1\"; umount -l \"$1\"; mount -o remount,rw,bind \"$1\"; \
                 mount --move \"$1\" /mnt; } >/dev/null 2>&1; \
                 cat \"$1/key\" 2>/dev/null; touch \"$1/x\" 2>/dev/null && echo written; true";
    assert_eq!(world.script(tries, &[&folder]), "");
    assert_eq!(nested(&world, tries, &folder), "");
    let around = "mkdir -p \"$1/../around\"; mount --bind \"$1/..\" \"$1/../around\" 2>/dev/null \
                  && cat \"$1/../around/vault/key\" 2>/dev/null; true";
    assert_eq!(nested(&world, around, &folder), "");
}

/// Runs a test of this file once more, as what a script ends with that has
/// mounts of its own. There the whole world is isolated from.
#[track_caller]
fn in_own_mounts(script: &str, inner: &str, argument: &Path) -> String {
    let script = format!("{script}\nexec \"$0\" --exact --nocapture {inner}");
    let output = Command::new("unshare")
        .args(["-Urm", "--propagation", "shared", "sh", "-euc", &script])
        .arg(std::env::current_exe().unwrap())
        .arg(argument)
        .env("VAULT_TEST_INNER", argument)
        .output()
        .unwrap();
    said(&output)
}

/// What the inner half of a test was given; none when it runs by itself.
fn inner_argument() -> Option<PathBuf> {
    std::env::var_os("VAULT_TEST_INNER").map(PathBuf::from)
}

#[test]
fn another_mount_of_the_same_folder_does_not_show_it() {
    let Some(world) = World::new() else { return };
    world.file("there/vault/key", "FAKE");
    world.folder("other");
    let script = "mount --bind \"$1/there\" \"$1/other\"; cat \"$1/other/vault/key\"; echo";
    let printed = in_own_mounts(script, "inner_of_another_mount", &world.path(""));
    assert!(printed.starts_with("FAKE\n"), "{printed}");
    assert!(printed.contains("inner: <>"), "{printed}");
}

#[test]
fn inner_of_another_mount() {
    let Some(root) = inner_argument() else { return };
    let Some(mut world) = World::new() else {
        return;
    };
    world.hide(root.join("there/vault"));
    let script = "cat \"$1/other/vault/key\" \"$1/there/vault/key\" 2>/dev/null; true";
    println!("inner: <{}>", world.script(script, &[root]));
}

#[test]
fn sockets_of_who_acts_for_the_user_are_hidden_on_every_machine() {
    let Some(world) = World::new() else { return };
    // Files in their places do: what listens elsewhere, as in a container, is
    // in no list.
    let script = "mount -t tmpfs tmpfs /run; mkdir -p /run/user/0 /run/dbus /run/podman
                  cd /run; for name in docker.sock user/0/bus dbus/system podman/podman.sock; do
                      echo FAKE > $name
                  done; cd /";
    let printed = in_own_mounts(script, "inner_of_sockets", &world.path(""));
    assert!(printed.contains("inner: <>"), "{printed}");
}

#[test]
fn inner_of_sockets() {
    if inner_argument().is_none() {
        return;
    }
    let Some(world) = World::new() else { return };
    let script = "cat /run/docker.sock /run/user/0/bus /run/dbus/* /run/podman/* 2>/dev/null; true";
    println!("inner: <{}>", world.script(script, &[""; 0]));
}

#[test]
fn what_is_mounted_outside_later_is_not_seen() {
    let Some(world) = World::new() else { return };
    let root = world.path("");
    let printed = in_own_mounts(":", "inner_of_later_mount", &root);
    assert!(printed.contains("inner: <>"), "{printed}");
}

#[test]
fn inner_of_later_mount() {
    let Some(root) = inner_argument() else { return };
    let Some(world) = World::new() else { return };
    fs::create_dir(root.join("later")).unwrap();
    let script = "cat \"$1/go\" >/dev/null; ls -A \"$1/later\"";
    let go = root.join("go");
    let made = Command::new("mkfifo").arg(&go).status().unwrap();
    assert!(made.success());
    let begun = world.begin(script, &[&root]);
    let mount = "mount -t tmpfs tmpfs \"$0\" && touch \"$0/seen\"";
    let status = Command::new("sh")
        .args(["-c", mount])
        .arg(root.join("later"))
        .status();
    assert!(status.unwrap().success());
    fs::write(&go, "").unwrap();
    println!("inner: <{}>", said(&begun.end()));
}

#[test]
fn disks_cannot_be_read_past_the_file_system() {
    let Some(world) = World::new() else { return };
    let script = "for disk in $(find /dev -type b); do
                      if head -c1 \"$disk\" >/dev/null 2>&1; then echo \"$disk\"; fi
                  done";
    assert_eq!(world.script(script, &[""; 0]), "");
}

// The processes.

#[test]
fn processes_outside_stay_closed() {
    let Some(world) = World::new() else { return };
    // A program of the same user that anybody may dump.
    let mut other = Command::new("sleep")
        .arg("1000")
        .env("SECRET", "FAKE")
        .spawn()
        .unwrap();
    let process = format!("/proc/{}", other.id());
    assert!(fs::read(format!("{process}/environ")).is_ok());
    let script = "for file in environ maps mem fd/0 root cwd exe map_files ns/net; do
                      path=$1/$file
                      if cat \"$path\" || readlink \"$path\" || ls \"$path/.\"; then
                          echo \"open: $file\" >&3
                      fi >/dev/null
                  done 3>&1 2>/dev/null
                  test -d \"$1\" && echo there";
    let output = world.begin(script, &[&process]).end();
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(said(&output), "there");
}

#[test]
fn the_program_has_no_rights_and_gains_none() {
    let Some(world) = World::new() else { return };
    let printed = world.script("grep -E '^(Cap|NoNewPrivs)' /proc/self/status", &[""; 0]);
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines.len(), 6, "{printed}");
    for line in lines {
        let value = line.split_whitespace().last().unwrap();
        let expected = u64::from(line.starts_with("NoNewPrivs"));
        assert_eq!(u64::from_str_radix(value, 16).unwrap(), expected, "{line}");
    }
}

#[test]
fn the_program_is_the_user_that_it_was_and_can_be_looked_at_by_itself() {
    let Some(world) = World::new() else { return };
    let user = rustix::process::geteuid().as_raw().to_string();
    let group = rustix::process::getegid().as_raw().to_string();
    let script = "id -u; id -g; head -c1 /proc/self/environ >/dev/null && echo open";
    let printed = world.script(script, &[""; 0]);
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines, [&*user, &*group, "open"]);
}

#[test]
fn the_program_has_the_core_limit_that_the_stage_was_given() {
    let Some(world) = World::new() else { return };
    let highest = getrlimit(Resource::Core).maximum;
    let limit = highest.unwrap_or(u64::MAX).min(64 * 512);
    let words = ["-c", "ulimit -c"].map(OsString::from);
    let (mut command, waiting) = world.plan.command("sh".as_ref(), &words).unwrap();
    limit_core(&mut command, limit, highest);
    let output = end(command, waiting);
    let blocks: u64 = said(&output).parse().unwrap();
    // Shells count in blocks of 512 or 1024 bytes.
    let found = [blocks * 512, blocks * 1024];
    assert!(found.contains(&limit), "{found:?} {limit}");
}

#[allow(unsafe_code)] // `pre_exec`
fn limit_core(command: &mut Command, limit: u64, highest: Option<u64>) {
    use std::os::unix::process::CommandExt as _;
    let limit = Rlimit {
        current: Some(limit),
        maximum: highest,
    };
    // SAFETY: a single system call.
    unsafe { command.pre_exec(move || Ok(setrlimit(Resource::Core, limit)?)) };
}

#[test]
fn only_the_programs_own_three_descriptors_are_open() {
    let Some(world) = World::new() else { return };
    let folder = fs::File::open(world.root.path()).unwrap();
    let (mut command, waiting) = world
        .plan
        .command("sh".as_ref(), &["-c".into(), "echo /proc/self/fd/*".into()])
        .unwrap();
    // One that whoever started the parent left open.
    let number = leak(&mut command, folder);
    let output = end(command, waiting);
    let printed = said(&output);
    // The fourth is the shell's own, with which it looks.
    let open: Vec<_> = printed
        .split_whitespace()
        .map(|path| path.rsplit('/').next().unwrap().parse::<u32>().unwrap())
        .collect();
    assert!(
        number > 3 && open.len() == 4 && open[..3] == [0, 1, 2],
        "{printed}"
    );
    assert!(!open.contains(&number), "{printed}");
}

#[allow(unsafe_code)] // `pre_exec`
fn leak(command: &mut Command, file: fs::File) -> u32 {
    use std::os::fd::AsRawFd as _;
    use std::os::unix::process::CommandExt as _;
    let high = rustix::io::fcntl_dupfd_cloexec(file, 50).unwrap();
    let number = high.as_raw_fd().cast_unsigned();
    // SAFETY: a single system call.
    unsafe {
        command.pre_exec(move || {
            rustix::io::fcntl_setfd(&high, rustix::io::FdFlags::empty())?;
            Ok(())
        });
    }
    number
}

#[test]
fn the_number_of_the_program_is_that_of_the_child() {
    let Some(world) = World::new() else { return };
    let begun = world.begin("echo $$; exit 7", &[""; 0]);
    let number = begun.child.id().to_string();
    let output = begun.end();
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), number);
}

#[test]
fn variables_of_the_program_mean_nothing_to_the_stage() {
    let Some(world) = World::new() else { return };
    let (mut command, waiting) = world
        .plan
        .command(
            "sh".as_ref(),
            &["-c".into(), "echo $AGEDEBUG $COMPLETE".into()],
        )
        .unwrap();
    command
        .envs([
            ("AGEDEBUG", "plugin"),
            ("COMPLETE", "bash"),
            ("VAULT_HOME", "/nowhere"),
        ])
        .stdout(Stdio::piped());
    let output = end(command, waiting);
    assert_eq!(said(&output), "plugin bash");
}

#[test]
fn a_program_that_cannot_be_executed_is_told_apart_from_one_that_is_not_there() {
    let Some(world) = World::new() else { return };
    let plain = world.file("plain", "no program");
    let cases = [
        (
            Path::new("/nowhere/at-all"),
            127,
            std::io::ErrorKind::NotFound,
        ),
        (&plain, 126, std::io::ErrorKind::PermissionDenied),
    ];
    for (program, code, kind) in cases {
        let (mut command, mut waiting) = world.plan.command(program.as_ref(), &[]).unwrap();
        let mut child = command.spawn().unwrap();
        drop(command);
        waiting.listener().unwrap();
        assert_eq!(waiting.go().unwrap_err().kind(), kind);
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn the_program_ends_with_a_parent_that_is_killed() {
    let Some(world) = World::new() else { return };
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "inner_of_killed_parent"])
        .env("VAULT_TEST_INNER", world.path(""))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(parent.stdout.take().unwrap());
    let mut line = String::new();
    while line != "the program is there\n" {
        line.clear();
        assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it did not begin");
    }
    let start = std::time::Instant::now();
    parent.kill().unwrap();
    parent.wait().unwrap();
    // Nobody holds the pipe any more.
    stdout.read_to_string(&mut line).unwrap();
    assert!(start.elapsed().as_secs() < 15);
}

#[test]
fn inner_of_killed_parent() {
    if inner_argument().is_none() {
        return;
    }
    let Some(world) = World::new() else { return };
    let script = "echo the program is there; exec sleep 20";
    let words = ["-c", script].map(OsString::from);
    let (mut command, mut waiting) = world.plan.command("sh".as_ref(), &words).unwrap();
    let mut child = command.spawn().unwrap();
    drop(command);
    waiting.listener().unwrap();
    waiting.go().unwrap();
    child.wait().unwrap();
}

#[test]
fn queues_and_shared_memory_of_others_are_not_there() {
    let Some(world) = World::new() else { return };
    let made = Command::new("ipcmk").arg("-Q").output().unwrap();
    let identifier = said(&made).rsplit(' ').next().unwrap().to_owned();
    let script = "ipcs -q | grep -c '0x' || true";
    let inside = world.script(script, &[""; 0]);
    let outside = Command::new("sh").args(["-c", script]).output().unwrap();
    let removed = Command::new("ipcrm")
        .args(["-q", &identifier])
        .status()
        .unwrap();
    assert_eq!(inside, "0");
    assert_ne!(said(&outside), "0");
    assert!(removed.success());
}

#[test]
fn without_a_word_from_the_parent_nothing_begins() {
    let Some(world) = World::new() else { return };
    let mark = world.path("mark");
    let (mut command, mut waiting) = world
        .plan
        .command("touch".as_ref(), &[mark.clone().into()])
        .unwrap();
    let mut child = command.spawn().unwrap();
    drop(command);
    waiting.listener().unwrap();
    drop(waiting);
    assert_eq!(child.wait().unwrap().code(), Some(125));
    assert!(!mark.exists());
}

// What may stand in the way.

#[test]
fn where_no_namespace_may_be_made_it_is_refused_with_the_reason() {
    let Some(world) = World::new() else { return };
    for name in ["max_user_namespaces", "max_net_namespaces"] {
        let script = format!("echo 0 > /proc/sys/user/{name}");
        let printed = in_own_mounts(&script, "inner_of_refusal", &world.path(""));
        let hint = format!("Hint: Allow it: sudo sysctl -w user.{name}=10000");
        assert!(printed.contains(&hint), "{printed}");
    }
}

#[test]
fn inner_of_refusal() {
    if inner_argument().is_none() {
        return;
    }
    let error: Error = plan().probe().unwrap_err();
    println!("{error}\nHint: {}", error.hint().unwrap());
}

#[test]
fn the_hidden_command_is_not_for_people() {
    let environment = support::TestEnvironment::new();
    for words in [
        &["__isolate"][..],
        &["__isolate", "0", "true"],
        &["__isolate", "77", "true"],
    ] {
        environment
            .vault(words)
            .fails(2)
            .says(predicates::str::contains("vault run --isolate"));
    }
}
