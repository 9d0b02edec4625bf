//! What an answer means, for people.

use crate::provider::{Outcome, Reading, Told};
use crate::secret::Secret;
use crate::text::printable;

/// How many items of a list are named.
const NAMED: usize = 6;
/// How much of a provider's own text is shown.
const LONGEST_TOLD: usize = 200;

/// What a reading means. Nothing is shown that holds one of these texts.
pub(super) fn in_words(reading: Reading, status: u16, hidden: &[Secret]) -> Option<String> {
    if let Some(message) = reading.message {
        return Some(printable(&message).into_owned());
    }
    let words = match reading.outcome {
        Outcome::Ok => return reading.told.and_then(|told| in_names(told, hidden)),
        Outcome::Forbidden => "alive, without the scope for this request",
        Outcome::RateLimited => "alive, over a rate limit or out of credit: wait, or see the bill",
        Outcome::Rejected => "wrong or revoked",
        Outcome::Unreachable => match status {
            300..=399 => "the answer leads elsewhere, and is not followed",
            407 => "the proxy wants a password",
            500..=599 => "the provider is in trouble",
            _ => "the answer tells nothing about the key",
        },
    };
    Some(format!("{words} (HTTP {status})"))
}

/// What a provider told, unless it told our own secret.
pub(super) fn in_names(told: Told, hidden: &[Secret]) -> Option<String> {
    let text = match told {
        Told::Text(text) => text,
        Told::List(names, noun) if names.is_empty() => format!("no {noun} yet"),
        Told::List(names, noun) => {
            let named = names[..names.len().min(NAMED)].join(", ");
            let rest = match names.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let noun = match names.len() {
                1 => noun.strip_suffix('s').unwrap_or(&noun),
                _ => &noun,
            };
            format!("{} {noun}: {named}{rest}", names.len())
        }
    };
    let is_ours = hidden.iter().any(|secret| text.contains(secret.reveal()));
    let cut: String = text.chars().take(LONGEST_TOLD).collect();
    (!is_ours && !cut.is_empty()).then(|| printable(&cut).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_short_and_holds_no_secret() {
        let secrets = [Secret::from("FAKEsecret".to_owned())];
        let told = |text: &str| in_names(Told::Text(text.to_owned()), &secrets);
        assert_eq!(told("octocat").as_deref(), Some("octocat"));
        assert_eq!(told("\u{1b}[2J").as_deref(), Some(r"\u{1b}[2J"));
        assert_eq!(told("it is FAKEsecret!"), None);
        assert_eq!(told(&"x".repeat(1000)).unwrap().len(), LONGEST_TOLD);
        let list = |count: usize| {
            let names = (0..count).map(|number| format!("m{number}")).collect();
            in_names(Told::List(names, "models".to_owned()), &secrets).unwrap()
        };
        assert_eq!(list(0), "no models yet");
        assert_eq!(list(1), "1 model: m0");
        assert_eq!(list(2), "2 models: m0, m1");
        assert_eq!(list(8), "8 models: m0, m1, m2, m3, m4, m5 and 2 more");
    }
}
