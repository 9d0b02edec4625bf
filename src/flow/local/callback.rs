//! The place that a provider sends the browser back to (RFC 8252, section
//! 7.3). The one request that carries our state and either a code or an error
//! ends the wait; it works once, since nothing listens after it.

use std::time::Duration;

use super::LocalError;
use super::answer::Answer;
use super::guard::Guard;
use super::serve::{Listener, Verdict, serve};
use crate::flow::pairs::{Malformed, Pairs};
use crate::secret::Secret;

/// What we wait for.
pub struct Callback<'a> {
    /// The host of the redirect URI: `127.0.0.1` or `localhost`.
    pub host: &'a str,
    /// The path of the redirect URI.
    pub path: &'a str,
    /// What we gave the provider to send back; unguessable. None where it is
    /// a part of the path, since the provider sends nothing back.
    pub state: Option<&'a Secret>,
    /// The provider's name for people.
    pub provider: &'a str,
}

/// What the provider sent back.
pub struct Redirected {
    /// The code, or why there is none.
    pub code: Result<Secret, Denied>,
    /// Who says so (RFC 9207). It is for the caller to compare.
    pub issuer: Option<String>,
}

/// The provider's reason. Both texts are from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Such as `access_denied`.
    pub error: String,
    /// The same for people.
    pub description: Option<String>,
}

/// Waits until the browser comes back from the provider.
///
/// # Errors
/// It does not, or the socket fails.
pub async fn wait(
    listener: Listener,
    callback: &Callback<'_>,
    patience: Duration,
) -> Result<Redirected, LocalError> {
    let host = format!("{}:{}", callback.host, listener.port());
    let guard = Guard::of_page(host, callback.path);
    serve(listener, guard, patience, |request| {
        match judged(request.query.as_bytes(), callback.state) {
            Ok(Some(redirected)) => Verdict::Done(farewell(callback, &redirected), redirected),
            Ok(None) | Err(Malformed) => Verdict::Wait(Answer::bad_request(
                "This is not the answer that vault waits for. The login goes on.",
            )),
        }
    })
    .await
}

/// What a query says, if it is the answer to our question. RFC 6749 lets no
/// parameter be there twice.
fn judged(query: &[u8], ours: Option<&Secret>) -> Result<Option<Redirected>, Malformed> {
    let mut pairs = Pairs::parse(query)?;
    let state = pairs.take("state")?;
    let code = pairs.take("code")?.filter(|code| !code.is_empty());
    let error = pairs.take("error")?.filter(|error| !error.is_empty());
    let description = pairs.take("error_description")?;
    let issuer = pairs.take("iss")?;
    let is_ours =
        ours.is_none_or(|ours| !ours.is_empty() && state.is_some_and(|state| state.matches(ours)));
    if !is_ours {
        return Ok(None);
    }
    let code = match (code, error) {
        (Some(code), None) => Ok(code),
        (None, Some(error)) => Err(Denied {
            error: plain(&error),
            description: description.as_ref().map(plain),
        }),
        _ => return Ok(None),
    };
    let issuer = issuer.as_ref().map(plain);
    Ok(Some(Redirected { code, issuer }))
}

/// A parameter that is no secret.
fn plain(parameter: &Secret) -> String {
    parameter.reveal().to_owned()
}

fn farewell(callback: &Callback<'_>, redirected: &Redirected) -> Answer {
    let provider = callback.provider;
    match &redirected.code {
        // The code has yet to be exchanged, so no word of success.
        Ok(_) => Answer::notice(
            200,
            &format!("Back from {provider}"),
            "The login finishes in your terminal. You can close this window.",
        ),
        Err(denied) => {
            let reason: String = denied
                .description
                .as_ref()
                .unwrap_or(&denied.error)
                .chars()
                .take(300)
                .collect();
            Answer::notice(
                200,
                &format!("{provider} said no"),
                &format!("It answered: {reason}. You can close this window."),
            )
        }
    }
}

#[cfg(test)]
mod tests;
