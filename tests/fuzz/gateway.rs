//! The gateway as a function of bytes: what a client says, and how the
//! upstream says back all that it was sent. Whatever both do, the key stays
//! between the gateway and the upstream, the token between the gateway and
//! the client, and everything comes to an end.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::runtime::Runtime;
use vault::broker::traffic::Wanted;
use vault::broker::traffic::path::{Rule, Target};
use vault::credential::aws::ClientSignature;
use vault::gateway::decode::{Coding, Decoder, MOST};

use super::stage::{CANARY, Script, Seen, Stage, TOKEN, conversation};

/// How long nothing must come until nothing is expected to.
const MOMENT: Duration = Duration::from_millis(4);

/// By then all that was under way has come to its end.
const LONG: Duration = Duration::from_millis(500);

/// Everything that reads a client's head, and what opens an upstream's body.
pub fn heads(bytes: &[u8]) {
    vault::gateway::heads::read(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        for allows_encoded_slash in [false, true] {
            let rule = Rule {
                allows_encoded_slash,
            };
            if let Ok(target) = rule.read(text) {
                let decoded = target.decoded().into_owned();
                let mut steps = decoded.split('/').skip(1).peekable();
                while let Some(step) = steps.next() {
                    assert!(step != "." && step != "..", "{text:?}");
                    assert!(!step.is_empty() || steps.peek().is_none(), "{text:?}");
                }
                assert!(!decoded.contains(['\\', '\0', '\r', '\n']), "{text:?}");
                assert!(matches!(target, Target::Asterisk) || text.starts_with('/'));
            }
        }
        let _ = Wanted::parse(text);
        let _ = Coding::accept(Some(text));
        let head: Vec<_> = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .collect();
        let head: Vec<_> = head
            .iter()
            .map(|(name, value)| (*name, value.trim().as_bytes()))
            .collect();
        let _ = ClientSignature::read(&head, text);
        if let Some((coding, _)) = text.split_once('\n') {
            let _ = Coding::parse(coding);
        }
    }
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let codings = [
        "gzip",
        "deflate",
        "br",
        "zstd",
        "gzip, br",
        "zstd, deflate, gzip",
    ];
    let coding = codings[usize::from(*first) % codings.len()];
    let mut decoder = Decoder::new(Coding::parse(coding).expect("it can be opened"));
    let mut amount = 0;
    for piece in rest.chunks(1 + usize::from(*first)) {
        decoder.push(Bytes::copy_from_slice(piece));
        loop {
            match decoder.pull() {
                Ok(Some(out)) => {
                    assert!(!out.is_empty() && out.len() <= MOST);
                    amount += out.len();
                    if amount > 4 * 1024 * 1024 {
                        return;
                    }
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
    let _ = decoder.finish();
}

/// Inputs for [`heads`].
pub fn head_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        "CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\nProxy-Authorization: Basic eDp2YXRfRkFLRQ==\r\nX-Vault-Connection: openai/team\r\n\r\n\u{16}",
        "CONNECT [::1]:8443 HTTP/1.0\r\nX-Vault-Agent-Token: vat_FAKE\r\nX-Vault-Agent-ID: ci\r\n\r\n",
        "/v1/files/a%2Fb/%66oo;x=1/..%252e/?q=1&key=%2e",
        "Basic eDp2YXRfRkFLRQ==",
        "gzip;q=0.5, br, *;q=0, identity",
        "authorization: AWS4-HMAC-SHA256 Credential=AKIAFAKEFAKEFAKEFAKE/20261120/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=00\nx-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\n",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAFAKEFAKEFAKEFAKE%2F20261120%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Signature=00",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    let mut once = vec![0];
    once.extend(gzip(
        b"{\"a\": \"text that is compressed, text that is compressed\"}",
    ));
    let mut flat = vec![1];
    flat.extend(deflate(&[7; 5000]));
    seeds.extend([once, flat]);
    seeds
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    to.write_all(text).expect("there is memory");
    to.finish().expect("there is memory")
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    to.write_all(text).expect("there is memory");
    to.finish().expect("there is memory")
}

/// What no client ever hears: it came behind the end of an answer.
const POISON: &str = "POISON-of-another-answer";

/// In how many ways the upstream says back what it was sent.
const PLANS: u8 = 30;

/// An answer with the whole request in it.
fn answer(plan: u8, seen: &Seen) -> Script {
    let mut said = seen.head.clone().into_bytes();
    said.extend_from_slice(&seen.body);
    let text = String::from_utf8_lossy(&said).into_owned();
    let key = format!("Bearer {CANARY}");
    let whole = |head: &str, body: &[u8]| {
        let length = body.len();
        let mut all =
            format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {length}\r\n\r\n").into_bytes();
        all.extend_from_slice(body);
        Script::of(all)
    };
    let chunked = |head: &str, body: &[u8], size: usize, end: &str| {
        let mut all =
            format!("HTTP/1.1 200 OK\r\n{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
        for piece in body.chunks(size) {
            all.extend(format!("{:x}\r\n", piece.len()).bytes());
            all.extend_from_slice(piece);
            all.extend_from_slice(b"\r\n");
        }
        all.extend(format!("0\r\n{end}\r\n").bytes());
        Script::of(all)
    };
    let closing = |script: Script| Script {
        closes: true,
        ..script
    };
    let in_pieces = |script: Script, size: usize| Script {
        pieces: script
            .pieces
            .concat()
            .chunks(size)
            .map(<[u8]>::to_vec)
            .collect(),
        ..script
    };
    match plan {
        0 => whole("", &said),
        1 => chunked("", &said, 7, ""),
        2 => chunked("Content-Type: application/json\r\n", &said, 1, ""),
        3 => in_pieces(whole("Content-Type: text/plain\r\n", &said), 11),
        4 => whole("Content-Encoding: gzip\r\n", &gzip(&said)),
        5 => in_pieces(
            chunked("Content-Encoding: gzip\r\nContent-Type: text/html\r\n", &gzip(&said), 5, ""),
            64,
        ),
        6 => whole("Content-Encoding: deflate\r\n", &deflate(&said)),
        7 => whole("", percent(&text).as_bytes()),
        8 => whole("", STANDARD.encode(&said).as_bytes()),
        9 => whole("", serde_json::Value::from(text).to_string().as_bytes()),
        10 => {
            let lines: String = seen.head.lines().skip(1).filter(|line| !line.is_empty()).fold(
                String::new(),
                |all, line| all + "X-Echo: " + line + "\r\n",
            );
            whole(&lines, b"")
        }
        11 => chunked("Trailer: X-Echo\r\n", b"body", 2, &format!("X-Echo: {key}\r\n")),
        12 => Script::of(format!("HTTP/1.1 200 {key}\r\nContent-Length: 0\r\n\r\n")),
        13 => Script::of(format!(
            "HTTP/1.1 302 Found\r\nLocation: https://x.example/?k={}\r\nContent-Length: 0\r\n\r\n",
            percent(CANARY)
        )),
        14 => whole(
            "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n",
            &gzip(&said),
        ),
        15 => whole("Content-Encoding: gzip, gzip\r\n", &gzip(&gzip(&said))),
        16 => closing(Script::of([b"HTTP/1.1 200 OK\r\n\r\n", &said[..]].concat())),
        17 => Script {
            echoes: true,
            ..in_pieces(
                Script::of(
                    [
                        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
                        &said[..],
                    ]
                    .concat(),
                ),
                50,
            )
        },
        18 => Script::of([b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", POISON.as_bytes()].concat()),
        19 => Script::of(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n{POISON}"
        )),
        20 => Script::of(format!(
            "HTTP/1.1 100 Continue\r\nX-Echo: {key}\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: {key}\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        )),
        21 => closing(Script::of([b"HTTP/1.0 200 OK\r\n\r\n", &said[..]].concat())),
        22 => closing(Script::of(
            [b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", &said[..]].concat(),
        )),
        23 => closing(chunked("Content-Length: 3\r\nConnection: transfer-encoding\r\n", &said, 9, "")),
        24 => closing(Script::of(said)),
        25 => Script::of(format!(
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"{key}\"\r\nContent-Length: 0\r\n\r\n"
        )),
        26 => {
            let mut cut = gzip(&said);
            cut.truncate(cut.len() * 3 / 4);
            whole("Content-Encoding: gzip\r\n", &cut)
        }
        27 => whole("Content-Type: message/http\r\nContent-Encoding: gzip\r\n", &gzip(&said)),
        28 => whole(
            "Content-Type: multipart/mixed; boundary=x\r\nContent-Encoding: x-gzip\r\n",
            &[gzip(&said), gzip(&said)].concat(),
        ),
        _ => chunked("Content-Type: image/png\r\nVary: *\r\n", &said, 1000, "Nothing: x\r\n"),
    }
}

/// As `encodeURIComponent` does.
fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |all, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            all + &char::from(byte).to_string()
        } else {
            all + &format!("%{byte:02X}")
        }
    })
}

/// Whether the key, or one half of it, can be read off what was heard.
fn leak(heard: &[u8]) -> Option<&'static str> {
    let mut views = vec![heard.to_vec()];
    views.extend(bodies(heard));
    let unzipped: Vec<_> = views.iter().flat_map(|view| unzipped(view)).collect();
    let twice: Vec<_> = unzipped
        .iter()
        .flat_map(|view| self::unzipped(view))
        .collect();
    views.extend(unzipped);
    views.extend(twice);
    let (first, second) = CANARY.as_bytes().split_at(CANARY.len() / 2);
    let has = |view: &[u8], part: &[u8]| view.windows(part.len()).any(|own| own == part);
    let holds = |view: &[u8]| has(view, first) || has(view, second);
    let encoded: Vec<String> = (0..3)
        .flat_map(|before| {
            let mut text = vec![0; before];
            text.extend_from_slice(CANARY.as_bytes());
            [STANDARD.encode(&text), URL_SAFE.encode(&text)]
        })
        .collect();
    for view in &views {
        if holds(view) {
            return Some("as it is");
        }
        if holds(&unescaped(view, b'%', &["%"])) {
            return Some("percent-encoded");
        }
        if holds(&unescaped(view, b'\\', &["\\u00"])) {
            return Some("in JSON");
        }
        if encoded
            .iter()
            .any(|text| has(view, &text.as_bytes()[8..40]))
        {
            return Some("in base64");
        }
    }
    None
}

/// Escapes of two hexadecimal digits, and of one character after a backslash.
fn unescaped(text: &[u8], mark: u8, starts: &[&str]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    'next: while let Some((&first, after)) = rest.split_first() {
        if first == mark {
            for start in starts {
                let digits = rest
                    .strip_prefix(start.as_bytes())
                    .and_then(|rest| rest.get(..2));
                let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
                if let Some(byte) = digits.and_then(|text| u8::from_str_radix(text, 16).ok()) {
                    out.push(byte);
                    rest = &rest[start.len() + 2..];
                    continue 'next;
                }
            }
            if mark == b'\\' {
                rest = after;
                continue;
            }
        }
        out.push(first);
        rest = after;
    }
    out
}

/// The bodies of what was heard, with the marks between chunks taken out.
fn bodies(heard: &[u8]) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    let ends = heard.windows(4).enumerate();
    for (at, _) in ends.filter(|(_, part)| part == b"\r\n\r\n").take(8) {
        let mut rest = &heard[at + 4..];
        let mut body = Vec::new();
        while let Some(end) = rest.windows(2).position(|part| part == b"\r\n") {
            let line = std::str::from_utf8(&rest[..end]).unwrap_or_default();
            let Ok(size) = usize::from_str_radix(line, 16) else {
                break;
            };
            let from = end + 2;
            let to = (from + size).min(rest.len());
            body.extend_from_slice(&rest[from..to]);
            rest = rest.get(to + 2..).unwrap_or_default();
        }
        bodies.push(body);
    }
    bodies
}

/// What is compressed in a text, wherever it begins.
fn unzipped(text: &[u8]) -> Vec<Vec<u8>> {
    use std::io::Read as _;
    let mut found = Vec::new();
    for at in 0..text.len() {
        let rest = &text[at..];
        let mut out = Vec::new();
        if rest.starts_with(&[0x1f, 0x8b, 8]) {
            let _ = flate2::read::GzDecoder::new(rest)
                .take(1 << 20)
                .read_to_end(&mut out);
        } else if rest.starts_with(&[0x78, 1]) {
            let _ = flate2::read::ZlibDecoder::new(rest)
                .take(1 << 20)
                .read_to_end(&mut out);
        } else {
            continue;
        }
        found.push(out);
    }
    found
}

static PANICKED: AtomicBool = AtomicBool::new(false);

struct Theatre {
    stage: Stage,
    runtime: Runtime,
}

/// One gateway for all inputs: what one leaves behind meets the next.
fn theatre() -> std::sync::MutexGuard<'static, Theatre> {
    static THEATRE: OnceLock<Mutex<Theatre>> = OnceLock::new();
    let theatre = THEATRE.get_or_init(|| {
        let earlier = std::panic::take_hook();
        // The runtime of a thread of the gateway would keep it to itself.
        std::panic::set_hook(Box::new(move |panic| {
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            if name.starts_with("gateway-") || name.starts_with("tokio") {
                PANICKED.store(true, Ordering::SeqCst);
            }
            earlier(panic);
        }));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        Mutex::new(Theatre {
            stage: Stage::new(),
            runtime,
        })
    });
    theatre.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first byte is the way in, the second the upstream's plan; bit 7 of the
/// first takes the right token away.
pub fn gateway(bytes: &[u8]) {
    let [way, plan, text @ ..] = bytes else {
        return;
    };
    let theatre = theatre();
    let Theatre { stage, runtime } = &*theatre;
    let plan = plan % PLANS;
    stage.upstream.plays(move |seen| answer(plan, seen));
    let has_token = way & 0x80 == 0;
    let token = if has_token {
        TOKEN
    } else {
        "vat_FAKEtokenOfNobody"
    };
    let said = stage.filled(text, token);
    let way = way % 3;
    let talk = || runtime.block_on(conversed(stage, way, &said));
    let heard = talk();
    let heard = heard.expect("the gateway ends what its client has ended");
    assert!(!PANICKED.load(Ordering::SeqCst), "a panic in the gateway");
    let faults = stage.upstream.take_faults();
    assert!(faults.is_empty(), "{faults:?}");
    if let Some(form) = leak(&heard) {
        panic!(
            "the key came back {form}, plan {plan}: {}",
            String::from_utf8_lossy(&heard)
        );
    }
    let has = |text: &str| {
        heard
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(!has(POISON), "another answer was heard");
    let seen = stage.upstream.take_seen();
    let is_free = way == 0
        && !said
            .windows(TOKEN.len())
            .any(|part| part == TOKEN.as_bytes());
    let basic = STANDARD.encode(format!("x:{TOKEN}"));
    if is_free
        && !said
            .windows(basic.len())
            .any(|part| part == basic.as_bytes())
    {
        // It may be what an earlier client asked for, who did not wait.
        if !seen.is_empty() {
            std::thread::sleep(LONG);
            stage.upstream.take_seen();
            let _ = talk();
            std::thread::sleep(LONG);
            let seen = stage.upstream.take_seen();
            assert!(seen.is_empty(), "the upstream was called for nobody");
        }
        let status = heard
            .strip_prefix(b"HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        let is_health = has("{\"status\":\"ok\"}");
        let expected: [&[u8]; 7] = [b"400", b"401", b"404", b"407", b"408", b"414", b"431"];
        assert!(
            is_health || status.is_none_or(|status| expected.contains(&status)),
            "{}",
            String::from_utf8_lossy(&heard)
        );
    }
}

async fn conversed(stage: &Stage, way: u8, said: &[u8]) -> Option<Vec<u8>> {
    match way {
        0 => conversation(&mut stage.dial().await, said, MOMENT).await,
        1 => match stage.inside(false).await {
            Some(mut stream) => conversation(&mut stream, said, MOMENT).await,
            None => panic!("CONNECT does not go through"),
        },
        _ => http2(stage, said).await,
    }
}

/// Text as a request of HTTP/2: method and path, headers, an empty line, a
/// body. What it is no request for goes out as bytes of the protocol.
async fn http2(stage: &Stage, said: &[u8]) -> Option<Vec<u8>> {
    let mut stream = stage.inside(true).await?;
    if said.starts_with(b"PRI ") {
        return conversation(&mut stream, said, MOMENT).await;
    }
    let text = String::from_utf8_lossy(said);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let mut request = hyper::Request::builder()
        .method(words.next().unwrap_or_default())
        .uri(words.next().unwrap_or_default());
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        request = request.header(name, value.trim());
    }
    let Ok(request) = request.body(Full::new(Bytes::from(body.to_owned()))) else {
        return Some(Vec::new());
    };
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let Ok((mut sender, connection)) = handshake.await else {
        return Some(Vec::new());
    };
    let connection = tokio::spawn(connection);
    let exchange = async {
        let mut heard = Vec::new();
        let Ok(mut response) = sender.send_request(request).await else {
            return heard;
        };
        let tell = |heard: &mut Vec<u8>, headers: &hyper::HeaderMap| {
            for (name, value) in headers {
                heard.extend_from_slice(name.as_str().as_bytes());
                heard.extend_from_slice(b": ");
                heard.extend_from_slice(value.as_bytes());
                heard.extend_from_slice(b"\n");
            }
        };
        tell(&mut heard, response.headers());
        while let Some(Ok(frame)) = response.body_mut().frame().await {
            match frame.into_data() {
                Ok(data) => heard.extend_from_slice(&data),
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        tell(&mut heard, &trailers);
                    }
                }
            }
        }
        heard
    };
    let heard = tokio::time::timeout(Duration::from_secs(5), exchange).await;
    drop(sender);
    let ended = tokio::time::timeout(Duration::from_secs(5), connection).await;
    ended.ok()?.ok()?.ok();
    heard.ok()
}

/// Each way in under each plan.
pub fn seeds() -> Vec<Vec<u8>> {
    let outside = [
        "GET http://{plain}/v1/x?key={token}&y=1 HTTP/1.1\r\nHost: {plain}\r\nProxy-Authorization: Basic {basic}\r\nAccept-Encoding: gzip, br\r\n\r\n",
        "POST /api/fake/v1/chat HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 5\r\n\r\nhelloGET /api/fake/team/v1?key={token} HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /api/fake/v1 HTTP/1.1\r\nHost: x\r\nx-api-key: {token}\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-Late: 1\r\n\r\n",
        "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nProxy-Authorization: Basic {basic}\r\nX-Vault-Connection: team\r\n\r\n\u{16}\u{3}\u{1}",
        "GET /-/health HTTP/1.1\r\nHost: x\r\n\r\n",
        "HEAD https://{host}/v1/a%20b/ HTTP/1.1\r\nHost: {host}\r\nX-Vault-Agent-Token: {token}\r\nConnection: close, x-hop\r\nX-Hop: 1\r\n\r\n",
        "GET http://{plain}/ws HTTP/1.1\r\nHost: {plain}\r\nProxy-Authorization: {token}\r\nConnection: upgrade\r\nUpgrade: websocket\r\nAccept-Encoding: gzip\r\n\r\nframes",
    ];
    let inside = [
        "GET /v1/models?a=b HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nAccept-Encoding: gzip\r\nTE: trailers\r\n\r\n",
        "POST https://{host}/v1/chat HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhelloGET /v1/next HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "PUT /v1/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: transfer-encoding\r\n\r\n6\r\nhello!\r\n0\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: RkFLRQ==\r\nAccept-Encoding: gzip, deflate\r\n\r\nframes and frames",
        "OPTIONS * HTTP/1.1\r\nHost: {host}\r\nCookie: a=b\r\n\r\n",
        "TRACE /v1 HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\n\r\n",
    ];
    let second = [
        "GET https://{host}/v1/models\r\naccept-encoding: gzip, deflate\r\ncookie: a=b\r\ncookie: c=d\r\nte: trailers\r\n\r\n",
        "POST https://{host}/v1/chat\r\nauthorization: Bearer {token}\r\ncontent-length: 5\r\n\r\nhello",
        "PUT https://{host}/v1/x?key={token}&z\r\nhost: {host}\r\n\r\nhello hello",
    ];
    let mut seeds = Vec::new();
    for plan in 0..PLANS {
        let all = [&outside[..], &inside, &second];
        for (way, texts) in (0u8..).zip(all) {
            for text in texts {
                let mut seed = vec![way, plan];
                seed.extend_from_slice(text.as_bytes());
                seeds.push(seed);
            }
        }
    }
    for text in outside {
        // 129 is 0 of 3, too, and has no token.
        let mut seed = vec![129, 0];
        seed.extend_from_slice(text.as_bytes());
        seeds.push(seed);
    }
    let mut raw = vec![2, 0];
    raw.extend_from_slice(&frames());
    seeds.push(raw);
    seeds
}

/// A request in the frames of HTTP/2, written by hand.
fn frames() -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/v1/x"),
        (":authority", "api.fake.localhost"),
        ("x-mine", "1"),
    ] {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).expect("it is short"));
            block.extend_from_slice(text.as_bytes());
        }
    }
    let mut all = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let mut frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).expect("it is short");
        all.extend_from_slice(&[0, 0, length, kind, flags, 0, 0, 0, stream]);
        all.extend_from_slice(payload);
    };
    frame(4, 0, 0, &[]);
    frame(1, 4, 1, &block);
    frame(0, 1, 1, b"hello");
    frame(1, 5, 3, &block);
    frame(3, 0, 3, &[0, 0, 0, 8]);
    all
}
