//! The client: what it measures goes to standard output as one line of JSON.
//!
//! `load MODE --port PORT [--proxy URL] [--roots FILE] [--pid PID|parent]`
//!
//! - `latency [--seconds S]`: one connection, one request after the other;
//! - `throughput [--seconds S] [--connections 32]`;
//! - `fresh [--seconds S] [--count N]`: a connection for each request, from the
//!   first packet to the last byte of the answer; no TLS session is resumed;
//! - `body [--seconds S] [--mib 50] [--text yes]`: one body after the other;
//! - `streams [--count 1000] [--seconds 30]`: event streams held open.
//!
//! Without `--proxy`, `HTTPS_PROXY` is used, and without that none; the roots
//! are those of `SSL_CERT_FILE` unless given. Of the proxy's process `--pid`
//! tells CPU time and memory, over what was measured and not what came before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use peers::wire::{Length, Wire};
use peers::{HOST, KEY, Outcome, PLACEHOLDER, number, option, required, tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let way = Arc::new(Way::from_arguments()?);
    let process = Process::from_arguments()?;
    let seconds = Duration::from_secs_f64(number("--seconds", 3.0)?);
    let mode = std::env::args().nth(1).unwrap_or_default();
    let line = match mode.as_str() {
        "latency" => latency(&way, &process, seconds).await?,
        "throughput" => throughput(&way, &process, seconds, number("--connections", 32)?).await?,
        "fresh" => fresh(&way, &process, seconds, number("--count", 1000)?).await?,
        "body" => body(&way, &process, seconds, number("--mib", 50)?).await?,
        "streams" => streams(&way, &process, seconds, number("--count", 1000)?).await?,
        _ => return Err("latency, throughput, fresh, body or streams?".into()),
    };
    println!("{{\"mode\":\"{mode}\",{line}}}");
    Ok(())
}

/// How the provider is reached.
struct Way {
    port: u16,
    /// The proxy's address and the head that asks it for a tunnel.
    proxy: Option<(String, String)>,
    connector: TlsConnector,
    key: &'static str,
}

type Stream = Wire<TlsStream<TcpStream>>;

impl Way {
    fn from_arguments() -> Outcome<Self> {
        let port = number("--port", 443)?;
        let proxy = option("--proxy").or_else(|| std::env::var("HTTPS_PROXY").ok());
        let roots = match option("--roots") {
            Some(roots) => roots,
            None => std::env::var("SSL_CERT_FILE").map_err(|_| "--roots is missing")?,
        };
        let connector = TlsConnector::from(tls::forgetful(&roots)?);
        let key = if proxy.is_some() { PLACEHOLDER } else { KEY };
        let proxy = proxy.map(|url| tunnel(&url, port)).transpose()?;
        Ok(Self {
            port,
            proxy,
            connector,
            key,
        })
    }

    async fn open(&self, room: usize) -> Outcome<Stream> {
        let address = match &self.proxy {
            Some((address, _)) => address.clone(),
            None => format!("127.0.0.1:{}", self.port),
        };
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        if let Some((_, head)) = &self.proxy {
            stream.write_all(head.as_bytes()).await?;
            agreed(&mut stream).await?;
        }
        let name = ServerName::try_from(HOST)?;
        Ok(Wire::with_room(
            self.connector.connect(name, stream).await?,
            room,
        ))
    }

    fn request(&self, target: &str) -> Vec<u8> {
        let (host, port, key) = (HOST, self.port, self.key);
        format!(
            "GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: */*\r\nAuthorization: Bearer {key}\r\nUser-Agent: bench\r\n\r\n"
        )
        .into_bytes()
    }
}

/// `http://user:token@127.0.0.1:PORT` as an address and a CONNECT head.
fn tunnel(url: &str, port: u16) -> Outcome<(String, String)> {
    let rest = url
        .strip_prefix("http://")
        .ok_or("the proxy is no http:// URL")?;
    let rest = rest.trim_end_matches('/');
    let (user, address) = rest
        .rsplit_once('@')
        .map_or((None, rest), |(user, rest)| (Some(user), rest));
    let mut head = format!("CONNECT {HOST}:{port} HTTP/1.1\r\nHost: {HOST}:{port}\r\n");
    if let Some(user) = user {
        let basic = base64(user.as_bytes());
        head.push_str(&format!("Proxy-Authorization: Basic {basic}\r\n"));
    }
    head.push_str("\r\n");
    Ok((address.to_owned(), head))
}

/// Reads the proxy's answer, which ends before the first byte of TLS.
async fn agreed(stream: &mut TcpStream) -> Outcome<()> {
    let mut answer = Vec::with_capacity(256);
    while !answer.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err("the proxy hung up".into());
        }
    }
    if answer.get(9..12) == Some(b"200") {
        Ok(())
    } else {
        let answer = String::from_utf8_lossy(&answer);
        Err(format!("the proxy: {}", answer.trim()).into())
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter =
        |bits: u32, place: u32| char::from(LETTERS[(bits >> (18 - 6 * place) & 63) as usize]);
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().enumerate().fold(0, |bits, (place, byte)| {
            bits | u32::from(*byte) << (16 - 8 * place)
        });
        for place in 0..4 {
            text.push(if place as usize <= group.len() {
                letter(bits, place)
            } else {
                '='
            });
        }
    }
    text
}

/// One request and its answer, which must be the one that was asked for.
async fn ask(stream: &mut Stream, request: &[u8], smallest: u64) -> Outcome<u64> {
    stream.send(request).await?;
    let answer = stream.answer().await?;
    let length = stream.body(answer.length).await?;
    if answer.status != 200 || length < smallest {
        return Err(format!("status {}, {length} bytes", answer.status).into());
    }
    Ok(length)
}

async fn latency(way: &Way, process: &Process, seconds: Duration) -> Outcome<String> {
    let request = way.request("/small");
    let mut stream = way.open(16 * 1024).await?;
    let warm = Instant::now();
    while warm.elapsed() < seconds / 8 {
        ask(&mut stream, &request, 200).await?;
    }
    let (mut times, cpu, start) = (Vec::new(), process.cpu()?, Instant::now());
    while start.elapsed() < seconds {
        let before = Instant::now();
        ask(&mut stream, &request, 200).await?;
        times.push(before.elapsed());
    }
    let cpu = (process.cpu()? - cpu) * 1e6 / times.len() as f64;
    let (p50, p99) = middle_and_tail(&mut times);
    Ok(format!(
        "\"requests\":{},\"p50_us\":{:.2},\"p99_us\":{:.2},\"cpu_us\":{cpu:.2}",
        times.len(),
        p50 * 1e6,
        p99 * 1e6
    ))
}

async fn throughput(
    way: &Arc<Way>,
    process: &Process,
    seconds: Duration,
    connections: usize,
) -> Outcome<String> {
    let mut streams = Vec::new();
    for _ in 0..connections {
        streams.push(way.open(16 * 1024).await?);
    }
    let request: Arc<[u8]> = way.request("/small").into();
    // A round to warm up, then the one that counts, over the same connections.
    let (_, mut streams) = together(streams, &request, seconds / 8).await?;
    let (cpu, start) = (process.cpu()?, Instant::now());
    let count;
    (count, streams) = together(streams, &request, seconds).await?;
    let (elapsed, cpu) = (start.elapsed().as_secs_f64(), process.cpu()? - cpu);
    drop(streams);
    let (rate, each) = (count as f64 / elapsed, cpu * 1e6 / count as f64);
    Ok(format!(
        "\"requests\":{count},\"per_second\":{rate:.0},\"cpu_us\":{each:.2}"
    ))
}

async fn together(
    streams: Vec<Stream>,
    request: &Arc<[u8]>,
    seconds: Duration,
) -> Outcome<(u64, Vec<Stream>)> {
    let end = Instant::now() + seconds;
    let tasks: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            let request = Arc::clone(request);
            tokio::spawn(async move {
                let mut count = 0_u64;
                while Instant::now() < end {
                    ask(&mut stream, &request, 200).await?;
                    count += 1;
                }
                Outcome::Ok((count, stream))
            })
        })
        .collect();
    let (mut count, mut streams) = (0, Vec::new());
    for task in tasks {
        let (one, stream) = task.await??;
        count += one;
        streams.push(stream);
    }
    Ok((count, streams))
}

async fn fresh(way: &Way, process: &Process, seconds: Duration, count: usize) -> Outcome<String> {
    let request = way.request("/small");
    for _ in 0..10 {
        let mut stream = way.open(16 * 1024).await?;
        ask(&mut stream, &request, 200).await?;
    }
    let (mut ready, mut answered) = (Vec::new(), Vec::new());
    let (cpu, start) = (process.cpu()?, Instant::now());
    while start.elapsed() < seconds && answered.len() < count {
        let before = Instant::now();
        let mut stream = way.open(16 * 1024).await?;
        ready.push(before.elapsed());
        ask(&mut stream, &request, 200).await?;
        answered.push(before.elapsed());
    }
    let cpu = (process.cpu()? - cpu) * 1e6 / answered.len() as f64;
    let ((ready_p50, ready_p99), (p50, p99)) =
        (middle_and_tail(&mut ready), middle_and_tail(&mut answered));
    Ok(format!(
        "\"connections\":{},\"ready_p50_ms\":{:.3},\"ready_p99_ms\":{:.3},\"p50_ms\":{:.3},\"p99_ms\":{:.3},\"cpu_us\":{cpu:.1}",
        answered.len(),
        ready_p50 * 1e3,
        ready_p99 * 1e3,
        p50 * 1e3,
        p99 * 1e3
    ))
}

async fn body(way: &Way, process: &Process, seconds: Duration, mib: u64) -> Outcome<String> {
    let query = if option("--text").is_some() {
        "?text"
    } else {
        ""
    };
    let size = mib * 1024 * 1024;
    let mut stream = way.open(256 * 1024).await?;
    ask(
        &mut stream,
        &way.request(&format!("/body/1{query}")),
        1024 * 1024,
    )
    .await?;
    let request = way.request(&format!("/body/{mib}{query}"));
    // The first one meets windows that have not grown yet.
    ask(&mut stream, &request, size).await?;
    let (mut taken, cpu, start) = (Vec::new(), process.cpu()?, Instant::now());
    while start.elapsed() < seconds || taken.len() < 3 {
        let before = Instant::now();
        if ask(&mut stream, &request, size).await? != size {
            return Err("the body is too long".into());
        }
        taken.push(before.elapsed());
    }
    let cpu = (process.cpu()? - cpu) * 1e6 / (taken.len() as u64 * mib) as f64;
    let (p50, _) = middle_and_tail(&mut taken);
    let rate = size as f64 / 1e6 / p50;
    let peak = process.memory("VmHWM:")?;
    Ok(format!(
        "\"mb_per_second\":{rate:.0},\"cpu_us_per_mib\":{cpu:.0},\"peak_kib\":{peak}"
    ))
}

async fn streams(
    way: &Arc<Way>,
    process: &Process,
    seconds: Duration,
    count: usize,
) -> Outcome<String> {
    let request: Arc<[u8]> = way.request("/sse?every=1000").into();
    let before = process.memory("VmRSS:")?;
    let cpu = process.cpu()?;
    let events = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        let mut stream = way.open(4096).await?;
        stream.send(&request).await?;
        let answer = stream.answer().await?;
        if answer.status != 200 || !matches!(answer.length, Length::Chunked) {
            return Err(format!("status {} and no stream", answer.status).into());
        }
        let events = Arc::clone(&events);
        tasks.spawn(async move {
            while stream.chunk().await? > 0 {
                events.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            Outcome::Ok(())
        });
    }
    let open = process.memory("VmRSS:")?;
    let opened = events.load(std::sync::atomic::Ordering::Relaxed);
    if let Ok(Some(ended)) = tokio::time::timeout(seconds, tasks.join_next()).await {
        return Err(format!("a stream ended: {ended:?}").into());
    }
    let later = process.memory("VmRSS:")?;
    let cpu = process.cpu()? - cpu;
    let events = events.load(std::sync::atomic::Ordering::Relaxed) - opened;
    let expected = (count as f64 * (seconds.as_secs_f64() - 1.0) * 0.9) as u64;
    if events < expected {
        return Err(format!("{events} events came where {expected} were to").into());
    }
    Ok(format!(
        "\"streams\":{count},\"events\":{events},\"before_kib\":{before},\"open_kib\":{open},\"later_kib\":{later},\"peak_kib\":{},\"cpu_s\":{cpu:.2}",
        process.memory("VmHWM:")?
    ))
}

fn middle_and_tail(times: &mut [Duration]) -> (f64, f64) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64();
    (at(0.5), at(0.99))
}

/// The proxy's process, where there is one to look at.
struct Process(Option<u32>);

impl Process {
    fn from_arguments() -> Outcome<Self> {
        Ok(Self(match option("--pid").as_deref() {
            None => None,
            Some("parent") => Some(std::os::unix::process::parent_id()),
            Some(_) => Some(required("--pid")?.parse()?),
        }))
    }

    /// Seconds of processor time that it has used, in all its threads.
    fn cpu(&self) -> Outcome<f64> {
        let Some(pid) = self.0 else { return Ok(0.0) };
        let line = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The program's name may hold anything; what follows it does not.
        let (_, rest) = line.rsplit_once(')').ok_or("no stat line")?;
        let ticks = |place: usize| -> Outcome<f64> {
            Ok(rest
                .split_whitespace()
                .nth(place)
                .ok_or("a short stat line")?
                .parse()?)
        };
        // Linux counts in hundredths whatever the kernel's own clock is.
        Ok((ticks(11)? + ticks(12)?) / 100.0)
    }

    fn memory(&self, name: &str) -> Outcome<u64> {
        let Some(pid) = self.0 else { return Ok(0) };
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .ok_or("no such line")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}
