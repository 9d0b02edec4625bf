//! Which OAuth client a login uses: the one that was named, the one in the
//! environment, the one in the vault, the provider's public one, or one that
//! a person types in.

use std::collections::BTreeMap;

use crate::cli::context::Context;
use crate::cli::environment::named_variable;
use crate::cli::form;
use crate::credential::client::OAuthClient;
use crate::error::{Error, Kind, Result};
use crate::flow::local::{FormField, FormPage};
use crate::flow::{Server, authorize};
use crate::name::VariableName;
use crate::provider::{Definition, Flow, Protocol};
use crate::secret::Secret;

/// What a login knows when it needs a client.
pub(super) struct Wanted<'a> {
    /// The provider.
    pub definition: &'a Definition,
    /// Its server.
    pub server: &'a Server,
    /// How tokens are come by.
    pub flow: Flow,
    /// `--client-id`
    pub given: Option<&'a str>,
    /// Whether a browser may be opened.
    pub may_open: bool,
    /// The clients in the vault.
    pub stored: Vec<OAuthClient>,
}

impl Wanted<'_> {
    /// The client; not for one that registers itself.
    pub(super) fn find(mut self, context: &Context) -> Result<OAuthClient> {
        if self.server.protocol() == Protocol::OpenRouter {
            return Ok(self.client(String::new(), None));
        }
        let here = self.server.place();
        self.stored
            .retain(|client| client.server == here && !client.is_registered());
        if let Some(id) = self.given {
            return self.of(id.to_owned(), context);
        }
        let oauth = &self.server.oauth;
        let variable = oauth.client_id_env.as_ref();
        if let Some(id) = variable.and_then(|name| named_variable(name.as_str())) {
            return self.of(id.reveal().trim().to_owned(), context);
        }
        match &self.stored[..] {
            [] => {}
            [only] => return self.of(only.id.clone(), context),
            [first, ..] => {
                let ids: Vec<_> = self.stored.iter().map(|app| app.id.as_str()).collect();
                let name = &self.definition.name;
                let message = format!("{name} has several OAuth clients: {}", ids.join(", "));
                return Err(Error::new(Kind::Usage, message).with_hint(format!(
                    "Name one: vault login {name} --client-id {}",
                    first.id
                )));
            }
        }
        if let Some(public) = &oauth.client_id {
            return self.of(public.clone(), context);
        }
        if context.is_desktop() && self.may_open && !context.is_silent() {
            return self.typed_in_a_form(context);
        }
        let id = self.asked("client ID", false, context)?;
        let id = id.ok_or_else(|| self.none())?;
        self.of(id.reveal().to_owned(), context)
    }

    /// Both parts at once, in a page of this machine.
    fn typed_in_a_form(&self, context: &Context) -> Result<OAuthClient> {
        let field = |name: &str, label: &str, is_secret: bool| FormField {
            name: name.to_owned(),
            label: label.to_owned(),
            hint: (!is_secret).then(|| {
                let page = self.server.oauth.client_url.as_ref();
                let page = page.map_or(String::new(), |url| format!(" Register one at {url}."));
                format!("Of your own OAuth app {}.{page}", self.needs())
            }),
            is_secret,
            is_multiline: false,
            is_required: true,
            value: None,
        };
        let mut fields = vec![field("client_id", "Client ID", false)];
        if self.server.oauth.wants_secret(self.flow) {
            fields.push(field("client_secret", "Client secret", true));
        }
        let page = FormPage {
            provider: &self.definition.display_name,
            connection: self.definition.name.as_str(),
            // What one gets there is no key.
            key_url: None,
            fields: &fields,
        };
        let id_of = |values: &BTreeMap<String, Secret>| {
            let id = values.get("client_id").map_or("", Secret::reveal);
            id.trim().to_owned()
        };
        let mut values = form::fill(page, self.may_open, context, |values| {
            checked(&id_of(values))
        })?;
        let secret = values.remove("client_secret");
        Ok(self.client(id_of(&values), secret))
    }

    fn client(&self, id: String, secret: Option<Secret>) -> OAuthClient {
        let proof = self.server.proof_of(secret.as_ref());
        let mut client = OAuthClient::new(id, secret, proof);
        client.server = self.server.place();
        client
    }

    fn is_enough(&self, client: &OAuthClient) -> bool {
        client.secret.is_some() || !self.server.oauth.wants_secret(self.flow)
    }

    /// The client of this name, with its secret where it takes one.
    fn of(&self, id: String, context: &Context) -> Result<OAuthClient> {
        checked(&id)?;
        let read = |name: &Option<VariableName>| {
            let name = name.as_ref()?;
            named_variable(name.as_str())
        };
        let oauth = &self.server.oauth;
        // The secret in the environment is that of the client that is there.
        let is_its_own = read(&oauth.client_id_env).is_none_or(|own| own.reveal().trim() == id);
        if let Some(secret) = read(&oauth.client_secret_env).filter(|_| is_its_own) {
            return Ok(self.client(id, Some(secret)));
        }
        let stored = self.stored.iter().find(|client| client.id == id);
        if let Some(stored) = stored.filter(|stored| self.is_enough(stored)) {
            return Ok(stored.duplicate());
        }
        if !self.server.oauth.wants_secret(self.flow) {
            return Ok(self.client(id, None));
        }
        let secret = self.asked("client secret", true, context)?;
        let secret = secret.ok_or_else(|| self.no_secret())?;
        Ok(self.client(id, Some(secret)))
    }

    fn asked(&self, what: &str, is_secret: bool, context: &Context) -> Result<Option<Secret>> {
        if !context.terminal.is_there() {
            return Ok(None);
        }
        let page = self.server.oauth.client_url.as_ref();
        if let Some(url) = page.filter(|_| !is_secret) {
            context.output.note(&format!(
                "{} wants an OAuth app of your own. Register one at {url} {}.",
                self.definition.display_name,
                self.needs()
            ));
        }
        let prompt = format!("{} {what}: ", self.definition.display_name);
        let typed = if is_secret {
            context.terminal.ask_masked(&prompt)?
        } else {
            context.terminal.ask_plain(&prompt)?
        };
        Ok(typed.filter(|typed| !typed.is_empty()))
    }

    /// What the app has to have for this flow.
    fn needs(&self) -> String {
        match self.flow {
            Flow::DeviceCode => "with the device flow allowed".to_owned(),
            Flow::ClientCredentials => "with a secret".to_owned(),
            Flow::Pkce | Flow::DcrPkce => {
                format!("with the redirect address {}", redirect_of(self.server))
            }
        }
    }

    fn none(&self) -> Error {
        let Definition {
            name, display_name, ..
        } = self.definition;
        let oauth = &self.server.oauth;
        let mut hint = match &oauth.client_url {
            Some(url) => format!("Register one at {url} {}, then: ", self.needs()),
            None => String::new(),
        };
        hint.push_str(&format!("vault login {name} --client-id ID"));
        if let Some(variable) = &oauth.client_id_env {
            hint.push_str(&format!(", or set {variable}"));
        }
        Error::new(
            Kind::InvalidInput,
            format!("{display_name} wants an OAuth client of your own, and none was given"),
        )
        .with_hint(hint)
    }

    fn no_secret(&self) -> Error {
        let Definition {
            name, display_name, ..
        } = self.definition;
        let hint = match &self.server.oauth.client_secret_env {
            Some(variable) => format!("Set {variable} for this command alone."),
            None => format!("Run it at a terminal, where it is asked for: vault login {name}"),
        };
        Error::new(
            Kind::InvalidInput,
            format!("{display_name} wants the secret of the OAuth client, and none was given"),
        )
        .with_hint(hint)
    }
}

fn checked(id: &str) -> Result<()> {
    if id.is_empty() || id.len() > 1024 || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::new(Kind::InvalidInput, "The client ID is none")
            .with_hint("It is the one that the provider shows for your OAuth app."));
    }
    Ok(())
}

/// The redirect address that an app is registered with.
pub(super) fn redirect_of(server: &Server) -> String {
    let redirect = &server.oauth.redirect;
    let host = authorize::host_of(server);
    let path = redirect.path();
    match redirect.ports.first() {
        Some(port) => format!("http://{host}:{port}{path}"),
        None => format!("http://{host}{path}"),
    }
}
