//! A scan of texts, without a walk.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use super::reader::{Content, Reader};
use super::{Report, Scanner, walk};
use crate::provider::{self, Definition};

const GITHUB: &str = r#"{"name":"github","api_key":{},"detect":["^ghp_[A-Za-z0-9]{36}$"]}"#;
const KEY: &str = "ghp_FAKEcanary1FAKEcanary2FAKEcanary3FAK";

fn definition(text: &str) -> Definition {
    provider::validate(text, Path::new("mine.json")).unwrap_or_else(|error| panic!("{error}"))
}

fn detecting(name: &str, detect: &serde_json::Value) -> Definition {
    let text = serde_json::json!({"name": name, "api_key": {}, "detect": [detect]});
    definition(&text.to_string())
}

fn scanner(more: impl IntoIterator<Item = Definition>) -> Scanner {
    let mut definitions = vec![definition(GITHUB)];
    definitions.extend(more);
    Scanner::new(&definitions)
}

fn read(scanner: &Scanner, text: &[u8]) -> Content {
    Reader::new(scanner).read(&mut &*text, false).unwrap()
}

/// Place and provider of each key.
fn found(scanner: &Scanner, text: &str) -> Vec<(u64, u64, String)> {
    let content = read(scanner, text.as_bytes());
    let places = content.hits.into_iter();
    places
        .map(|hit| (hit.line, hit.column, hit.provider.to_string()))
        .collect()
}

#[test]
fn a_key_is_found_once_wherever_it_stands_among_the_windows() {
    let scanner = scanner([]);
    let mut reader = Reader::new(&scanner);
    let window = 128 * 1024;
    let near = |border: usize| border - 60..border + 20;
    let after = |border: usize| border + 4096 - 60..border + 4096 + 30;
    let places = near(window)
        .chain(after(window))
        .chain(near(2 * window))
        .chain([0, 1, 3 * window]);
    for place in places {
        let mut text: Vec<u8> = b"word word\n".iter().copied().cycle().take(place).collect();
        text.pop();
        text.push(b' ');
        let start = text.len();
        text.extend_from_slice(KEY.as_bytes());
        for end in ["", " more", &"\nword".repeat(1100)] {
            let mut whole = text.clone();
            whole.extend_from_slice(end.as_bytes());
            let content = reader.read(&mut &whole[..], false).unwrap();
            assert_eq!(content.hits.len(), 1, "{place} {}", end.len());
            let lines = text[..start].iter().filter(|byte| **byte == b'\n').count() as u64;
            assert_eq!(content.hits[0].line, lines + 1, "{place}");
            let before = text[..start].iter().rposition(|byte| *byte == b'\n');
            let column = start - before.map_or(0, |before| before + 1) + 1;
            assert_eq!(content.hits[0].column, column as u64, "{place}");
        }
    }
}

#[test]
fn a_reader_that_gives_a_byte_at_a_time_gives_the_same() {
    struct Slow<'a>(&'a [u8]);
    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            (&mut self.0).take(1).read(buffer)
        }
    }
    let text = format!("\n\n é {KEY}\n");
    let scanner = scanner([]);
    let content = Reader::new(&scanner)
        .read(&mut Slow(text.as_bytes()), false)
        .unwrap();
    assert_eq!((content.hits[0].line, content.hits[0].column), (3, 4));
}

#[test]
fn borders_and_placeholders_are_heeded() {
    let scanner = scanner([]);
    for text in [
        KEY.to_owned(),
        format!("token={KEY}&x"),
        format!("\"a\\n{KEY}\\n\""),
        format!("https://x:{KEY}@github.com/a"),
        format!("({KEY})."),
        format!("-{KEY}"),
    ] {
        assert_eq!(found(&scanner, &text).len(), 1, "{text}");
    }
    for text in [
        format!("a{KEY}"),
        format!("_{KEY}"),
        format!("{KEY}a"),
        format!("{KEY}_"),
        format!("{KEY}-"),
        KEY[..KEY.len() - 1].to_owned(),
        KEY.to_uppercase(),
        format!("ghp_{}", "x".repeat(36)),
        format!("ghp_{}FAKE", "0".repeat(32)),
    ] {
        assert_eq!(found(&scanner, &text), [], "{text}");
    }
}

#[test]
fn a_weak_shape_wants_entropy() {
    let weak = detecting(
        "weak",
        &serde_json::json!({"pattern": "^wk_[a-z0-9]{20}$", "min_entropy": 3}),
    );
    let scanner = scanner([weak]);
    assert_eq!(found(&scanner, "wk_aaaabbbbaaaabbbbaaaa"), []);
    assert_eq!(found(&scanner, "wk_fa4e0123456789abcdef").len(), 1);
}

#[test]
fn what_begins_with_anything_is_found_by_what_stands_in_it_or_word_by_word() {
    let inner = detecting("inner", &"^[0-9]{8,10}:AA[a-z]{9}$".into());
    let nothing = detecting("nothing", &"^[a-f0-9]{12}$".into());
    let short = detecting("short", &"^zz[0-9]{9}$".into());
    let scanner = scanner([inner, nothing, short]);
    let text = "x 123456789:AAabcdefghi y\nfa4e01234567 zz012345678\n12345678:AAabcdefghi";
    let names: Vec<_> = found(&scanner, text)
        .into_iter()
        .map(|(line, column, name)| format!("{name}:{line}:{column}"))
        .collect();
    assert_eq!(
        names,
        ["inner:1:3", "nothing:2:1", "short:2:14", "inner:3:1"]
    );
    assert_eq!(found(&scanner, "1123456789012:AAabcdefghi"), []);
}

#[test]
fn what_reads_on_beyond_its_own_end_is_no_border_for_others() {
    // What a user's pattern takes is still looked at for other keys.
    for greedy in [".*", "(?:a|aa)+$", "g.*", "(?s).*", "x*", "[^ ]+"] {
        let scanner = scanner([detecting("mine", &greedy.into())]);
        let text = format!("a word, then {KEY} and gone");
        let names: Vec<_> = found(&scanner, &text)
            .into_iter()
            .map(|(_, _, name)| name)
            .collect();
        assert!(names.contains(&"github".to_owned()), "{greedy}: {names:?}");
    }
}

#[test]
fn a_hostile_pattern_costs_little_on_a_hostile_text() {
    // Not more of it: a build without optimisation takes a microsecond a step.
    let hostile = [".*Z", "(?:a|aa)+$", "(?s)(?:.{1,60}){1,20}Z"];
    let texts = ["a-".repeat(1 << 12), "a \n".repeat(1 << 11)];
    for pattern in hostile {
        let scanner = scanner([detecting("mine", &pattern.into())]);
        for text in &texts {
            let text = format!("{text} {KEY}\n");
            let start = Instant::now();
            let names: Vec<_> = found(&scanner, &text)
                .into_iter()
                .map(|(_, _, name)| name)
                .collect();
            assert!(names.contains(&"github".to_owned()), "{pattern}");
            assert!(start.elapsed() < Duration::from_secs(20), "{pattern}");
        }
    }
}

#[test]
fn a_pattern_that_costs_too_much_is_given_up_for_that_file_and_named() {
    let scanner = scanner([detecting("mine", &"[a-z-]{1,1500}Z".into())]);
    let content = read(&scanner, "a-".repeat(1 << 17).as_bytes());
    assert_eq!(content.given_up.len(), 1);
    assert_eq!(content.given_up[0].as_str(), "mine");
    assert!(read(&scanner, b"a short text").given_up.is_empty());
}

#[test]
fn patterns_that_are_too_large_together_take_out_no_other_provider() {
    let large: Vec<_> = (0..100)
        .map(|number| format!("^k{number}-[a-z]{{1500}}$"))
        .collect();
    let mine = serde_json::json!({"name": "mine", "api_key": {}, "detect": large});
    let scanner = scanner([definition(&mine.to_string())]);
    let mut text: String = (0..100).map(|number| format!("k{number}-abc\n")).collect();
    text.push_str(KEY);
    let mut report = Report::default();
    report.join(
        scanner
            .scan_stream(Path::new("-"), &mut text.as_bytes())
            .unwrap(),
    );
    assert_eq!(report.findings.len(), 1);
    let left_out: BTreeSet<_> = scanner.left_out().map(|name| name.as_str()).collect();
    assert_eq!(left_out, BTreeSet::from(["mine"]));
}

#[test]
fn hits_that_lie_close_cost_each_place_once() {
    let scanner = scanner([detecting("mine", &"^.{0,256}--$".into())]);
    let text = "-".repeat(1 << 17);
    let start = Instant::now();
    let _ = read(&scanner, text.as_bytes());
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_name_in_the_value_of_another_one_is_no_name() {
    let chain = "EXA_API_KEY=a1b2c3d4e5f6a7b8c9d0e1f2,".repeat(3);
    let scanner = scanner([definition(
        r#"{"name": "exa", "fields": [{"name": "api_key", "env": ["EXA_API_KEY"]}]}"#,
    )]);
    assert_eq!(found(&scanner, &chain).len(), 3);
    let nested = "EXA_API_KEY=EXA_API_KEY=a1b2c3d4e5f6a7b8c9d0e1f2".to_owned();
    assert!(found(&scanner, &nested).len() <= 1);
    let hostile = "EXA_API_KEY=".repeat(50_000) + "a1b2c3d4e5f6a7b8c9d0e1f2";
    let start = Instant::now();
    assert!(found(&scanner, &hostile).len() <= 400);
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn names_in_small_letters_are_names_too() {
    let scanner = scanner([definition(
        r#"{"name": "aws", "fields": [
            {"name": "secret_access_key", "env": ["AWS_SECRET_ACCESS_KEY"],
             "pattern": "^[A-Za-z0-9/+]{40}$"}]}"#,
    )]);
    let text = "[default]\naws_secret_access_key = FAKE0123456789/abcdefghij+KLMNOPQRSTUVWX\n";
    assert_eq!(found(&scanner, text).len(), 1);
}

#[test]
fn a_file_of_very_many_keys_is_told_and_not_listed_whole() {
    let scanner = scanner([]);
    let line = format!("{KEY}\n");
    let content = read(&scanner, line.repeat(20_000).as_bytes());
    assert_eq!(content.hits.len(), 1000);
    assert!(content.incomplete.unwrap().contains("1000 keys"));
}

#[test]
fn what_was_found_before_an_error_or_a_nul_counts() {
    struct Breaks(usize);
    impl std::io::Read for Breaks {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0 == 0 {
                return Err(std::io::Error::other("the disk is gone"));
            }
            self.0 -= 1;
            buffer.fill(b'\n');
            let key = KEY.as_bytes();
            buffer[..key.len()].copy_from_slice(key);
            Ok(buffer.len())
        }
    }
    let scanner = scanner([]);
    let content = Reader::new(&scanner).read(&mut Breaks(3), false).unwrap();
    assert!(!content.hits.is_empty());
    assert!(content.incomplete.unwrap().contains("the disk is gone"));
    assert!(Reader::new(&scanner).read(&mut Breaks(0), false).is_err());
    let late = format!("{KEY}\n{}\0", "x\n".repeat(1 << 18));
    let content = Reader::new(&scanner)
        .read(&mut late.as_bytes(), false)
        .unwrap();
    assert!(!content.is_binary && content.hits.len() == 1);
}

#[test]
fn a_pipe_or_a_link_in_the_place_of_a_file_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let mode = rustix::fs::Mode::RWXU;
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, fifo, mode, 0).unwrap();
    assert!(walk::open(&pipe, true).unwrap().is_none());
    let file = folder.path().join("file");
    std::fs::write(&file, KEY).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert!(walk::open(&link, false).is_err());
    assert!(walk::open(&link, true).unwrap().is_some());
}

#[test]
fn binaries_are_left_and_named_ones_are_read() {
    let scanner = scanner([]);
    let text = format!("\0{KEY}");
    let content = read(&scanner, text.as_bytes());
    assert!(content.is_binary && content.hits.is_empty());
    let content = Reader::new(&scanner)
        .read(&mut text.as_bytes(), true)
        .unwrap();
    assert_eq!(content.hits.len(), 1);
    // The NUL may come late.
    let mut late = vec![b'a'; 300_000];
    late.push(0);
    assert!(read(&scanner, &late).is_binary);
}

#[test]
fn a_name_of_a_variable_tells_whose_a_value_is() {
    let mine = r#"{"name":"mine","fields":[
        {"name":"api_key","env":["MINE_KEY"],"pattern":"^[a-f0-9]{32}$"},
        {"name":"other","env":["MINE_OTHER"]},
        {"name":"account","secret":false,"env":["MINE_ACCOUNT"]}],
        "inject":[]}"#;
    let with_prefix = r#"{"name":"prefixed","fields":[
        {"name":"api_key","env":["PREFIXED_KEY"],"pattern":"^px-[A-Za-z0-9_-]{8,}$"}],"inject":[]}"#;
    let scanner = scanner([definition(mine), definition(with_prefix)]);
    let hex = "fa4e0123456789abcdef0123456789ab";
    for text in [
        format!("export MINE_KEY='{hex}'"),
        format!("{{\"MINE_KEY\": \"{hex}\"}}"),
        "MINE_OTHER=FAKE0a1b2c3d4e5f6g7h8i9j".to_owned(),
        "PREFIXED_KEY=px-FAKECANARY".to_owned(),
    ] {
        assert_eq!(found(&scanner, &text).len(), 1, "{text}");
    }
    for text in [
        hex.to_owned(),
        format!("NOT_MINE_KEY={hex}"),
        format!("MINE_KEY_2={hex}"),
        format!("myMINE_KEY={hex}"),
        format!("MINE_ACCOUNT={hex}"),
        "MINE_KEY=00000000000000000000000000000000".to_owned(),
        "MINE_KEY=abababababababababababababababab".to_owned(),
        format!("MINE_KEY={}", &hex[1..]),
        "MINE_OTHER=settings.mine.other.key2".to_lowercase(),
        "MINE_OTHER=$(cat /run/secrets/mine2)".to_owned(),
        "PREFIXED_KEY=px-your-key-of-px".to_owned(),
        "PREFIXED_KEY=px-xxxxxxxx".to_owned(),
    ] {
        assert_eq!(found(&scanner, &text), [], "{text}");
    }
    let inside = format!("MINE_OTHER=user1:{KEY}");
    assert_eq!(found(&scanner, &inside), [(1, 18, "github".to_owned())]);
    // What its shape says comes first, and it is one finding.
    let both = format!("PREFIXED_KEY={KEY} MINE_OTHER={KEY}");
    let names: Vec<_> = found(&scanner, &both)
        .into_iter()
        .map(|(_, _, name)| name)
        .collect();
    assert_eq!(names, ["github", "github"]);
}

#[test]
fn of_two_shapes_of_one_text_the_surer_one_counts() {
    let wide = detecting("wide", &"^gh[a-z]_[A-Za-z0-9]{30,40}$".into());
    let names: Vec<_> = found(&scanner([wide]), KEY)
        .into_iter()
        .map(|(_, _, name)| name)
        .collect();
    assert_eq!(names, ["github"]);
}

#[test]
fn a_key_does_not_begin_within_another_one_of_its_shape() {
    let scanner = scanner([detecting("mine", &"^mk-[a-z-]{6,40}$".into())]);
    assert_eq!(found(&scanner, "mk-abcdef-mk-ghijkl-mk-mnopqr").len(), 1);
    // Nor within one that was refused.
    assert_eq!(found(&scanner, "mk-xxxxxxxxxxxxxxxxxxxxxxxx-mk-ghijkl"), []);
}

#[test]
fn a_full_stop_after_a_key_is_no_part_of_it_and_a_colour_before_it_is_a_border() {
    let scanner = scanner([detecting("mine", &"^tfp_[A-Za-z0-9_.-]{40,60}$".into())]);
    let key = "tfp_FAKE0123456789abcdefghijFAKE0123456789abcdefgh";
    for text in [
        format!("it is {key}. So"),
        format!("{key}.\n"),
        format!("{key}."),
    ] {
        let content = read(&scanner, text.as_bytes());
        assert_eq!(content.hits[0].key.reveal(), key, "{text}");
    }
    let with_a_dot = "tfp_FAKE0123456789.abcdefghijFAKE0123456789abcdefgh";
    let content = read(&scanner, with_a_dot.as_bytes());
    assert_eq!(content.hits[0].key.reveal(), with_a_dot);
    for colour in ["\u{1b}[31m", "\u{1b}[m", "\u{1b}[1;38;5;196m"] {
        assert_eq!(found(&scanner, &format!("{colour}{KEY}\u{1b}[0m")).len(), 1);
    }
    assert!(found(&scanner, &format!("31m{KEY}")).is_empty());
}

#[test]
fn a_default_is_a_value_and_a_reference_is_none() {
    let exa = r#"{"name": "exa", "fields": [{"name": "api_key", "env": ["EXA_API_KEY"]}]}"#;
    let scanner = scanner([definition(exa)]);
    let value = "12ab34cd-FAKE-56ef-78ab-90cdFAKE12ab";
    let content = read(&scanner, format!("k=${{EXA_API_KEY:-{value}}}").as_bytes());
    assert_eq!(content.hits[0].key.reveal(), value);
    for code in [
        "EXA_API_KEY = process.env.EXA_API_KEY_PRODUCTION_V2",
        "EXA_API_KEY = settings.exa_api_key_production_2024",
    ] {
        assert!(found(&scanner, code).is_empty(), "{code}");
    }
    for set in [
        "ENV EXA_API_KEY",
        "set -gx EXA_API_KEY",
        "  setenv EXA_API_KEY",
        "getenv(\"EXA_API_KEY\",",
    ] {
        let quoted = set.ends_with(',');
        let value = if quoted {
            format!("\"{value}\"")
        } else {
            value.to_owned()
        };
        assert_eq!(
            found(&scanner, &format!("x\n{set} {value}\n")).len(),
            1,
            "{set}"
        );
    }
    for other in [
        "see EXA_API_KEY",
        "ENV A EXA_API_KEY",
        "set EXA_API_KEY",
        "(EXA_API_KEY,",
    ] {
        assert!(
            found(&scanner, &format!("x\n{other} {value}\n")).is_empty(),
            "{other}"
        );
    }
    let asks = "GITHUB=ghp_your0token0goes0here0FAKE0FAKE0FAKE0";
    assert!(found(&scanner, asks).is_empty());
}
