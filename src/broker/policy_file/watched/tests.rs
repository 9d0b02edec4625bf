use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// A followed file of a test, whose text is good if it ends with a bracket.
struct Followed {
    folder: tempfile::TempDir,
    file: Watched<String>,
    heard: Arc<Mutex<Vec<String>>>,
}

fn reading(text: Option<&str>) -> Result<String, String> {
    match text {
        Some(text) if text.ends_with('}') => Ok(text.to_owned()),
        Some(text) => Err(format!("{text:?} has no end")),
        None => Err("gone".to_owned()),
    }
}

impl Followed {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("followed.json");
        fs::write(&path, text).unwrap();
        let (text, content) = read(&path);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&heard);
        let told = move |change: Change<'_, String>| {
            hears.lock().unwrap().push(match change {
                Change::New(text, _) => format!("new {text}"),
                Change::Broken(reason) => format!("broken {reason}"),
                Change::Mended => "mended".to_owned(),
            });
        };
        let first = (reading(text.as_deref()).unwrap(), content);
        Self {
            file: Watched::new(&path, reading, first, Box::new(told)),
            folder,
            heard,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("followed.json")
    }

    fn write(&self, text: &str) {
        fs::write(self.path(), text).unwrap();
    }

    /// What is in force after a look so many milliseconds after the
    /// beginning, on a wall's clock at which every file is fresh.
    fn at(&self, millis: u64) -> String {
        self.file.look(Glance {
            steady: Duration::from_millis(millis),
            wall: SystemTime::UNIX_EPOCH,
        });
        self.in_force()
    }

    /// The same, long after the file was written.
    fn later(&self, millis: u64) -> String {
        self.file.look(Glance {
            steady: Duration::from_millis(millis),
            wall: SystemTime::now() + Duration::from_secs(1),
        });
        self.in_force()
    }

    fn in_force(&self) -> String {
        self.file.current.lock().unwrap().as_str().to_owned()
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

#[test]
fn a_change_is_in_force_at_the_next_look() {
    let followed = Followed::new("{one}");
    assert_eq!(followed.at(0), "{one}");
    followed.write("{two}");
    assert_eq!(followed.at(2), "{two}");
    assert_eq!(followed.heard(), ["new {two}"]);
    assert_eq!(followed.at(4), "{two}");
    assert!(followed.heard().is_empty());
}

#[test]
fn a_file_that_another_is_renamed_over_is_read_again() {
    let followed = Followed::new("{one}");
    assert_eq!(followed.later(0), "{one}");
    let new = followed.folder.path().join("new");
    fs::write(&new, "{two}").unwrap();
    fs::rename(&new, followed.path()).unwrap();
    assert_eq!(followed.later(2), "{two}");
}

#[test]
fn a_broken_file_changes_nothing_and_is_spoken_of_once() {
    let followed = Followed::new("{one}");
    followed.write("{tw");
    for millis in [2, 4, 1000, 2000] {
        assert_eq!(followed.later(millis), "{one}");
    }
    assert_eq!(followed.heard(), [r#"broken "{tw" has no end"#]);
    // Another version is another matter.
    followed.write("{three");
    assert_eq!(followed.later(3000), "{one}");
    assert_eq!(followed.later(3002), "{one}");
    assert_eq!(followed.heard(), [r#"broken "{three" has no end"#]);
    followed.write("{three}");
    assert_eq!(followed.later(3004), "{three}");
    assert_eq!(followed.heard(), ["new {three}"]);
}

#[test]
fn a_file_that_is_as_before_again_is_spoken_of_too() {
    let followed = Followed::new("{one}");
    followed.write("{");
    followed.later(2);
    followed.write("{one}");
    assert_eq!(followed.later(4), "{one}");
    assert_eq!(followed.later(6), "{one}");
    assert_eq!(followed.heard(), [r#"broken "{" has no end"#, "mended"]);
}

#[test]
fn a_half_written_file_is_looked_at_again_before_anything_is_said() {
    let followed = Followed::new("{one}");
    for (millis, text) in [(2, ""), (4, "{t"), (6, "{tw"), (8, "{two}")] {
        followed.write(text);
        followed.at(millis);
    }
    assert_eq!(followed.in_force(), "{two}");
    assert_eq!(followed.heard(), ["new {two}"]);
    // Half for good is broken after all.
    followed.write("{th");
    for millis in [10, 30, 59] {
        followed.at(millis);
        assert!(followed.heard().is_empty(), "after {millis} ms");
    }
    followed.at(60);
    assert_eq!(followed.heard(), [r#"broken "{th" has no end"#]);
}

#[test]
fn a_fresh_file_is_read_again_although_its_stamp_is_the_same() {
    let followed = Followed::new("{one}");
    followed.at(0);
    // As if it had been written twice within one tick of the file system.
    followed.write("{two}");
    followed.file.seen.lock().unwrap().stamp = Stamp::of(&followed.path());
    assert_eq!(followed.at(2), "{two}");
    // And not any more once it is no longer fresh.
    followed.later(100);
    followed.write("{six}");
    followed.file.seen.lock().unwrap().stamp = Stamp::of(&followed.path());
    assert_eq!(followed.later(102), "{two}");
}

#[test]
fn a_file_that_is_gone_leaves_in_force_what_it_said() {
    let followed = Followed::new("{one}");
    fs::remove_file(followed.path()).unwrap();
    // An editor may be about to put another one there.
    assert_eq!(followed.later(2), "{one}");
    assert!(followed.heard().is_empty());
    assert_eq!(followed.later(60), "{one}");
    assert_eq!(followed.later(70), "{one}");
    assert_eq!(followed.heard(), ["broken gone"]);
    followed.write("{one}");
    followed.later(80);
    assert_eq!(followed.heard(), ["mended"]);
}

#[test]
fn what_cannot_be_read_at_all_is_no_reason_to_wait() {
    let followed = Followed::new("{one}");
    let path = followed.path();
    fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    assert_eq!(followed.later(2), "{one}");
    assert_eq!(followed.heard(), ["broken it is no regular file"]);
    fs::remove_file(&path).unwrap();
    fs::write(&path, b"\xff}").unwrap();
    assert_eq!(followed.later(4), "{one}");
    assert_eq!(followed.heard(), ["broken it is not UTF-8"]);
    let file = File::create(&path).unwrap();
    file.set_len(LARGEST + 1).unwrap();
    assert_eq!(followed.later(6), "{one}");
    let heard = followed.heard().join("");
    assert!(heard.contains("larger than"), "{heard}");
}

#[test]
fn a_file_that_may_be_read_again_is_read_again() {
    let followed = Followed::new("{one}");
    let mode = |mode| fs::set_permissions(followed.path(), PermissionsExt::from_mode(mode));
    followed.write("{two}");
    mode(0o000).unwrap();
    let is_root = fs::read(followed.path()).is_ok();
    let expected = if is_root { "{two}" } else { "{one}" };
    assert_eq!(followed.later(2), expected);
    mode(0o600).unwrap();
    assert_eq!(followed.later(4), "{two}");
}

#[test]
fn whoever_asks_while_another_looks_is_answered_at_once() {
    let followed = Followed::new("{one}");
    followed.write("{two}");
    let looking = followed.file.seen.lock().unwrap();
    // Would wait for ever.
    assert_eq!(*followed.file.current(), "{one}");
    drop(looking);
}

#[test]
fn the_very_first_question_looks() {
    let followed = Followed::new("{one}");
    followed.write("{two}");
    assert_eq!(*followed.file.current(), "{two}");
}
