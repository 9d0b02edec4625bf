//! A login by a browser: on this machine, where it comes back to us, or on
//! another one, whose last address is pasted.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::course::Course;
use super::oauth::{Login, now};
use crate::cli::terminal::LineReader;
use crate::credential::client::OAuthClient;
use crate::flow::authorize::{self, Attempt, Redirected, check_issuer, host_of};
use crate::flow::local::{self, Callback, Listener};
use crate::flow::{self, FlowError, Server, Tokens};
use crate::secret::Secret;

/// How long a person has to agree.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

impl Login<'_> {
    /// By a browser: on this machine, or on another one whose address is
    /// pasted back.
    pub(super) async fn browser(
        &self,
        server: &Server,
        app: &OAuthClient,
        listener: Listener,
    ) -> Course<Tokens> {
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
                Some(reader) => self.pasted(server, &attempt, reader).await,
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

    /// The address that a person pastes; a wrong one is no end at a terminal.
    async fn pasted(
        &self,
        server: &Server,
        attempt: &Attempt,
        mut reader: LineReader,
    ) -> std::result::Result<Redirected, FlowError> {
        loop {
            let line = reader.line().await;
            if line.reveal().trim().is_empty() {
                continue;
            }
            match attempt.pasted(server, &line) {
                Err(wrong @ FlowError::Pasted(_)) if self.context.terminal.is_there() => {
                    let message = format!("That was not it: {wrong}. Paste the whole address:");
                    self.context.output.tell(&message);
                }
                other => return other,
            }
        }
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
