//! `troodon artifacts collect`: launch, wait, print.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use tokio::signal::unix::{Signal as UnixSignal, SignalKind, signal};

use crate::launcher::{self, Limits, Spec};
use crate::limits::COLLECT_LOOK_MS;
use crate::model::door::Door;
use crate::model::flow::{Flow, FlowState};
use crate::model::id::FlowId;
use crate::model::site::Site;
use crate::store::{Store, now_us};

use super::Invocation;
use super::console::Console;
use super::remote_command::Question;
use super::rows::{Format, Row, RowWriter};

#[derive(Debug, Args)]
pub(super) struct Collect {
    /// The artifact
    name: String,
    /// The client, as C.0123456789abcdef, or `server`
    #[arg(long = "client_id", alias = "client-id", value_name = "ID")]
    client: Site,
    /// A parameter; may be repeated
    #[arg(long = "args", value_name = "NAME=VALUE", value_parser = pair)]
    arguments: Vec<(String, String)>,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Seconds that the queries may run on the client
    #[arg(long, value_name = "SECONDS", default_value_t = 0, hide_default_value = true)]
    timeout: u64,
    /// Rows after which the collection ends
    #[arg(
        long = "max_rows",
        alias = "max-rows",
        value_name = "ROWS",
        default_value_t = 0,
        hide_default_value = true
    )]
    max_rows: u64,
    /// Hours after which the collection does not begin any more; without it, it waits for its client as long as it takes
    #[arg(long = "expire_hours", alias = "expire-hours", value_name = "HOURS")]
    expire_hours: Option<u64>,
    /// Queue the collection, print its id, and do not wait
    #[arg(long = "no_wait", alias = "no-wait")]
    no_wait: bool,
}

impl Collect {
    /// Whether the command ends with the collection.
    pub(super) const fn waits(&self) -> bool {
        !self.no_wait
    }

    /// Where it runs.
    pub(super) const fn site(&self) -> Site {
        self.client
    }

    /// How rows are printed.
    pub(super) const fn format(&self) -> Format {
        self.format
    }

    /// What queues it on another server; its row has the `flow_id`.
    pub(super) fn question(&self) -> Question {
        let expires = match self.expire_hours {
            None => String::new(),
            Some(hours) => format!(", expires=now() + {}", hours.saturating_mul(3600)),
        };
        let vql = format!(
            "LET Flow <= collect_client(client_id=Client, artifacts=Artifact, env=parse_json(data=Parameters), \
             timeout={}, max_rows={}{expires}) SELECT Flow.flow_id AS flow_id FROM scope() WHERE flow_id",
            self.timeout, self.max_rows
        );
        Question::new(vql)
            .with("Client", self.client)
            .with("Artifact", &self.name)
            .with("Parameters", parameters(&self.arguments))
    }
}

/// Parameters as JSON.
pub(super) fn parameters(given: &[(String, String)]) -> Value {
    given.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
}

/// `NAME=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) fn run(invocation: &Invocation, options: &Collect) -> Result<()> {
    let console = Console::open(invocation)?;
    let Console { store, launcher, principal, .. } = &console;
    let wanted = launcher::Collect {
        specs: vec![Spec { artifact: options.name.clone(), parameters: options.arguments.clone() }],
        limits: Limits {
            timeout: options.timeout,
            max_rows: options.max_rows,
            ..Limits::default()
        },
        expires: options
            .expire_hours
            .map_or(0, |hours| (now_us() / 1_000_000).saturating_add(hours.saturating_mul(3600))),
        ..launcher::Collect::default()
    };
    if options.no_wait {
        let flow = launcher.launch(principal, options.client, &wanted)?;
        return super::print(&format!("{flow}\n"));
    }
    let client = options.client.as_str();
    console.enter(Door::Results, json!({"client_id": client, "artifact": options.name}))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (waiter, ended) = runtime.block_on(async {
        // Ctrl-C is heard from here on: once there is a collection, it must not go on by itself.
        let interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
        let flow = launcher.launch(principal, options.client, &wanted)?;
        let waiter = Waiter { store: store.clone(), client: options.client, flow };
        let ended = waiter.wait(interrupt, principal.name()).await?;
        Ok::<_, anyhow::Error>((waiter, ended))
    })?;
    waiter.print(options.format)?;
    match ended.state(now_us()) {
        FlowState::Finished => Ok(()),
        _ => bail!("{} did not finish: {}", waiter.flow, ended.status()),
    }
}

/// A collection that somebody sits and waits for.
struct Waiter {
    store: Store,
    client: Site,
    flow: FlowId,
}

impl Waiter {
    /// Waits until the collection is over. Ctrl-C cancels it, on the agent as well.
    async fn wait(&self, mut interrupt: UnixSignal, principal: &str) -> Result<Flow> {
        let mut progress = Progress::new(&self.flow);
        loop {
            let flow = self.store.flow(self.client, &self.flow)?;
            let state = flow.state(now_us());
            progress.show(state, &flow)?;
            // Rows and logs come before the end, or together with it.
            if flow.complete || (flow.failure.is_some() && state.is_over()) {
                progress.end()?;
                return Ok(flow);
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(COLLECT_LOOK_MS)) => {}
                _ = interrupt.recv() => {
                    progress.end()?;
                    self.store.cancel_flow(self.client, &self.flow, principal)?;
                    bail!("{} is cancelled", self.flow);
                }
            }
        }
    }

    /// Rows to the standard output, the agent's warnings to the standard error. When there are several tables, each row
    /// says in `_Source` from which it is.
    fn print(&self, format: Format) -> Result<()> {
        let sets = self.store.results(self.client, &self.flow)?;
        let mut writer = RowWriter::new(std::io::stdout().lock(), format);
        for set in &sets {
            for line in self.store.rows(self.client, &self.flow, &set.name, 0)? {
                let mut row: Row = serde_json::from_slice(&line?)?;
                if sets.len() > 1 {
                    row.insert("_Source".into(), Value::from(set.name.as_str()));
                }
                writer.row(row).context("the standard output cannot be written")?;
            }
        }
        writer.finish().context("the standard output cannot be written")?;
        for line in self.store.logs(self.client, &self.flow, 0)? {
            let line: Row = serde_json::from_slice(&line?)?;
            let field = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
            if ["ERROR", "WARN", "ALERT"].contains(&field("level")) {
                eprintln!("{}: {}", field("level"), super::printable(field("message")));
            }
        }
        Ok(())
    }
}

/// One line on the standard error: rewritten on a terminal, once for each state elsewhere.
struct Progress<'a> {
    flow: &'a FlowId,
    is_terminal: bool,
    shown: String,
}

impl<'a> Progress<'a> {
    fn new(flow: &'a FlowId) -> Self {
        Self { flow, is_terminal: std::io::stderr().is_terminal(), shown: String::new() }
    }

    fn show(&mut self, state: FlowState, flow: &Flow) -> Result<()> {
        let text = match state {
            FlowState::Running if flow.site == Site::Server => "waiting for the server".to_owned(),
            FlowState::Running => "waiting for the client to connect".to_owned(),
            FlowState::Waiting => "delivered".to_owned(),
            FlowState::Unresponsive => "the client is silent".to_owned(),
            _ if self.is_terminal => format!("running, {} rows", flow.totals().rows),
            _ => "running".to_owned(),
        };
        if text == self.shown || state.is_over() {
            return Ok(());
        }
        let mut stderr = std::io::stderr().lock();
        if self.is_terminal {
            write!(stderr, "\r\x1b[K{}: {text}", self.flow)?;
        } else {
            writeln!(stderr, "{}: {text}", self.flow)?;
        }
        stderr.flush()?;
        self.shown = text;
        Ok(())
    }

    /// Takes the line away.
    fn end(&self) -> Result<()> {
        if self.is_terminal {
            let mut stderr = std::io::stderr().lock();
            write!(stderr, "\r\x1b[K")?;
            stderr.flush()?;
        }
        Ok(())
    }
}
