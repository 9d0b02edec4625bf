//! A login with OAuth: which flow, and leading a person through it. Nothing
//! is written before it is over.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;

use super::client::Wanted;
use crate::broker::grant::plain_field;
use crate::cli::context::Context;
use crate::cli::fields;
use crate::credential::Value;
use crate::credential::client::OAuthClient;
use crate::error::{Error, Kind, Result};
use crate::flow::authorize::{self, Attempt, Redirected, check_issuer, host_of};
use crate::flow::local::{self, Callback, Listener};
use crate::flow::{self, FlowError, Server, Tokens, codex, device, register};
use crate::net::{Client, wait_for};
use crate::provider::{Definition, Flow, Protocol};
use crate::secret::Secret;

/// How long a person has to agree.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// What a login with OAuth was told.
pub(super) struct Told<'a> {
    /// `--flow`
    pub flow: Option<Flow>,
    /// `--scopes`
    pub scopes: Option<&'a [String]>,
    /// `--client-id`
    pub client_id: Option<&'a str>,
    /// Not `--no-open`
    pub may_open: bool,
    /// `--base-url`
    pub base_url: Option<String>,
    /// `--field`
    pub fields: &'a [String],
    /// The clients in the vault.
    pub stored: Vec<OAuthClient>,
}

/// Tokens, and the client that they were given to where that is to be kept.
pub(super) struct Granted {
    pub value: Value,
    pub client: Option<OAuthClient>,
}

/// Logs in.
pub(super) fn log_in(
    told: Told<'_>,
    definition: &Definition,
    context: &Context,
) -> Result<Granted> {
    let fields = fields::plain(definition, told.fields, &mentioned(definition), context)?;
    let mut value = Value {
        base_url: told.base_url.clone(),
        ..Value::of(fields, context.now)
    };
    let plain = |name: &str| plain_field(definition, &value, name);
    let server = Server::of(definition, value.base_url.as_deref(), &plain)?;
    let flow = chosen(&told, definition, context)?;
    let scopes = match told.scopes {
        Some(scopes) => scopes.to_vec(),
        None => server.oauth.scopes.clone(),
    };
    let is_public = |app: &OAuthClient| {
        app.id.is_empty() || server.oauth.client_id.as_deref() == Some(&*app.id)
    };
    let login = Login {
        definition,
        flow,
        scopes: &scopes,
        may_open: told.may_open,
        client: context.client(),
        context,
    };
    let place = server.place();
    let (tokens, app) = login.run(&server, told)?;
    value.flow = Some(flow);
    value.scopes = scopes.clone();
    value.client = Some(app.id.clone()).filter(|id| !id.is_empty());
    tokens.put_into(&mut value);
    let client = (!is_public(&app)).then_some(app).map(|mut app| {
        app.server = place;
        app
    });
    Ok(Granted { value, client })
}

/// The fields that stand in the server's addresses.
fn mentioned(definition: &Definition) -> Vec<&str> {
    let Some(oauth) = &definition.oauth else {
        return Vec::new();
    };
    let addresses = [
        &oauth.authorization_url,
        &oauth.token_url,
        &oauth.device_authorization_url,
        &oauth.revocation_url,
        &oauth.registration_endpoint,
        &oauth.issuer,
    ];
    let is_in = |name: &str| {
        let braced = format!("{{{name}}}");
        addresses.iter().any(|address| {
            address
                .as_deref()
                .is_some_and(|text| text.contains(&braced))
        })
    };
    definition
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .filter(|name| *name != "base_url" && is_in(name))
        .collect()
}

/// The flow that was asked for, or the one that fits this machine.
fn chosen(told: &Told<'_>, definition: &Definition, context: &Context) -> Result<Flow> {
    let name = &definition.name;
    let oauth = definition.oauth.as_ref();
    let flows = oauth.map(crate::provider::OAuth::flows).unwrap_or_default();
    if let Some(wanted) = told.flow {
        // A machine's own login needs no more than a token address.
        let is_possible = flows.contains(&wanted)
            || wanted == Flow::ClientCredentials
                && oauth.is_some_and(|oauth| oauth.token_url.is_some());
        if is_possible {
            return Ok(wanted);
        }
        let words: Vec<_> = flows.iter().map(|flow| flow.as_str()).collect();
        let message = format!("{} has no login by {wanted}", definition.display_name);
        return Err(
            Error::new(Kind::InvalidInput, message).with_hint(match &words[..] {
                [] => format!("See which ways it has: vault provider show {name}"),
                words => format!("It has: {}", words.join(", ")),
            }),
        );
    }
    let device = flows
        .contains(&Flow::DeviceCode)
        .then_some(Flow::DeviceCode);
    let first = flows.first().copied();
    let usual = match first {
        Some(Flow::Pkce) if !context.is_desktop() => device.or(first),
        other => other,
    };
    usual.ok_or_else(|| {
        Error::new(
            Kind::InvalidInput,
            format!("The definition of {name} says nothing of how to log in"),
        )
        .with_hint(format!("Look at it: vault provider show {name}"))
    })
}

/// A login on its way.
struct Login<'a> {
    definition: &'a Definition,
    flow: Flow,
    scopes: &'a [String],
    may_open: bool,
    client: Client,
    context: &'a Context,
}

impl Login<'_> {
    fn run(&self, server: &Server, told: Told<'_>) -> Result<(Tokens, OAuthClient)> {
        if self.flow == Flow::DcrPkce {
            return wait_for(self.registered(told.stored, told.base_url.as_deref()))?;
        }
        let wanted = Wanted {
            definition: self.definition,
            server,
            flow: self.flow,
            given: told.client_id,
            stored: told.stored,
        };
        let app = wanted.find(self.context)?;
        let tokens = wait_for(async {
            match self.flow {
                Flow::DeviceCode if server.protocol() == Protocol::Codex => {
                    self.codex_device(server, &app).await
                }
                Flow::DeviceCode => self.device(server, &app).await,
                Flow::ClientCredentials => {
                    let asked =
                        flow::client_credentials(server, &app, self.scopes, &self.client, now());
                    Ok(asked.await?)
                }
                Flow::Pkce | Flow::DcrPkce => {
                    let listener = self.listen(&server.oauth.redirect.ports)?;
                    self.browser(server, &app, listener).await
                }
            }
        })??;
        Ok((tokens, app))
    }

    /// With a client that registered itself, now or before.
    async fn registered(
        &self,
        stored: Vec<OAuthClient>,
        base_url: Option<&str>,
    ) -> Result<(Tokens, OAuthClient)> {
        let mut server = Server::of(self.definition, base_url, &|_| None)?;
        let place = server.place();
        for known in stored {
            let port = known.redirect_uri.as_deref().and_then(port_of);
            // Many servers take back only the very address that they know.
            let listener = port.and_then(|port| Listener::bind(&[port]).ok());
            if known.server == place
                && let Some(listener) = listener
            {
                let server = server.known_to(&known);
                let tokens = self.browser(&server, &known, listener).await?;
                return Ok((tokens, known));
            }
        }
        register::discover(&mut server, &self.client).await?;
        let listener = self.listen(&server.oauth.redirect.ports)?;
        let redirect = Attempt::new(&server, listener.port()).redirect_uri;
        let app = register::register(&server, &redirect, self.scopes, &self.client).await?;
        let tokens = self.browser(&server, &app, listener).await?;
        Ok((tokens, app))
    }

    fn listen(&self, ports: &[u16]) -> Result<Listener> {
        let any = [0];
        let wanted = if ports.is_empty() { &any } else { ports };
        Listener::bind(wanted).map_err(|error| {
            let ports: Vec<_> = ports.iter().map(ToString::to_string).collect();
            let message = format!(
                "{} sends the browser back to port {} only, which is taken",
                self.definition.display_name,
                ports.join(" or ")
            );
            let mut hint = "End the program that has it".to_owned();
            let oauth = self.definition.oauth.as_ref();
            if oauth.is_some_and(|oauth| oauth.flows().contains(&Flow::DeviceCode)) {
                let name = &self.definition.name;
                hint.push_str(&format!(", or: vault login {name} --flow device_code"));
            }
            Error::new(Kind::Failed, message)
                .with_source(error)
                .with_hint(hint)
        })
    }

    /// By a browser: on this machine, or on another one whose address is
    /// pasted back.
    async fn browser(
        &self,
        server: &Server,
        app: &OAuthClient,
        listener: Listener,
    ) -> Result<Tokens> {
        let attempt = Attempt::new(server, listener.port());
        let address = attempt.address(server, &app.id, self.scopes)?;
        let is_shown =
            self.may_open && self.context.is_desktop() && self.context.show_page(&address);
        let paste = match is_shown {
            true => None,
            false => self.context.terminal.line_reader(),
        };
        self.lead(&address, is_shown, paste.is_some());
        let callback = Callback {
            host: host_of(server),
            path: &attempt.path,
            state: (!attempt.state_in_path).then_some(&attempt.state),
            provider: &server.name,
        };
        let pasted = async {
            match paste {
                Some(reader) => attempt.pasted(server, &reader.line().await),
                None => std::future::pending().await,
            }
        };
        let came_back = async { local::wait(listener, &callback, PATIENCE).await };
        let redirected = match first_of(came_back, pasted).await {
            First::One(back) => back_from(server, back?)?,
            First::Other(pasted) => pasted?,
        };
        check_issuer(server, redirected.issuer.as_deref())?;
        let verifier = attempt.verifier_for(server);
        let traded = flow::exchange(
            server,
            app,
            &redirected.code,
            verifier,
            &attempt.redirect_uri,
            &self.client,
            now(),
        );
        Ok(traded.await?)
    }

    fn lead(&self, address: &str, is_shown: bool, can_paste: bool) {
        let name = &self.definition.display_name;
        let output = &self.context.output;
        if is_shown {
            output.tell(&format!(
                "Agree to it in your browser. If none came up, open this address:\n\n{address}\n"
            ));
            return;
        }
        output.tell(&format!(
            "Open this address in a browser, and agree to it at {name}:\n\n{address}\n"
        ));
        if can_paste {
            output.tell(
                "If that browser is on another machine, its last page cannot be reached from \
                 there. Paste the whole address of that page here:",
            );
        }
    }

    async fn device(&self, server: &Server, app: &OAuthClient) -> Result<Tokens> {
        let code = device::begin(server, app, self.scopes, &self.client).await?;
        self.show_code(
            &code.user_code,
            &code.verification_uri,
            code.complete.as_deref(),
            code.life,
        );
        Ok(device::wait(server, app, &code, &self.client, &now).await?)
    }

    async fn codex_device(&self, server: &Server, app: &OAuthClient) -> Result<Tokens> {
        let code = codex::begin(server, app, &self.client).await?;
        let life = codex::PATIENCE;
        self.show_code(&code.user_code, &code.verification_uri, None, life);
        Ok(codex::wait(server, app, &code, &self.client, &now).await?)
    }

    fn show_code(&self, code: &str, page: &str, complete: Option<&str>, life: Duration) {
        let output = &self.context.output;
        output.tell(&format!("Open {page} on any device, and type this code:"));
        output.show_code(code);
        let may_open = self.may_open && self.context.is_desktop();
        if may_open && self.context.show_page(complete.unwrap_or(page)) {
            output.tell("The page is open in your browser.");
        } else if let Some(complete) = complete {
            output.tell(&format!("With the code in it: {complete}"));
        }
        let minutes = life.as_secs().div_ceil(60);
        output.note(&format!("Waiting for at most {minutes} minutes …"));
    }
}

fn back_from(
    server: &Server,
    back: local::Redirected,
) -> std::result::Result<Redirected, FlowError> {
    let code: Secret = back.code.map_err(|denied| {
        authorize::denied(server, &denied.error, denied.description.as_deref())
    })?;
    Ok(Redirected {
        code,
        issuer: back.issuer,
    })
}

/// What was ready first.
enum First<A, B> {
    One(A),
    Other(B),
}

/// Waits for whichever comes first; the other one is dropped.
async fn first_of<A, B>(
    one: impl Future<Output = A>,
    other: impl Future<Output = B>,
) -> First<A, B> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Ready(made) => Poll::Ready(First::One(made)),
        Poll::Pending => other.as_mut().poll(context).map(First::Other),
    })
    .await
}

fn port_of(redirect_uri: &str) -> Option<u16> {
    let (_, rest) = redirect_uri.split_once("://")?;
    let authority = rest.split('/').next()?;
    authority.rsplit_once(':')?.1.parse().ok()
}

/// The time now: a person may have taken a while.
fn now() -> Timestamp {
    Timestamp::now()
}
