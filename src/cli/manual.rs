//! The manual: a page for the program and one for each command, made of the
//! same structs as the help.

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::args::Cli;
use crate::error::Kind;

/// Other variables than those that lead into the vault.
const ENVIRONMENT: [(&str, &str); 14] = [
    (
        "VAULT_HOME",
        "The folder that everything lies under, in place of the platform's folders.",
    ),
    ("VAULT_FILE", "The vault file."),
    (
        "VAULT_IDENTITY",
        "The path of an identity that opens the vault, or the text of one.",
    ),
    ("VAULT_PASSPHRASE", "The passphrase."),
    ("VAULT_PASSPHRASE_FILE", "A file that holds the passphrase."),
    (
        "VAULT_PASSPHRASE_FD",
        "An open descriptor to read the passphrase from.",
    ),
    (
        "VAULT_PASSPHRASE_COMMAND",
        "A command, run by sh -c, that prints the passphrase.",
    ),
    (
        "VAULT_NEW_PASSPHRASE",
        "The new passphrase, for init and rekey.",
    ),
    (
        "VAULT_FINGERPRINT",
        "Refuse any vault but the one with this fingerprint.",
    ),
    ("VAULT_NO_INPUT", "Never ask anything."),
    (
        "CREDENTIALS_DIRECTORY",
        "Set by systemd: the folder of vault.identity and vault.passphrase.",
    ),
    ("NO_COLOR", "No colour."),
    ("TERM", "No colour where it is dumb."),
    ("COMPLETE", "Set by the scripts of vault completions."),
];

const FILES: [(&str, &str); 5] = [
    (
        "vault.age",
        "The vault, in the data folder ($XDG_DATA_HOME/vault, by default ~/.local/share/vault).",
    ),
    ("backups/", "The last ten vault files, beside it."),
    (
        "identity.txt",
        "The machine's own identity, in the config folder ($XDG_CONFIG_HOME/vault, by default ~/.config/vault).",
    ),
    (
        "providers/*.json",
        "Provider definitions of your own, in the config folder.",
    ),
    (
        "state/",
        "What was last seen of the vault. In the state folder ($XDG_STATE_HOME/vault, by default ~/.local/state/vault) where VAULT_HOME is not set.",
    ),
];

/// When a command ends with each code.
fn when(kind: Kind) -> &'static str {
    match kind {
        Kind::Failed => "Anything without its own number, such as a full disk.",
        Kind::Usage => "The call is not of the command's form.",
        Kind::NotFound => "There is no such provider, connection, field or version.",
        Kind::Locked => "No key was given, the passphrase is wrong, or no identity fits.",
        Kind::InvalidInput => {
            "A value is refused, or a secret was asked for without --show-secret."
        }
        Kind::Conflict => "It is there already, and --force was not given.",
        Kind::Corrupt => {
            "The vault cannot be trusted: damaged, swapped, rolled back, or of a newer format."
        }
        Kind::Unreachable => "The network or the provider does not answer.",
        Kind::Rejected => "The provider or the policy says no.",
        Kind::Busy => "Another process holds the vault.",
        Kind::Interrupted => "Ctrl-C.",
    }
}

/// The commands that have a page.
pub fn commands() -> Vec<String> {
    let program = Cli::command();
    let shown = program
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set());
    shown.map(|inner| inner.get_name().to_owned()).collect()
}

/// The page of the program, or of one command; `None` where there is none.
pub fn page(command: Option<&str>) -> Option<String> {
    let program = Cli::command()
        .disable_help_flag(true)
        .disable_version_flag(true);
    match command {
        None => Some(of_program(program)),
        Some(name) => {
            let inner = program.find_subcommand(name)?;
            (!inner.is_hide_set()).then(|| of_command(inner.clone()))
        }
    }
}

fn of_program(program: Command) -> String {
    let commands: Vec<_> = program
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
        .map(|inner| (inner.get_name().to_owned(), about(inner)))
        .collect();
    let mut page = Page::begin(program, "vault");
    page.heading("COMMANDS");
    for (name, about) in &commands {
        page.entry(&[bold(format!("vault-{name}")), roman("(1)")], about);
    }
    page.options();
    page.examples();
    page.heading("EXIT STATUS");
    page.entry(&[bold("0")], "Done.");
    for kind in Kind::ALL {
        let code = kind.exit_code().to_string();
        page.entry(
            &[bold(code), roman(format!("  {}", kind.code()))],
            when(kind),
        );
    }
    page.paragraph("With --json, an error is one object on standard error: {\"error\":{\"code\":…,\"message\":…,\"hint\":…}}, its code one of the words above.");
    page.heading("ENVIRONMENT");
    page.text("An empty variable counts as unset. Options go before variables.");
    for (name, meaning) in ENVIRONMENT {
        page.entry(&[bold(name)], meaning);
    }
    page.heading("FILES");
    for (name, meaning) in FILES {
        page.entry(&[italic(name)], meaning);
    }
    page.paragraph("With VAULT_HOME set, all of them lie in that folder.");
    page.see_also(commands.iter().map(|(name, _)| format!("vault-{name}")));
    page.end()
}

fn of_command(command: Command) -> String {
    let name = command.get_name().to_owned();
    let mut page = Page::begin(command, &format!("vault-{name}"));
    page.subcommands();
    page.options();
    page.examples();
    page.heading("EXIT STATUS");
    page.text("0 when done; the other codes, the options that every command takes, the environment and the files are in vault(1).");
    page.see_also(["vault".to_owned()].into_iter());
    page.end()
}

fn about(command: &Command) -> String {
    command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// A page that is being written.
struct Page {
    roff: Roff,
    written: String,
    man: Man,
    command: Command,
    examples: Vec<String>,
}

impl Page {
    /// Title, name, synopsis and description.
    fn begin(command: Command, title: &str) -> Self {
        let spoken = title.replacen('-', " ", 1);
        let mut command = command
            .disable_help_flag(true)
            .display_name(title.to_owned())
            .bin_name(spoken.clone())
            .mut_args(|arg| arg.hide_short_help(false));
        command.build();
        let usage = command.render_usage().to_string();
        let help = command.get_after_help().map(ToString::to_string);
        let (prose, examples) = split(help.as_deref().unwrap_or_default());
        let mut page = Self {
            roff: Roff::new(),
            written: String::new(),
            man: Man::new(command.clone()),
            command,
            examples,
        };
        let version = concat!("vault ", env!("CARGO_PKG_VERSION"));
        let upper = title.to_uppercase();
        page.roff
            .control("TH", [upper.as_str(), "1", "", version, "The vault manual"]);
        page.heading("NAME");
        let about = about(&page.command);
        page.text(&format!("{title} - {}", lower_first(&about)));
        page.heading("SYNOPSIS");
        let usage = usage.trim_start_matches("Usage:").trim();
        let rest = usage.strip_prefix(&spoken).unwrap_or(usage);
        page.roff.text([bold(spoken), roman(rest)]);
        page.heading("DESCRIPTION");
        page.text(&format!("{}.", about.trim_end_matches('.')));
        for paragraph in prose {
            page.paragraph(&paragraph);
        }
        page
    }

    fn heading(&mut self, heading: &str) {
        self.roff.control("SH", [heading]);
    }

    fn text(&mut self, text: &str) {
        self.roff.text([roman(text)]);
    }

    /// Text that stands apart from what is before it.
    fn paragraph(&mut self, text: &str) {
        self.roff.control("PP", []);
        self.text(text);
    }

    /// A word and what it means.
    fn entry(&mut self, word: &[Inline], meaning: &str) {
        self.roff.control("TP", []);
        self.roff.text(word.to_vec());
        self.text(meaning);
    }

    fn options(&mut self) {
        if !self.command.get_arguments().any(|arg| !arg.is_hide_set()) {
            return;
        }
        self.flush();
        let mut options = Vec::new();
        self.man
            .render_options_section(&mut options)
            .expect("a buffer in memory takes every byte");
        self.push(&String::from_utf8_lossy(&options));
    }

    /// The commands of a command, which have no pages of their own.
    fn subcommands(&mut self) {
        let inner: Vec<_> = self.command.get_subcommands().cloned().collect();
        let inner = inner.into_iter().filter(|inner| !inner.is_hide_set());
        for (index, mut inner) in inner.enumerate() {
            if index == 0 {
                self.heading("COMMANDS");
            }
            let usage = inner.render_usage().to_string();
            let usage = usage.trim_start_matches("Usage:").trim().to_owned();
            self.roff.control("TP", []);
            self.roff.text([bold(usage)]);
            self.text(&format!("{}.", about(&inner)));
        }
    }

    fn examples(&mut self) {
        if self.examples.is_empty() {
            return;
        }
        self.heading("EXAMPLES");
        self.roff.control("nf", []);
        self.roff.control("RS", ["4"]);
        for line in std::mem::take(&mut self.examples) {
            self.text(&line);
        }
        self.roff.control("RE", []);
        self.roff.control("fi", []);
    }

    fn see_also(&mut self, pages: impl Iterator<Item = String>) {
        self.heading("SEE ALSO");
        let mut names: Vec<Inline> = Vec::new();
        for page in pages {
            names.extend([bold(page), roman("(1), ")]);
        }
        names.extend([bold("age"), roman("(1)")]);
        self.roff.text(names);
    }

    /// What was gathered goes into the text, so that another piece can follow.
    fn flush(&mut self) {
        let gathered = std::mem::take(&mut self.roff).to_roff();
        self.push(&gathered);
    }

    fn push(&mut self, roff: &str) {
        self.written.push_str(roff);
        if !roff.ends_with('\n') {
            self.written.push('\n');
        }
    }

    fn end(mut self) -> String {
        let last = std::mem::take(&mut self.roff).render();
        // Each piece brings the same preamble, which is needed once.
        let preamble: String = Roff::new().render();
        let body = last.strip_prefix(&preamble).unwrap_or(&last).to_owned();
        let begun = std::mem::take(&mut self.written).replace(&preamble, "");
        ascii(&format!("{preamble}{begun}{body}"))
    }
}

/// Other characters by their numbers: not every reader takes UTF-8.
fn ascii(page: &str) -> String {
    let mut plain = String::with_capacity(page.len());
    for character in page.chars() {
        if character.is_ascii() {
            plain.push(character);
        } else {
            plain.push_str(&format!("\\[u{:04X}]", u32::from(character)));
        }
    }
    plain
}

/// The prose of a help's end, and the lines of its examples.
fn split(help: &str) -> (Vec<String>, Vec<String>) {
    let mut prose = Vec::new();
    let mut examples = Vec::new();
    let mut in_examples = false;
    for paragraph in help.split("\n\n") {
        let mut lines = paragraph.lines().peekable();
        let heading = lines
            .peek()
            .is_some_and(|line| matches!(line.trim(), "Examples:" | "Example:" | "First steps:"));
        in_examples = heading || (in_examples && paragraph.starts_with("  "));
        if heading {
            lines.next();
        }
        if in_examples {
            examples.extend(lines.map(|line| line.trim().to_owned()));
        } else if !paragraph.trim().is_empty() {
            prose.push(lines.collect::<Vec<_>>().join(" "));
        }
    }
    (prose, examples)
}

/// In a line of `apropos` a sentence goes on after the dash.
fn lower_first(sentence: &str) -> String {
    let mut characters = sentence.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_into_the_vault_is_in_the_manual() {
        for variable in crate::cli::environment::VAULT_VARIABLES {
            assert!(
                ENVIRONMENT.iter().any(|(name, _)| *name == variable),
                "{variable}"
            );
        }
    }

    #[test]
    fn every_command_has_examples() {
        for name in commands() {
            let page = page(Some(&name)).unwrap();
            assert!(page.contains(".SH EXAMPLES"), "{name}");
        }
    }
}
