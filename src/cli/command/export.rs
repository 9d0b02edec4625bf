//! `export`: credentials as environment variables, in the form that a reader
//! wants.

mod codex;

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::audit::{Entry, Event};
use crate::broker::variables::{Naming, Wanted, collect};
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::variables;
use crate::error::{Error, Kind, Result};
use crate::export::{self, Format, Manifest, Settings};
use crate::files::{self, PathContext};
use crate::name::{FieldName, Target, VariableName};
use crate::secret::SecretBuffer;

/// Print credentials as environment variables
#[derive(Debug, Args)]
#[command(
    after_help = "Formats: env, fish, powershell, nu (shells); dotenv, docker, json, yaml, \
k8s, systemd (files); github, gitlab, azure (CI); codex-auth (the auth.json of the Codex CLI).\n\nExamples:\n  eval \"$(vault export openai \
--format env)\"\n  vault export --format github\n  vault export --format dotenv --output .env\n  \
vault export openai/team --name api_key=TEAM_KEY --format json"
)]
pub struct ExportArgs {
    /// Providers, PROVIDER/CONNECTION, or NAMEs of plain secrets; every provider's default connection and all plain secrets without any
    #[arg(value_name = "P")]
    targets: Vec<Target>,
    /// The form, made for its own reader; env without it
    #[arg(long, value_name = "F", value_parser = forms(), hide_possible_values = true)]
    format: Option<Form>,
    /// Every connection, not only the default ones
    #[arg(long, conflicts_with = "targets")]
    all: bool,
    /// Put this before each variable's name
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    prefix: String,
    /// Export a field under another name; may be given several times
    #[arg(long, value_name = "FIELD=VAR", value_parser = parse_name)]
    name: Vec<(FieldName, VariableName)>,
    /// Write to a file that only you can read, whole or not at all
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Do not renew tokens that are about to end
    #[arg(long)]
    no_refresh: bool,
    /// k8s: the name of the secret
    #[arg(long, value_name = "NAME", default_value = "vault")]
    secret_name: String,
    /// k8s: the namespace of the secret
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Variables, for one reader or another.
    Variables(Format),
    /// The file of the Codex CLI.
    CodexAuth,
}

/// The word for [`Form::CodexAuth`].
const CODEX_AUTH: &str = "codex-auth";

fn forms() -> impl TypedValueParser<Value = Form> {
    let words = Format::ALL.map(Format::as_str);
    PossibleValuesParser::new(words.into_iter().chain([CODEX_AUTH])).map(|word| match &*word {
        CODEX_AUTH => Form::CodexAuth,
        word => Form::Variables(
            word.parse()
                .expect("the parser lets only names of formats through"),
        ),
    })
}

fn parse_name(text: &str) -> std::result::Result<(FieldName, VariableName), String> {
    let (field, variable) = text
        .split_once('=')
        .ok_or("it is FIELD=VAR, such as api_key=MY_KEY")?;
    let field = field.parse::<FieldName>().map_err(|bad| bad.to_string())?;
    let variable = variable
        .parse::<VariableName>()
        .map_err(|bad| bad.to_string())?;
    Ok((field, variable))
}

/// Prints them.
pub fn run(args: &ExportArgs, context: &Context) -> Result<()> {
    let Form::Variables(format) = form_of(args, context)? else {
        return codex::export(args, context);
    };
    let github_file = match format {
        Format::Github => Some(github_env_file(context)?),
        _ => None,
    };
    let wanted = match (&args.targets[..], args.all) {
        ([], false) => Wanted::Defaults,
        ([], true) => Wanted::Everything,
        (targets, _) => Wanted::Named(targets),
    };
    let naming = Naming {
        prefix: &args.prefix,
        names: &args.name,
        as_stored: args.no_refresh,
    };
    let gathered = variables::gather(&wanted, &naming, context)?;
    if gathered.is_empty() {
        context.output.note(if args.targets.is_empty() {
            "There is nothing to export yet. Begin with: vault login openai"
        } else {
            "None of it has a variable. Give it one: --name FIELD=VARIABLE"
        });
    }
    let settings = Settings {
        random: random_bytes()?,
        manifest: Manifest::new(&args.secret_name, args.namespace.as_deref())?,
    };
    let rendered = export::render(format, &settings, &collect(&gathered)?)?;
    for warning in &rendered.warnings {
        context.output.warn(&warning.to_string());
    }
    if !gathered.is_empty() {
        let entry = variables::told(Entry::new(Event::Export, "export"), &gathered);
        let output = args.output.as_deref().map(Path::display);
        let entry = entry.with("format", format.as_str());
        context.audit(&entry.with_some("output", output));
    }
    put(&rendered.text, args.output.as_deref())?;
    if let (Some(path), Some(lines)) = (github_file, &rendered.github_env) {
        append_whole(&path, lines.as_bytes())?;
    }
    Ok(())
}

/// The form that is named; `--json` asks for JSON where none is.
fn form_of(args: &ExportArgs, context: &Context) -> Result<Form> {
    match args.format {
        Some(Form::Variables(Format::Github)) if args.output.is_some() => Err(Error::new(
            Kind::Usage,
            "--output cannot be used with the format github, which has a file of its own",
        )
        .with_hint("vault export --format github")),
        Some(form) => Ok(form),
        None if context.output.json => Ok(Form::Variables(Format::Json)),
        None => Ok(Form::Variables(Format::Env)),
    }
}

/// Into the file that was named, or to standard output.
fn put(text: &SecretBuffer, path: Option<&Path>) -> Result<()> {
    match path {
        Some(path) if path != "-" => write_file(path, text.as_bytes()),
        _ => output::print_secret(text),
    }
}

/// Writes the file that is there, through a link if it is one, or a new one.
/// What is no file, such as a device or a pipe, is not to be replaced by one.
fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let path = match path.canonicalize() {
        Ok(there) if there.is_file() => there,
        Ok(there) => {
            let message = format!("{} is there and is no file", there.display());
            return Err(Error::new(Kind::InvalidInput, message)
                .with_hint("Without --output it goes to standard output."));
        }
        Err(_) => path.to_owned(),
    };
    Ok(files::replace_private(&path, bytes)?)
}

fn github_env_file(context: &Context) -> Result<PathBuf> {
    context.environment.github_env.clone().ok_or_else(|| {
        Error::new(
            Kind::InvalidInput,
            "GITHUB_ENV is not set, so there is no file to append to",
        )
        .with_hint("This format is for a step of a workflow; elsewhere: vault export --format env")
    })
}

fn random_bytes() -> Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::getrandom(&mut bytes).map_err(|error| {
        Error::new(Kind::Failed, "The system gives no random bytes").with_source(error)
    })?;
    Ok(bytes)
}

/// Appends everything or nothing: a half-written variable would be read as
/// one that ends where the next begins.
fn append_whole(path: &Path, lines: &[u8]) -> Result<()> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .at("append to", path)?;
    let before = file.metadata().at("append to", path)?.len();
    let mut whole = SecretBuffer::with_capacity(lines.len() + 1);
    if before > 0 && !ends_with_newline(&mut file).at("read", path)? {
        whole.push(b"\n");
    }
    whole.push(lines);
    let written = file.write_all(whole.as_bytes());
    if written.is_err() {
        // Best effort: the error below is what the workflow has to see.
        let _ = file.set_len(before);
    }
    Ok(written.at("append to", path)?)
}

fn ends_with_newline(file: &mut std::fs::File) -> std::io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
