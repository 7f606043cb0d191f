//! `troodon flow …`, and how exports are written.

use std::io::{IsTerminal, stdin, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::collect::pair;
use super::console::Console;
use super::remote_command::Question;
use super::rows::{Format, RowWriter};
use super::{Invocation, print};
use crate::export::{self, ExportError, Exported, Wishes};
use crate::flows;
use crate::limits::QUERY_FLOWS;
use crate::model::door::Door;
use crate::model::flow::Flow;
use crate::model::id::{ArtifactName, FlowId};
use crate::model::site::Site;
use crate::store::now_us;

#[derive(Debug, Subcommand)]
pub(super) enum FlowCommand {
    /// List the collections of a client or of the server, latest first
    List {
        /// As C.0123456789abcdef, or `server`
        client: Site,
        /// How they are printed
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// End a collection, on the agent as well
    Cancel(Which),
    /// Ask for the same once more, and print the id of the new collection
    Relaunch {
        #[command(flatten)]
        which: Which,
        /// Another value for a parameter; may be repeated
        #[arg(long = "args", value_name = "NAME=VALUE", value_parser = pair)]
        arguments: Vec<(String, String)>,
    },
    /// Remove a collection with its rows and files
    Delete(Which),
    /// Write a collection to a zip file: rows, logs, files, and a list with their hashes
    Export {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// As C.0123456789abcdef, or `server`
    pub(super) client: Site,
    /// As F.ABCDEFGHIJKLM
    pub(super) flow: FlowId,
}

/// Where an export goes, and how.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The zip file; it must not be there yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Encrypt with a password, which is the first line of the standard input
    #[arg(long)]
    encrypt: bool,
}

impl Target {
    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.file
    }

    /// The password, if the file is to be encrypted.
    pub(super) fn password(&self) -> Result<Option<Zeroizing<String>>> {
        self.encrypt.then(password).transpose()
    }
}

impl FlowCommand {
    /// The same of another server, if a query does it. That of an export lacks the variable `Password`.
    pub(super) fn question(&self) -> Option<Question> {
        let of = |vql: &str, Which { client, flow }: &Which| {
            Question::new(vql).with("Client", client).with("Flow", flow)
        };
        match self {
            Self::List { client, format } => {
                let vql = "SELECT session_id AS flow_id, state, artifacts, creator, total_collected_rows AS rows, \
                           total_uploaded_files AS files, status FROM flows(client_id=Client)";
                Some(Question::new(vql).with("Client", client).in_format(*format))
            }
            Self::Cancel(which) => Some(of(
                "SELECT cancel_flow(client_id=Client, flow_id=Flow) AS Done FROM scope()",
                which,
            )),
            Self::Delete(which) => Some(of(
                "SELECT * FROM delete_flow(client_id=Client, flow_id=Flow, really_do_it=TRUE)",
                which,
            )),
            Self::Export { which, .. } => Some(of(
                "SELECT create_flow_download(client_id=Client, flow_id=Flow, wait=TRUE, password=Password).Components \
                 AS Components FROM scope()",
                which,
            )),
            Self::Relaunch { .. } => None,
        }
    }
}

pub(super) fn run(invocation: &Invocation, command: &FlowCommand) -> Result<()> {
    let console = Console::open(invocation)?;
    match command {
        FlowCommand::List { client, format } => list(&console, *client, *format),
        FlowCommand::Cancel(Which { client, flow }) => {
            if !flows::cancel(&console.actor(), client, flow)? {
                bail!("{flow} is over already");
            }
            Ok(())
        }
        FlowCommand::Relaunch { which: Which { client, flow }, arguments } => {
            let details = json!({"client_id": client.as_str(), "flow_id": flow.as_str()});
            console.enter(Door::Results, details)?;
            let Console { launcher, principal, .. } = &console;
            print(&format!("{}\n", launcher.launch_again(principal, *client, flow, arguments)?))
        }
        FlowCommand::Delete(Which { client, flow }) => {
            flows::delete(&console.actor(), client, flow)?;
            print(&format!("{flow} is gone\n"))
        }
        FlowCommand::Export { which: Which { client, flow }, target } => {
            let details = json!({"client_id": client.as_str(), "flow_id": flow.as_str()});
            console.enter(Door::Export, details)?;
            let store = &console.store;
            write(target, |file, wishes| export::flow(store, client, flow, wishes, file))
        }
    }
}

/// Writes an export, and says what is in it.
pub(super) fn write(
    target: &Target,
    make: impl FnOnce(&mut std::fs::File, &Wishes) -> Result<Exported, ExportError>,
) -> Result<()> {
    let path = target.path();
    ensure!(!path.exists(), "{}: there is such a file already", path.display());
    let wishes = Wishes { password: target.password()? };
    let made = export::replace(path, |file| make(file, &wishes));
    let Exported { entries, bytes } = match made {
        Err(ExportError::Io(error)) => {
            return Err(error).with_context(|| path.display().to_string());
        }
        made => made?,
    };
    eprintln!("{}: {entries} entries, {bytes} bytes before compression", path.display());
    Ok(())
}

fn password() -> Result<Zeroizing<String>> {
    if stdin().is_terminal() {
        eprint!("Password (it is shown while you type): ");
    }
    let mut line = Zeroizing::new(String::new());
    stdin().read_line(&mut line).context("the standard input cannot be read")?;
    let password = line.trim_end_matches(['\r', '\n']);
    ensure!(!password.is_empty(), "an empty password encrypts nothing");
    Ok(Zeroizing::new(password.to_owned()))
}

fn list(console: &Console, client: Site, format: Format) -> Result<()> {
    console.enter(Door::Results, json!({"client_id": client.as_str()}))?;
    let mut writer = RowWriter::new(stdout().lock(), format);
    let mut skip = 0;
    loop {
        let page = console.store.flows(client, skip, QUERY_FLOWS)?;
        for flow in &page {
            let columns = columns(flow).into_iter();
            writer.row(columns.map(|(name, value)| (name.to_owned(), value)).collect())?;
        }
        skip += page.len();
        if page.len() < QUERY_FLOWS {
            writer.finish().context("the standard output cannot be written")?;
            return Ok(());
        }
    }
}

fn columns(flow: &Flow) -> [(&'static str, Value); 7] {
    let artifacts: Vec<&str> = flow.artifacts.iter().map(ArtifactName::as_str).collect();
    let totals = flow.totals();
    [
        ("flow_id", flow.id.as_str().into()),
        ("state", flow.state(now_us()).name().into()),
        ("artifacts", artifacts.join(" ").into()),
        ("creator", flow.creator.as_str().into()),
        ("rows", totals.rows.into()),
        ("files", totals.uploaded_files.into()),
        ("status", flow.status().into()),
    ]
}
