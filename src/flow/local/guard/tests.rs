use super::*;

const HOST: &str = "127.0.0.1:7998";

/// The status of the refusal, or the length of the body that is let in.
fn admit(guard: &Guard, line: &str, headers: &[(&str, &str)]) -> Result<usize, u16> {
    let mut head = format!("{line} HTTP/1.1\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let head = Head::parse(head.as_bytes()).map_err(|answer| answer.status)?;
    guard.admit(&head).map_err(|answer| answer.status)
}

fn form() -> Guard {
    Guard::of_form(HOST.to_owned(), "/abc/")
}

#[test]
fn only_our_own_host_is_answered() {
    assert_eq!(admit(&form(), "GET /abc/", &[("Host", HOST)]), Ok(0));
    for host in [
        "evil.test",
        "127.0.0.1",
        "127.0.0.1:80",
        "localhost:7998",
        "127.0.0.1:7998.evil.test",
        "[::1]:7998",
        "",
    ] {
        let refused = admit(&form(), "GET /abc/", &[("Host", host)]);
        assert_eq!(refused, Err(421), "{host}");
    }
    assert_eq!(admit(&form(), "GET /abc/", &[]), Err(400));
    let twice = [("Host", HOST), ("Host", HOST)];
    assert_eq!(admit(&form(), "GET /abc/", &twice), Err(400));
}

#[test]
fn only_our_own_path_is_answered() {
    for path in [
        "/",
        "/abc",
        "/abc//",
        "/abd/",
        "/ABC/",
        "/%61bc/",
        "/x/../abc/",
        "*",
    ] {
        let refused = admit(&form(), &format!("GET {path}"), &[("Host", HOST)]);
        assert_eq!(refused, Err(404), "{path}");
    }
    let absolute = format!("GET http://{HOST}/abc/");
    assert_eq!(admit(&form(), &absolute, &[("Host", HOST)]), Err(404));
}

#[test]
fn only_the_methods_of_the_page_are_answered() {
    for method in [
        "OPTIONS", "HEAD", "PUT", "DELETE", "get", "TRACE", "CONNECT",
    ] {
        let refused = admit(&form(), &format!("{method} /abc/"), &[("Host", HOST)]);
        assert_eq!(refused, Err(405), "{method}");
    }
    let page = Guard::of_page(HOST.to_owned(), "/abc/");
    let posted = post_with(&page, None);
    assert_eq!(posted, Err(405));
}

const POST: [(&str, &str); 4] = [
    ("Host", HOST),
    ("Origin", "http://127.0.0.1:7998"),
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("Content-Length", "12"),
];

/// A right POST but for one header: another value, or none.
fn post_with(guard: &Guard, change: Option<(&str, Option<&str>)>) -> Result<usize, u16> {
    let mut headers = POST.to_vec();
    if let Some((name, value)) = change {
        headers.retain(|(kept, _)| *kept != name);
        headers.extend(value.map(|value| (name, value)));
    }
    admit(guard, "POST /abc/", &headers)
}

#[test]
fn what_is_posted_comes_from_our_own_page() {
    assert_eq!(post_with(&form(), None), Ok(12));
    for origin in [
        None,
        Some("null"),
        Some(""),
        Some("https://evil.test"),
        Some("https://127.0.0.1:7998"),
        Some("http://127.0.0.1:7999"),
        Some("http://localhost:7998"),
        Some("http://127.0.0.1:7998/"),
        Some("http://127.0.0.1:7998.evil.test"),
        Some("127.0.0.1:7998"),
    ] {
        let refused = post_with(&form(), Some(("Origin", origin)));
        assert_eq!(refused, Err(403), "{origin:?}");
    }
    let mut twice = POST.to_vec();
    twice.push(("Origin", "https://evil.test"));
    assert_eq!(admit(&form(), "POST /abc/", &twice), Err(403));
}

#[test]
fn a_browser_that_says_it_is_cross_site_is_believed() {
    for (site, wanted) in [
        ("same-origin", Ok(12)),
        ("same-site", Err(403)),
        ("cross-site", Err(403)),
        ("none", Err(403)),
    ] {
        let posted = post_with(&form(), Some(("Sec-Fetch-Site", Some(site))));
        assert_eq!(posted, wanted, "{site}");
    }
}

#[test]
fn only_what_a_form_sends_is_read() {
    for (kind, wanted) in [
        (
            Some("Application/X-WWW-Form-Urlencoded; charset=UTF-8"),
            Ok(12),
        ),
        (Some("text/plain"), Err(415)),
        (Some("multipart/form-data; boundary=a"), Err(415)),
        (Some("application/json"), Err(415)),
        (None, Err(415)),
    ] {
        let posted = post_with(&form(), Some(("Content-Type", kind)));
        assert_eq!(posted, wanted, "{kind:?}");
    }
}

#[test]
fn a_body_says_its_length_and_keeps_to_the_bound() {
    for (length, wanted) in [
        (Some("0"), Ok(0)),
        (Some("65536"), Ok(65536)),
        (Some("65537"), Err(413)),
        (Some("99999999999999999999999999"), Err(413)),
        (Some("-1"), Err(400)),
        (Some("+1"), Err(400)),
        (Some("1,1"), Err(400)),
        (Some(""), Err(400)),
        (None, Err(411)),
    ] {
        let posted = post_with(&form(), Some(("Content-Length", length)));
        assert_eq!(posted, wanted, "{length:?}");
    }
    let chunked = post_with(&form(), Some(("Transfer-Encoding", Some("chunked"))));
    assert_eq!(chunked, Err(411));
    let mut twice = POST.to_vec();
    twice.push(("Content-Length", "12"));
    assert_eq!(admit(&form(), "POST /abc/", &twice), Err(400));
}

#[test]
fn a_token_is_good_once_and_only_while_it_is_new() {
    let mut tokens = Tokens::default();
    let issued: Vec<_> = (0..5).map(|_| Secret::from(tokens.issue())).collect();
    assert!(!tokens.redeem(&issued[0]), "the oldest");
    for token in &issued[1..] {
        assert!(tokens.redeem(token));
        assert!(!tokens.redeem(token), "again");
    }
    assert!(!tokens.redeem(&Secret::from(String::new())));
}

#[test]
fn what_is_unguessable_has_128_bits_and_is_new_each_time() {
    let (one, other) = (unguessable(), unguessable());
    assert_eq!(one.len(), 32);
    assert_ne!(one, other);
}
