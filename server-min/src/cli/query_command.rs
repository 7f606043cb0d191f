//! `troodon query`.

use std::io::{Write, stderr, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;
use troodon_vql::syntax::reformat;
use troodon_vql::{Interrupt, Level, LogSink, Program, json as vql_json};

use super::collect::pair;
use super::console::Console;
use super::rows::{Format, RowWriter};
use super::{Invocation, print, printable};
use crate::model::door::Door;
use crate::query::{self, Backend};

#[derive(Debug, Args)]
pub(super) struct QueryOptions {
    /// The statements; several arguments share one scope
    #[arg(value_name = "VQL", required = true)]
    pub(super) statements: Vec<String>,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(super) format: Format,
    /// A variable of the query; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) env: Vec<(String, String)>,
    /// Print the statements in a clear layout, and run nothing
    #[arg(long)]
    pub(super) reformat: bool,
}

pub(super) fn run(invocation: &Invocation, options: &QueryOptions) -> Result<()> {
    let text = options.statements.join("\n");
    if options.reformat {
        return print(&reformat(&text)?);
    }
    // Before the store is opened and the query is written down: nobody can run what does not parse.
    Program::parse(&text)?;
    let console = Console::open(invocation)?;
    console.enter(Door::Query, json!({"query": options.statements}))?;
    let Console { config, orgs, org, acl, principal, .. } = console;
    let registry = Arc::new(query::registry(&config)?);
    let backend = Arc::new(Backend::new(&orgs, &org, &acl, principal));
    let mut writer = RowWriter::new(stdout().lock(), options.format);
    let mut line = Vec::new();
    let failed = Arc::new(AtomicBool::new(false));
    query::run(
        &text,
        &options.env,
        backend,
        registry,
        Box::new(StderrLog { failed: Arc::clone(&failed) }),
        Interrupt::new(),
        |row| {
            line.clear();
            vql_json::write_row(&row, &mut line);
            writer.row(serde_json::from_slice(&line)?)
        },
    )?;
    writer.finish().context("the standard output cannot be written")?;
    if failed.load(Ordering::Relaxed) {
        bail!("the query has logged an error, so that rows may be missing");
    }
    Ok(())
}

/// The query log on the standard error.
struct StderrLog {
    /// Whether an error was among it.
    failed: Arc<AtomicBool>,
}

impl LogSink for StderrLog {
    fn log(&mut self, level: Level, message: &str) {
        if level == Level::Error {
            self.failed.store(true, Ordering::Relaxed);
        }
        // The log is for people; the query goes on when nobody reads it.
        let _ = writeln!(stderr(), "{}: {}", level.name(), printable(message));
    }
}
