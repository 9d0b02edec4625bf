use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use super::watched::Glance;
use super::*;

const ONE: &str = r#"{"limits": [{"requests": 1, "per": "60s"}]}"#;
const TWO: &str = r#"{"limits": [{"requests": 1, "per": "60s"}, {"tokens": 1, "per": "60s"}],
    "rules": [{"path": "/v1/files/**", "action": "deny"}]}"#;
const BROKEN: &str = "{\n  \"limits\": [],\n  \"rules\": [\n";

/// A folder with files that are followed, and what was heard of them.
struct Room {
    folder: tempfile::TempDir,
    heard: Arc<Mutex<Vec<News>>>,
}

impl Room {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            heard: Arc::default(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("policy.json")
    }

    fn write(&self, text: &str) {
        fs::write(self.path(), text).unwrap();
    }

    fn hear(&self) -> Hear {
        let heard = Arc::clone(&self.heard);
        Box::new(move |news| heard.lock().unwrap().push(news.clone()))
    }

    fn open(&self, absence: Absence) -> Result<PolicyFile> {
        PolicyFile::open(&self.path(), absence, self.hear())
    }

    fn heard(&self) -> Vec<News> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

/// Long after the files were written.
fn later() -> Glance {
    Glance {
        steady: Duration::from_secs(1),
        wall: SystemTime::now() + Duration::from_secs(1),
    }
}

#[test]
fn a_gateway_does_not_begin_with_a_broken_policy() {
    let room = Room::new();
    room.write(BROKEN);
    let error = room.open(Absence::Allowed).err().unwrap();
    assert_eq!(error.kind(), Kind::InvalidInput);
    let text = error.to_string();
    assert!(text.contains("policy.json is no policy: line "), "{text}");
    assert!(text.contains(", column "), "{text}");
    assert!(error.hint().unwrap().contains("vault rule check '"));
    fs::remove_file(room.path()).unwrap();
    fs::create_dir(room.path()).unwrap();
    let error = room.open(Absence::Allowed).err().unwrap();
    assert_eq!(error.kind(), Kind::InvalidInput);
}

#[test]
fn a_policy_that_is_not_there_allows_all_unless_it_was_named() {
    let room = Room::new();
    let error = room.open(Absence::Refused).err().unwrap();
    assert_eq!(error.kind(), Kind::InvalidInput);
    let file = room.open(Absence::Allowed).unwrap();
    assert!(file.policy().limits().is_empty());
    // And one that comes to be is in force.
    room.write(ONE);
    file.0.look(later());
    assert_eq!(file.policy().limits().len(), 1);
    assert_eq!(room.heard().len(), 1);
}

#[test]
fn a_change_is_in_force_at_once_and_its_digest_is_told() {
    let room = Room::new();
    room.write(ONE);
    let file = room.open(Absence::Refused).unwrap();
    assert_eq!(file.counts().limits, 1);
    room.write(TWO);
    file.0.look(later());
    assert_eq!(file.policy().limits().len(), 2);
    let heard = room.heard();
    let [News::Reloaded { counts, digest, .. }] = &heard[..] else {
        panic!("{heard:?}");
    };
    assert_eq!((counts.limits, counts.rules), (2, 1));
    assert_eq!(digest.len(), 64);
    assert!(!heard[0].is_bad());
    let said = heard[0].to_string();
    assert!(said.contains("is in force"), "{said}");
    assert!(said.contains("1 rule, 2 limits"), "{said}");
}

#[test]
fn whoever_says_that_it_has_changed_is_heard_at_once() {
    let room = Room::new();
    room.write(ONE);
    let file = room.open(Absence::Refused).unwrap();
    for (text, limits) in [(TWO, 2), (ONE, 1), (TWO, 2), (ONE, 1), (TWO, 2)] {
        // A look a moment ago is no reason not to look.
        file.policy();
        room.write(text);
        file.look_now();
        let heard = room.heard();
        let [News::Reloaded { counts, .. }] = &heard[..] else {
            panic!("{heard:?}");
        };
        assert_eq!(counts.limits, limits);
    }
}

#[test]
fn a_broken_or_missing_policy_leaves_the_last_one_in_force() {
    let room = Room::new();
    room.write(TWO);
    let file = room.open(Absence::Refused).unwrap();
    room.write(BROKEN);
    file.0.look(later());
    assert_eq!(file.policy().limits().len(), 2);
    let heard = room.heard();
    assert!(matches!(&heard[..], [News::Broken { .. }]), "{heard:?}");
    assert!(heard[0].is_bad());
    let said = heard[0].to_string();
    assert!(said.contains("stays in force: line "), "{said}");
    assert!(said.contains("vault rule check '"), "{said}");
    // Half written, or emptied.
    for text in ["", " \n", "// nothing\n", "{\"limits\": [{\"requests\": 1"] {
        room.write(text);
        file.0.look(later());
        assert_eq!(file.policy().limits().len(), 2, "{text:?}");
    }
    fs::remove_file(room.path()).unwrap();
    for steady in [2, 3] {
        let steady = Duration::from_secs(steady);
        file.0.look(Glance { steady, ..later() });
    }
    assert_eq!(file.policy().limits().len(), 2);
    room.heard();
    room.write(TWO);
    file.0.look(later());
    let heard = room.heard();
    assert!(matches!(&heard[..], [News::Mended { .. }]), "{heard:?}");
}

#[test]
fn a_route_that_is_put_into_use_is_seen_by_others() {
    let room = Room::new();
    let state = room.folder.path().join("state");
    let file = RouteFile::open(&state, room.hear());
    assert_eq!(&*file.in_use(), DEFAULT_ROUTE);
    use_route(&state, "local").unwrap();
    file.0.look(later());
    assert_eq!(&*file.in_use(), "local");
    let heard = room.heard();
    assert!(matches!(&heard[..], [News::Route { name }] if &**name == "local"));
    assert_eq!(&*RouteFile::open(&state, room.hear()).in_use(), "local");
    // Whoever throws the choice away is back at the beginning.
    fs::remove_file(state.join("route")).unwrap();
    file.0.look(later());
    assert_eq!(&*file.in_use(), DEFAULT_ROUTE);
}

#[test]
fn what_is_no_name_of_routes_is_not_put_into_use() {
    let room = Room::new();
    let state = room.folder.path();
    use_route(state, "local").unwrap();
    for bad in ["", " ", "two\nlines", "bell\u{7}", &"x".repeat(101)] {
        let error = use_route(state, bad).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput, "{bad:?}");
        assert!(error.hint().is_some());
    }
    let file = RouteFile::open(state, room.hear());
    fs::write(state.join("route"), "two\nlines\n").unwrap();
    file.0.look(later());
    assert_eq!(&*file.in_use(), "local");
    let heard = room.heard();
    assert!(matches!(&heard[..], [News::Broken { .. }]), "{heard:?}");
    // At the beginning there is none to stay with, and none is used; it is said.
    let file = RouteFile::open(state, room.hear());
    file.0.look(later());
    assert_ne!(&*file.in_use(), DEFAULT_ROUTE);
    assert_ne!(&*file.in_use(), "local");
    assert_eq!(room.heard().len(), 1);
}

#[test]
fn prices_are_followed_too() {
    let room = Room::new();
    let path = room.folder.path().join("prices.json");
    fs::write(&path, "{").unwrap();
    assert!(PriceFile::open(&path, room.hear()).is_err());
    fs::remove_file(&path).unwrap();
    let file = PriceFile::open(&path, room.hear()).unwrap();
    let cost = |file: &PriceFile| {
        let metered = crate::usage::Metered {
            model: Some("tiny".to_owned()),
            tokens: Some(crate::usage::Tokens {
                input: 1_000_000,
                ..Default::default()
            }),
            ..Default::default()
        };
        let provider = "openai".parse().unwrap();
        file.current().cost(&provider, &metered).map(|cost| cost.0)
    };
    assert_eq!(cost(&file), None);
    let text = r#"{"prices": {"openai": {"tiny": {"input": 2, "output": 4}}}}"#;
    fs::write(&path, text).unwrap();
    file.look_now();
    assert_eq!(cost(&file), Some(2_000_000_000));
    fs::write(&path, "{").unwrap();
    file.look(later());
    assert_eq!(cost(&file), Some(2_000_000_000));
    let heard = room.heard();
    assert!(
        matches!(&heard[..], [News::Prices { .. }, News::Broken { .. }]),
        "{heard:?}"
    );
}
