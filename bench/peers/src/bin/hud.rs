//! The peer: hudsucker with the same injection, and TCP_NODELAY both ways (its
//! own default is without, and costs 40 ms on new connections).
//!
//! `hud --ca-out FILE --roots FILE [--threads N] [--crypto aws-lc]` prints its
//! port, then serves until it is killed.

use hudsucker::certificate_authority::RcgenAuthority;
use hudsucker::hyper::header::{AUTHORIZATION, HeaderValue};
use hudsucker::hyper::{Request, Uri};
use hudsucker::rcgen::Issuer;
use hudsucker::{Body, HttpContext, HttpHandler, Proxy, RequestOrResponse};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use peers::{HOST, KEY, Outcome, listener, number, option, required, tls};
use tokio_rustls::rustls::crypto::{aws_lc_rs, ring};

fn main() -> Outcome<()> {
    // By default a thread for each processor, as tokio does.
    let mut runtime = match number("--threads", 0)? {
        1 => tokio::runtime::Builder::new_current_thread(),
        0 => tokio::runtime::Builder::new_multi_thread(),
        threads => {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            runtime.worker_threads(threads);
            runtime
        }
    };
    runtime.enable_all().build()?.block_on(serve())
}

async fn serve() -> Outcome<()> {
    let provider = match option("--crypto").as_deref() {
        Some("aws-lc") => aws_lc_rs::default_provider(),
        _ => ring::default_provider(),
    };
    let authority = tls::authority()?;
    let pem = authority.pem();
    let issuer = Issuer::from_ca_cert_pem(
        &pem,
        rcgen::KeyPair::from_pem(&authority.key().serialize_pem())?,
    )?;
    let mut roots = tls::client(&required("--roots")?, provider.clone())?;
    // The connector says by itself what it speaks.
    roots.alpn_protocols.clear();
    let mut plain = HttpConnector::new();
    plain.enforce_http(false);
    plain.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(roots)
        .https_only()
        .enable_http1()
        .wrap_connector(plain);
    let listener = listener()?;
    let port = listener.local_addr()?.port();
    std::fs::write(required("--ca-out")?, pem)?;
    println!("{port}");
    let proxy = Proxy::builder()
        .with_listener(listener)
        .with_ca(RcgenAuthority::new(issuer, 1000, provider))
        .with_http_connector(connector)
        .with_http_handler(Inject(HeaderValue::from_str(&format!("Bearer {KEY}"))?))
        .build()?;
    Ok(proxy.start().await?)
}

#[derive(Clone)]
struct Inject(HeaderValue);

impl HttpHandler for Inject {
    async fn handle_request(
        &mut self,
        _: &HttpContext,
        mut request: Request<Body>,
    ) -> RequestOrResponse {
        if request.uri().host() == Some(HOST) && is_https(request.uri()) {
            request.headers_mut().insert(AUTHORIZATION, self.0.clone());
        }
        request.into()
    }
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}
