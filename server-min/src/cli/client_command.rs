//! `troodon client …`.

use std::collections::BTreeMap;
use std::io::stdout;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::collect::pair;
use super::console::Console;
use super::remote_command::Question;
use super::rows::{Format, Row, RowWriter};
use super::{Invocation, print};
use crate::clients;
use crate::limits::QUERY_CLIENTS;
use crate::model::client::Client;
use crate::model::door::Door;
use crate::model::id::ClientId;
use crate::model::search::Search;

#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// List clients
    List(List),
    /// Find clients, and say how long that took
    Search(Find),
    /// Show one client as JSON
    Show {
        /// As C.0123456789abcdef
        client: ClientId,
    },
    /// Give labels to a client, or take them away
    Label {
        /// As C.0123456789abcdef
        client: ClientId,
        /// The labels
        #[arg(required = true)]
        labels: Vec<String>,
        /// Take them away
        #[arg(long)]
        remove: bool,
    },
    /// Note something about a client; an empty value removes a note
    Note {
        /// As C.0123456789abcdef
        client: ClientId,
        /// What to note
        #[arg(required = true, value_name = "NAME=VALUE", value_parser = pair)]
        notes: Vec<(String, String)>,
    },
    /// Remove clients with their collections, files and events; their agents will have to enrol again
    Delete {
        /// As C.0123456789abcdef
        #[arg(required = true)]
        clients: Vec<ClientId>,
    },
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = usize::MAX, hide_default_value = true)]
    limit: usize,
    /// How they are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Find {
    /// `label:L`, `host:H`, `mac:M`, or the beginning of an id, of a word in a name, of a label; `*` stands for anything
    #[arg(value_name = "TEXT")]
    text: String,
    #[command(flatten)]
    list: List,
}

impl ClientCommand {
    /// The same of another server.
    pub(super) fn question(&self) -> Question {
        const COLUMNS: &str = "client_id, os_info.hostname AS hostname, os_info.system AS system, labels, last_seen_at";
        let limited = |vql: String, list: &List| {
            let limit = match list.limit {
                usize::MAX => String::new(),
                limit => format!(" LIMIT {limit}"),
            };
            Question::new(format!("{vql}{limit}")).in_format(list.format)
        };
        match self {
            Self::List(list) => limited(format!("SELECT {COLUMNS} FROM clients()"), list),
            Self::Search(Find { text, list }) => {
                limited(format!("SELECT {COLUMNS} FROM clients(search=Text)"), list).with("Text", text)
            }
            Self::Show { client } => Question::new("SELECT * FROM clients(client_id=Client)")
                .with("Client", client)
                .in_format(Format::Json),
            Self::Label { client, labels, remove } => Question::new(
                "SELECT label(client_id=Client, labels=parse_json_array(data=Labels), op=Operation) AS Done FROM scope()",
            )
            .with("Client", client)
            .with("Labels", json!(labels))
            .with("Operation", if *remove { "remove" } else { "set" }),
            Self::Note { client, notes } => {
                let notes: serde_json::Map<String, Value> = notes
                    .iter()
                    .map(|(name, value)| {
                        let value = Some(value).filter(|value| !value.is_empty());
                        (name.clone(), json!(value))
                    })
                    .collect();
                let vql = "SELECT client_set_metadata(client_id=Client, metadata=parse_json(data=Notes)) AS Done FROM scope()";
                Question::new(vql).with("Client", client).with("Notes", Value::from(notes))
            }
            Self::Delete { clients } => {
                let clients: Vec<String> = clients.iter().map(ToString::to_string).collect();
                let vql = "SELECT * FROM foreach(row=parse_json_array(data=Clients), \
                           query={ SELECT * FROM client_delete(client_id=_value, really_do_it=TRUE) })";
                Question::new(vql).with("Clients", json!(clients))
            }
        }
    }
}

pub(super) fn run(invocation: &Invocation, command: &ClientCommand) -> Result<()> {
    let console = Console::open(invocation)?;
    match command {
        ClientCommand::List(options) => list(&console, &Search::All, options).map(drop),
        ClientCommand::Search(options) => {
            let start = Instant::now();
            let found = list(&console, &Search::parse(&options.text), &options.list)?;
            let of = console.store.client_count()?;
            eprintln!(
                "{found} of {of} clients in {:.1} ms",
                start.elapsed().as_secs_f64() * 1000.0
            );
            Ok(())
        }
        ClientCommand::Show { client } => show(&console, client),
        ClientCommand::Label { client, labels, remove } => {
            let labels = labels.clone();
            let (add, remove) = if *remove { (Vec::new(), labels) } else { (labels, Vec::new()) };
            Ok(clients::label(&console.actor(), client, add, remove).map(drop)?)
        }
        ClientCommand::Note { client, notes } => {
            let notes = notes.iter().cloned();
            let changes: BTreeMap<_, _> =
                notes.map(|(name, value)| (name, (!value.is_empty()).then_some(value))).collect();
            Ok(clients::note(&console.actor(), client, changes)?)
        }
        ClientCommand::Delete { clients } => {
            for client in clients {
                if !clients::delete(&console.actor(), client)? {
                    bail!("there is no client {client}; `client search` finds clients");
                }
                print(&format!("{client} is gone\n"))?;
            }
            Ok(())
        }
    }
}

/// Prints clients a page at a time; answers how many.
fn list(console: &Console, search: &Search, options: &List) -> Result<u64> {
    console.enter(Door::ShowClients, json!({}))?;
    let mut writer = RowWriter::new(stdout().lock(), options.format);
    let (mut left, mut cursor) = (options.limit, None);
    while left > 0 {
        let wanted = left.min(QUERY_CLIENTS);
        let page = console.store.search_clients(search, cursor.as_ref(), wanted)?;
        left = left.saturating_sub(page.clients.len());
        for client in &page.clients {
            writer.row(line(client)?)?;
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    writer.finish().context("the standard output cannot be written")
}

fn line(client: &Client) -> Result<Row> {
    let mut row = Row::new();
    row.insert("client_id".into(), client.id.as_str().into());
    row.insert("hostname".into(), client.host.hostname.as_str().into());
    row.insert("system".into(), client.host.system.as_str().into());
    row.insert("labels".into(), client.labels.join(" ").into());
    row.insert("last_seen".into(), moment(client.seen_us)?);
    Ok(row)
}

fn show(console: &Console, id: &ClientId) -> Result<()> {
    console.enter(Door::ShowClients, json!({"client_id": id.as_str()}))?;
    let Some(client) = console.store.client(id)? else {
        bail!("there is no client {id}; `client search` finds clients");
    };
    let shown = json!({
        "client_id": client.id.as_str(),
        "first_seen": moment(client.enrolled_us)?,
        "last_seen": moment(client.seen_us)?,
        "last_address": client.address,
        "host": client.host,
        "labels": client.labels,
        "metadata": console.store.client_metadata(id)?,
        "refused_messages": client.refused,
        "last_interrogation": client.interrogation.as_ref().map_or("", |flow| flow.as_str()),
    });
    print(&format!("{shown:#}\n"))
}

/// A time for people; nothing for never.
fn moment(us: u64) -> Result<Value> {
    if us == 0 {
        return Ok(Value::from("never"));
    }
    let seconds = i64::try_from(us / 1_000_000).context("a client has an impossible time")?;
    let time = OffsetDateTime::from_unix_timestamp(seconds)?;
    Ok(Value::from(time.format(&Rfc3339)?))
}
