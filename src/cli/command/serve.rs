//! `serve`: the gateway as a service, for agents that have tokens of their
//! own.

mod listening;
mod notice;
mod tls;

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use self::listening::{Address, Listening};
use crate::audit::{Entry, Event};
use crate::broker::allowance::Defaults;
use crate::broker::traffic::{Book, RunTokens, Selection, Source, Traffic};
use crate::cli::context::Context;
use crate::cli::oversight::{Watched, oversight};
use crate::cli::{gateway, output};
use crate::error::{Error, Kind, Result};
use crate::files::{self, PathContext};
use crate::gateway::{Gateway, Settings, Unmatched};
use crate::net::Reach;
use crate::span::{Keep, Span};
use crate::vault::{Opened, Store};

const COMMAND: &str = "serve";
/// How often the gateway looks whether its certificate has to speak for more.
const LOOK: Duration = Duration::from_secs(1);

/// Run the gateway as a service, for agents with tokens
#[derive(Debug, Args)]
#[command(
    after_help = "Agents come in as through any proxy, HTTPS_PROXY=http://NAME:TOKEN@127.0.0.1:8765 \
with the certificate of `vault ca`, or by the path form, OPENAI_BASE_URL=http://127.0.0.1:8765/api/\
openai/v1 with the token as the key. It sees changes of the vault by itself.\n\nExamples:\n  vault \
agent create ci --allow openai\n  vault serve --ca-out vault-ca.pem\n  vault serve --listen \
unix:/run/user/1000/vault.sock\n  vault serve --listen 0.0.0.0:8765 --tls-cert cert.pem --tls-key \
key.pem"
)]
pub struct ServeArgs {
    /// Where to listen: HOST:PORT, or unix:PATH
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8765")]
    listen: Vec<Address>,
    /// Write the certificate that clients trust (not its key) to this file
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,
    /// Requests to this host go through although no connection is for it
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    allow: Vec<String>,
    /// Requests to all hosts go through
    #[arg(long, conflicts_with = "allow")]
    allow_unmatched: bool,
    /// Also call addresses of this machine and its networks when others are served
    #[arg(long)]
    allow_private: bool,
    /// TLS for the listeners: the certificate
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// TLS for the listeners: its key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Listen on other addresses than this machine's own without TLS
    #[arg(long)]
    insecure_http: bool,
    /// The rules, limits and budgets, in place of policy.json
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// How long usage is kept request by request; older ones become sums of their days
    #[arg(long, value_name = "TIME", default_value = "180d")]
    keep: Keep,
    /// How long open connections have when it is stopped
    #[arg(long, value_name = "TIME", default_value = "5s")]
    drain: Span,
}

/// Serves until a signal ends it.
pub fn run(args: &ServeArgs, context: &Context) -> Result<()> {
    // First of all, so that none is missed.
    let signals = Signals::new()?;
    let unmatched = match args.allow_unmatched {
        true => Unmatched::Through,
        false => gateway::unmatched(true, &args.allow)?,
    };
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(tls::config(certificate, key)?),
        _ => None,
    };
    let (store, opened) = context.open()?;
    let authority = context.authority(&store, &opened, COMMAND)?;
    let certificate = authority.certificate_pem().to_owned();
    // It is there when the port answers.
    if let Some(path) = &args.ca_out {
        write_certificate(path, &certificate)?;
    }
    let activated = context.environment.listen_descriptors;
    let listening = Listening::open(&args.listen, activated)?;
    if !listening.is_local() && tls.is_none() && !args.insecure_http {
        return Err(listening.refuse_open());
    }
    let reach = match listening.is_private() || args.allow_private {
        true => Reach::Anything,
        false => Reach::Internet,
    };
    let catalog = context.catalog()?;
    let book = Book::read(&opened.document, &store, &catalog, &Selection::Everything)?;
    for trouble in book.troubles() {
        context.output.warn(trouble);
    }
    let has_agents = opened.document.agent_names().next().is_some();
    let source = Source {
        store,
        key: opened.key.clone(),
        catalog,
        selection: Selection::Everything,
        client: context.client(),
        clock: gateway::clock,
    };
    let watched = Watched {
        policy: args.policy.as_deref(),
        defaults: Defaults::OfService,
        keep: args.keep.0,
        command: COMMAND,
        is_isolated: false,
    };
    let oversight = oversight(&watched, context)?;
    let tokens = RunTokens::default();
    let traffic = Arc::new(Traffic::new(source, oversight, tokens, book));
    let is_tls = tls.is_some();
    let places = listening.places(is_tls);
    let (listeners, _sockets) = listening.into_parts();
    let settings = Settings {
        listeners,
        authority: Some(authority),
        network: context.network(),
        reach,
        reach_of_unmatched: reach,
        unmatched,
        tls,
        threads: gateway::threads(),
        log: gateway::log(context),
    };
    let service = Gateway::start(settings, Arc::clone(&traffic))?;
    context.audit(&Entry::new(Event::Serve, COMMAND).with_list("listen", &places));
    announce(context, &places, has_agents)?;
    notice::send(context, "READY=1");
    let mut watch = Watch {
        context,
        traffic: &traffic,
        service: &service,
        seen: None,
        certificate,
        ca_out: args.ca_out.as_deref(),
    };
    signals.wait(|| watch.look());
    notice::send(context, "STOPPING=1");
    context.output.note("The gateway stops.");
    // Who asks twice does not want to wait.
    std::thread::spawn(move || {
        signals.wait(|| {});
        std::process::exit(130);
    });
    service.stop(args.drain.0);
    Ok(())
}

fn announce(context: &Context, places: &[String], has_agents: bool) -> Result<()> {
    if context.output.json {
        output::print_json(&json!({"listen": places}))?;
    } else {
        let places = places.join(" and ");
        context
            .output
            .note(&format!("The gateway listens on {places}."));
    }
    if !has_agents {
        context
            .output
            .warn("There is no agent yet, so nobody gets in. Make one: vault agent create NAME");
    }
    Ok(())
}

/// The certificate alone, for anybody to read. What is there already and no
/// certificate stays.
fn write_certificate(path: &Path, pem: &str) -> Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => std::fs::read(path).at("read", path).map(Some)?,
        Ok(_) => Some(b"something else than a file".to_vec()),
        Err(_) => None,
    };
    let is_certificate = |text: &[u8]| {
        let text = text.trim_ascii();
        text.is_empty()
            || text.starts_with(b"-----BEGIN CERTIFICATE-----")
                && !text.windows(11).any(|part| part == b"PRIVATE KEY")
    };
    if found.is_some_and(|text| !is_certificate(&text)) {
        let message = format!(
            "{} is there already and no file of a certificate",
            path.display()
        );
        return Err(Error::new(Kind::Conflict, message)
            .with_hint("Name another file, or print it: vault ca"));
    }
    // It is no secret, and 0600 would keep it from those who need it.
    files::replace_private(path, pem.as_bytes())?;
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(path, mode).at("open to readers", path)?;
    Ok(())
}

/// What a service does beside serving: a login may have brought a host that
/// its certificate does not list yet.
struct Watch<'a> {
    context: &'a Context,
    traffic: &'a Traffic,
    service: &'a Gateway,
    seen: Option<Arc<Book>>,
    certificate: String,
    ca_out: Option<&'a Path>,
}

impl Watch<'_> {
    fn look(&mut self) {
        self.traffic.look();
        let Ok(book) = self.traffic.book() else {
            return;
        };
        let is_known = self
            .seen
            .as_ref()
            .is_some_and(|seen| Arc::ptr_eq(seen, &book));
        let is_first = self.seen.is_none();
        self.seen = Some(book);
        if is_known || is_first {
            return;
        }
        if let Err(error) = self.renew() {
            self.context
                .output
                .warn(&format!("The gateway's certificate is as it was: {error}."));
        }
    }

    fn renew(&mut self) -> Result<()> {
        let (store, opened): (Store, Opened) = self.traffic.reopened(self.context.store()?)?;
        let authority = self.context.authority(&store, &opened, COMMAND)?;
        if authority.certificate_pem() == self.certificate {
            return Ok(());
        }
        authority
            .certificate_pem()
            .clone_into(&mut self.certificate);
        self.service.speak_with(authority);
        match self.ca_out {
            Some(path) => {
                write_certificate(path, &self.certificate)?;
                self.context.output.note(&format!(
                    "The certificate speaks for a new host; {} is written anew.",
                    path.display()
                ));
            }
            None => self
                .context
                .output
                .note("The certificate speaks for a new host; clients get it with: vault ca"),
        }
        Ok(())
    }
}

/// The signals that end a service, and the one that has it look around.
struct Signals {
    heard: UnixStream,
    look: Arc<AtomicBool>,
}

impl Signals {
    fn new() -> Result<Self> {
        let failed =
            |error| Error::new(Kind::Failed, "Cannot listen to signals").with_source(error);
        let (heard, speaks) = UnixStream::pair().map_err(failed)?;
        for signal in [SIGTERM, SIGINT] {
            let speaks = speaks.try_clone().map_err(failed)?;
            pipe::register(signal, speaks).map_err(failed)?;
        }
        // Changes are seen without it; with it, at once.
        let look = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGHUP, Arc::clone(&look)).map_err(failed)?;
        heard.set_read_timeout(Some(LOOK)).map_err(failed)?;
        Ok(Self { heard, look })
    }

    /// Waits for one, and looks after something meanwhile.
    fn wait(&self, mut look: impl FnMut()) {
        let mut next = Instant::now() + LOOK;
        loop {
            match (&self.heard).read(&mut [0]) {
                Ok(_) => return,
                Err(_) if self.look.swap(false, Ordering::Relaxed) || Instant::now() >= next => {
                    look();
                    next = Instant::now() + LOOK;
                }
                Err(_) => {}
            }
        }
    }
}
