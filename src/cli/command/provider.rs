//! `provider` and `inspect`: the definitions of providers.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::table::{Table, terminal_width};
use crate::error::{Error, Kind, Result};
use crate::files;
use crate::name::ProviderName;
use crate::provider::{self, Catalog, Definition, Source};

const LARGEST: usize = 1024 * 1024;

/// Look at providers, or add one of your own
#[derive(Debug, Args)]
#[command(
    after_help = "A provider is a JSON file. Yours, in the providers folder, win over bundled \
ones of the same name.\n\nExamples:\n  vault provider list\n  vault provider show openai\n  vault \
inspect openai > mine.json && vault provider register mine.json"
)]
pub struct ProviderArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all providers
    #[command(after_help = "Examples:\n  vault provider list\n  vault provider list --json")]
    List,
    /// Tell what is known of a provider
    #[command(
        after_help = "Examples:\n  vault provider show openai\n  vault provider show openai --json"
    )]
    Show {
        /// The provider
        #[arg(value_name = "P")]
        name: ProviderName,
    },
    /// Check a definition without registering it
    #[command(
        after_help = "Examples:\n  vault provider validate mine.json\n  vault provider validate mine.json --json"
    )]
    Validate {
        /// The JSON file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Check a definition and put it into the providers folder
    #[command(
        after_help = "Examples:\n  vault provider register mine.json\n  vault provider register mine.json --force"
    )]
    Register {
        /// The JSON file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Replace a definition of that name
        #[arg(long)]
        force: bool,
    },
    /// Remove a definition of your own
    #[command(
        after_help = "Examples:\n  vault provider remove mycompany\n  vault provider remove openai   # back to the bundled one"
    )]
    Remove {
        /// The provider
        #[arg(value_name = "P")]
        name: ProviderName,
    },
    /// Print the JSON Schema of definitions
    #[command(
        after_help = "Examples:\n  vault provider schema\n  vault provider schema > provider.schema.json"
    )]
    Schema,
}

/// Print the definition of a provider as JSON, fit to be edited
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  vault inspect openai\n  vault inspect openai > \"$VAULT_HOME/providers/openai.json\""
)]
pub struct InspectArgs {
    /// The provider
    #[arg(value_name = "P")]
    name: ProviderName,
}

/// Does what was asked.
pub fn run(args: &ProviderArgs, context: &Context) -> Result<()> {
    match &args.action {
        Action::List => list(context),
        Action::Show { name } => show(name, context),
        Action::Validate { file } => validate(file, context),
        Action::Register { file, force } => register(file, *force, context),
        Action::Remove { name } => remove(name, context),
        Action::Schema => output::print(provider::SCHEMA),
    }
}

/// Prints the definition in force.
pub fn inspect(args: &InspectArgs, context: &Context) -> Result<()> {
    let found = context.catalog()?.find(&args.name)?;
    let mut text = found.definition.to_json();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    output::print(&text)
}

fn list(context: &Context) -> Result<()> {
    let mut listed = Vec::new();
    let mut table = Table::new(&["PROVIDER", "NAME", "CATEGORY", "TYPE", "SOURCE"])
        .dispensable(&["SOURCE", "TYPE"]);
    for entry in context.catalog()?.all()? {
        let source = match entry.source {
            Source::Bundled => "bundled",
            Source::Custom => "custom",
        };
        match entry.definition {
            Ok(definition) => {
                let category = definition.category.as_deref();
                let kind = definition.auth_type().as_str();
                let name = definition.name.as_str();
                table.row([
                    name,
                    &definition.display_name,
                    category.unwrap_or("-"),
                    kind,
                    source,
                ]);
                listed.push(json!({
                    "name": name,
                    "display_name": definition.display_name,
                    "category": category,
                    "auth_type": kind,
                    "source": source,
                }));
            }
            Err(error) => context.output.warn(&error.to_string()),
        }
    }
    if context.output.json {
        return output::print_json(&json!({"providers": listed}));
    }
    output::print(&table.render(terminal_width()))
}

fn show(name: &ProviderName, context: &Context) -> Result<()> {
    let found = context.catalog()?.find(name)?;
    if context.output.json {
        return output::print(&format!("{}\n", found.definition.to_json().trim_end()));
    }
    for warning in found.definition.warnings() {
        context.output.warn(warning);
    }
    let table = describe(&found.definition, found.path.as_deref());
    output::print(&table.render(terminal_width()))
}

fn describe(definition: &Definition, path: Option<&std::path::Path>) -> Table {
    let mut table = Table::plain().wrapped();
    let mut line = |name: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            table.row([name, value]);
        }
    };
    let joined = |items: Vec<String>| items.join(", ");
    line("provider", Some(definition.name.as_str()));
    line("name", Some(&definition.display_name));
    line("description", definition.description.as_deref());
    line("category", definition.category.as_deref());
    line(
        "type",
        Some(&joined(
            definition.auth.iter().map(ToString::to_string).collect(),
        )),
    );
    let fields = definition.fields.iter().map(|field| {
        let names: Vec<_> = field.env.iter().map(ToString::to_string).collect();
        match &names[..] {
            [] => field.name.to_string(),
            names => format!("{} ({})", field.name, names.join(", ")),
        }
    });
    line("fields", Some(&joined(fields.collect())));
    let hosts = definition.hosts.iter().map(|host| match host.injection {
        provider::Injection::Never => format!("{} (never used: too wide)", host.as_str()),
        _ => host.shown(),
    });
    line("hosts", Some(&joined(hosts.collect())));
    line("base_url", definition.base_url.as_deref());
    line("get a key", definition.key_url.as_deref());
    line("docs", definition.docs.as_deref());
    let source = match path {
        Some(path) => format!("custom, {}", path.display()),
        None => "bundled".to_owned(),
    };
    line("source", Some(&source));
    table
}

fn read(file: &std::path::Path) -> Result<String> {
    let content = files::read_private(file, LARGEST)?.ok_or_else(|| {
        Error::new(Kind::Failed, format!("There is no file {}", file.display()))
            .with_hint("Begin with a definition that works: vault inspect openai > mine.json")
    })?;
    String::from_utf8(content.bytes.to_vec()).map_err(|_| {
        Error::new(
            Kind::InvalidInput,
            format!("{} is not UTF-8 text", file.display()),
        )
        .with_hint("See the form: vault provider schema")
    })
}

fn validate(file: &std::path::Path, context: &Context) -> Result<()> {
    let definition = provider::validate(&read(file)?, file)?;
    definition.check_patterns().map_err(|bad| {
        Error::new(Kind::InvalidInput, format!("{}: {bad}", file.display()))
            .with_hint("See the form: vault provider schema")
    })?;
    let mut warnings = definition.warnings().to_vec();
    warnings.extend(definition.remarks());
    for warning in &warnings {
        context.output.warn(warning);
    }
    if context.output.json {
        let name = definition.name.as_str();
        return output::print_json(
            &json!({"status": "valid", "provider": name, "warnings": warnings}),
        );
    }
    context.output.note(&format!(
        "{} is a valid definition of {}.",
        file.display(),
        definition.name
    ));
    Ok(())
}

fn register(file: &std::path::Path, force: bool, context: &Context) -> Result<()> {
    let folder = context.places()?.providers;
    let (definition, path) = provider::register(&folder, &read(file)?, file, force)?;
    for warning in definition.warnings().iter().chain(&definition.remarks()) {
        context.output.warn(warning);
    }
    let name = &definition.name;
    if context.output.json {
        return output::print_json(&json!({
            "status": "registered", "provider": name.as_str(), "path": path,
        }));
    }
    let over = if Catalog::is_bundled(name) {
        ", in the place of the bundled one"
    } else {
        ""
    };
    context
        .output
        .note(&format!("Registered {name} as {}{over}.", path.display()));
    Ok(())
}

fn remove(name: &ProviderName, context: &Context) -> Result<()> {
    if !provider::remove(&context.places()?.providers, name)? {
        let catalog = context.catalog()?;
        catalog.find(name)?;
        return Err(Error::new(
            Kind::NotFound,
            format!("There is no definition of {name} of your own"),
        )
        .with_hint("A bundled one cannot be removed. See which are yours: vault provider list"));
    }
    if context.output.json {
        return output::print_json(&json!({"status": "removed", "provider": name.as_str()}));
    }
    context.output.note(&if Catalog::is_bundled(name) {
        format!("Removed your definition of {name}; the bundled one is in force.")
    } else {
        format!("Removed the definition of {name}.")
    });
    Ok(())
}
