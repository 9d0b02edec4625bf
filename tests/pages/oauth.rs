//! How a provider is logged in to with OAuth: its lines on the page.

use vault::provider::{Definition, Flow, OAuth, Protocol};

use super::{code, text};

/// The line and those under it; nothing where there is no OAuth.
pub fn lines(definition: &Definition) -> String {
    let Some(oauth) = &definition.oauth else {
        return String::new();
    };
    let flows: Vec<_> = oauth.flows().into_iter().map(flow).collect();
    let mut says = vec![app(oauth)];
    says.extend(redirect(oauth));
    if !oauth.scopes.is_empty() {
        let scopes: Vec<_> = oauth.scopes.iter().map(|scope| code(scope)).collect();
        says.push(format!("asks for {}", scopes.join(", ")));
    }
    says.push(end(oauth));
    let mut lines = format!("- **OAuth:** {}\n", flows.join(", or "));
    for line in says {
        lines.push_str(&format!("  - {line}\n"));
    }
    lines
}

fn flow(flow: Flow) -> String {
    let is = match flow {
        Flow::Pkce => "a browser",
        Flow::DeviceCode => "a code typed on another device",
        Flow::DcrPkce => "a browser, with an app that registers itself",
        Flow::ClientCredentials => "a machine for itself",
    };
    format!("{is} ({})", code(flow.as_str()))
}

/// Whose app asks.
fn app(oauth: &OAuth) -> String {
    if oauth.protocol == Protocol::OpenRouter {
        return "needs no app; what comes of it is a key, and stored as one".to_owned();
    }
    if oauth.client_id.is_some() {
        return "needs no app of one's own".to_owned();
    }
    let mut says = "needs an app of one's own".to_owned();
    if let Some(url) = &oauth.client_url {
        says.push_str(&format!(", see <{url}>"));
    }
    if let Some(id) = &oauth.client_id_env {
        says.push_str(&format!("; its ID is {}", code(id.as_str())));
    }
    let flows = oauth.flows();
    let wanting: Vec<_> = flows
        .iter()
        .filter(|flow| oauth.wants_secret(**flow))
        .collect();
    let named = oauth.client_secret_env.as_ref();
    let named = named.map_or(String::new(), |name| format!(" ({})", code(name.as_str())));
    if wanting.len() == flows.len() {
        says.push_str(&format!(", and it needs its secret{named}"));
    } else if wanting.is_empty() {
        says.push_str(&format!("; its secret{named} only where it has one"));
    } else {
        let words: Vec<_> = wanting.iter().map(|flow| code(flow.as_str())).collect();
        says.push_str(&format!(", its secret{named} for {}", words.join(" and ")));
    }
    says
}

/// What has to be registered with the app.
fn redirect(oauth: &OAuth) -> Option<String> {
    let has_own_app = oauth.client_id.is_none() && oauth.protocol != Protocol::OpenRouter;
    if !has_own_app || !oauth.flows().contains(&Flow::Pkce) {
        return None;
    }
    let redirect = &oauth.redirect;
    let host = redirect.host.as_deref().unwrap_or("127.0.0.1");
    let path = redirect.path.as_deref().unwrap_or("/callback");
    Some(match redirect.ports.first() {
        Some(port) => format!(
            "the app's redirect address: {}",
            code(&format!("http://{host}:{port}{path}"))
        ),
        None => format!(
            "the app's redirect address: {}, at any port",
            code(&format!("http://{host}{path}"))
        ),
    })
}

fn end(oauth: &OAuth) -> String {
    match (&oauth.revocation_url, &oauth.grants_url) {
        (Some(_), _) => "`logout` ends its tokens".to_owned(),
        (None, Some(url)) => format!("a grant is ended by hand: <{url}>"),
        (None, None) => text("no address is known where its tokens end"),
    }
}
