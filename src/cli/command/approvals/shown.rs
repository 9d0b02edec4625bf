//! How a held request looks: as a row, in a sentence, as JSON.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::broker::approval::{Facts, Listing};
use crate::cli::table::{Table, terminal_width};
use crate::text::printable;

/// The members of a request in `--json`; the body where it was asked for.
pub fn facts_json(facts: &Facts, with_body: bool) -> Value {
    let mut object = json!({
        "id": facts.id,
        "agent": facts.agent,
        "method": facts.method,
        "host": facts.host,
        "path": facts.path,
        "model": facts.model,
        "bytes": facts.bytes,
        "since": facts.since,
        "expires": facts.expires,
    });
    if with_body {
        object["body"] = facts.body.as_ref().map(|body| body.text()).into();
    }
    object
}

/// What waits, and what is approved ahead; nothing where nothing is.
pub fn table(listing: &Listing, now: Timestamp) -> String {
    let mut text = String::new();
    if !listing.held.is_empty() {
        let headings = [
            "ID", "AGENT", "METHOD", "HOST", "PATH", "MODEL", "SIZE", "LEFT", "RULE",
        ];
        let mut table = Table::new(&headings)
            .dispensable(&["RULE", "METHOD", "SIZE", "MODEL", "LEFT", "PATH", "HOST"]);
        for facts in &listing.held {
            table.row([
                facts.id.clone(),
                facts.agent.clone(),
                facts.method.clone(),
                facts.host.clone(),
                facts.path.clone(),
                facts.model.clone().unwrap_or_else(|| "-".to_owned()),
                facts.bytes.map_or_else(|| "-".to_owned(), size),
                left(&facts.expires, now),
                facts.rules.join(", "),
            ]);
        }
        text.push_str(&table.render(terminal_width()));
    }
    if !listing.ahead.is_empty() {
        if !text.is_empty() {
            text.push('\n');
        }
        let mut table = Table::new(&["APPROVED AHEAD FOR", "LEFT", "RULE"]).wrapped();
        for ahead in &listing.ahead {
            let left = left(&ahead.until, now);
            table.row([&ahead.agent, &left, &ahead.rule]);
        }
        text.push_str(&table.render(terminal_width()));
    }
    text
}

/// The bodies, each under its request's ID. Every line of them is marked, so
/// that none can look like one of ours.
pub fn bodies(held: &[Facts]) -> String {
    held.iter()
        .map(|facts| format!("\n{}", body(facts)))
        .collect()
}

/// One body.
pub fn body(facts: &Facts) -> String {
    let Some(body) = &facts.body else {
        return format!("{} has no body that was read.\n", printable(&facts.id));
    };
    let text = body.text();
    let lines = text
        .lines()
        .map(|line| format!("  | {}\n", printable(line)));
    let mut text = format!("{}\n", printable(&facts.id));
    text.extend(lines);
    if body.left_out > 0 {
        text.push_str(&format!("  {} bytes more.\n", body.left_out));
    }
    text
}

/// A request in one line.
pub fn label(facts: &Facts) -> String {
    let mut text = format!(
        "{} {} {} {}{}",
        facts.id, facts.agent, facts.method, facts.host, facts.path
    );
    if let Some(model) = &facts.model {
        text.push_str(&format!(" ({model})"));
    }
    printable(&text).into_owned()
}

/// A number of bytes as people say it.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        _ => format!("{} MB", bytes.div_ceil(1_000_000)),
    }
}

/// How long it is until then.
fn left(until: &str, now: Timestamp) -> String {
    let Ok(until) = until.parse::<Timestamp>() else {
        return "-".to_owned();
    };
    let seconds = until.duration_since(now).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        _ => format!("{}h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(path: &str) -> Facts {
        serde_json::from_value(json!({
            "id": "3kq9m2xa", "agent": "ci", "rules": ["large models"], "method": "POST",
            "host": "api.openai.com", "path": path, "connection": null, "model": "gpt-5-pro",
            "bytes": 12_345, "since": "2026-01-01T12:00:00Z", "expires": "2026-01-01T12:03:00Z",
            "body": {"base64": "eyJhIjoxfQobWzJKCjNrcTltMnhhICBjaQ==", "left_out": 7},
        }))
        .unwrap()
    }

    #[test]
    fn a_request_is_a_row() {
        let listing = Listing {
            held: vec![facts("/v1/responses")],
            ..Listing::default()
        };
        let now = "2026-01-01T12:01:30Z".parse().unwrap();
        let text = table(&listing, now);
        let row = text.lines().nth(1).unwrap();
        let cells = row.split("  ").map(str::trim);
        let cells: Vec<_> = cells.filter(|cell| !cell.is_empty()).collect();
        let expected = [
            "3kq9m2xa",
            "ci",
            "POST",
            "api.openai.com",
            "/v1/responses",
            "gpt-5-pro",
            "13 kB",
            "90s",
            "large models",
        ];
        assert_eq!(cells, expected);
        assert_eq!(table(&Listing::default(), now), "");
    }

    #[test]
    fn what_a_client_sent_cannot_steer_the_terminal_nor_forge_a_line() {
        let facts = facts("/\u{1b}[2J\n3kq9m2xa");
        assert_eq!(
            label(&facts),
            "3kq9m2xa ci POST api.openai.com/\\u{1b}[2J\\n3kq9m2xa (gpt-5-pro)"
        );
        let body = body(&facts);
        assert_eq!(
            body,
            "3kq9m2xa\n  | {\"a\":1}\n  | \\u{1b}[2J\n  | 3kq9m2xa  ci\n  7 bytes more.\n"
        );
    }

    #[test]
    fn the_body_is_in_json_where_it_was_asked_for() {
        let facts = facts("/v1/responses");
        let members = |with_body| {
            let value = facts_json(&facts, with_body);
            let names = value.as_object().unwrap().keys().cloned();
            names.collect::<Vec<_>>()
        };
        assert!(!members(false).contains(&"body".to_owned()));
        assert_eq!(members(false).len(), 9);
        assert!(members(true).contains(&"body".to_owned()));
    }
}
