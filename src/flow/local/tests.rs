//! What holds for both pages; and how a test plays the browser.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use super::serve::Limits;
use super::*;
use crate::secret::Secret;

/// Ends a test that hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

pub(super) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes and reads the answer to its end. There is none where the
/// connection is dropped.
pub(super) fn exchange(port: u16, request: &str) -> String {
    let mut stream = connect(port);
    let _ = stream.write_all(request.as_bytes());
    read_to_end(&mut stream)
}

pub(super) fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

pub(super) fn status(answer: &str) -> u16 {
    let status = answer.split(' ').nth(1).unwrap_or_default();
    status.parse().unwrap_or_default()
}

pub(super) fn get(port: u16, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")
}

const STATE: &str = "FAKE-STATE-0123456789";
const RIGHT: &str = "/callback?state=FAKE-STATE-0123456789&code=FAKE-CODE";

/// Waits for a callback while `browser` does what it does.
pub(super) fn calling_back(
    listener: Listener,
    patience: Duration,
    browser: impl FnOnce(u16),
) -> Result<Redirected, LocalError> {
    let port = listener.port();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            let state = Secret::from(STATE.to_owned());
            let callback = Callback {
                host: "127.0.0.1",
                path: "/callback",
                state: Some(&state),
                provider: "Acme <&> \"Sons\"",
            };
            run(wait(listener, &callback, patience))
        });
        browser(port);
        waiting.join().unwrap()
    })
}

pub(super) fn listener() -> Listener {
    Listener::bind(&[0]).unwrap()
}

#[test]
fn the_first_free_port_is_taken_on_this_machine_alone() {
    let taken = listener();
    let next = Listener::bind(&[taken.port(), 0]).unwrap();
    assert_ne!(next.port(), taken.port());
    assert!(Listener::bind(&[taken.port()]).is_err());
    assert!(Listener::bind(&[]).is_err());
    // On Linux, all of 127/8 leads here, and reaches what listens everywhere.
    #[cfg(target_os = "linux")]
    assert!(TcpStream::connect(("127.0.0.2", taken.port())).is_err());
}

#[test]
fn nobody_coming_is_told_in_time() {
    let outcome = calling_back(listener(), Duration::from_millis(20), |_| {});
    assert!(matches!(outcome, Err(LocalError::TimedOut)));
}

#[test]
fn slow_ones_hold_nobody_up() {
    let begun = Instant::now();
    let outcome = calling_back(listener(), PATIENCE, |port| {
        let mut slow: Vec<_> = (0..20).map(|_| connect(port)).collect();
        for stream in &mut slow {
            stream.write_all(b"GET /callback").unwrap();
        }
        assert_eq!(status(&exchange(port, &get(port, RIGHT))), 200);
    });
    assert!(outcome.is_ok());
    assert!(begun.elapsed() < Duration::from_secs(8));
}

#[test]
fn a_request_has_a_time_in_all_and_not_for_each_byte() {
    let mut listener = listener();
    listener.limits.reading = Duration::from_millis(100);
    let outcome = calling_back(listener, PATIENCE, |port| {
        let mut slow = connect(port);
        let begun = Instant::now();
        while slow.write_all(b"G").is_ok() {
            assert!(begun.elapsed() < PATIENCE, "still listened to");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(status(&exchange(port, &get(port, RIGHT))), 200);
    });
    assert!(outcome.is_ok());
}

#[test]
fn more_connections_than_allowed_are_dropped_until_others_go() {
    let mut listener = listener();
    listener.limits = Limits {
        reading: Duration::from_secs(60),
        connections: 3,
        ..listener.limits
    };
    let outcome = calling_back(listener, PATIENCE, |port| {
        let idle: Vec<_> = (0..3).map(|_| connect(port)).collect();
        assert_eq!(exchange(port, &get(port, RIGHT)), "");
        drop(idle);
        let begun = Instant::now();
        while status(&exchange(port, &get(port, RIGHT))) != 200 {
            assert!(begun.elapsed() < PATIENCE, "still full");
        }
    });
    assert!(outcome.is_ok());
}

#[test]
fn an_endless_head_is_cut_off() {
    let outcome = calling_back(listener(), PATIENCE, |port| {
        let endless = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(200_000));
        assert_eq!(status(&exchange(port, &endless)), 431);
        assert_eq!(status(&exchange(port, &get(port, RIGHT))), 200);
    });
    assert!(outcome.is_ok());
}

#[test]
fn the_browser_has_the_whole_answer_when_the_wait_is_over() {
    let mut listener = listener();
    listener.limits.writing = Duration::from_millis(300);
    let mut browser = connect(listener.port());
    let port = listener.port();
    let outcome = calling_back(listener, PATIENCE, |port| {
        browser.write_all(get(port, RIGHT).as_bytes()).unwrap();
    });
    assert!(outcome.is_ok());
    let answer = read_to_end(&mut browser);
    assert!(answer.ends_with("</html>\n"), "{answer}");
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
}

#[test]
fn every_answer_carries_every_header() {
    let mut answers = Vec::new();
    let outcome = calling_back(listener(), PATIENCE, |port| {
        let host = format!("Host: 127.0.0.1:{port}\r\n");
        for (wanted, request) in [
            (400, "nonsense\r\n\r\n".to_owned()),
            (400, get(port, "/callback")),
            (404, get(port, "/favicon.ico")),
            (405, format!("OPTIONS /callback HTTP/1.1\r\n{host}\r\n")),
            (414, get(port, &format!("/{}", "a".repeat(9_000)))),
            (421, "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n".to_owned()),
            (
                431,
                format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(99)),
            ),
            (200, get(port, RIGHT)),
        ] {
            let answer = exchange(port, &request);
            assert_eq!(status(&answer), wanted, "{answer}");
            answers.push(answer);
        }
    });
    assert!(outcome.is_ok());
    for answer in answers {
        assert_is_guarded(&answer);
    }
}

/// Whether a browser can do nothing with an answer but show it.
pub(super) fn assert_is_guarded(answer: &str) {
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    for header in [
        "Content-Type: text/html; charset=utf-8",
        "Connection: close",
        "Cache-Control: no-store",
        "Cross-Origin-Opener-Policy: same-origin",
        "Cross-Origin-Resource-Policy: same-origin",
        "Referrer-Policy: same-origin",
        "X-Content-Type-Options: nosniff",
        "X-Frame-Options: DENY",
    ] {
        assert!(head.lines().any(|line| line == header), "{header}: {head}");
    }
    let policy = format!(
        "Content-Security-Policy: default-src 'none'; style-src '{}'; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        html::style_digest()
    );
    assert!(head.contains(&policy), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", page.len())));
    assert!(!head.to_lowercase().contains("access-control"));
    assert!(page.contains("<html lang=\"en\">") && !page.contains("<script"));
}

#[test]
fn the_digest_is_that_of_the_style_in_the_page() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let page = html::notice("a", "b");
    let style = page.split("<style>").nth(1).unwrap();
    let style = style.split("</style>").next().unwrap();
    let digest = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style));
    assert_eq!(html::style_digest(), format!("sha256-{digest}"));
    // Else the policy would keep the browser from applying it.
    assert!(!page.contains(" style=\""));
}

#[test]
fn every_error_says_what_to_run() {
    for (error, kind) in [
        (LocalError::TimedOut, Kind::Unreachable),
        (io::Error::other("in use").into(), Kind::Failed),
    ] {
        let error = Error::from(error);
        assert_eq!(error.kind(), kind);
        assert!(error.hint().unwrap().contains("vault login"));
    }
}
