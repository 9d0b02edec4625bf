//! The proxy mode of `run`: a gateway in this process, and the program beside
//! it, which holds no key. Both end together.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;

use super::bundle::Bundle;
use super::child::Child;
use super::stand_in::StandIns;
use super::surroundings::{Surroundings, trusted};
use super::{RunArgs, refuse_nul, report, split, started};
use crate::audit::{Entry, Event};
use crate::broker::allowance::Defaults;
use crate::broker::approval;
use crate::broker::traffic::{Book, Placeholder, RunTokens, Selection, Source, Traffic};
use crate::cli::command::isolate::Hidden;
use crate::cli::context::Context;
use crate::cli::oversight::{KEEP, Watched, oversight};
use crate::cli::{environment, gateway};
use crate::error::{Error, Kind, Result};
use crate::gateway::authority::{Authority, AuthorityError, Lasting, permitted_of};
use crate::gateway::{Gateway, Listener, Settings};
use crate::name::{ConnectionRef, Target, VariableName};
use crate::net::{Address, Reach};
use crate::process::isolate::{self, Plan};
use crate::provider::{Catalog, Definition, HostName};
use crate::secret::Secret;
use crate::vault::{Document, Opened, Store};

/// Waits for the program, whose requests get their credentials on the way.
pub(super) fn accompany(args: &RunArgs, context: &Context) -> Result<u8> {
    if args.no_refresh {
        let message = "--no-refresh is for --mode env: the gateway renews what a request needs";
        return Err(
            Error::new(Kind::Usage, message).with_hint("vault run --mode env --no-refresh -- CMD")
        );
    }
    let (program, arguments) = split(&args.command)?;
    let Some((store, opened)) = context.open_if_there()? else {
        return without_vault(args, context);
    };
    let (listener, address) = match args.isolate {
        // It is made in the program's own network, where nothing else is.
        true => (None, SocketAddr::V4(isolate::ADDRESS)),
        false => {
            let (listener, address) = listen().map_err(|error| {
                let message = "No port of this machine can be listened on";
                Error::new(Kind::Failed, message).with_source(error)
            })?;
            (Some(listener), address)
        }
    };
    let parts = Parts::new(args, context, &store, &opened)?;
    let inherited = environment::whole();
    let bundle = Bundle::write(
        &context.places()?.runtime_folders(),
        parts
            .authority
            .as_ref()
            .map_or("", Authority::certificate_pem),
        &trusted(&inherited),
    )?;
    for warning in &bundle.warnings {
        context.output.warn(warning);
    }
    let proxy = Secret::from(format!("http://vault:{}@{address}", parts.token.reveal()));
    let mut base_urls = Vec::new();
    if args.base_urls {
        base_urls = parts.base_urls(&address.to_string());
    }
    for (name, value) in &parts.values {
        refuse_nul(name, value)?;
    }
    let surroundings = Surroundings {
        proxy: &proxy,
        connected: &parts.book.definitions().collect::<Vec<_>>(),
        others: &parts.others,
        own_hosts: &parts.own_hosts(),
        placeholders: &parts.variables,
        values: &parts.values,
        base_urls: &base_urls,
        bundle: &bundle,
    };
    let variables = surroundings.variables(inherited);
    parts.write_down(program, args, context);
    let gateway = |listener| {
        let listeners = vec![Listener::Tcp(listener)];
        parts.start(args, context, store, &opened, listeners)
    };
    context.terminal.give_over();
    let Some(listener) = listener else {
        let plan = plan(context, &bundle)?;
        let (mut command, mut waiting) =
            plan.command(program, arguments).map_err(cannot_isolate)?;
        command.env_clear().envs(variables);
        let child = match Child::spawn(command, &context.inherited) {
            Ok(child) => child,
            Err(failed) => return Err(cannot_isolate(failed)),
        };
        let _gateway = gateway(waiting.listener()?)?;
        return match waiting.go() {
            Ok(()) => ended(child),
            Err(failed) => Ok(report(&failed, program, context)),
        };
    };
    // It runs as long as this is held.
    let _gateway = gateway(listener)?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(variables);
    match Child::spawn(command, &context.inherited) {
        Ok(child) => ended(child),
        Err(failed) => Ok(report(&failed, program, context)),
    }
}

/// What an isolated program must not find, and what it needs.
fn plan(context: &Context, bundle: &Bundle) -> Result<Plan> {
    // The socket of `approvals` comes later; its folder has to be there now.
    let _ = approval::folder_for_socket(&context.places()?.socket_folders());
    let hidden = Hidden::of(context)?;
    if let Some(folder) = &hidden.shared {
        context.output.warn(&format!(
            "Other things lie beside the vault in {}: the program sees that folder, and the \
             sealed vault once a commit has replaced it.",
            folder.display()
        ));
    }
    Ok(Plan {
        hidden: hidden.paths,
        keep: Some(bundle.folder().to_owned()),
        ..Plan::default()
    })
}

fn cannot_isolate(error: std::io::Error) -> Error {
    Error::new(Kind::Failed, "The program cannot be isolated").with_source(error)
}

fn ended(child: Child) -> Result<u8> {
    child.wait().map_err(|error| {
        Error::new(Kind::Failed, "Cannot learn how the program ended").with_source(error)
    })
}

/// Nothing is there to be put into requests: the program runs as it is, if
/// nobody asked for more.
fn without_vault(args: &RunArgs, context: &Context) -> Result<u8> {
    let is_plain = args.only.is_empty()
        && args.with.is_empty()
        && args.allow.is_empty()
        && !(args.deny_unmatched || args.isolate || args.base_urls);
    if !is_plain {
        return Err(context.no_vault());
    }
    context.output.warn(
        "There is no vault: the program runs without credentials. Make one: vault login openai",
    );
    let (program, arguments) = split(&args.command)?;
    let mut command = Command::new(program);
    command.args(arguments);
    for variable in environment::VAULT_VARIABLES {
        command.env_remove(variable);
    }
    context.terminal.give_over();
    match Child::spawn(command, &context.inherited) {
        Ok(child) => ended(child),
        Err(failed) => Ok(report(&failed, program, context)),
    }
}

/// What a run's gateway and its program are made from.
struct Parts {
    book: Book,
    authority: Option<Authority>,
    token: Secret,
    placeholders: Vec<Placeholder>,
    /// The same by variable, for the program.
    variables: Vec<(VariableName, Secret)>,
    values: Vec<(VariableName, Secret)>,
    /// The plain secrets among them.
    secrets: Vec<VariableName>,
    /// Providers that are connected and not for this program: it has no
    /// business with their keys either.
    others: Vec<Definition>,
    selection: Selection,
}

impl Parts {
    fn new(args: &RunArgs, context: &Context, store: &Store, opened: &Opened) -> Result<Self> {
        let selection = selection(&args.only);
        let document = &opened.document;
        let book = Book::read(document, store, &context.catalog()?, &selection)?;
        for trouble in book.troubles() {
            context.output.warn(trouble);
        }
        let mut permitted: Vec<_> = book.definitions().flat_map(permitted_of).collect();
        permitted.dedup();
        let authority = match Authority::new(&permitted, Lasting::Run, context.now) {
            Ok(authority) => Some(authority),
            Err(AuthorityError::NothingPermitted) => None,
            Err(error) => return Err(error.into()),
        };
        let mut parts = Self {
            book,
            authority,
            token: random_token()?,
            placeholders: Vec::new(),
            variables: Vec::new(),
            values: Vec::new(),
            secrets: Vec::new(),
            others: others(document, &context.catalog()?, &selection),
            selection,
        };
        parts.stand_in()?;
        let named = args.only.iter().filter_map(|target| match target {
            Target::Secret(name) => Some(name),
            Target::Connection(_) => None,
        });
        for name in named.chain(&args.with) {
            let found = document.secret(name).map_err(|bad| store.damaged(bad))?;
            let credential = found.ok_or_else(|| {
                Error::new(Kind::NotFound, format!("There is no plain secret {name}")).with_hint(
                    format!("Store it: printf '%s' \"$VALUE\" | vault set {name}"),
                )
            })?;
            parts.secrets.push(name.clone());
            let values = credential.value.fields.into_values();
            parts
                .values
                .extend(values.map(|value| (name.clone(), value)));
        }
        Ok(parts)
    }

    /// What the audit log is told: which connections the program can use, and
    /// which secrets it holds.
    fn write_down(&self, program: &OsString, args: &RunArgs, context: &Context) {
        if !self.secrets.is_empty() {
            let entry = Entry::new(Event::Export, "run");
            context.audit(&entry.with_list("secrets", &self.secrets));
        }
        let entry = started(program)
            .with("mode", "proxy")
            .with_flag("isolated", args.isolate)
            .with_list("connections", self.book.ids());
        context.audit(&entry);
    }

    /// Made-up keys for the program. Where two providers read one variable,
    /// it holds one placeholder, which is good at both.
    fn stand_in(&mut self) -> Result<()> {
        let mut failed = Ok(());
        let mut random = |bytes: &mut [u8]| {
            if let Err(error) = getrandom::getrandom(bytes) {
                failed = Err(error);
            }
        };
        for entry in self.book.usual() {
            let made = StandIns::of(&entry.definition, &entry.credential, &mut random);
            for stand_in in made.placeholders {
                let provider = entry.id.provider.clone();
                let known = self
                    .variables
                    .iter()
                    .position(|(variable, _)| *variable == stand_in.variable);
                if let Some(place) = known {
                    self.placeholders[place].providers.push(provider);
                    continue;
                }
                self.placeholders.push(Placeholder {
                    providers: vec![provider],
                    text: stand_in.placeholder.duplicate(),
                });
                self.variables
                    .push((stand_in.variable, stand_in.placeholder));
            }
            self.values.extend(made.values);
        }
        failed.map_err(no_random)
    }

    /// Hosts that connections name themselves.
    fn own_hosts(&self) -> Vec<HostName> {
        let definitions = self.book.definitions();
        definitions
            .flat_map(|definition| definition.hosts.iter().filter_map(|host| host.exact()))
            .cloned()
            .collect()
    }

    /// The gateway's address in the place of each provider's own.
    fn base_urls(&self, gateway: &str) -> Vec<(VariableName, String)> {
        let mut urls = Vec::new();
        for entry in self.book.usual() {
            let definition = &entry.definition;
            let own = definition.base_url.as_ref();
            let own = own.and_then(|url| Address::parse(&Secret::from(url.clone())).ok());
            let provider = &entry.id.provider;
            let has_token = self
                .placeholders
                .iter()
                .any(|known| known.providers.contains(provider));
            let (Some(own), true) = (own, has_token) else {
                continue;
            };
            let path = own.path.reveal().trim_end_matches('/').to_owned();
            for variable in &definition.base_url_env {
                urls.push((
                    variable.clone(),
                    format!("http://{gateway}/api/{provider}{path}"),
                ));
            }
        }
        urls
    }

    fn start(
        self,
        args: &RunArgs,
        context: &Context,
        store: Store,
        opened: &Opened,
        listeners: Vec<Listener>,
    ) -> Result<Gateway> {
        let source = Source {
            store,
            key: opened.key.clone(),
            catalog: context.catalog()?,
            selection: self.selection,
            client: context.client(),
            clock: gateway::clock,
        };
        let tokens = RunTokens {
            token: Some(self.token),
            placeholders: self.placeholders,
        };
        let watched = Watched {
            policy: None,
            defaults: Defaults::None,
            keep: KEEP,
            command: "run",
            is_isolated: args.isolate,
        };
        let oversight = oversight(&watched, context)?;
        let traffic = Traffic::new(source, oversight, tokens, self.book);
        let settings = Settings {
            listeners,
            authority: self.authority,
            network: context.network(),
            reach: Reach::Anything,
            // What is hidden from the program answers on this machine.
            reach_of_unmatched: match args.isolate {
                true => Reach::Others,
                false => Reach::Anything,
            },
            unmatched: gateway::unmatched(args.deny_unmatched, &args.allow)?,
            tls: None,
            threads: gateway::threads(),
            log: gateway::log(context),
        };
        Gateway::start(settings, Arc::new(traffic))
    }
}

/// The definitions of connected providers that were not chosen.
fn others(document: &Document, catalog: &Catalog, selection: &Selection) -> Vec<Definition> {
    let Selection::Only(_) = selection else {
        return Vec::new();
    };
    let mut providers: Vec<_> = document.connections().map(|id| id.provider).collect();
    providers.dedup();
    providers
        .iter()
        .filter_map(|provider| Some(catalog.find(provider).ok()?.definition))
        .collect()
}

fn listen() -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn selection(only: &[Target]) -> Selection {
    if only.is_empty() {
        return Selection::Everything;
    }
    let named: Vec<ConnectionRef> = only
        .iter()
        .filter_map(|target| match target {
            Target::Connection(reference) => Some(reference.clone()),
            Target::Secret(_) => None,
        })
        .collect();
    Selection::Only(named)
}

/// What lets the program in and nobody else: it stands in the proxy's address.
fn random_token() -> Result<Secret> {
    let mut bytes = zeroize::Zeroizing::new([0; 24]);
    getrandom::getrandom(&mut *bytes).map_err(no_random)?;
    Ok(Secret::from(
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>(),
    ))
}

fn no_random(error: getrandom::Error) -> Error {
    Error::new(Kind::Failed, "The system gives no random numbers")
        .with_source(std::io::Error::from(error))
}
