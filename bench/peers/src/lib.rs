//! What the provider, the client and the peers of `bench/gateway` share: the
//! names and keys that are played with, the command line, TLS, and HTTP/1.1 as
//! far as it is needed. Every key is made up.

pub mod tls;
pub mod wire;

use std::error::Error;

/// The provider's host. `bench/gateway` makes it mean 127.0.0.1.
pub const HOST: &str = "api.bench.test";
/// What a proxy has to inject, and a direct client sends by itself.
pub const KEY: &str = "bench-FAKE0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH";
/// What a client behind a proxy sends in its place.
pub const PLACEHOLDER: &str = "bench-FAKEplaceholderplaceholderplaceholderplaceholder";

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The value of `--name VALUE`, where it was given.
pub fn option(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip(1);
    arguments.find(|argument| argument == name)?;
    arguments.next()
}

/// The same for one that has to be there.
pub fn required(name: &str) -> Outcome<String> {
    option(name).ok_or_else(|| format!("{name} is missing").into())
}

/// The same for a number.
pub fn number<T: std::str::FromStr>(name: &str, otherwise: T) -> Outcome<T> {
    match option(name) {
        None => Ok(otherwise),
        Some(text) => text
            .parse()
            .map_err(|_| format!("{name} {text}: not a number").into()),
    }
}

/// A socket whose accepted connections have TCP_NODELAY from their first byte:
/// on Linux they inherit it, which serves where a library accepts by itself.
pub fn listener() -> Outcome<tokio::net::TcpListener> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_nodelay(true)?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    Ok(socket.listen(4096)?)
}
