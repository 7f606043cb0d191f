//! `troodon monitoring …`.

use std::io::stdout;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::collect::{pair, parameters as given};
use super::console::Console;
use super::remote_command::Question;
use super::rows::{Format, Row, RowWriter};
use super::{Invocation, print};
use crate::launcher::Spec;
use crate::model::door::Door;
use crate::model::id::ArtifactName;
use crate::model::monitoring::{ServerWatch, Watch, WatchList};
use crate::server_monitoring;

#[derive(Debug, Subcommand)]
pub(super) enum MonitoringCommand {
    /// What clients watch and send
    #[command(subcommand)]
    Client(ClientCommand),
    /// Event queries that run on the server from its start to its end
    #[command(subcommand)]
    Server(ServerCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// Let clients watch a CLIENT_EVENT artifact; one of the same name gives way
    Add {
        #[command(flatten)]
        wanted: Wanted,
        #[command(flatten)]
        whose: Whose,
    },
    /// Let clients watch it no longer
    Remove {
        /// Its name
        artifact: String,
        #[command(flatten)]
        whose: Whose,
    },
    /// List what clients watch
    List {
        /// How it is printed
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ServerCommand {
    /// Let a SERVER_EVENT artifact run, with the rights of whoever adds it; one of the same name gives way
    Add(Wanted),
    /// End it
    Remove {
        /// Its name
        artifact: String,
    },
    /// List what runs
    List {
        /// How it is printed
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Show how one is set and what its queries logged last
    Show {
        /// Its name
        artifact: String,
        /// So many messages of each source
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
}

#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// Its name
    artifact: String,
    /// A parameter; may be repeated
    #[arg(long = "args", value_name = "NAME=VALUE", value_parser = pair)]
    arguments: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(super) struct Whose {
    /// Only clients with this label
    #[arg(long)]
    label: Option<String>,
}

impl Wanted {
    fn watch(&self) -> Watch {
        let parameters = self.arguments.iter().cloned().collect();
        Watch { artifact: self.artifact.clone(), parameters }
    }
}

impl MonitoringCommand {
    /// The same of another server, if a query does it.
    pub(super) fn question(&self) -> Option<Question> {
        let change = |call: &str, artifact: &str| {
            Question::new(format!("SELECT {call} AS Done FROM scope()")).with("Artifact", artifact)
        };
        Some(match self {
            Self::Client(ClientCommand::Add { wanted, whose }) => change(
                "add_client_monitoring(artifact=Artifact, label=Label, parameters=parse_json(data=Parameters))",
                &wanted.artifact,
            )
            .with("Label", whose.label.as_deref().unwrap_or_default())
            .with("Parameters", given(&wanted.arguments)),
            Self::Client(ClientCommand::Remove { artifact, whose }) => {
                change("rm_client_monitoring(artifact=Artifact, label=Label)", artifact)
                    .with("Label", whose.label.as_deref().unwrap_or_default())
            }
            Self::Client(ClientCommand::List { format }) => {
                Question::new("SELECT get_client_monitoring() AS Watched FROM scope()").in_format(*format)
            }
            Self::Server(ServerCommand::Add(wanted)) => change(
                "add_server_monitoring(artifact=Artifact, parameters=parse_json(data=Parameters))",
                &wanted.artifact,
            )
            .with("Parameters", given(&wanted.arguments)),
            Self::Server(ServerCommand::Remove { artifact }) => {
                change("rm_server_monitoring(artifact=Artifact)", artifact)
            }
            Self::Server(ServerCommand::List { format }) => {
                Question::new("SELECT get_server_monitoring() AS Runs FROM scope()").in_format(*format)
            }
            Self::Server(ServerCommand::Show { .. }) => return None,
        })
    }
}

pub(super) fn run(invocation: &Invocation, command: &MonitoringCommand) -> Result<()> {
    let console = Console::open(invocation)?;
    match command {
        MonitoringCommand::Client(command) => client(&console, command),
        MonitoringCommand::Server(command) => server(&console, command),
    }
}

fn client(console: &Console, command: &ClientCommand) -> Result<()> {
    let (monitoring, principal) = (&console.org.monitoring, &console.principal);
    match command {
        ClientCommand::Add { wanted, whose } => {
            monitoring.add(principal, whose.label.as_deref(), wanted.watch())?;
            print(&format!("{} is watched\n", wanted.artifact))
        }
        ClientCommand::Remove { artifact, whose } => {
            monitoring.remove(principal, whose.label.as_deref(), artifact)?;
            print(&format!("{artifact} is not watched\n"))
        }
        ClientCommand::List { format } => {
            console.enter(Door::ShowMonitoring, json!({}))?;
            table(*format, client_rows(&monitoring.list()?))
        }
    }
}

fn client_rows(list: &WatchList) -> Vec<Row> {
    let labelled = list
        .labels
        .iter()
        .flat_map(|(label, all)| all.iter().map(move |one| (label.as_str(), one)));
    let all = list.all.iter().map(|watch| ("", watch)).chain(labelled);
    let row = |(label, watch): (&str, &Watch)| {
        columns([
            ("artifact", watch.artifact.clone().into()),
            ("label", label.into()),
            ("parameters", parameters(watch)),
        ])
    };
    all.map(row).collect()
}

fn server(console: &Console, command: &ServerCommand) -> Result<()> {
    let Console { store, launcher, .. } = console;
    let actor = console.actor();
    match command {
        ServerCommand::Add(wanted) => {
            server_monitoring::add(&actor, launcher, wanted.watch())?;
            print(&format!("{} runs on the server\n", wanted.artifact))
        }
        ServerCommand::Remove { artifact } => {
            server_monitoring::remove(&actor, launcher, artifact)?;
            print(&format!("{artifact} does not run on the server\n"))
        }
        ServerCommand::List { format } => {
            console.enter(Door::ShowMonitoring, json!({}))?;
            let list = server_monitoring::list(store, launcher)?;
            table(*format, list.artifacts.iter().map(|one| server_row(console, one)))
        }
        ServerCommand::Show { artifact, limit } => {
            console.enter(Door::ShowMonitoring, json!({"artifact": artifact}))?;
            show(console, artifact, *limit)
        }
    }
}

fn server_row(console: &Console, one: &ServerWatch) -> Row {
    let owner = one.owner.as_deref().unwrap_or(console.acl.server_name());
    columns([
        ("artifact", one.watch.artifact.clone().into()),
        ("runs_as", owner.into()),
        ("parameters", parameters(&one.watch)),
    ])
}

fn show(console: &Console, artifact: &str, limit: usize) -> Result<()> {
    let Console { store, launcher, .. } = console;
    let list = server_monitoring::list(store, launcher)?;
    let Some(one) = list.get(artifact) else {
        bail!("`{artifact}` does not run on the server; `monitoring server list` shows what does");
    };
    let sources = launcher.compile_server_events(&Spec::from(&one.watch))?;
    let mut logs = Row::new();
    for source in sources.iter().filter_map(|request| request.query.last()) {
        let name: ArtifactName = source.name.parse()?;
        let mut last = std::collections::VecDeque::new();
        for message in store.server_event_logs(&name, 0..u64::MAX) {
            last.push_back(serde_json::from_slice::<Value>(&message?.row)?);
            if last.len() > limit {
                last.pop_front();
            }
        }
        logs.insert(source.name.clone(), last.into_iter().collect());
    }
    let mut shown = server_row(console, one);
    shown.insert("log".into(), logs.into());
    print(&format!("{}\n", serde_json::to_string_pretty(&shown)?))
}

fn parameters(watch: &Watch) -> Value {
    let pairs: Vec<String> =
        watch.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join(" ").into()
}

fn columns<const N: usize>(all: [(&str, Value); N]) -> Row {
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn table(format: Format, rows: impl IntoIterator<Item = Row>) -> Result<()> {
    let mut writer = RowWriter::new(stdout().lock(), format);
    for row in rows {
        writer.row(row)?;
    }
    writer.finish().context("the standard output cannot be written")?;
    Ok(())
}
