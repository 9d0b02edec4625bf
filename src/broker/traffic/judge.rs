//! What policy says about a request, before anything secret is chosen for it:
//! its rules, and a person where a rule wants one.

use std::sync::Arc;

use hyper::body::Bytes;

use super::client::Client;
use super::refusal::Refusal;
use super::{Asked, Traffic};
use crate::broker::approval::{Ask, DEFAULT_TIMEOUT, Outcome};
use crate::name::ConnectionId;
use crate::policy::{Action, Body, Decision, Facts, JsonBody, Policy, Verdict};

/// A body that a person may want to see is read before they are asked, unless
/// it is longer.
const SHOWN: u64 = 4 * 1024 * 1024;

/// A request's body. It is read only where it has to be.
pub trait Content: Send {
    /// Whether there is none.
    fn is_empty(&self) -> bool;

    /// How long it is, where that is said.
    fn length(&self) -> Option<u64>;

    /// The whole of it, as plain as it was before it was compressed. It can
    /// still be sent afterwards.
    ///
    /// # Errors
    /// It goes no further.
    fn read(&mut self) -> impl Future<Output = Result<Bytes, Unreadable>> + Send;
}

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Longer than what is held in memory.
    #[error("it is too long")]
    TooLong,
    /// In a way that we cannot open.
    #[error("it is compressed in an unknown or broken way")]
    Compressed,
    /// What follows is another protocol, such as WebSocket.
    #[error("what follows is no body but another protocol")]
    Switches,
    /// So much is being read that there is no room for it, or it came to a halt.
    #[error("there is no room for it at present, or it came to a halt")]
    Busy,
    /// Its client broke off.
    #[error("it did not come whole")]
    Broken,
}

/// A body that there is none of.
pub struct NoContent;

impl Content for NoContent {
    fn is_empty(&self) -> bool {
        true
    }

    fn length(&self) -> Option<u64> {
        Some(0)
    }

    async fn read(&mut self) -> Result<Bytes, Unreadable> {
        Ok(Bytes::new())
    }
}

/// A request that its rules let through.
pub(super) struct Judged {
    /// The policy that has them.
    pub(super) policy: Arc<Policy>,
    /// Its client or a person was waited for: what was known of it may not be
    /// so any more.
    pub(super) has_waited: bool,
}

impl Traffic {
    /// Lets a request through the rules that are in force when it goes on.
    pub(super) async fn judged(
        &self,
        client: &Client,
        connection: Option<&ConnectionId>,
        asked: &Asked<'_>,
        content: &mut impl Content,
    ) -> Result<Judged, Refusal> {
        let policy = self.oversight.policy.policy();
        if policy.is_open() {
            return Ok(Judged {
                policy,
                has_waited: false,
            });
        }
        loop {
            // Apart from the task, which every request is as large as.
            let judge = Box::pin(self.judge(client, connection, asked, content));
            let judged = judge.await?;
            // Others may have come into force while somebody was waited for.
            if !judged.has_waited || Arc::ptr_eq(&judged.policy, &self.oversight.policy.policy()) {
                return Ok(judged);
            }
        }
    }

    /// Lets a request through the rules, or says why not. A request that
    /// needs a person waits for one.
    async fn judge(
        &self,
        client: &Client,
        connection: Option<&ConnectionId>,
        asked: &Asked<'_>,
        content: &mut impl Content,
    ) -> Result<Judged, Refusal> {
        let policy = self.oversight.policy.policy();
        let host = asked.host.to_string();
        let facts = Facts {
            agent: client.name(),
            connection,
            host: &host,
            method: asked.method,
            path: asked.seen,
            body: Body::Unread,
        };
        let (decision, read) = decide(&policy, facts, content).await?;
        let has_waited = read.is_some() || decision.action == Action::Approve;
        match decision.action {
            Action::Allow => {}
            Action::Deny => return Err(denied(&decision)),
            Action::Approve => {
                self.held(client, connection, asked, &decision, content, read)
                    .await?;
            }
        }
        Ok(Judged { policy, has_waited })
    }

    async fn held(
        &self,
        client: &Client,
        connection: Option<&ConnectionId>,
        asked: &Asked<'_>,
        decision: &Decision,
        content: &mut impl Content,
        read: Option<Bytes>,
    ) -> Result<(), Refusal> {
        let is_short = content.length().is_none_or(|length| length <= SHOWN);
        let body = match read {
            Some(body) => Some(body),
            // Read now: a client that goes away is noticed only once all that
            // it had to say was heard.
            None if is_short && !content.is_empty() => match content.read().await {
                Ok(body) => Some(body),
                Err(Unreadable::Compressed | Unreadable::Switches) => None,
                Err(unreadable) => return Err(unreadable_body(unreadable)),
            },
            None => None,
        };
        let model = body.as_ref().and_then(|body| {
            let body = JsonBody::read(body).ok()?;
            body.model().map(str::to_owned)
        });
        let ask = Ask {
            agent: client.name().into(),
            rules: decision.rules.iter().map(ToString::to_string).collect(),
            method: asked.method.to_owned(),
            host: format!("{}:{}", asked.host, asked.port),
            path: asked.seen.unwrap_or_default().to_owned(),
            connection: connection.map(ToString::to_string),
            model,
            bytes: content
                .length()
                .or_else(|| body.as_ref().map(|body| body.len() as u64)),
            body,
            timeout: decision.timeout.unwrap_or(DEFAULT_TIMEOUT),
        };
        let rules = named(decision);
        let (status, code, message) = match self.oversight.approvals.ask(ask).await {
            Outcome::Approved => return Ok(()),
            Outcome::Denied => (
                403,
                "approval_denied",
                format!("Denied by a person: {rules}"),
            ),
            Outcome::TimedOut => (
                403,
                "approval_timeout",
                format!("Nobody approved this in time: {rules}"),
            ),
            Outcome::Stopping => (503, "stopping", "The gateway stops".to_owned()),
            Outcome::CannotHold(why) => (403, "approval_impossible", why),
        };
        Err(Refusal::new(status, code, message).with_hint("vault approvals list --watch"))
    }
}

pub(super) async fn decide(
    policy: &Policy,
    mut facts: Facts<'_>,
    content: &mut impl Content,
) -> Result<(Decision, Option<Bytes>), Refusal> {
    if content.is_empty() {
        facts.body = Body::Empty;
    }
    match policy.decide(&facts) {
        Verdict::Decided(decision) => return Ok((decision, None)),
        Verdict::NeedsBody => {}
    }
    let read = content.read().await;
    let parsed = match &read {
        Ok(bytes) => JsonBody::read(bytes).ok(),
        // Nobody is there to be told anything.
        Err(unreadable @ (Unreadable::Broken | Unreadable::Busy)) => {
            return Err(unreadable_body(*unreadable));
        }
        Err(_) => None,
    };
    facts.body = match &parsed {
        Some(body) => Body::Json(body),
        None => Body::Unreadable,
    };
    match policy.decide(&facts) {
        Verdict::Decided(decision) => Ok((decision, read.ok())),
        Verdict::NeedsBody => Err(unreadable_body(Unreadable::Broken)),
    }
}

fn denied(decision: &Decision) -> Refusal {
    let rules = named(decision);
    if decision.is_unreadable {
        return Refusal::new(
            403,
            "policy_unreadable",
            format!("Denied by policy: what {rules} is about cannot be read in this request"),
        )
        .with_hint("Send a plain JSON body whose members are unique: vault rule list");
    }
    Refusal::new(403, "policy_denied", format!("Denied by policy: {rules}"))
        .with_hint("See the rules: vault rule list")
}

fn named(decision: &Decision) -> String {
    if decision.rules.is_empty() {
        return "no rule allows it".to_owned();
    }
    let names: Vec<_> = decision.rules.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// A body that had to be read and was not.
pub fn unreadable_body(unreadable: Unreadable) -> Refusal {
    let status = match unreadable {
        Unreadable::TooLong => 413,
        Unreadable::Compressed | Unreadable::Switches => 415,
        Unreadable::Busy => 503,
        Unreadable::Broken => 400,
    };
    Refusal::new(
        status,
        "body_unreadable",
        format!("The body has to be read first, and {unreadable}"),
    )
}
