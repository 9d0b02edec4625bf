use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use super::*;

/// A server for one connection.
fn server(serve: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        if let Ok((stream, _)) = listener.accept() {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            serve(stream);
        }
    });
    format!("http://{address}")
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn send_with(proxies: Proxies, url: &str, timeout: Duration) -> Result<Answer, NetError> {
    let client = Client::new(Settings {
        proxies,
        roots: Roots::default(),
    });
    let request = Request {
        method: "GET".to_owned(),
        address: Address::parse(&Secret::from(url.to_owned())).unwrap(),
        headers: vec![("x-key".to_owned(), Secret::from("FAKE".to_owned()))],
        body: None,
        timeout,
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(client.send(request))
}

fn send(url: &str) -> Result<Answer, NetError> {
    send_with(Proxies::default(), url, Duration::from_secs(10))
}

#[test]
fn a_host_that_says_nothing_is_waited_for_no_longer_than_allowed() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let url = server(move |_stream| {
        let _ = held.recv_timeout(Duration::from_secs(10));
    });
    let failed = send_with(Proxies::default(), &url, Duration::from_millis(50));
    drop(release);
    assert!(matches!(failed, Err(NetError::Timeout { .. })));
}

#[test]
fn a_body_without_end_costs_no_more_than_the_limit() {
    let url = server(|mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        // Until the client has had enough.
        while stream.write_all(&[b'x'; 65536]).is_ok() {}
    });
    assert_eq!(send(&url).unwrap().body.len(), LARGEST_BODY);
}

#[test]
fn what_is_no_http_is_told_with_the_host_alone() {
    let url = server(|mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(b"SSH-2.0-Fake\r\n\r\n");
    });
    let failed = send(&format!("{url}/FAKEpath?FAKEquery")).map(|_| ());
    let message = failed.unwrap_err().to_string();
    assert!(
        message.starts_with("127.0.0.1 did not answer in HTTP"),
        "{message}"
    );
    assert!(!message.contains("FAKE"));
}

#[test]
fn a_redirect_is_an_answer_like_any_other() {
    let url = server(|mut stream| {
        read_head(&mut stream);
        let head =
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
    });
    assert_eq!(send(&url).unwrap().status, 302);
}

#[test]
fn plain_http_goes_through_its_proxy_with_the_whole_address() {
    let (tell, told) = std::sync::mpsc::channel();
    let proxy = server(move |mut stream| {
        tell.send(read_head(&mut stream)).unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let proxies = Proxies::new(&ProxyVariables {
        http: Some(Secret::from(proxy.replace("://", "://me:FAKE@"))),
        ..ProxyVariables::default()
    });
    send_with(
        proxies.unwrap(),
        "http://gpu.example:8000/v1",
        Duration::from_secs(10),
    )
    .unwrap();
    let head = told.recv().unwrap();
    assert!(
        head.starts_with("GET http://gpu.example:8000/v1 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nhost: gpu.example:8000\r\n"), "{head}");
    assert!(
        head.contains("\r\nproxy-authorization: Basic bWU6RkFLRQ==\r\n"),
        "{head}"
    );
}

#[test]
fn nobody_listening_is_told_as_that() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let failed = send(&format!("http://127.0.0.1:{port}/")).map(|_| ());
    let message = failed.unwrap_err().to_string();
    assert!(message.ends_with("nobody listens there"), "{message}");
}

#[test]
fn every_failure_to_reach_somebody_is_exit_code_8_with_something_to_do() {
    let host = || "a.example".to_owned();
    let reason = || "x".to_owned();
    for error in [
        NetError::Lookup {
            host: host(),
            reason: reason(),
        },
        NetError::Connect {
            host: host(),
            reason: reason(),
        },
        NetError::Tls {
            host: host(),
            reason: reason(),
        },
        NetError::Proxy {
            proxy: host(),
            host: host(),
            reason: reason(),
        },
        NetError::Timeout {
            host: host(),
            seconds: 10,
        },
        NetError::Protocol {
            host: host(),
            reason: reason(),
        },
    ] {
        let error = Error::from(error);
        assert_eq!(error.kind(), Kind::Unreachable);
        assert!(error.hint().is_some() && error.to_string().contains("a.example"));
    }
}
