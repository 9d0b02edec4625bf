use super::*;
use proptest::prelude::*;

const SLASHES: Rule = Rule {
    allows_encoded_slash: true,
};

#[test]
fn a_path_that_reads_one_way_only_passes() {
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/chat/completions",
        "/v1/models/gpt-5.1",
        "/.well-known/openid-configuration",
        "/..well-known",
        "/a/...",
        "/a/..b",
        "/a/b..",
        "/a/.b/",
        "/a%20b",
        "/a%2eb",
        "/%2ewell-known",
        "/%2e%2e%2e",
        "/a%3fb%23c",
        "/caf%c3%a9",
        "/%E2%82%AC",
        "/%f0%9f%94%91",
        "/v1beta/models/gemini-pro:generateContent",
        "/bucket/key=1,2;3",
        "/a;version=1/b",
        "/a%3Bb",
        "/100%25",
        "/100%25/off",
        "/a%2520b",
        "/a%2525b",
        "/a%25zz",
        "/caf%25c3%25a9",
        "/~user/@scope/(x)!$&'*+",
        "/a|b{c}^\"<>`",
        "/*",
        "/a?",
        "/a?b=../..//%2e%2e%2f",
        "/a?b=%zz%",
        "/a?b=%00%0a",
        "/a?b?c/d\\e;f",
        "/?a=1&b=2",
    ] {
        assert_eq!(check(path), Ok(()), "{path}");
        assert!(SLASHES.read(path).is_ok(), "{path}");
    }
}

#[test]
fn a_path_that_can_be_read_in_two_ways_is_refused() {
    use BadPath::*;
    for (path, why) in [
        ("", NoSlash),
        ("v1", NoSlash),
        ("*", NoSlash),
        ("*/", NoSlash),
        ("?a=1", NoSlash),
        ("https://api.example.com/", NoSlash),
        ("\\a", NoSlash),
        ("%2fa", NoSlash),
        ("/.", DotSegment),
        ("/..", DotSegment),
        ("/../", DotSegment),
        ("/a/./b", DotSegment),
        ("/a/../b", DotSegment),
        ("/a/..?b", DotSegment),
        ("/safe/%2e%2e/x", DotSegment),
        ("/safe/%2E%2e/x", DotSegment),
        ("/a/%2e", DotSegment),
        ("/a/.%2e/b", DotSegment),
        ("/a/%2e./b", DotSegment),
        ("/a/..;/b", DotSegment),
        ("/a/..;x=1/b", DotSegment),
        ("/a/.;/b", DotSegment),
        ("/a/%2e%2e;x/b", DotSegment),
        ("/a/..%3b/b", DotSegment),
        ("/a/%2e.%3Bx=/b", DotSegment),
        ("//", EmptySegment),
        ("//a", EmptySegment),
        ("/a//b", EmptySegment),
        ("/a//", EmptySegment),
        ("///", EmptySegment),
        ("/;x/a", EmptySegment),
        ("/a/;", EmptySegment),
        ("/a/%3bx", EmptySegment),
        ("/a%2fb", EncodedSlash),
        ("/a%2Fb", EncodedSlash),
        ("/a%2f..%2fb", EncodedSlash),
        ("/%2f", EncodedSlash),
        ("/a\\b", Backslash),
        ("/a/..\\b", Backslash),
        ("/a%5cb", Backslash),
        ("/a%5Cb", Backslash),
        ("/a%00", Control),
        ("/a%01", Control),
        ("/a%0a", Control),
        ("/a%0D%0Ab", Control),
        ("/a%1f", Control),
        ("/a%7F", Control),
        ("/a\0", Control),
        ("/a\tb", Control),
        ("/a\r\nb", Control),
        ("/a\x7f", Control),
        ("/a?b\nc", Control),
        ("/a?b\0", Control),
        ("/a?\x7f", Control),
        ("/a b", NotEncoded),
        ("/café", NotEncoded),
        ("/a/\u{ff0e}\u{ff0e}/b", NotEncoded),
        ("/a?b c", NotEncoded),
        ("/a?é", NotEncoded),
        ("/a#b", Fragment),
        ("/a?b#c", Fragment),
        ("/#", Fragment),
        ("/%", Percent),
        ("/a%", Percent),
        ("/a%2", Percent),
        ("/a%2/b", Percent),
        ("/a%g1", Percent),
        ("/a%1g", Percent),
        ("/a%%32e", Percent),
        ("/a%u002e", Percent),
        ("/a%+1", Percent),
        ("/a%2?b", Percent),
        ("/a%c3%a", Percent),
        ("/a%c0%ae", NotUtf8),
        ("/%c0%ae%c0%ae/a", NotUtf8),
        ("/a%c0%af", NotUtf8),
        ("/a%c1%9c", NotUtf8),
        ("/a%e0%80%ae", NotUtf8),
        ("/a%f0%80%80%af", NotUtf8),
        ("/a%c3", NotUtf8),
        ("/a%c3/b", NotUtf8),
        ("/a%c3%28", NotUtf8),
        ("/a%80", NotUtf8),
        ("/a%ff", NotUtf8),
        ("/a%ed%a0%80", NotUtf8),
        ("/a%f5%80%80%80", NotUtf8),
        ("/a/%252e%252e/b", EncodedTwice),
        ("/a/.%252e/b", EncodedTwice),
        ("/a%252fb", EncodedTwice),
        ("/a%252Fb", EncodedTwice),
        ("/a%255cb", EncodedTwice),
        ("/a%2500", EncodedTwice),
        ("/a%250a", EncodedTwice),
        ("/a%257f", EncodedTwice),
        ("/a%253bb", EncodedTwice),
        ("/a%25252e", EncodedTwice),
        ("/a%25%32%65", EncodedTwice),
        ("/a%252%65", EncodedTwice),
        ("/a%25%32e", EncodedTwice),
        ("/a%25%2532e", EncodedTwice),
        ("/a%25c0%25ae", EncodedTwice),
        ("/a%25c0%ae", NotUtf8),
    ] {
        assert_eq!(check(path), Err(why), "{path:?}");
        let refused = SLASHES.read(path);
        match why {
            EncodedSlash => {}
            NoSlash if path == "*" => assert_eq!(refused, Ok(Target::Asterisk)),
            _ => assert_eq!(refused, Err(why), "{path:?}"),
        }
    }
}

#[test]
fn an_encoded_slash_is_taken_where_it_is_allowed_and_climbs_nowhere() {
    use BadPath::*;
    let read = |path| SLASHES.read(path).map(|_| ());
    for path in [
        "/api/v4/projects/group%2Fproject",
        "/api/v4/projects/group%2fsub%2fproject/issues",
        "/api/v4/projects/a%2Fb/files/my%20file%2Fx.rb",
        "/a%2f.b",
        "/caf%c3%a9%2fb",
    ] {
        assert_eq!(read(path), Ok(()), "{path}");
        assert_eq!(check(path), Err(EncodedSlash), "{path}");
    }
    for (path, why) in [
        ("/a%2f..%2fb", DotSegment),
        ("/a%2f..", DotSegment),
        ("/..%2fa", DotSegment),
        ("/.%2fa", DotSegment),
        ("/a%2f..;x", DotSegment),
        ("/a%2f%2e%2e", DotSegment),
        ("/a%2fb%2erb", DotSegment),
        ("/b%2erb%2fa", DotSegment),
        ("/%2fa", EmptySegment),
        ("/a%2f", EmptySegment),
        ("/a%2f/b", EmptySegment),
        ("/a%2f%2fb", EmptySegment),
        ("/a%2f;x", EmptySegment),
        ("/a%2fb%5c", Backslash),
        ("/a%2fb%252fc", EncodedTwice),
    ] {
        assert_eq!(read(path), Err(why), "{path}");
    }
}

#[test]
fn path_and_query_are_told_apart_at_the_first_question_mark() {
    let read = |text| Rule::default().read(text).unwrap();
    let path = |path, query| Target::Path { path, query };
    assert_eq!(read("/a"), path("/a", None));
    assert_eq!(read("/a?"), path("/a", Some("")));
    assert_eq!(read("/a?b?c"), path("/a", Some("b?c")));
    assert_eq!(read("*"), Target::Asterisk);
}

#[test]
fn policy_compares_what_is_meant() {
    for (sent, meant) in [
        ("/v1/files", "/v1/files"),
        ("/v1/%66iles", "/v1/files"),
        ("/caf%C3%A9?x=%66", "/café"),
        ("/100%25", "/100%"),
        ("/group%2fproject", "/group%2Fproject"),
        ("*", "*"),
    ] {
        assert_eq!(SLASHES.read(sent).unwrap().decoded(), meant, "{sent}");
    }
    let borrowed = SLASHES.read("/v1/files").unwrap().decoded();
    assert!(matches!(borrowed, Cow::Borrowed(_)));
}

#[test]
fn no_message_repeats_the_path() {
    let refused = check("/FAKE-secret/../x").unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("FAKE"));
}

/// Percent-decoding as a lenient upstream does it, written apart from ours.
fn lenient(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let digits = text.get(at + 1..at + 3).filter(|_| text[at] == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| !digits.contains('+'));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(text[at]);
                at += 1;
            }
        }
    }
    decoded
}

/// RFC 3986, 5.2.4, step by step.
fn without_dots(path: &str) -> String {
    let (mut input, mut output) = (path.to_owned(), String::new());
    while !input.is_empty() {
        if let Some(rest) = input.strip_prefix("../") {
            input = rest.to_owned();
        } else if let Some(rest) = input.strip_prefix("./") {
            input = rest.to_owned();
        } else if let Some(rest) = input.strip_prefix("/./") {
            input = format!("/{rest}");
        } else if input == "/." {
            input = "/".to_owned();
        } else if let Some(rest) = input.strip_prefix("/../") {
            input = format!("/{rest}");
            output.truncate(output.rfind('/').unwrap_or(0));
        } else if input == "/.." {
            input = "/".to_owned();
            output.truncate(output.rfind('/').unwrap_or(0));
        } else if input == "." || input == ".." {
            input.clear();
        } else {
            let end = input[1..].find('/').map_or(input.len(), |at| at + 1);
            output.push_str(&input[..end]);
            input.drain(..end);
        }
    }
    output
}

fn without_parameters(path: &str) -> String {
    let segments = path.split('/').map(|s| s.split(';').next().unwrap());
    segments.collect::<Vec<_>>().join("/")
}

fn reads_one_way_only(path: &str, allows_encoded_slash: bool) {
    let mut text = path.as_bytes().to_vec();
    for _ in 0..3 {
        let slashes = text.iter().filter(|byte| **byte == b'/').count();
        text = lenient(&text);
        let decoded = std::str::from_utf8(&text).unwrap();
        assert!(!decoded.contains(|c: char| c.is_ascii_control() || c == '\\'));
        assert!(allows_encoded_slash || slashes == decoded.matches('/').count());
        for seen in [decoded, &without_parameters(decoded)] {
            assert!(!seen.contains("//"), "{path} is seen as {seen}");
            assert_eq!(without_dots(seen), seen, "{path}");
        }
    }
}

#[test]
fn the_oracle_sees_what_climbs() {
    for path in [
        "/a/../b",
        "/a/%2e%2e/b",
        "/a/.%252e",
        "/a//b",
        "/a%5c",
        "/a/..;x",
    ] {
        let seen = std::panic::catch_unwind(|| reads_one_way_only(path, true));
        assert!(seen.is_err(), "{path}");
    }
}

fn odd_paths() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "/", "/", "/", ".", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\", "%", "%25", "2", "e", "f",
        "5", "2e", "%32", "%65", "%35", ";", "%3b", "a", "b", "c0", "%c0", "%ae", "%c3%a9",
        "%25c3", "%a9", "?", "#", "%00", "%0a", " ", "é", "%20", "x=1",
    ];
    let pieces = prop::collection::vec(prop::sample::select(PIECES), 0..12);
    pieces.prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn what_passes_is_the_same_however_it_is_decoded(text in odd_paths()) {
        for rule in [Rule::default(), SLASHES] {
            if let Ok(Target::Path { path, .. }) = rule.read(&text) {
                reads_one_way_only(path, rule.allows_encoded_slash);
            }
        }
    }

    #[test]
    fn no_text_is_too_odd_to_be_read(text in any::<String>()) {
        for text in [text.clone(), format!("/{text}")] {
            if let Ok(target) = SLASHES.read(&text) {
                target.decoded();
            }
        }
    }
}
