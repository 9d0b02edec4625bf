//! `usage`: what was used and what it cost, as a table, as data, or as a
//! picture. Needs no key: nothing secret is in the database.

mod chart;
mod csv;
mod measure;
mod number;
mod remarks;
mod table;
mod when;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use self::chart::Chart;
use self::number::counted;
use self::remarks::Remarks;
use self::table::Table;
use self::when::{Range, When};
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::table::terminal_width;
use crate::error::{Error, Kind, Result};
use crate::files::{self, PathContext};
use crate::span::{Keep, Span};
use crate::usage::{self, By, Query, Report, Row};

/// Show what was used and what it cost
#[derive(Debug, Args)]
#[command(
    after_help = "Counts the requests that went through `vault run` and `vault serve`, with the \
tokens that the providers report and what these cost by the prices of vault and prices.json. \
Without --since, the last 30 days. Days and hours are of UTC.\n\nExamples:\n  vault usage\n  vault \
usage --by model --since 7d\n  vault usage --by day --since 2027-01-01 --until 2027-01-31 --csv > \
january.csv\n  vault usage --by agent --svg usage.svg"
)]
pub struct UsageArgs {
    /// From when: a day, a time, or a span back from now such as 7d
    #[arg(long, value_name = "WHEN")]
    since: Option<When>,
    /// Until when, in the same forms; a day counts as a whole
    #[arg(long, value_name = "WHEN")]
    until: Option<When>,
    /// What each row is of
    #[arg(long, value_name = "KEY", default_value = "provider")]
    by: Key,
    /// Print CSV
    #[arg(long)]
    csv: bool,
    /// Write a picture of it over time; a dash prints it
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// First make daily sums of all requests that are older than this, 90d or a number of days
    #[arg(long, value_name = "TIME")]
    keep: Option<Keep>,
}

/// What rows are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Key {
    /// Who asked
    Agent,
    /// Whose API it was
    Provider,
    /// Whose key it was
    Connection,
    /// The model, as the provider calls it
    Model,
    /// The day
    Day,
    /// The hour
    Hour,
}

impl Key {
    fn by(self) -> By {
        match self {
            Self::Agent => By::Agent,
            Self::Provider => By::Provider,
            Self::Connection => By::Connection,
            Self::Model => By::Model,
            Self::Day => By::Day,
            Self::Hour => By::Hour,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Provider => "provider",
            Self::Connection => "connection",
            Self::Model => "model",
            Self::Day => "day",
            Self::Hour => "hour",
        }
    }

    /// A key as people read it.
    fn shown(self, key: &str) -> String {
        match self {
            Self::Model if key == usage::NO_MODEL => "no model".to_owned(),
            // `2026-08-21T13:00:00Z`
            Self::Hour => key.get(..16).unwrap_or(key).replace('T', " "),
            _ => key.to_owned(),
        }
    }
}

/// Reads the sums and prints them in the form that was asked for.
pub fn run(args: &UsageArgs, context: &Context) -> Result<()> {
    let is_printed = args
        .svg
        .as_deref()
        .is_some_and(|file| file == Path::new("-"));
    let forms = [is_printed, args.csv, context.output.json];
    if forms.iter().filter(|is_asked| **is_asked).count() > 1 {
        let message = "One form at a time can be printed";
        return Err(Error::new(Kind::Usage, message)
            .with_hint("Print one, such as: vault usage --csv > usage.csv"));
    }
    let range = Range::asked(args.since, args.until, context.now)?;
    let path = database(context)?;
    if let Some(keep) = args.keep {
        roll_up(keep, &path, context)?;
    }
    let report = sums(args.by.by(), range, &path)?;
    if let Some(file) = &args.svg {
        let picture = picture(args.by, range, &path)?.to_svg();
        if is_printed {
            return output::print(&picture);
        }
        write(file, &picture)?;
        let shown = file.display();
        context.output.note(&format!("The picture is in {shown}"));
    }
    if context.output.json {
        return output::print_json(&as_json(&report.rows));
    }
    if args.csv {
        return output::print(&csv::render(&report.rows));
    }
    if args.svg.is_none() && !report.rows.is_empty() {
        print_table(args.by, &report.rows, context)?;
    }
    let models = match args.by {
        Key::Model => report.rows.clone(),
        _ => sums(By::Model, range, &path)?.rows,
    };
    let remarks = Remarks {
        range,
        models: &models,
        dropped: report.dropped,
        prices: &prices(context)?,
    };
    remarks.say(&context.output);
    Ok(())
}

/// Where usage is kept.
fn database(context: &Context) -> Result<PathBuf> {
    Ok(context.places()?.state.join("usage.db"))
}

/// The user's own prices: beside the other files that a person writes.
fn prices(context: &Context) -> Result<PathBuf> {
    Ok(context.places()?.providers.with_file_name("prices.json"))
}

fn sums(by: By, range: Range, path: &Path) -> Result<Report> {
    let query = Query {
        since: Some(range.since),
        until: Some(range.until),
        by,
    };
    Ok(usage::rows(path, &query)?)
}

fn picture(key: Key, range: Range, path: &Path) -> Result<Chart> {
    let steps = chart::steps_for(range);
    // Over time, rows of times are all one.
    let (by, name) = match key {
        Key::Day | Key::Hour => (By::Provider, None),
        other => (other.by(), Some(other.name())),
    };
    let (since, until) = (Some(range.since), Some(range.until));
    let mut points = usage::series(path, since, until, by, steps)?;
    for point in &mut points {
        point.row.key = key.shown(&point.row.key);
    }
    Ok(Chart::new(range, name, &points))
}

/// What is older than this becomes sums of days, and stays in every report.
fn roll_up(keep: Keep, path: &Path, context: &Context) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let count = usage::roll_up(path, keep.0, context.now)?;
    let kept = Span(keep.0);
    context.output.note(&match count {
        0 => format!("There are no single requests older than {kept}."),
        count => format!("Made daily sums of {}.", counted(count, "request")),
    });
    Ok(())
}

fn as_json(rows: &[Row]) -> serde_json::Value {
    let rows = rows.iter().map(|row| {
        json!({
            "key": row.key,
            "requests": row.requests,
            "input_tokens": row.input_tokens,
            "output_tokens": row.output_tokens,
            "cached_tokens": row.cached_tokens,
            "cost_usd": row.cost.to_string(),
            "unpriced_requests": row.unpriced_requests,
        })
    });
    json!({"rows": rows.collect::<Vec<_>>()})
}

fn print_table(key: Key, rows: &[Row], context: &Context) -> Result<()> {
    let mut rows = rows.to_vec();
    for row in &mut rows {
        row.key = key.shown(&row.key);
    }
    let table = Table {
        heading: &key.name().to_uppercase(),
        rows: &rows,
        width: terminal_width(),
        is_utf8: context.environment.is_utf8,
        color: context.output.color_out,
    };
    output::print(&table.render())
}

/// Puts a picture in its place in one step, for everybody to look at.
fn write(file: &Path, picture: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if file.is_dir() {
        let error = std::io::ErrorKind::IsADirectory.into();
        return Err(files::FileError::from_io("write", file, error).into());
    }
    let staged = files::Staged::write(file, picture.as_bytes())?;
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(staged.path(), mode).at("open to readers", staged.path())?;
    staged.rename_over(file)?;
    Ok(())
}
