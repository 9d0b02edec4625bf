//! Whether a host expression could match a host that its author does not own.
//!
//! The expression is always matched against the whole host, so what counts is
//! how a match can end. From the syntax tree we take every way it can end, as
//! literal text; where that text is not all of the match, it must hold a full
//! label boundary and a domain that one owner registers. What is not
//! understood counts as dangerous.

use regex_syntax::hir::{Class, Hir, HirKind};

/// More endings than this are not followed any further.
const MOST: usize = 64;

/// One way in which a match can end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ending {
    text: String,
    /// Anything may stand before the text.
    open: bool,
}

/// Whether a foreign host could match the expression.
pub(super) fn matches_foreign_hosts(expression: &Hir) -> bool {
    endings(expression).iter().any(|ending| {
        let text = ending.text.strip_suffix('.').unwrap_or(&ending.text);
        match text.split_once('.') {
            Some((_, domain)) if ending.open => !has_one_owner(domain),
            None if ending.open => true,
            _ => false,
        }
    })
}

/// Whether a host that the expression matches may end in `text`.
pub(super) fn may_end_in(expression: &Hir, text: &str) -> bool {
    endings(expression).iter().any(|ending| {
        let known = ending.text.as_str();
        known.ends_with(text) || (ending.open && text.ends_with(known))
    })
}

/// Whether all hosts under `domain` are its owner's to give out, as far as
/// its form tells: it has two labels, and is none of the second levels that
/// registries sell names under (`co.uk`, `com.au`). Short labels under a
/// country's domain are taken for those.
pub(super) fn has_one_owner(domain: &str) -> bool {
    const SOLD_UNDER: [&str; 14] = [
        "ac", "co", "com", "edu", "go", "gob", "gov", "mil", "ne", "net", "nom", "or", "org", "sch",
    ];
    let labels: Vec<&str> = domain.split('.').collect();
    let well_formed = labels.iter().all(|label| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    });
    let is_address = labels
        .last()
        .is_some_and(|top| top.bytes().all(|byte| byte.is_ascii_digit()));
    match labels[..] {
        _ if !well_formed || is_address => false,
        [] | [_] => false,
        [second, top] => top.len() > 2 || (second.len() > 2 && !SOLD_UNDER.contains(&second)),
        _ => true,
    }
}

fn endings(expression: &Hir) -> Vec<Ending> {
    let found = match expression.kind() {
        // An anchor in the middle only makes fewer hosts match.
        HirKind::Empty | HirKind::Look(_) => vec![Ending::whole("")],
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => vec![Ending::whole(&text.to_ascii_lowercase())],
            Err(_) => vec![Ending::anything()],
        },
        HirKind::Class(class) => endings_of_class(class),
        HirKind::Repetition(repetition) => {
            let mut endings = endings(&repetition.sub);
            if repetition.max != Some(1) {
                for ending in &mut endings {
                    ending.open = true;
                }
            }
            if repetition.min == 0 {
                endings.push(Ending::whole(""));
            }
            endings
        }
        HirKind::Capture(capture) => endings(&capture.sub),
        HirKind::Alternation(branches) => branches.iter().flat_map(endings).collect(),
        HirKind::Concat(parts) => parts
            .iter()
            .rev()
            .try_fold(vec![Ending::whole("")], |after, part| {
                if after.iter().all(|ending| ending.open) {
                    return Ok(after);
                }
                let joined = join(&endings(part), &after);
                // Joining further only refines; past the limit this stands.
                if joined.len() > MOST {
                    Err(after.iter().map(Ending::opened).collect())
                } else {
                    Ok(joined)
                }
            })
            .unwrap_or_else(|stopped: Vec<Ending>| stopped),
    };
    if found.len() > MOST {
        return vec![Ending::anything()];
    }
    found
}

fn join(before: &[Ending], after: &[Ending]) -> Vec<Ending> {
    let mut joined: Vec<Ending> = Vec::new();
    let mut add = |ending: Ending| {
        if !joined.contains(&ending) {
            joined.push(ending);
        }
    };
    for end in after {
        if end.open {
            add(end.clone());
            continue;
        }
        for start in before {
            add(Ending {
                text: format!("{}{}", start.text, end.text),
                open: start.open,
            });
        }
    }
    joined
}

fn endings_of_class(class: &Class) -> Vec<Ending> {
    let Class::Bytes(class) = class else {
        return vec![Ending::anything()];
    };
    let mut endings: Vec<Ending> = Vec::new();
    for byte in class.iter().flat_map(|range| range.start()..=range.end()) {
        if !byte.is_ascii() || endings.len() > 16 {
            return vec![Ending::anything()];
        }
        let ending = Ending::whole(&char::from(byte.to_ascii_lowercase()).to_string());
        if !endings.contains(&ending) {
            endings.push(ending);
        }
    }
    endings
}

impl Ending {
    fn whole(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            open: false,
        }
    }

    fn anything() -> Self {
        Self {
            text: String::new(),
            open: true,
        }
    }

    fn opened(&self) -> Self {
        Self {
            text: self.text.clone(),
            open: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::provider::Pattern;

    fn is_dangerous(expression: &str) -> bool {
        let pattern: Pattern = expression.parse().unwrap();
        super::matches_foreign_hosts(&pattern.syntax().unwrap())
    }

    #[test]
    fn expressions_that_end_in_an_owned_domain_are_safe() {
        for safe in [
            r"api\.openai\.com",
            r"^api\.openai\.com$",
            r"^(api\.twitter\.com|api\.x\.com|x\.com|twitter\.com)",
            r"([a-z0-9-]+\.)*example\.com",
            r"(?:.+\.)?example\.com",
            r"^.*\.googleapis\.com$",
            r"(?i)^.*\.GoogleApis\.com$",
            r"[^.]+\.openai\.azure\.com",
            r"(us|eu)[0-9]\.api\.example\.com",
            r"s3[.-][a-z0-9-]+\.amazonaws\.com\.?",
            r".*\.example\.co\.uk",
        ] {
            assert!(!is_dangerous(safe), "{safe}");
        }
    }

    #[test]
    fn expressions_that_foreign_hosts_match_are_dangerous() {
        for dangerous in [
            ".*googleapis.*",
            ".*",
            "",
            r".*googleapis\.com",
            r"api\.openai\.com.*",
            r"api\.openai\.com|.*",
            r"api.openai.com",
            r".*\.com",
            r".*\.0\.0\.1",
            r".*\.co\.uk",
            r".*\.com\.au",
            r".*\.example\.(com|.*)",
            r".*\.example\.\w+",
            r".*\.example\.[a-z]{2,3}",
            r"(.*\.example\.com|evil)?.*",
            r".*\.example\.com(\.[a-z]+)?",
            r"\S*[.]?example[.]com",
            r"(api\.openai\.com)+x*\w",
            r"[^/]+",
            r"x?.*\.example\.com|y*",
        ] {
            // The empty expression, and nothing else here, matches no host.
            assert_eq!(
                is_dangerous(dangerous),
                !dangerous.is_empty(),
                "{dangerous}"
            );
        }
    }

    #[test]
    fn what_is_called_safe_withstands_hostile_hosts() {
        let safe: Pattern = r"([a-z0-9-]+\.)*example\.com".parse().unwrap();
        assert!(safe.fits("api.example.com") && safe.fits("example.com"));
        for hostile in [
            "example.com.evil.test",
            "evil-example.com",
            "evilexample.com",
            "example.com:443@evil.test",
            "example.com\n",
            "example-com",
        ] {
            assert!(!safe.fits(hostile), "{hostile}");
        }
    }
}
