use std::net::{Ipv4Addr, TcpStream};

use super::super::tests::{
    PATIENCE, assert_is_guarded, calling_back, exchange, get, listener, run, status,
};
use super::*;

const STATE: &str = "FAKE-STATE-0123456789";

fn judge(query: &str) -> Result<Option<Redirected>, Malformed> {
    judged(query.as_bytes(), Some(&Secret::from(STATE.to_owned())))
}

#[test]
fn a_code_or_an_error_with_our_state_is_the_answer() {
    let query = format!("code=FAKE%2FCODE&iss=https%3A%2F%2Fa.example&state={STATE}&scope=a");
    let redirected = judge(&query).unwrap().unwrap();
    assert_eq!(redirected.code.ok().unwrap().reveal(), "FAKE/CODE");
    assert_eq!(redirected.issuer.unwrap(), "https://a.example");

    let query = format!("error=access_denied&error_description=No+way&state={STATE}");
    let redirected = judge(&query).unwrap().unwrap();
    let denied = Denied {
        error: "access_denied".to_owned(),
        description: Some("No way".to_owned()),
    };
    assert_eq!(redirected.code.err(), Some(denied));
    assert_eq!(redirected.issuer, None);
}

#[test]
fn anything_else_is_not() {
    for query in [
        "".to_owned(),
        "code=FAKE".to_owned(),
        "code=FAKE&state=".to_owned(),
        "code=FAKE&state=other".to_owned(),
        format!("code=FAKE&state={}", &STATE[1..]),
        format!("code=FAKE&state={STATE}x"),
        format!("code=FAKE&State={STATE}"),
        format!("state={STATE}"),
        format!("state={STATE}&code="),
        format!("state={STATE}&error="),
        format!("state={STATE}&code=FAKE&error=access_denied"),
        format!("state={STATE}&code=FAKE&state={STATE}"),
        format!("state={STATE}&code=FAKE&state=other"),
        format!("state={STATE}&code=FAKE&%73tate=other"),
        format!("state={STATE}&code=FAKE&code=FAKE"),
        format!("state={STATE}&error=a&error=a"),
        format!("state={STATE}&error=a&error_description=b&error_description=c"),
        format!("state={STATE}&code=FAKE&iss=a&iss=b"),
        format!("state={STATE}&code=%ff"),
        format!("state={STATE}&code=FAKE&broken=%"),
    ] {
        assert!(!matches!(judge(&query), Ok(Some(_))), "{query}");
    }
    let empty = judged(b"code=FAKE&state=", Some(&Secret::from(String::new())));
    assert!(matches!(empty, Ok(None)));
}

#[test]
fn stray_requests_end_nothing_and_the_right_one_does_once() {
    let right = format!("/callback?state={STATE}&code=FAKE-CODE");
    let mut answers = Vec::new();
    let mut port = 0;
    let outcome = calling_back(listener(), PATIENCE, |at| {
        port = at;
        let host = format!("Host: 127.0.0.1:{port}\r\n");
        let line = format!("{right} HTTP/1.1\r\n");
        for (wanted, request) in [
            (400, get(port, "/callback?state=other&code=FAKE-CODE")),
            (400, get(port, &format!("{right}&state={STATE}"))),
            (400, get(port, &format!("{right}&error=access_denied"))),
            (
                404,
                get(port, &format!("/callback/?state={STATE}&code=FAKE")),
            ),
            (404, get(port, &right.replace("callback", "%63allback"))),
            (405, format!("POST {line}{host}Content-Length: 0\r\n\r\n")),
            (405, format!("HEAD {line}{host}\r\n")),
            (405, format!("OPTIONS {line}{host}\r\n")),
            (421, format!("GET {line}Host: localhost:{port}\r\n\r\n")),
            (400, format!("GET {line}\r\n")),
            (400, format!("GET {line}{host}{host}\r\n")),
            (200, get(port, &right)),
        ] {
            let answer = exchange(port, &request);
            assert_eq!(status(&answer), wanted, "{request}");
            answers.push(answer);
        }
        let again = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        assert!(again.is_err(), "a second one is heard");
    });
    let redirected = outcome.ok().unwrap();
    assert_eq!(redirected.code.ok().unwrap().reveal(), "FAKE-CODE");
    for answer in &answers {
        assert_is_guarded(answer);
        assert!(!answer.contains("FAKE-"), "{answer}");
    }
    let last = answers.last().unwrap();
    assert!(last.contains("You can close this window"));
    assert!(last.contains("Acme &lt;&amp;&gt; &quot;Sons&quot;"));
}

#[test]
fn the_reason_of_a_refusal_is_shown_as_text() {
    let target = format!(
        "/callback?state={STATE}&error=access_denied\
         &error_description=%3Cscript%3Ealert(1)%3C/script%3E%1b{}",
        "a".repeat(2_000)
    );
    let outcome = calling_back(listener(), PATIENCE, |port| {
        let answer = exchange(port, &get(port, &target));
        assert_is_guarded(&answer);
        assert!(answer.contains("&lt;script&gt;alert(1)&lt;/script&gt;\\u{1b}aaa"));
        assert!(!answer.contains(&"a".repeat(300)));
        assert!(!answer.contains(STATE));
    });
    assert!(outcome.ok().unwrap().code.is_err());
}

#[test]
fn the_host_is_the_one_of_the_redirect_uri() {
    let listener = listener();
    let port = listener.port();
    let (state, path) = (Secret::from(STATE.to_owned()), "/auth/callback");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let callback = Callback {
                host: "localhost",
                path,
                state: Some(&state),
                provider: "Acme",
            };
            run(wait(listener, &callback, PATIENCE))
        });
        let target = format!("{path}?state={STATE}&code=FAKE");
        assert_eq!(status(&exchange(port, &get(port, &target))), 421);
        let right = format!("GET {target} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
        assert_eq!(status(&exchange(port, &right)), 200);
        assert!(waiting.join().unwrap().is_ok());
    });
}
