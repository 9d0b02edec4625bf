//! Times decisions for `bench/policy`: 200 agents under 2,000 rules, of which a
//! fifth looks into bodies, asked about mixed requests.
//!
//! `cargo run --release --example decisions -- [COUNT [PER_SECOND]]`
//!
//! Prints a line for each way, `NAME p50 p99 max` in nanoseconds: as fast as it
//! goes, at a pace, and two that are no decision, to compare with: the facts of
//! a request copied and hashed, and one look at the agent of every rule.

#![allow(clippy::print_stdout)]

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::hint::black_box;
use std::time::{Duration, Instant};

use vault::name::ConnectionId;
use vault::policy::{Body, Facts, JsonBody, Policy, Verdict};

type Failure = Box<dyn std::error::Error>;

const AGENTS: usize = 200;
const RULES: usize = 2000;
const PROVIDERS: [(&str, &str); 4] = [
    ("openai", "api.openai.com"),
    ("anthropic", "api.anthropic.com"),
    ("github", "api.github.com"),
    ("mistral", "api.mistral.ai"),
];
const PATHS: [&str; 5] = [
    "/v1/chat/completions",
    "/v1/messages",
    "/v1/fine_tuning/jobs/ftjob-FAKE/events",
    "/repos/owner/name/issues/1/comments",
    "/v1/files/file-FAKE/content/",
];

/// One request; its body is bytes, as it comes.
struct Request {
    agent: String,
    id: ConnectionId,
    host: &'static str,
    method: &'static str,
    path: &'static str,
    body: Option<String>,
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().map_or(Ok(200_000), |text| text.parse())?;
    let pace: u32 = arguments.next().map_or(Ok(10_000), |text| text.parse())?;
    let policy = Policy::parse(&policy()?)?;
    let agents: Vec<String> = (0..RULES)
        .map(|rule| format!("agent-{}", rule % AGENTS))
        .collect();
    let mut numbers = Numbers(7);
    let requests: Vec<Request> = (0..4096)
        .map(|_| request(&mut numbers))
        .collect::<Result<_, _>>()?;
    let with_body: Vec<Request> = (0..1024)
        .map(|_| request(&mut numbers))
        .filter(|made| made.as_ref().map_or(true, |made| made.body.is_some()))
        .collect::<Result<_, _>>()?;
    let slot = Duration::from_secs(1) / pace;
    report("copied-and-hashed", &requests, count, None, |request| {
        let mut copy = Vec::with_capacity(256);
        copy.extend_from_slice(request.agent.as_bytes());
        copy.extend_from_slice(request.host.as_bytes());
        copy.extend_from_slice(request.path.as_bytes());
        let mut hasher = DefaultHasher::new();
        (&copy, &request.id, request.method).hash(&mut hasher);
        black_box(hasher.finish());
    });
    report("every-rule-once", &requests, count, None, |request| {
        let asked = black_box(request.agent.as_str());
        black_box(agents.iter().filter(|agent| *agent == asked).count());
    });
    report("unpaced", &requests, count, None, |request| {
        decide(&policy, request)
    });
    report("paced", &requests, count, Some(slot), |request| {
        decide(&policy, request)
    });
    report("bodies-alone", &with_body, count, None, |request| {
        decide(&policy, request)
    });
    Ok(())
}

/// As the gateway asks: with the body only where that is needed.
fn decide(policy: &Policy, request: &Request) {
    let facts = Facts {
        agent: &request.agent,
        connection: Some(&request.id),
        host: request.host,
        method: request.method,
        path: Some(request.path),
        body: Body::Unread,
    };
    if let Verdict::Decided(decision) = policy.decide(black_box(&facts)) {
        black_box(decision);
        return;
    }
    let json = request
        .body
        .as_ref()
        .map(|body| JsonBody::read(body.as_bytes()));
    let body = match &json {
        None => Body::Empty,
        Some(Ok(json)) => Body::Json(json),
        Some(Err(_)) => Body::Unreadable,
    };
    black_box(policy.decide(&Facts { body, ..facts }));
}

fn report(
    name: &str,
    requests: &[Request],
    count: usize,
    slot: Option<Duration>,
    work: impl Fn(&Request),
) {
    let mut taken = Vec::with_capacity(count);
    for request in requests {
        work(request);
    }
    let begin = Instant::now();
    let mut due = begin;
    for request in requests.iter().cycle().take(count) {
        if let Some(slot) = slot {
            due += slot;
            while Instant::now() < due {
                std::hint::spin_loop();
            }
        }
        let start = Instant::now();
        work(request);
        taken.push(start.elapsed().as_nanos());
    }
    taken.sort_unstable();
    let at = |share: f64| taken[((count - 1) as f64 * share) as usize];
    println!("{name} {} {} {}", at(0.5), at(0.99), at(1.0));
}

/// Ten rules for each agent, all kinds in turns, and a few for everybody.
fn policy() -> Result<String, std::fmt::Error> {
    let mut rules = String::new();
    for rule in 0..RULES {
        let agent = format!("agent-{}", rule % AGENTS);
        let (provider, host) = PROVIDERS[rule / AGENTS % PROVIDERS.len()];
        let about = match rule / AGENTS {
            _ if rule % 100 == 99 => {
                format!(r#""agent": "*", "path": "/v{rule}/**/x*", "action": "deny""#)
            }
            0 | 5 => format!(
                r#""agent": "{agent}", "provider": "{provider}", "body": {{"/model": ["gpt-5*-pro", "claude-opus-*"], "/max_tokens": {{">": 8000}}}}, "action": "approve""#
            ),
            1 => format!(
                r#""agent": "{agent}", "connection": "{provider}/*", "method": ["POST"], "path": "/v1/fine_tuning/**", "action": "deny""#
            ),
            2 => format!(
                r#""agent": ["{agent}", "ops"], "host": "{host}", "path": "/repos/*/*/issues/**", "action": "allow""#
            ),
            3 => format!(r#""agent": "{agent}", "method": "DELETE", "action": "deny""#),
            4 => format!(
                r#""agent": "{agent}", "connection": "team", "path": ["/v1/**/content", "/admin/**"], "action": "approve""#
            ),
            6 => format!(
                r#""agent": "{agent}", "host": "**.com", "path": "/v1/*/completions", "action": "allow""#
            ),
            _ => format!(
                r#""agent": "{agent}", "provider": "{provider}", "path": "/{rule}/*", "action": "deny""#
            ),
        };
        writeln!(rules, "{{{about}}},")?;
    }
    Ok(format!("{{\"rules\": [{rules}]}}"))
}

fn request(numbers: &mut Numbers) -> Result<Request, Failure> {
    let (provider, host) = PROVIDERS[numbers.below(PROVIDERS.len())];
    let body = (numbers.below(2) == 0).then(|| {
        let words = "some words of a prompt that goes on ".repeat(numbers.below(80));
        let turns = format!(r#"{{"role": "user", "content": "{words}"}}"#);
        let model = ["gpt-5.4-pro", "gpt-5.4-mini", "claude-opus-4"][numbers.below(3)];
        let tokens = numbers.below(16_000);
        format!(r#"{{"model": "{model}", "max_tokens": {tokens}, "stream": true, "messages": [{turns}]}}"#)
    });
    Ok(Request {
        agent: format!("agent-{}", numbers.below(AGENTS)),
        id: ConnectionId {
            provider: provider.parse()?,
            connection: ["default", "team"][numbers.below(2)].parse()?,
        },
        host,
        method: ["GET", "POST", "POST", "DELETE"][numbers.below(4)],
        path: PATHS[numbers.below(PATHS.len())],
        body,
    })
}
