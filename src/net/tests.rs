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
fn an_answer_that_comes_byte_by_byte_is_waited_for_no_longer_than_allowed() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx",
        "HTTP/1.1 2",
        "",
    ] {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let url = server(move |mut stream| {
            if !head.is_empty() {
                read_head(&mut stream);
                let _ = stream.write_all(head.as_bytes());
            }
            let _ = held.recv_timeout(Duration::from_secs(10));
        });
        // The third one is silent in the middle of TLS.
        let url = if head.is_empty() {
            url.replace("http://", "https://")
        } else {
            url
        };
        let failed = send_with(Proxies::default(), &url, Duration::from_millis(50));
        drop(release);
        assert!(matches!(failed, Err(NetError::Timeout { .. })), "{head}");
    }
}

#[test]
fn a_proxy_whose_answer_has_no_end_is_hung_up_on() {
    let proxy = server(|mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(&[b'x'; 1024]).is_ok() {}
    });
    let proxies = Proxies::new(&ProxyVariables {
        https: Some(Secret::from(proxy)),
        ..ProxyVariables::default()
    });
    let failed = send_with(proxies, "https://a.example/", Duration::from_secs(10));
    let message = failed.map(|_| ()).unwrap_err().to_string();
    assert!(message.ends_with("its answer has no end"), "{message}");
}

#[test]
fn a_host_of_several_addresses_is_called_at_each_and_trusted_by_its_name() {
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, own.cert.pem()).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    let config = ServerConfig::builder_with_provider(std::sync::Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    // It listens at one of the two addresses of localhost alone.
    let url = server(move |stream| {
        let session = ServerConnection::new(std::sync::Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(session, stream);
        let mut buffer = [0; 1024];
        let _ = stream.read(&mut buffer);
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
        let _ = stream.flush();
    });
    let client = Client::new(Settings {
        proxies: Proxies::default(),
        roots: Roots {
            file: Some(roots),
            folders: Vec::new(),
        },
    });
    let url = url.replace("http://127.0.0.1", "https://localhost");
    let request = Request {
        method: "GET".to_owned(),
        address: Address::parse(&Secret::from(url)).unwrap(),
        headers: Vec::new(),
        body: None,
        timeout: Duration::from_secs(10),
    };
    let answer = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(client.send(request));
    assert_eq!(answer.unwrap().status, 204);
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
        proxies,
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
    // Nobody has this port without being root and asking for it.
    let failed = send("http://127.0.0.1:1/").map(|_| ());
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
