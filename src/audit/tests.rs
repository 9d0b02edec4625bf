use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use tempfile::TempDir;

use super::verify::VerifyError;
use super::*;

const NOW: &str = "2026-01-08T12:00:00Z";

struct Fixture {
    folder: TempDir,
    log: Log,
}

impl Fixture {
    /// A log of so many entries.
    fn with(entries: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::at(&folder.path().join("state")).about(Path::new("/v/vault.age"));
        let made = Self { folder, log };
        (1..=entries).for_each(|number| made.add(number));
        made
    }

    fn add(&self, number: u64) {
        self.log.append(&entry(number), now()).unwrap();
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.log.path()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn put(&self, lines: &[String]) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(self.log.path(), text).unwrap();
    }

    fn head(&self) -> PathBuf {
        self.folder.path().join("state/audit.head")
    }

    fn verify(&self) -> Result<Verified, Fault> {
        self.verify_with(&[])
    }

    fn verify_with(&self, remembered: &[Mark]) -> Result<Verified, Fault> {
        self.log.verify(remembered).map_err(|error| match error {
            VerifyError::Broken(broken) => broken.fault,
            VerifyError::Audit(error) => panic!("{error}"),
        })
    }

    fn entries(&self) -> u64 {
        self.verify().unwrap().entries
    }
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn entry(number: u64) -> Entry {
    Entry::new(Event::Login, "login").with_number("number", number)
}

#[test]
fn a_line_has_its_facts_and_the_digest_of_the_line_before() {
    let made = Fixture::with(2);
    let lines = made.lines();
    let read = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let (first, second) = (read(&lines[0]), read(&lines[1]));
    assert_eq!(first["seq"], 1);
    assert_eq!(first["time"], NOW);
    assert_eq!(first["event"], "login");
    assert_eq!(first["command"], "login");
    assert_eq!(first["vault"], "/v/vault.age");
    assert_eq!(first["number"], 1);
    assert_eq!(first["prev"], "0".repeat(64));
    assert_eq!(second["prev"], first["hash"]);
    let (content, _) = lines[0].split_once(",\"hash\":").unwrap();
    assert_eq!(first["hash"], line::digest(content.as_bytes()));
    assert_eq!(made.entries(), 2);
}

#[test]
fn only_the_owner_reads_it_whoever_made_the_file() {
    let made = Fixture::with(1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(made.log.path()), 0o600);
    assert_eq!(mode(&made.head()), 0o600);
    assert_eq!(mode(made.log.path().parent().unwrap()), 0o700);
    fs::set_permissions(made.log.path(), fs::Permissions::from_mode(0o644)).unwrap();
    made.add(2);
    assert_eq!(mode(made.log.path()), 0o600);
}

#[test]
fn every_edit_is_found_and_its_line_is_named() {
    type Edit = fn(&mut Vec<String>);
    let edits: [(&str, Edit, Fault); 9] = [
        (
            "a letter",
            |lines| lines[2] = lines[2].replace("\"number\":3", "\"number\":4"),
            Fault::Changed { line: 3 },
        ),
        (
            "a space",
            |lines| lines[2].push(' '),
            Fault::Foreign { line: 3 },
        ),
        (
            "a line taken out",
            |lines| drop(lines.remove(2)),
            Fault::OutOfOrder {
                line: 3,
                found: 4,
                wanted: 3,
            },
        ),
        (
            "the first line taken out",
            |lines| drop(lines.remove(0)),
            Fault::OutOfOrder {
                line: 1,
                found: 2,
                wanted: 1,
            },
        ),
        (
            "two lines swapped",
            |lines| lines.swap(1, 2),
            Fault::OutOfOrder {
                line: 2,
                found: 3,
                wanted: 2,
            },
        ),
        (
            "a line put in",
            |lines| lines.insert(2, "{}".to_owned()),
            Fault::Foreign { line: 3 },
        ),
        (
            "a line twice",
            |lines| lines.insert(2, lines[1].clone()),
            Fault::OutOfOrder {
                line: 3,
                found: 2,
                wanted: 3,
            },
        ),
        (
            "the end cut off",
            |lines| lines.truncate(3),
            Fault::CutOff { line: 3, wanted: 5 },
        ),
        ("emptied", Vec::clear, Fault::Gone { wanted: 5 }),
    ];
    for (what, edit, fault) in edits {
        let made = Fixture::with(5);
        let mut lines = made.lines();
        edit(&mut lines);
        made.put(&lines);
        assert_eq!(made.verify(), Err(fault.clone()), "{what}");
        // And what comes afterwards papers nothing over.
        made.add(6);
        assert!(made.verify().is_err(), "{what}, and another line");
        made.add(7);
        assert!(made.verify().is_err(), "{what}, and two other lines");
    }
}

#[test]
fn no_byte_of_it_can_be_changed_put_in_taken_out_or_be_the_last() {
    let made = Fixture::with(2);
    let whole = fs::read(made.log.path()).unwrap();
    // A part of all places: each costs the disk's time.
    let is_tried = |at: &usize| at.is_multiple_of(7) || whole.len() - at < 4;
    for at in (0..whole.len()).filter(is_tried) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        let mut longer = whole.clone();
        longer.insert(at, b'0');
        let mut broken = whole.clone();
        broken.insert(at, b'\n');
        let mut shorter = whole.clone();
        shorter.remove(at);
        let cut = whole[..at].to_vec();
        for (what, bytes) in [
            ("flipped", flipped),
            ("put in", longer),
            ("a line end put in", broken),
            ("taken out", shorter),
            ("cut off", cut),
        ] {
            fs::write(made.log.path(), bytes).unwrap();
            assert!(made.verify().is_err(), "{what} at {at}");
        }
    }
    fs::write(made.log.path(), &whole).unwrap();
    assert_eq!(made.entries(), 2);
}

/// The line anew, with a digest that fits.
fn forged(line: &str, from: &str, to: &str) -> String {
    let line = line.replace(from, to);
    let (content, _) = line.split_once(",\"hash\":").unwrap();
    format!(
        "{content},\"hash\":\"{}\"}}",
        line::digest(content.as_bytes())
    )
}

#[test]
fn a_line_that_was_forged_with_its_digest_does_not_fit_the_others() {
    let made = Fixture::with(3);
    let mut lines = made.lines();
    lines[1] = forged(&lines[1], "\"number\":2", "\"number\":9");
    made.put(&lines);
    assert_eq!(made.verify(), Err(Fault::Replaced { line: 3 }));
    // The last one fits nothing but the head.
    let made = Fixture::with(3);
    let mut lines = made.lines();
    lines[2] = forged(&lines[2], "\"number\":3", "\"number\":9");
    made.put(&lines);
    assert_eq!(made.verify(), Err(Fault::Other { line: 3, seq: 3 }));
    made.add(4);
    assert_eq!(made.verify(), Err(Fault::Replaced { line: 4 }));
}

#[test]
fn a_log_that_is_gone_is_missed_by_its_head_or_by_what_is_remembered_elsewhere() {
    let made = Fixture::with(5);
    let mark = made.log.head().unwrap().unwrap();
    fs::remove_file(made.log.path()).unwrap();
    assert_eq!(made.verify(), Err(Fault::Gone { wanted: 5 }));
    fs::remove_file(made.head()).unwrap();
    assert_eq!(made.verify().map(|found| found.entries), Ok(0));
    let gone = Err(Fault::Gone { wanted: 5 });
    assert_eq!(made.verify_with(std::slice::from_ref(&mark)), gone);
    // A new log does not begin as if there had been none.
    let log = made.log.clone().remembering(Some(mark.clone()));
    log.append(&entry(6), now()).unwrap();
    let fault = Fault::OutOfOrder {
        line: 1,
        found: 6,
        wanted: 1,
    };
    assert_eq!(made.verify(), Err(fault));
}

#[test]
fn a_log_and_a_head_that_were_cut_alike_are_missed_by_what_is_remembered() {
    let made = Fixture::with(3);
    let (lines, head) = (made.lines(), fs::read(made.head()).unwrap());
    (4..=5).for_each(|number| made.add(number));
    let mark = made.log.head().unwrap().unwrap();
    made.put(&lines);
    fs::write(made.head(), head).unwrap();
    assert_eq!(made.entries(), 3);
    let known = std::slice::from_ref(&mark);
    assert_eq!(
        made.verify_with(known),
        Err(Fault::CutOff { line: 3, wanted: 5 })
    );
    // Also where it grew as long again without us.
    (4..=6).for_each(|number| made.add(number + 100));
    assert_eq!(
        made.verify_with(known),
        Err(Fault::Other { line: 5, seq: 5 })
    );
}

#[test]
fn a_log_without_its_head_does_not_pass() {
    let made = Fixture::with(3);
    fs::remove_file(made.head()).unwrap();
    assert_eq!(made.verify(), Err(Fault::NoHead { line: 3 }));
}

#[test]
fn no_log_and_nothing_remembered_is_nothing_amiss() {
    let made = Fixture::with(0);
    let none = Verified {
        entries: 0,
        since: None,
        accepted: None,
        is_torn: false,
    };
    assert_eq!(made.verify(), Ok(none));
}

#[test]
fn a_kill_between_the_line_and_its_head_is_no_false_alarm() {
    for entries in [0, 3] {
        let made = Fixture::with(entries);
        let head = fs::read(made.head()).ok();
        made.add(entries + 1);
        match head {
            Some(head) => fs::write(made.head(), head).unwrap(),
            None => fs::remove_file(made.head()).unwrap(),
        }
        assert_eq!(made.entries(), entries + 1);
        made.add(entries + 2);
        assert_eq!(made.entries(), entries + 2);
    }
}

#[test]
fn a_line_that_a_crash_cut_is_told_of_and_bound_by_the_next_one() {
    for cut in [1, 40, 250] {
        let made = Fixture::with(2);
        let before = fs::read(made.head()).unwrap();
        made.add(3);
        let text = fs::read(made.log.path()).unwrap();
        let whole: usize = made.lines()[..2].iter().map(|line| line.len() + 1).sum();
        fs::write(made.log.path(), &text[..whole + cut]).unwrap();
        fs::write(made.head(), &before).unwrap();
        let found = made.verify().unwrap();
        assert!(found.is_torn, "{cut}");
        assert_eq!(found.entries, 2);
        made.add(3);
        let found = made.verify().unwrap();
        assert!(!found.is_torn, "{cut}");
        // The line that tells of it, and the new one.
        assert_eq!(found.entries, 4);
        let lines = made.lines();
        assert!(lines[3].contains("\"event\":\"torn\""), "{}", lines[3]);
        // What stands there is no place to write something else.
        let mut changed = lines.clone();
        changed[2].push('x');
        made.put(&changed);
        assert_eq!(made.verify(), Err(Fault::NoTorn { line: 4 }));
        let mut without = lines.clone();
        without.remove(2);
        made.put(&without);
        assert_eq!(made.verify(), Err(Fault::NoTorn { line: 3 }));
    }
}

#[test]
fn a_line_whose_end_was_cut_by_hand_is_no_crash() {
    let made = Fixture::with(3);
    let text = fs::read(made.log.path()).unwrap();
    fs::write(made.log.path(), &text[..text.len() - 20]).unwrap();
    assert_eq!(made.verify(), Err(Fault::CutOff { line: 2, wanted: 3 }));
    made.add(4);
    assert!(made.verify().is_err());
}

#[test]
fn what_is_accepted_is_bound_as_it_is() {
    let made = Fixture::with(4);
    let mut lines = made.lines();
    lines.remove(1);
    made.put(&lines);
    let accept = Entry::new(Event::Accept, "doctor");
    made.log.accept(&accept, now()).unwrap();
    let found = made.verify().unwrap();
    assert_eq!(found.accepted.as_deref(), Some(NOW));
    made.add(6);
    assert!(made.verify().is_ok());
    let mut lines = made.lines();
    lines[0] = forged(&lines[0], "\"number\":1", "\"number\":7");
    made.put(&lines);
    assert!(made.verify().is_err(), "what was accepted was another log");
}

#[test]
fn a_log_that_was_removed_can_be_begun_anew() {
    let made = Fixture::with(4);
    let mark = made.log.head().unwrap().unwrap();
    fs::remove_file(made.log.path()).unwrap();
    let accept = Entry::new(Event::Accept, "doctor");
    made.log.accept(&accept, now()).unwrap();
    let found = made.verify_with(&[mark]).unwrap();
    assert_eq!(found.entries, 1);
}

#[test]
fn accepting_a_log_that_is_whole_takes_nothing_back() {
    let made = Fixture::with(2);
    let accept = Entry::new(Event::Accept, "doctor");
    made.log.accept(&accept, now()).unwrap();
    assert_eq!(made.verify().unwrap().accepted, None);
}

#[test]
fn a_line_is_bounded_whatever_it_is_about() {
    let made = Fixture::with(0);
    let long = "\u{1}\"é".repeat(3000);
    let log = made.log.clone().about(Path::new(&long));
    let entry = Entry::new(Event::Approval, "serve")
        .of_request(&long, &long, &long)
        .with("rule", &long)
        .with_list("connections", vec![&long; 100])
        .with_list("secrets", vec![&long; 100]);
    log.append(&entry, now()).unwrap();
    let entry = Entry::new(Event::Export, "export").with_list("connections", 0..100);
    log.append(&entry, now()).unwrap();
    let lines = made.lines();
    assert!(lines[0].len() <= LONGEST, "{}", lines[0].len());
    let read = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    assert_eq!(read(&lines[0])["connections_more"], 96);
    assert_eq!(read(&lines[1])["connections"].as_array().unwrap().len(), 16);
    assert_eq!(read(&lines[1])["connections_more"], 84);
    assert_eq!(made.entries(), 2);
}

#[test]
fn what_is_named_cannot_steer_a_terminal_nor_forge_a_line() {
    let made = Fixture::with(0);
    let name = "a\x1b[2J\n{\"seq\":2}\u{7f}\u{9b}\u{202e}\"\\";
    let entry = Entry::new(Event::Run, "run").with("program", name);
    made.log.append(&entry, now()).unwrap();
    let lines = made.lines();
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert!(!line.chars().any(text::is_unprintable), "{line}");
    let read: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(read["program"], name);
}

#[test]
fn a_query_is_never_written() {
    let made = Fixture::with(0);
    for path in ["/v1/x?key=FAKE", "/v1/x#key=FAKE", "/v1/x"] {
        let entry = Entry::new(Event::Approval, "serve").of_request("GET", "h", path);
        made.log.append(&entry, now()).unwrap();
    }
    for line in made.lines() {
        assert!(line.contains("\"path\":\"/v1/x\""), "{line}");
        assert!(!line.contains("FAKE"), "{line}");
    }
}

#[test]
fn threads_make_one_chain() {
    let made = Fixture::with(0);
    let log = Arc::new(made.log.clone());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = Arc::clone(&log);
            scope.spawn(move || {
                for number in 0..50 {
                    log.append(&entry(thread * 100 + number), now()).unwrap();
                }
            });
        }
    });
    assert_eq!(made.entries(), 400);
}

#[test]
fn who_holds_the_log_is_not_waited_for_for_ever() {
    let made = Fixture::with(1);
    let _held = crate::files::lock(made.log.path(), std::time::Duration::ZERO);
    let refused = made.log.append(&entry(2), now());
    assert!(matches!(refused, Err(AuditError::Busy { .. })));
}

#[test]
fn a_link_in_the_place_of_the_log_or_its_head_is_not_followed() {
    for name in ["audit.jsonl", "audit.head"] {
        let made = Fixture::with(0);
        let state = made.folder.path().join("state");
        fs::create_dir(&state).unwrap();
        let victim = made.folder.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, state.join(name)).unwrap();
        assert!(made.log.append(&entry(1), now()).is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }
}

#[test]
fn a_log_of_junk_is_told_as_such_and_still_written() {
    for junk in ["x", "\n", "\n\n\n", "{}\n", "\0\0\0\0"] {
        let made = Fixture::with(0);
        fs::create_dir(made.folder.path().join("state")).unwrap();
        fs::write(made.log.path(), junk.repeat(5000)).unwrap();
        assert!(made.verify().is_err(), "{junk:?}");
        made.add(1);
        made.add(2);
        assert!(made.verify().is_err(), "{junk:?}");
        let mut seen = 0;
        let strange = made.log.read(|_| {
            seen += 1;
            Ok::<_, AuditError>(())
        });
        assert_eq!(seen, 2, "{junk:?}");
        assert!(strange.unwrap() > 0, "{junk:?}");
    }
}

#[test]
fn what_cannot_be_made_is_expected_only_where_nothing_is_remembered() {
    let made = Fixture::with(0);
    let judge = |log: &Log| {
        let error = io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
        log.judged(FileError::from_io("open", Path::new("/x"), error))
    };
    assert!(matches!(judge(&made.log), AuditError::NoPlace(_)));
    let mark = Mark {
        seq: 3,
        ..Mark::none()
    };
    let known = made.log.clone().remembering(Some(mark));
    assert!(matches!(judge(&known), AuditError::File(_)));
    made.add(1);
    assert!(matches!(judge(&made.log), AuditError::File(_)));
}

#[test]
fn a_mark_is_read_as_it_was_written() {
    let made = Fixture::with(3);
    let mark = made.log.head().unwrap().unwrap();
    assert_eq!(mark.seq, 3);
    assert_eq!(mark.to_string().parse(), Ok(mark.clone()));
    assert_eq!(mark.to_string().len(), 85);
    for bad in ["", "3", "3 x", "x 00", "-1 00"] {
        assert!(bad.parse::<Mark>().is_err(), "{bad}");
    }
}
