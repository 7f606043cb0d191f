//! `troodon notebook …`.

use std::io::{Write, stderr, stdout};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use troodon_vql::Interrupt;

use super::collect::pair;
use super::console::Console;
use super::rows::{Format, RowWriter};
use super::{Invocation, print, printable};
use crate::model::door::Door;
use crate::model::id::UserName;
use crate::model::notebook::{Cell, CellKind, CellState, NotebookId};
use crate::notebooks::{self, Change, NewNotebook, Services};
use crate::query::{self, Backend};
use crate::store::server_event::Kind;

#[derive(Debug, Subcommand)]
pub(super) enum NotebookCommand {
    /// Make a notebook; prints its id
    Create(Create),
    /// List the notebooks that you have made or that are shared with you
    List {
        /// How they are printed
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Show a notebook with its cells as JSON
    Show(Which),
    /// Put a cell at the end; prints its number
    Add {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        content: Content,
    },
    /// Give a cell another text; what it yielded is gone
    Edit {
        #[command(flatten)]
        which: Which,
        /// Its number
        cell: i64,
        /// The text
        text: String,
    },
    /// Take a cell away
    Remove {
        #[command(flatten)]
        which: Which,
        /// Its number
        cell: i64,
    },
    /// Run the query of a cell, or all queries in their order, and print the rows
    Run {
        #[command(flatten)]
        which: Which,
        /// Its number; without it all
        cell: Option<i64>,
        /// How rows are printed
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Stop the query of a cell
    Cancel {
        #[command(flatten)]
        which: Which,
        /// Its number
        cell: i64,
    },
    /// Share a notebook with these users and no others; without any, with nobody
    Share {
        #[command(flatten)]
        which: Which,
        /// Their names
        users: Vec<UserName>,
    },
    /// Write a notebook to a page of HTML
    Export {
        #[command(flatten)]
        which: Which,
        /// The file, which must not be there
        file: PathBuf,
    },
    /// Remove a notebook
    Delete(Which),
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// As N.ABCDEFGHIJKLM
    pub(super) notebook: NotebookId,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// For people
    pub(super) name: String,
    /// For people
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(super) description: String,
    /// A NOTEBOOK artifact with whose cells it begins
    #[arg(long, value_name = "ARTIFACT")]
    pub(super) template: Option<String>,
    /// A parameter of the template; may be repeated
    #[arg(long = "args", value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) arguments: Vec<(String, String)>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Content {
    /// A query
    #[arg(long, value_name = "QUERY")]
    vql: Option<String>,
    /// A text for people
    #[arg(long, value_name = "TEXT")]
    markdown: Option<String>,
}

impl Content {
    /// The one that was given.
    pub(super) fn given(&self) -> Result<(CellKind, &str)> {
        match (&self.vql, &self.markdown) {
            (Some(vql), _) => Ok((CellKind::Vql, vql)),
            (None, Some(text)) => Ok((CellKind::Markdown, text)),
            (None, None) => bail!("a query or a text?"),
        }
    }
}

pub(super) fn run(invocation: &Invocation, command: &NotebookCommand) -> Result<()> {
    let console = Console::open(invocation)?;
    let actor = console.actor();
    let change = |which: &Which, change| notebooks::change(&actor, &which.notebook, change);
    match command {
        NotebookCommand::Create(create) => {
            let wanted = NewNotebook {
                name: create.name.clone(),
                description: create.description.clone(),
                cells: Vec::new(),
                template: create.template.clone().map(|name| (name, create.arguments.clone())),
            };
            let id = notebooks::create(&actor, &console.launcher, wanted)?;
            print(&format!("{id}\n"))
        }
        NotebookCommand::List { format } => list(&console, *format),
        NotebookCommand::Show(which) => {
            console.enter(Door::ShowNotebooks, json!({"notebook_id": which.notebook}))?;
            let (one, cells) = notebooks::show(&actor, &which.notebook)?;
            let mut shown = serde_json::to_value(one)?;
            shown["cells"] = serde_json::to_value(cells)?;
            print(&format!("{}\n", serde_json::to_string_pretty(&shown)?))
        }
        NotebookCommand::Add { which, content } => {
            let (kind, text) = content.given()?;
            let cell = change(which, Change::Add(kind, text.to_owned()))?;
            print(&format!("{cell}\n"))
        }
        NotebookCommand::Edit { which, cell, text } => {
            Ok(change(which, Change::Edit(*cell, text.clone())).map(drop)?)
        }
        NotebookCommand::Remove { which, cell } => {
            Ok(change(which, Change::Remove(*cell)).map(drop)?)
        }
        NotebookCommand::Cancel { which, cell } => {
            Ok(change(which, Change::Cancel(*cell)).map(drop)?)
        }
        NotebookCommand::Run { which, cell, format } => {
            run_cells(console, &which.notebook, *cell, *format)
        }
        NotebookCommand::Share { which, users } => {
            Ok(notebooks::share(&actor, &which.notebook, users)?)
        }
        NotebookCommand::Export { which, file } => {
            let mut page = Vec::new();
            notebooks::export(&actor, &which.notebook, &mut page)?;
            let mut target =
                std::fs::File::create_new(file).with_context(|| file.display().to_string())?;
            target.write_all(&page).with_context(|| file.display().to_string())
        }
        NotebookCommand::Delete(which) => Ok(notebooks::delete(&actor, &which.notebook)?),
    }
}

fn list(console: &Console, format: Format) -> Result<()> {
    let mut writer = RowWriter::new(stdout().lock(), format);
    console.enter(Door::ShowNotebooks, json!({}))?;
    for one in notebooks::list(&console.actor())? {
        if let Value::Object(row) = serde_json::to_value(one)? {
            writer.row(row)?;
        }
    }
    writer.finish().context("the standard output cannot be written")?;
    Ok(())
}

fn run_cells(console: Console, id: &NotebookId, wanted: Option<i64>, format: Format) -> Result<()> {
    let actor = console.actor();
    let cells = match wanted {
        Some(cell) => vec![cell],
        None => {
            let (_, cells) = notebooks::show(&actor, id)?;
            let queries = cells.into_iter().filter(|cell| cell.kind == CellKind::Vql);
            queries.map(|cell| cell.number).collect()
        }
    };
    let Console { config, orgs, org, acl, principal, .. } = console;
    let registry = Arc::new(query::registry(&config)?);
    let backend = Arc::new(Backend::new(&orgs, &org, &acl, principal));
    let services = Services { backend, registry, interrupt: Interrupt::new() };
    let mut writer = RowWriter::new(stdout().lock(), format);
    for number in cells {
        let cell = notebooks::run(&actor, &services, id, number)?;
        for line in actor.store().cell_lines(number, Kind::Log) {
            let line: Value = serde_json::from_slice(&line?)?;
            let text = |name: &str| printable(line[name].as_str().unwrap_or_default());
            writeln!(stderr(), "{}: {}", text("level"), text("message"))?;
        }
        for line in actor.store().cell_lines(number, Kind::Rows) {
            writer.row(serde_json::from_slice(&line?)?)?;
        }
        check(&cell)?;
    }
    writer.finish().context("the standard output cannot be written")?;
    Ok(())
}

fn check(cell: &Cell) -> Result<()> {
    match cell.state {
        CellState::Done => Ok(()),
        state => bail!("cell {} {}: {}", cell.number, state.name(), cell.failure),
    }
}
