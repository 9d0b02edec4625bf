//! A login with OAuth: which flow, and leading a person through it. Nothing
//! is written before it is over.

use std::time::Duration;

use jiff::Timestamp;

use super::client::Wanted;
use super::course::Course;
use crate::broker::grant::plain_field;
use crate::cli::context::{Context, whole_second};
use crate::cli::fields;
use crate::credential::Value;
use crate::credential::client::OAuthClient;
use crate::error::{Error, Kind, Result};
use crate::flow::authorize::Attempt;
use crate::flow::local::Listener;
use crate::flow::{self, Server, Tokens, codex, device, register};
use crate::net::{Address, Client, wait_for};
use crate::provider::{Definition, Flow, OAuth, Protocol};
use crate::secret::Secret;
use crate::text::counted;

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
    /// `--force`
    pub is_forced: bool,
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
    let base_url = address(&told, definition, context)?;
    let mut value = Value {
        base_url,
        ..Value::of(fields, context.now)
    };
    let plain = |name: &str| plain_field(definition, &value, name);
    let server = Server::of(definition, value.base_url.as_deref(), &plain)?;
    let flow = chosen(&told, definition, context)?;
    let scopes = match told.scopes {
        Some(scopes) => scopes.to_vec(),
        None => server.oauth.scopes_for(flow).to_vec(),
    };
    let public = server.oauth.client_id.clone();
    // One that nothing was learned with is in the definition already.
    let is_public = |app: &OAuthClient| {
        app.endpoints.is_none() && (app.id.is_empty() || public.as_ref() == Some(&app.id))
    };
    let login = Login {
        definition,
        flow,
        scopes: &scopes,
        may_open: told.may_open,
        is_forced: told.is_forced,
        client: context.client(),
        context,
    };
    let place = server.place();
    let (tokens, app) = login.run(server, told)?;
    if let Some(named) = &tokens.base_url {
        value.base_url = Some(own_address(definition, named)?);
    }
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

/// The connection's own address, where the server's are made of it.
fn address(told: &Told<'_>, definition: &Definition, context: &Context) -> Result<Option<String>> {
    let needs_one = definition.oauth.as_ref().is_some_and(OAuth::needs_address);
    if told.base_url.is_some() || !needs_one {
        return Ok(told.base_url.clone());
    }
    let name = &definition.display_name;
    let typed = context
        .terminal
        .ask_plain(&format!("{name} address (https://…): "))?;
    let Some(typed) = typed.filter(|typed| !typed.is_empty()) else {
        let message = format!("{name} needs the address of your own tenant");
        return Err(
            Error::new(Kind::InvalidInput, message).with_hint(fields::address_hint(definition))
        );
    };
    definition.at(typed.reveal()).map_err(|bad| {
        Error::new(Kind::InvalidInput, format!("The address {bad}"))
            .with_hint(fields::address_hint(definition))
    })?;
    Ok(Some(typed.reveal().to_owned()))
}

/// The address that the server says its tokens are for, if it is one of its
/// provider.
fn own_address(definition: &Definition, named: &str) -> Result<String> {
    let parsed = Address::parse(&Secret::from(named.to_owned())).ok();
    let is_own = parsed.is_some_and(|address| {
        let mut hosts = definition.hosts.iter();
        address.is_tls && hosts.any(|entry| entry.matches(&address.host))
    });
    if is_own {
        return Ok(named.trim_end_matches('/').to_owned());
    }
    let message = format!(
        "{} says that its tokens are for an address that is not its own",
        definition.display_name
    );
    Err(Error::new(Kind::Rejected, message).with_hint("Nothing was stored."))
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
        if flows.contains(&wanted) {
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
pub(super) struct Login<'a> {
    pub(super) definition: &'a Definition,
    pub(super) flow: Flow,
    pub(super) scopes: &'a [String],
    pub(super) may_open: bool,
    pub(super) is_forced: bool,
    pub(super) client: Client,
    pub(super) context: &'a Context,
}

impl Login<'_> {
    fn run(&self, mut server: Server, told: Told<'_>) -> Result<(Tokens, OAuthClient)> {
        if self.flow == Flow::DcrPkce {
            let course = wait_for(self.registered(&mut server, told.stored))?;
            return course.map_err(|stop| stop.edge(&server, self.definition));
        }
        let wanted = Wanted {
            definition: self.definition,
            server: &server,
            flow: self.flow,
            given: told.client_id,
            may_open: self.may_open,
            stored: told.stored,
        };
        let mut app = wanted.find(self.context)?;
        let is_known = server.is_known_for(self.flow);
        let course: Course<Tokens> = wait_for(async {
            if !is_known {
                register::discover(&mut server, &self.client).await?;
                app.endpoints = Some(server.endpoints.clone());
            }
            match self.flow {
                Flow::DeviceCode if server.protocol() == Protocol::Codex => {
                    self.codex_device(&server, &app).await
                }
                Flow::DeviceCode => self.device(&server, &app).await,
                Flow::ClientCredentials => {
                    let asked =
                        flow::client_credentials(&server, &app, self.scopes, &self.client, now());
                    Ok(asked.await?)
                }
                Flow::Pkce | Flow::DcrPkce => {
                    let listener = self.listen(&server.oauth.redirect.ports)?;
                    self.browser(&server, &app, listener).await
                }
            }
        })?;
        let tokens = course.map_err(|stop| stop.edge(&server, self.definition))?;
        Ok((tokens, app))
    }

    /// With a client that registered itself, now or before.
    async fn registered(
        &self,
        server: &mut Server,
        stored: Vec<OAuthClient>,
    ) -> Course<(Tokens, OAuthClient)> {
        let place = server.place();
        let is_usable = |known: &OAuthClient| {
            let is_old = known.expires_at.is_some_and(|end| end <= self.context.now);
            // Who logs in by force may have a client that is not known there
            // any more.
            known.server == place && !is_old && !self.is_forced
        };
        let mut usable: Vec<_> = stored.into_iter().filter(is_usable).collect();
        // The newest is the one that the server surely knows.
        usable.sort_by_key(|known| std::cmp::Reverse(known.registered_at));
        for known in usable {
            let port = known.redirect_uri.as_deref().and_then(port_of);
            // Many servers take back only the very address that they know.
            if let Some(listener) = port.and_then(|port| Listener::bind(&[port]).ok()) {
                server.learn_from(&known);
                let tokens = self.browser(server, &known, listener).await?;
                return Ok((tokens, known));
            }
        }
        register::discover(server, &self.client).await?;
        let listener = self.listen(&server.oauth.redirect.ports)?;
        let redirect = Attempt::new(server, listener.port()).redirect_uri;
        let mut app = register::register(server, &redirect, self.scopes, &self.client).await?;
        app.registered_at = Some(now());
        let tokens = self.browser(server, &app, listener).await?;
        Ok((tokens, app))
    }

    fn listen(&self, ports: &[u16]) -> Result<Listener> {
        let Definition {
            name, display_name, ..
        } = self.definition;
        let any = [0];
        let wanted = if ports.is_empty() { &any } else { ports };
        Listener::bind(wanted).map_err(|error| {
            let listed: Vec<_> = ports.iter().map(ToString::to_string).collect();
            let message = match &listed[..] {
                [] => "No port of 127.0.0.1 can be had".to_owned(),
                ports => format!(
                    "{display_name} sends the browser back to port {} only, which is taken",
                    ports.join(" or ")
                ),
            };
            let flows = self.definition.oauth.as_ref().map(OAuth::flows);
            let by_code = flows.is_some_and(|flows| flows.contains(&Flow::DeviceCode));
            let hint = match by_code {
                true => format!(
                    "End the program that has it, or: vault login {name} --flow device_code"
                ),
                false => "End the program that has it.".to_owned(),
            };
            Error::new(Kind::Failed, message)
                .with_source(error)
                .with_hint(hint)
        })
    }

    async fn device(&self, server: &Server, app: &OAuthClient) -> Course<Tokens> {
        let code = device::begin(server, app, self.scopes, &self.client).await?;
        self.show_code(
            &code.user_code,
            &code.verification_uri,
            code.complete.as_deref(),
            code.life,
        );
        Ok(device::wait(server, app, &code, &self.client, &now).await?)
    }

    async fn codex_device(&self, server: &Server, app: &OAuthClient) -> Course<Tokens> {
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
        let minutes = usize::try_from(life.as_secs().div_ceil(60)).unwrap_or_default();
        output.note(&format!(
            "Waiting for at most {} …",
            counted(minutes, "minute")
        ));
    }
}

fn port_of(redirect_uri: &str) -> Option<u16> {
    let (_, rest) = redirect_uri.split_once("://")?;
    let authority = rest.split('/').next()?;
    authority.rsplit_once(':')?.1.parse().ok()
}

/// The time now: a person may have taken a while.
pub(super) fn now() -> Timestamp {
    whole_second(Timestamp::now())
}
