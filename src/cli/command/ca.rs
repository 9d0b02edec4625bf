//! `ca`: the certificate that clients of `serve` trust. Its key never leaves
//! the vault.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::audit::{Entry, Event};
use crate::cli::context::Context;
use crate::cli::output;
use crate::error::Result;

/// Print the certificate that clients of `serve` trust
#[derive(Debug, Args)]
#[command(
    after_help = "The certificate is good for the hosts of the providers and for no other. \
`vault run` needs none of this: it has an authority of its own.\n\nExamples:\n  vault ca > \
vault-ca.pem\n  curl --cacert vault-ca.pem --proxy http://ci:$TOKEN@127.0.0.1:8765 \
https://api.openai.com/v1/models"
)]
pub struct CaArgs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the certificate, as `ca` alone does
    #[command(after_help = "Examples:\n  vault ca export > vault-ca.pem\n  vault ca export --json")]
    Export,
    /// Make a new authority with a key of its own, and print its certificate
    #[command(
        after_help = "All clients have to be given the new certificate: they refuse the gateway \
until then.\n\nExamples:\n  vault ca renew > vault-ca.pem"
    )]
    Renew,
}

/// Prints it; where there is none yet, makes it.
pub fn run(args: &CaArgs, context: &Context) -> Result<()> {
    let (store, opened) = context.open()?;
    let (authority, entry) = match args.action {
        None | Some(Action::Export) => (
            context.authority(&store, &opened, "ca")?,
            Entry::new(Event::CaExport, "ca"),
        ),
        Some(Action::Renew) => (
            context.renew_authority(&store, &opened, "ca renew")?,
            Entry::new(Event::CaRenew, "ca renew"),
        ),
    };
    context.audit(&entry);
    if context.output.json {
        return output::print_json(&json!({"certificate": authority.certificate_pem()}));
    }
    output::print(authority.certificate_pem())
}
