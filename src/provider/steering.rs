//! Variables by which a definition could make a program load or run
//! something, or talk to somebody else, whatever their value is. None of them
//! is a definition's to set.

use crate::name::VariableName;

const NAMES: &[&str] = &[
    "BASHOPTS",
    "BASH_ENV",
    "BROWSER",
    "CLASSPATH",
    "CURL_CA_BUNDLE",
    "EDITOR",
    "ENV",
    "HOME",
    "IFS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "NODE_EXTRA_CA_CERTS",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PAGER",
    "PATH",
    "PERL5LIB",
    "PERL5OPT",
    "PROMPT_COMMAND",
    "REQUESTS_CA_BUNDLE",
    "RUBYLIB",
    "RUBYOPT",
    "SHELL",
    "SHELLOPTS",
    "VISUAL",
    "ZDOTDIR",
    "_JAVA_OPTIONS",
];
const BEGINNINGS: &[&str] = &["DYLD_", "GIT_", "LD_", "PYTHON", "SSL_CERT_", "XDG_"];
const ENDING: &str = "_PROXY";

/// Whether it is such a variable.
pub(super) fn steers_programs(variable: &VariableName) -> bool {
    let name = variable.as_str();
    NAMES.contains(&name)
        || name.ends_with(ENDING)
        || BEGINNINGS
            .iter()
            .any(|beginning| name.starts_with(beginning))
}

/// What is said about one.
pub(super) fn warning(variable: &VariableName) -> String {
    format!("export to {variable} is left out: it tells programs what to load or run")
}
