//! The one place that reads environment variables.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::net::ProxyVariables;
use crate::secret::Secret;

/// What the environment says, read once. An empty variable counts as unset.
pub struct Environment {
    /// `VAULT_HOME`
    pub home: Option<PathBuf>,
    /// `VAULT_FILE`
    pub file: Option<PathBuf>,
    /// `VAULT_IDENTITY`: a path, or key text.
    pub identity: Option<OsString>,
    /// `VAULT_PASSPHRASE`
    pub passphrase: Option<OsString>,
    /// `VAULT_PASSPHRASE_FILE`
    pub passphrase_file: Option<PathBuf>,
    /// `VAULT_PASSPHRASE_FD`
    pub passphrase_fd: Option<OsString>,
    /// `VAULT_PASSPHRASE_COMMAND`
    pub passphrase_command: Option<OsString>,
    /// `VAULT_NEW_PASSPHRASE`
    pub new_passphrase: Option<OsString>,
    /// `VAULT_FINGERPRINT`
    pub fingerprint: Option<OsString>,
    /// `VAULT_NO_INPUT`
    pub no_input: bool,
    /// `NO_COLOR`
    pub no_color: bool,
    /// `TERM` is `dumb`.
    pub dumb_terminal: bool,
    /// `LC_ALL`, `LC_CTYPE` or `LANG` names UTF-8: terminals show more than
    /// ASCII.
    pub is_utf8: bool,
    /// `CREDENTIALS_DIRECTORY`, from systemd.
    pub credentials: Option<PathBuf>,
    /// `TMPDIR`
    pub temporary: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`
    pub config_home: Option<PathBuf>,
    /// Where somebody acts for the user, as far as variables say:
    /// `SSH_AUTH_SOCK`, `XDG_RUNTIME_DIR`, and the sockets that
    /// `DBUS_SESSION_BUS_ADDRESS`, `DOCKER_HOST` and `CONTAINER_HOST` name.
    pub agents: Vec<PathBuf>,
    /// `PATH`
    pub path: Option<OsString>,
    /// `GITHUB_ENV`, in a step of a workflow.
    pub github_env: Option<PathBuf>,
    /// `COMPLETE`: the shell that wants to know how a line goes on.
    pub complete: Option<OsString>,
    /// `SSL_CERT_FILE`: the roots to trust in place of the system's.
    pub certificate_file: Option<PathBuf>,
    /// `SSL_CERT_DIR`: folders of them, a colon between.
    pub certificate_folders: Vec<PathBuf>,
    /// `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`.
    pub proxies: ProxyVariables,
    /// `DISPLAY` or `WAYLAND_DISPLAY`: there is a screen to show pages on.
    pub has_display: bool,
    /// `SSH_CONNECTION`, `SSH_TTY` or `SSH_CLIENT`: the person is elsewhere.
    pub is_remote: bool,
    /// `LISTEN_FDS`, where `LISTEN_PID` is us: so many descriptors from 3 on
    /// are sockets that systemd listens on for us.
    pub listen_descriptors: u32,
    /// `NOTIFY_SOCKET`: where systemd hears that we are ready.
    pub notify_socket: Option<OsString>,
    /// `AGEDEBUG`, which would have plugins print keys.
    pub age_debug: bool,
}

impl Environment {
    /// Reads the process's environment.
    pub fn read() -> Self {
        Self::from(|name| std::env::var_os(name))
    }

    fn from(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let path = |name: &str| set(name).map(PathBuf::from);
        let text = |lower: &str, upper: &str| {
            let value = set(lower).or_else(|| set(upper))?;
            Some(value.to_string_lossy().into_owned())
        };
        Self {
            home: path("VAULT_HOME"),
            file: path("VAULT_FILE"),
            identity: set("VAULT_IDENTITY"),
            passphrase: set("VAULT_PASSPHRASE"),
            passphrase_file: path("VAULT_PASSPHRASE_FILE"),
            passphrase_fd: set("VAULT_PASSPHRASE_FD"),
            passphrase_command: set("VAULT_PASSPHRASE_COMMAND"),
            new_passphrase: set("VAULT_NEW_PASSPHRASE"),
            fingerprint: set("VAULT_FINGERPRINT"),
            no_input: set("VAULT_NO_INPUT").is_some_and(|value| value != "0" && value != "false"),
            no_color: set("NO_COLOR").is_some(),
            dumb_terminal: set("TERM").is_some_and(|value| value == "dumb"),
            is_utf8: ["LC_ALL", "LC_CTYPE", "LANG"]
                .into_iter()
                .find_map(set)
                .is_some_and(|locale| names_utf8(&locale)),
            credentials: path("CREDENTIALS_DIRECTORY"),
            temporary: path("TMPDIR"),
            config_home: path("XDG_CONFIG_HOME"),
            agents: ["SSH_AUTH_SOCK", "XDG_RUNTIME_DIR"]
                .into_iter()
                .filter_map(path)
                .chain(
                    ["DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST", "CONTAINER_HOST"]
                        .into_iter()
                        .filter_map(set)
                        .filter_map(|address| socket_in(&address)),
                )
                .collect(),
            path: set("PATH"),
            github_env: path("GITHUB_ENV"),
            complete: set("COMPLETE"),
            certificate_file: path("SSL_CERT_FILE"),
            certificate_folders: set("SSL_CERT_DIR")
                .map(|folders| std::env::split_paths(&folders).collect())
                .unwrap_or_default(),
            proxies: ProxyVariables {
                http: text("http_proxy", "http_proxy").map(Secret::from),
                https: text("https_proxy", "HTTPS_PROXY").map(Secret::from),
                all: text("all_proxy", "ALL_PROXY").map(Secret::from),
                none: text("no_proxy", "NO_PROXY"),
            },
            has_display: set("DISPLAY").or_else(|| set("WAYLAND_DISPLAY")).is_some(),
            is_remote: ["SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT"]
                .iter()
                .any(|name| set(name).is_some()),
            listen_descriptors: listen_descriptors(&set),
            notify_socket: set("NOTIFY_SOCKET"),
            age_debug: set("AGEDEBUG").is_some(),
        }
    }
}

/// Whether a locale such as `de_DE.utf8` is one of UTF-8.
fn names_utf8(locale: &OsString) -> bool {
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// How many sockets systemd hands to this very process (sd_listen_fds(3)).
fn listen_descriptors(set: &impl Fn(&str) -> Option<OsString>) -> u32 {
    let number = |name: &str| set(name)?.to_str()?.parse::<u32>().ok();
    match (number("LISTEN_PID"), number("LISTEN_FDS")) {
        (Some(process), Some(count)) if process == std::process::id() => count,
        _ => 0,
    }
}

/// The path in `unix:///run/docker.sock` or `unix:path=/run/user/1000/bus,…`.
fn socket_in(address: &OsString) -> Option<PathBuf> {
    let rest = address.to_str()?.strip_prefix("unix:")?;
    let path = rest.strip_prefix("//").or_else(|| {
        let mut members = rest.split([',', ';']);
        members.find_map(|member| member.strip_prefix("path="))
    })?;
    Some(PathBuf::from(path))
}

/// The variables that lead to the vault or into it: no child of `run` sees
/// them.
pub const VAULT_VARIABLES: [&str; 11] = [
    "VAULT_IDENTITY",
    "VAULT_PASSPHRASE",
    "VAULT_PASSPHRASE_FILE",
    "VAULT_PASSPHRASE_FD",
    "VAULT_PASSPHRASE_COMMAND",
    "VAULT_NEW_PASSPHRASE",
    "CREDENTIALS_DIRECTORY",
    "VAULT_HOME",
    "VAULT_FILE",
    "VAULT_FINGERPRINT",
    "VAULT_NO_INPUT",
];

/// The whole environment, for a child that is given most of it.
pub fn whole() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// Everything but what opens a vault, for a command that the policy names: it
/// may well call `vault approvals`, of this same `VAULT_HOME`.
pub fn of_notifier() -> Vec<(OsString, OsString)> {
    without_keys(std::env::vars_os())
}

fn without_keys(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    const KEPT: [&str; 2] = ["VAULT_HOME", "VAULT_FILE"];
    let is_known = |names: &[&str], name: &OsString| names.iter().any(|known| name == known);
    variables
        .filter(|(name, _)| is_known(&KEPT, name) || !is_known(&VAULT_VARIABLES, name))
        .collect()
}

/// The variables that a browser needs to come up on the desktop; it has no
/// business with any other.
pub fn of_desktop() -> impl Iterator<Item = (OsString, OsString)> {
    const NAMES: [&str; 14] = [
        "BROWSER",
        "DBUS_SESSION_BUS_ADDRESS",
        "DESKTOP_SESSION",
        "DISPLAY",
        "HOME",
        "LANG",
        "LOGNAME",
        "PATH",
        "SHELL",
        "TMPDIR",
        "USER",
        "WAYLAND_DISPLAY",
        "WSL_DISTRO_NAME",
        "XAUTHORITY",
    ];
    const PREFIXES: [&str; 7] = ["GNOME_", "GTK_", "KDE_", "LC_", "MOZ_", "QT_", "XDG_"];
    std::env::vars_os().filter(|(name, _)| {
        name.to_str().is_some_and(|name| {
            NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        })
    })
}

/// The value of a variable that a person named, for `--from-env`.
pub fn named_variable(name: &str) -> Option<Secret> {
    let value = std::env::var_os(name)?;
    let text = value.into_string().ok().filter(|text| !text.is_empty())?;
    Some(Secret::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let environment = Environment::from(|name| match name {
            "VAULT_HOME" | "VAULT_NO_INPUT" | "NO_COLOR" => Some(OsString::new()),
            "VAULT_FILE" => Some("x.age".into()),
            _ => None,
        });
        assert!(environment.home.is_none());
        assert!(!environment.no_input);
        assert!(!environment.no_color);
        assert_eq!(environment.file, Some("x.age".into()));
    }

    #[test]
    fn the_way_out_is_read_as_other_programs_read_it() {
        let read = |variables: &[(&str, &str)]| {
            Environment::from(|name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.into())
            })
        };
        let upper = read(&[
            ("HTTP_PROXY", "a"),
            ("HTTPS_PROXY", "b"),
            ("ALL_PROXY", "c"),
            ("NO_PROXY", "d"),
            ("SSL_CERT_DIR", "/e:/f"),
        ]);
        let proxies = upper.proxies;
        // A web server makes HTTP_PROXY of a request's header.
        assert!(proxies.http.is_none());
        assert_eq!(proxies.https.unwrap().reveal(), "b");
        assert_eq!(proxies.all.unwrap().reveal(), "c");
        assert_eq!(proxies.none.as_deref(), Some("d"));
        let folders = [PathBuf::from("/e"), PathBuf::from("/f")];
        assert_eq!(upper.certificate_folders, folders);
        let both = read(&[("https_proxy", "lower"), ("HTTPS_PROXY", "upper")]);
        assert_eq!(both.proxies.https.unwrap().reveal(), "lower");
        assert_eq!(
            read(&[("http_proxy", "a")]).proxies.http.unwrap().reveal(),
            "a"
        );
    }

    #[test]
    fn whoever_acts_for_the_user_is_found_in_the_variables() {
        let environment = Environment::from(|name| match name {
            "SSH_AUTH_SOCK" => Some("/tmp/ssh-1/agent".into()),
            "DBUS_SESSION_BUS_ADDRESS" => Some("unix:path=/run/user/7/bus,guid=ab".into()),
            "DOCKER_HOST" => Some("unix:///home/you/docker.sock".into()),
            "CONTAINER_HOST" => Some("tcp://192.0.2.1".into()),
            _ => None,
        });
        let expected = [
            "/tmp/ssh-1/agent",
            "/run/user/7/bus",
            "/home/you/docker.sock",
        ];
        assert_eq!(environment.agents, expected.map(PathBuf::from));
    }

    #[test]
    fn the_first_of_three_variables_says_what_a_terminal_can_show() {
        for (all, kind, lang, is_utf8) in [
            ("", "", "", false),
            ("", "", "en_US.UTF-8", true),
            ("", "C", "en_US.UTF-8", false),
            ("C.utf8", "C", "C", true),
        ] {
            let environment = Environment::from(|name| match name {
                "LC_ALL" => Some(all.into()),
                "LC_CTYPE" => Some(kind.into()),
                "LANG" => Some(lang.into()),
                _ => None,
            });
            assert_eq!(environment.is_utf8, is_utf8, "{all} {kind} {lang}");
        }
    }

    #[test]
    fn a_command_of_the_policy_gets_nothing_that_opens_a_vault() {
        let given = VAULT_VARIABLES.iter().chain(&["PATH", "HOME"]);
        let given = given.map(|name| (OsString::from(name), OsString::from("FAKE")));
        let left = without_keys(given).into_iter().map(|(name, _)| name);
        let expected = ["VAULT_HOME", "VAULT_FILE", "PATH", "HOME"];
        assert_eq!(left.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn names_of_other_vaults_are_never_read() {
        let asked = std::cell::RefCell::new(Vec::new());
        let _ = Environment::from(|name| {
            asked.borrow_mut().push(name.to_owned());
            None
        });
        for foreign in [
            "VAULT_ADDR",
            "VAULT_TOKEN",
            "VAULT_NAMESPACE",
            "VAULT_FORMAT",
        ] {
            assert!(!asked.borrow().iter().any(|name| name == foreign));
        }
    }
}
