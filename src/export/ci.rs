//! Build services. Their logs are public more often than not, so the values
//! are masked before they are set, where the service can mask.
//!
//! - `github`: `::add-mask::` lines, in which `%`, CR and LF are `%25`, `%0D`
//!   and `%0A`; then `NAME<<delimiter` blocks for `$GITHUB_ENV`, which carry
//!   everything. The runner sets its own `GITHUB_*` and `RUNNER_*` variables
//!   after them, so those would be lost, and refuses `NODE_OPTIONS`; other
//!   names with those prefixes (`GITHUB_TOKEN`) are free.
//! - `gitlab`: `NAME=value` lines. Both sides of the value are stripped,
//!   quotes stay, and the runner expands `$NAME`, `${NAME}` and `$1` in it
//!   (`$$` as well, but only newer servers leave that to it), so such a `$` is
//!   refused. `%NAME%` is replaced only where GitLab knows a NAME.
//! - `azure`: `##vso[task.setvariable]`. The agent decodes `%0D`, `%0A`,
//!   `%3B`, `%5D` and `%AZP25`, the last one only where `DECODE_PERCENTS`
//!   allows it: a `%` is escaped where one of those would follow, and stays
//!   elsewhere. For a secret of several lines the agent wants an option, and
//!   without it prints the command into the log: the lines are masked first.

use super::quote::{push_all, push_escaped};
use super::{Format, Pair, Reason};
use crate::secret::SecretBuffer;

/// A mask shorter than this would black out half of the log.
const SHORTEST_MASK: usize = 4;

/// GitLab's default limits for a dotenv report; an instance may have others.
const GITLAB_BYTES: usize = 5 * 1024;
const GITLAB_VARIABLES: usize = 20;

/// Set by GitHub's runner for each step, over what `$GITHUB_ENV` said.
const GITHUB_CONTEXT: &[&str] = &[
    "ACTION",
    "ACTION_PATH",
    "ACTION_REF",
    "ACTION_REPOSITORY",
    "ACTIONS",
    "ACTOR",
    "ACTOR_ID",
    "API_URL",
    "BASE_REF",
    "ENV",
    "EVENT_NAME",
    "EVENT_PATH",
    "GRAPHQL_URL",
    "HEAD_REF",
    "JOB",
    "OUTPUT",
    "PATH",
    "REF",
    "REF_NAME",
    "REF_PROTECTED",
    "REF_TYPE",
    "REPOSITORY",
    "REPOSITORY_ID",
    "REPOSITORY_OWNER",
    "REPOSITORY_OWNER_ID",
    "RETENTION_DAYS",
    "RUN_ATTEMPT",
    "RUN_ID",
    "RUN_NUMBER",
    "SERVER_URL",
    "SHA",
    "STATE",
    "STEP_SUMMARY",
    "TRIGGERING_ACTOR",
    "WORKFLOW",
    "WORKFLOW_REF",
    "WORKFLOW_SHA",
    "WORKSPACE",
];

const RUNNER_CONTEXT: &[&str] = &[
    "ARCH",
    "DEBUG",
    "ENVIRONMENT",
    "NAME",
    "OS",
    "TEMP",
    "TOOL_CACHE",
    "TRACKING_ID",
    "WORKSPACE",
];

/// What a person should know about the text, for stderr.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// GitLab shows what a dotenv report holds.
    #[error(
        "GitLab does not mask the variables of a dotenv report: whoever can read the job's artifacts or its log can read these secrets."
    )]
    GitlabUnmasked,
    /// More than GitLab takes by default.
    #[error(
        "GitLab takes dotenv reports of up to {GITLAB_VARIABLES} variables and {GITLAB_BYTES} bytes unless its administrator raised that; this one has {variables} and {bytes}."
    )]
    GitlabTooMuch {
        /// How many variables there are.
        variables: usize,
        /// How many bytes they take.
        bytes: usize,
    },
    /// The agent's default refuses the variable.
    #[error(
        "Azure Pipelines refuses {variable}, a secret of several lines, unless the pipeline sets SYSTEM_UNSAFEALLOWMULTILINESECRET to true."
    )]
    AzureSeveralLines {
        /// The variable's name.
        variable: String,
    },
}

pub(super) fn warnings(format: Format, pairs: &[Pair<'_>], bytes: usize) -> Vec<Warning> {
    match format {
        Format::Gitlab if !pairs.is_empty() => {
            let variables = pairs.len();
            let too_much = bytes >= GITLAB_BYTES || variables > GITLAB_VARIABLES;
            let too_much = too_much.then_some(Warning::GitlabTooMuch { variables, bytes });
            std::iter::once(Warning::GitlabUnmasked)
                .chain(too_much)
                .collect()
        }
        Format::Azure => pairs
            .iter()
            .filter(|pair| pair.value.contains(['\r', '\n']))
            .map(|pair| Warning::AzureSeveralLines {
                variable: pair.name.to_owned(),
            })
            .collect(),
        _ => Vec::new(),
    }
}

pub(super) fn github_obstacle(pair: Pair<'_>) -> Option<Reason> {
    let reserved = pair.name == "NODE_OPTIONS"
        || (pair.name.strip_prefix("GITHUB_")).is_some_and(|name| GITHUB_CONTEXT.contains(&name))
        || (pair.name.strip_prefix("RUNNER_")).is_some_and(|name| RUNNER_CONTEXT.contains(&name));
    reserved.then_some(Reason::ReservedName)
}

pub(super) fn github_masks(out: &mut SecretBuffer, pair: Pair<'_>) {
    for line in pair.value.split('\n').filter(|line| worth_masking(line)) {
        out.push(b"::add-mask::");
        push_escaped(out, line, |c| match c {
            '%' => Some("%25".into()),
            '\r' => Some("%0D".into()),
            _ => None,
        });
        out.push(b"\n");
    }
}

/// Long enough, and not blank: the runner complains of a blank mask.
fn worth_masking(line: &str) -> bool {
    line.chars().nth(SHORTEST_MASK - 1).is_some() && !line.trim().is_empty()
}

pub(super) fn github_env(random: &[u8], pairs: &[Pair<'_>]) -> SecretBuffer {
    let delimiter = delimiter(random, pairs);
    let size: usize = pairs
        .iter()
        .map(|pair| pair.name.len() + pair.value.len() + 2 * delimiter.len() + 5)
        .sum();
    let mut out = SecretBuffer::with_capacity(size);
    for pair in pairs {
        push_all(&mut out, &[pair.name, "<<", &delimiter, "\n"]);
        push_all(&mut out, &[pair.value, "\n", &delimiter, "\n"]);
    }
    out
}

/// Random, so that nobody who chose a value can end it early; and checked all
/// the same.
fn delimiter(random: &[u8], pairs: &[Pair<'_>]) -> String {
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut delimiter = format!("vault_{hex}");
    while pairs.iter().any(|pair| pair.value.contains(&delimiter)) {
        delimiter.push('_');
    }
    delimiter
}

pub(super) fn gitlab_obstacle(pair: Pair<'_>) -> Option<Reason> {
    // Ruby's `strip!`.
    let stripped = |c| matches!(c, '\t'..='\r' | ' ');
    if pair.value.contains('\n') {
        Some(Reason::Newline)
    } else if pair.value.starts_with(stripped) || pair.value.ends_with(stripped) {
        Some(Reason::OuterSpace)
    } else if expanded_by_gitlab(pair.value) {
        Some(Reason::Reference)
    } else {
        None
    }
}

/// Whether Go's `os.Expand` would replace something: a `$` before a name, a
/// brace or one of the shell's special parameters.
fn expanded_by_gitlab(value: &str) -> bool {
    value.match_indices('$').any(|(position, _)| {
        value[position + 1..].chars().next().is_some_and(|next| {
            next.is_ascii_alphanumeric()
                || matches!(next, '_' | '{' | '*' | '#' | '$' | '@' | '!' | '?' | '-')
        })
    })
}

pub(super) fn azure(out: &mut SecretBuffer, pair: Pair<'_>) {
    if pair.value.contains(['\r', '\n']) {
        let lines = pair.value.split(['\r', '\n']);
        for line in lines.filter(|line| worth_masking(line)) {
            out.push(b"##vso[task.setsecret]");
            push_azure(out, line);
            out.push(b"\n");
        }
    }
    push_all(
        out,
        &[
            "##vso[task.setvariable variable=",
            pair.name,
            ";issecret=true]",
        ],
    );
    push_azure(out, pair.value);
    out.push(b"\n");
}

fn push_azure(out: &mut SecretBuffer, value: &str) {
    let mut written = 0;
    for (position, byte) in value.bytes().enumerate() {
        let escaped: &[u8] = match byte {
            b'\r' => b"%0D",
            b'\n' => b"%0A",
            b'%' if decoded_by_azure(&value.as_bytes()[position + 1..]) => b"%AZP25",
            _ => continue,
        };
        out.push(&value.as_bytes()[written..position]);
        out.push(escaped);
        written = position + 1;
    }
    out.push(&value.as_bytes()[written..]);
}

/// Whether a `%` before these bytes would begin an escape.
fn decoded_by_azure(rest: &[u8]) -> bool {
    [&b"0D"[..], b"0A", b"3B", b"5D", b"AZP25"]
        .iter()
        .any(|token| {
            rest.get(..token.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(token))
        })
}
