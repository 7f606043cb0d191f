//! Commands with `--api_config`: the same questions, asked of another server through its API.
//!
//! Each command says in VQL what it wants, with what was typed as variables and never as a part of the text, so that a
//! Velociraptor understands it as well.

use std::fmt::Display;
use std::io::{Write, stderr, stdout};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use troodon_vql::Program;
use troodon_vql::syntax::reformat;

use super::artifacts_command::ArtifactsCommand;
use super::collect::Collect;
use super::flow_command::FlowCommand;
use super::hunt_command::HuntCommand;
use super::query_command::QueryOptions;
use super::rows::{Format, Row, RowWriter};
use super::{Command, Invocation, print, printable};
use super::{remote_flow, remote_notebook};
use crate::config::ApiClientConfig;
use crate::limits::REMOTE_LOOK_MS;
use crate::model::id::OrgId;
use crate::remote::Remote;

/// A command as a query.
pub(super) struct Question {
    vql: String,
    variables: Vec<(String, String)>,
    format: Format,
    /// Whether a call that is refused is a failure: a query goes on, and a command has done nothing.
    is_command: bool,
}

impl Question {
    /// Whose rows are printed as a table.
    pub(super) fn new(vql: impl Into<String>) -> Self {
        let (variables, format) = (Vec::new(), Format::Table);
        Self { vql: vql.into(), variables, format, is_command: true }
    }

    /// With a variable.
    pub(super) fn with(mut self, name: &str, value: impl Display) -> Self {
        self.variables.push((name.to_owned(), value.to_string()));
        self
    }

    /// Whose rows are printed in another way.
    pub(super) fn in_format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }
}

/// Runs a command that the API has calls for.
pub(super) fn run(
    invocation: &Invocation,
    file: &ApiClientConfig,
    typed: &str,
    command: &Command,
) -> Result<()> {
    let org = &invocation.org;
    let question = match command {
        Command::Query(options) => return query(invocation, file, options),
        Command::Artifacts(ArtifactsCommand::Collect(options)) if options.waits() => {
            return block_on(collect(org, file, options));
        }
        Command::Artifacts(ArtifactsCommand::Collect(options)) => Some(options.question()),
        Command::Client(command) => Some(command.question()),
        Command::Artifacts(ArtifactsCommand::Uploads(options)) => {
            return with(file, async |remote| remote_flow::uploads(remote, org, options).await);
        }
        Command::Flow(FlowCommand::Relaunch { which, arguments }) => {
            return with(file, async |remote| {
                remote_flow::relaunch(remote, org, which, arguments).await
            });
        }
        Command::Flow(command) => command.question(),
        Command::Hunt(command) => Some(command.question()),
        Command::Monitoring(command) => command.question(),
        Command::Orgs(command) => command.question(),
        Command::Acl(command) => command.question(),
        Command::User(command) => command.question()?,
        Command::Notebook(command) => {
            return with(file, async |remote| remote_notebook::run(remote, org, command).await);
        }
        _ => None,
    };
    let target = match command {
        Command::Flow(FlowCommand::Export { target, .. })
        | Command::Hunt(HuntCommand::Export { target, .. }) => Some(target),
        _ => None,
    };
    match (question, target) {
        (Some(question), Some(target)) => {
            with(file, async |remote| remote_flow::export(remote, org, question, target).await)
        }
        (Some(question), None) => ask(invocation, file, &question),
        (None, _) => bail!(
            "`{typed}` works on the server's own files; with --api_config ask with `query`, which does what the \
             rights of `{}` allow",
            file.name
        ),
    }
}

fn query(invocation: &Invocation, file: &ApiClientConfig, options: &QueryOptions) -> Result<()> {
    let text = options.statements.join("\n");
    if options.reformat {
        return print(&reformat(&text)?);
    }
    // Theirs may know what ours does not; what is no VQL at all is said before anybody is asked.
    Program::parse(&text)?;
    let variables = options.env.clone();
    let format = options.format;
    ask(invocation, file, &Question { vql: text, variables, format, is_command: false })
}

/// Asks a query and prints its rows as they come.
fn ask(invocation: &Invocation, file: &ApiClientConfig, question: &Question) -> Result<()> {
    let mut writer = RowWriter::new(stdout().lock(), question.format);
    block_on(async {
        let mut remote = Remote::connect(file).await?;
        each_row(&mut remote, &invocation.org, question, |row| Ok(writer.row(row)?)).await
    })?;
    writer.finish().context("the standard output cannot be written")?;
    Ok(())
}

/// Works with another server.
fn with(file: &ApiClientConfig, work: impl AsyncFnOnce(&mut Remote) -> Result<()>) -> Result<()> {
    block_on(async { work(&mut Remote::connect(file).await?).await })
}

fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("no thread can be started")?.block_on(work)
}

/// Asks a query and hands on its rows as they come; its log goes to the standard error.
async fn each_row(
    remote: &mut Remote,
    org: &OrgId,
    question: &Question,
    mut sink: impl FnMut(Row) -> Result<()>,
) -> Result<()> {
    let mut failed = false;
    let mut answers = remote.query(org, &question.vql, &question.variables).await?;
    while let Some(part) = answers.next().await? {
        if !part.log.is_empty() {
            let is_refused = question.is_command && part.log.contains(": PermissionDenied: ");
            failed |= is_refused || is_error(&part.log);
            // The log is for people; the query goes on when nobody reads it.
            let _ = writeln!(stderr(), "{}", printable(part.log.trim_end()));
        }
        if part.response.is_empty() {
            continue;
        }
        let rows: Vec<Row> = serde_json::from_slice(&part.response)
            .context("the server sent rows that are no JSON")?;
        rows.into_iter().try_for_each(&mut sink)?;
    }
    if failed {
        bail!("the query has logged an error, so that rows may be missing");
    }
    Ok(())
}

/// The first row of a query.
pub(super) async fn first_row(
    remote: &mut Remote,
    org: &OrgId,
    question: &Question,
) -> Result<Option<Row>> {
    let mut first = None;
    each_row(remote, org, question, |row| {
        first.get_or_insert(row);
        Ok(())
    })
    .await?;
    Ok(first)
}

/// Collects, waits for the end, and prints the rows. Ctrl-C cancels the collection.
async fn collect(org: &OrgId, file: &ApiClientConfig, options: &Collect) -> Result<()> {
    let mut remote = Remote::connect(file).await?;
    let made = first_row(&mut remote, org, &options.question()).await?;
    let flow = made.as_ref().and_then(|row| row.get("flow_id")).and_then(Value::as_str);
    let flow = flow.context("nothing is collected")?.to_owned();
    eprintln!("{flow}: waiting");
    let about = |vql: &str| Question::new(vql).with("Client", options.site()).with("Flow", &flow);
    let state = about(
        "SELECT state, status, artifacts_with_results FROM flows(client_id=Client, flow_id=Flow)",
    );
    let ended = loop {
        let row = first_row(&mut remote, org, &state).await?.context("the collection is gone")?;
        if [Some("FINISHED"), Some("ERROR")].contains(&row.get("state").and_then(Value::as_str)) {
            break row;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(REMOTE_LOOK_MS)) => {}
            _ = tokio::signal::ctrl_c() => {
                let cancel = about("SELECT cancel_flow(client_id=Client, flow_id=Flow) FROM scope()");
                first_row(&mut remote, org, &cancel).await?;
                bail!("{flow} is cancelled");
            }
        }
    };
    let names = ended.get("artifacts_with_results").and_then(Value::as_array);
    let names: Vec<&str> = names.into_iter().flatten().filter_map(Value::as_str).collect();
    let mut writer = RowWriter::new(stdout().lock(), options.format());
    for name in &names {
        let rows = "SELECT * FROM flow_results(client_id=Client, flow_id=Flow, artifact=Name)";
        let sink = |mut row: Row| {
            if names.len() > 1 {
                row.insert("_Source".into(), Value::from(*name));
            }
            Ok(writer.row(row)?)
        };
        each_row(&mut remote, org, &about(rows).with("Name", name), sink).await?;
    }
    writer.finish().context("the standard output cannot be written")?;
    match ended.get("state").and_then(Value::as_str) {
        Some("FINISHED") => Ok(()),
        _ => bail!(
            "{flow} did not finish: {}",
            ended.get("status").map_or("", |why| why.as_str().unwrap_or(""))
        ),
    }
}

/// Whether a line of the log tells of an error: ours begin with the level, as theirs do in some versions.
fn is_error(line: &str) -> bool {
    ["ERROR:", "VQL Error", "[ERROR]"].iter().any(|mark| line.starts_with(mark))
}
