//! The hosts that an authority may speak for. What is here can stand in a
//! certificate's name constraints: no address, no name of one label, no
//! expression.

use crate::provider::{Definition, Host, HostName, Injection};

/// A host, or all hosts under a suffix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PermittedHost {
    /// Lower case, two labels or more.
    name: String,
    is_suffix: bool,
}

impl PermittedHost {
    /// One host; none where it cannot be listed.
    pub fn exact(host: &HostName) -> Option<Self> {
        match host {
            HostName::Name(name) => Self::new(name, false),
            HostName::Address(_) => None,
        }
    }

    /// What an entry of a definition says, if credentials may be set there
    /// and it can be listed.
    fn of(entry: &Host) -> Option<Self> {
        if entry.injection == Injection::Never {
            return None;
        }
        match (entry.exact(), entry.suffix()) {
            (Some(host), _) => Self::exact(host),
            (None, Some(suffix)) => Self::new(suffix.trim_start_matches('.'), true),
            (None, None) => None,
        }
    }

    fn new(name: &str, is_suffix: bool) -> Option<Self> {
        name.contains('.').then(|| Self {
            name: name.to_owned(),
            is_suffix,
        })
    }

    /// Whether it is about this host.
    pub fn covers(&self, host: &HostName) -> bool {
        match host {
            HostName::Name(name) if self.is_suffix => {
                name != &self.name && is_within(name, &self.name)
            }
            HostName::Name(name) => name == &self.name,
            HostName::Address(_) => false,
        }
    }
}

/// The hosts of a provider that an authority may speak for. The others, those
/// of expressions, addresses and names like `localhost`, are tunnelled.
pub fn permitted_of(definition: &Definition) -> Vec<PermittedHost> {
    definition
        .hosts
        .iter()
        .filter_map(PermittedHost::of)
        .collect()
}

/// The subtrees of names (RFC 5280, 4.2.1.10) that hold these hosts. A
/// subtree always holds the name at its root and all names under it; there is
/// no way to say less.
pub(super) fn subtrees(permitted: &[PermittedHost]) -> Vec<String> {
    outermost(permitted.iter().map(|host| host.name.clone()).collect())
}

/// The same names without those that are within another one.
pub(super) fn outermost(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    let is_inner = |name: &String| {
        let mut others = names.iter().filter(|other| *other != name);
        others.any(|other| is_within(name, other))
    };
    names
        .iter()
        .filter(|name| !is_inner(name))
        .cloned()
        .collect()
}

/// Whether a name is in a subtree.
pub(super) fn is_within(name: &str, root: &str) -> bool {
    name.strip_suffix(root)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(entry: &str) -> Option<PermittedHost> {
        PermittedHost::of(&Host::parse(entry, None).unwrap())
    }

    #[test]
    fn only_what_a_certificate_can_list_is_permitted() {
        for listed in [
            "api.example.com",
            "*.example.com",
            "https://api.example.com:444/v1",
        ] {
            assert!(of(listed).is_some(), "{listed}");
        }
        for other in [
            "127.0.0.1:8000",
            "[::1]",
            "localhost:11434",
            r"regex:^.*\.example\.com$",
            "*.com",
            "*.co.uk",
            "{base_url}",
        ] {
            assert!(of(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_host_is_covered_as_its_entry_says() {
        let covers = |entry: &str, host: &str| of(entry).unwrap().covers(&host.parse().unwrap());
        assert!(covers("api.example.com", "API.example.com."));
        assert!(!covers("api.example.com", "x.api.example.com"));
        assert!(covers("*.example.com", "a.b.example.com"));
        for other in ["example.com", "evilexample.com", "a.example.com.evil.test"] {
            assert!(!covers("*.example.com", other), "{other}");
        }
    }

    #[test]
    fn a_name_within_another_is_listed_once() {
        let permitted: Vec<_> = ["a.example.com", "*.example.com", "b.test.org", "b.test.org"]
            .into_iter()
            .filter_map(of)
            .collect();
        assert_eq!(subtrees(&permitted), ["b.test.org", "example.com"]);
    }
}
