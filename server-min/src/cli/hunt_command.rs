//! `troodon hunt …`.

use std::io::stdout;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::collect::{pair, parameters};
use super::console::Console;
use super::flow_command::{Target, write};
use super::remote_command::Question;
use super::rows::{Format, Row, RowWriter};
use super::{Invocation, print};
use crate::export;
use crate::hunts::{self, Edit, HuntRows, NewHunt, USUAL_HOURS};
use crate::launcher::{self, Limits, Spec};
use crate::limits::QUERY_FLOWS;
use crate::model::door::Door;
use crate::model::hunt::{Condition, Hunt, HuntState, Os};
use crate::model::id::{ArtifactName, ClientId, HuntId};
use crate::store::now_us;

#[derive(Debug, Subcommand)]
pub(super) enum HuntCommand {
    /// Let many clients collect artifacts, those that come later as well; prints the hunt's id
    Create(Create),
    /// List hunts, latest first
    List {
        /// How they are printed
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Show one hunt with its statistics as JSON
    Show(Which),
    /// Take no clients for the time being
    Pause(Which),
    /// Take clients again: those that were passed over are looked at once more
    Resume(Which),
    /// Take no more clients; collections that run go on
    Stop(Which),
    /// Put a client into a hunt, whatever the hunt wants
    Add {
        /// As H.ABCDEFGHIJKLM
        hunt: HuntId,
        /// As C.0123456789abcdef
        client: ClientId,
    },
    /// Remove a hunt with its collections and all that they brought
    Delete(Which),
    /// Print the rows of all clients
    Results(Results),
    /// Write a hunt to a zip file: the collections of all clients, and a list with hashes
    Export {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// As H.ABCDEFGHIJKLM
    hunt: HuntId,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The artifacts
    #[arg(required = true, value_name = "ARTIFACT")]
    artifacts: Vec<String>,
    /// A parameter of all of them; may be repeated
    #[arg(long = "args", value_name = "NAME=VALUE", value_parser = pair)]
    arguments: Vec<(String, String)>,
    /// For people
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// Only clients with one of these labels
    #[arg(long = "label", value_name = "LABEL", value_delimiter = ',')]
    labels: Vec<String>,
    /// No clients with one of these labels
    #[arg(
        long = "exclude_label",
        alias = "exclude-label",
        value_name = "LABEL",
        value_delimiter = ','
    )]
    excluded: Vec<String>,
    /// Only clients with this system: linux, windows or darwin
    #[arg(long, value_parser = os)]
    os: Option<Os>,
    /// At most so many clients
    #[arg(
        long = "client_limit",
        alias = "client-limit",
        value_name = "COUNT",
        default_value_t = 0,
        hide_default_value = true
    )]
    client_limit: u64,
    /// Hours after which it takes no more clients
    #[arg(long = "expire_hours", alias = "expire-hours", value_name = "HOURS", default_value_t = USUAL_HOURS)]
    expire_hours: u64,
    /// Seconds that the queries may run on a client
    #[arg(long, value_name = "SECONDS", default_value_t = 0, hide_default_value = true)]
    timeout: u64,
    /// Rows after which a client's collection ends
    #[arg(
        long = "max_rows",
        alias = "max-rows",
        value_name = "ROWS",
        default_value_t = 0,
        hide_default_value = true
    )]
    max_rows: u64,
    /// Take no clients until `hunt resume`
    #[arg(long)]
    paused: bool,
}

#[derive(Debug, Args)]
pub(super) struct Results {
    #[command(flatten)]
    which: Which,
    /// The artifact, with a slash and its source if it has one; without it the first that has rows
    #[arg(long, value_name = "NAME")]
    artifact: Option<ArtifactName>,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

impl HuntCommand {
    /// The same of another server. That of an export lacks the variable `Password`.
    pub(super) fn question(&self) -> Question {
        let of = |vql: &str, Which { hunt }: &Which| Question::new(vql).with("Hunt", hunt);
        let turned = |how: &str, which: &Which| {
            of(&format!("SELECT hunt_update(hunt_id=Hunt, {how}=TRUE) AS Done FROM scope()"), which)
        };
        match self {
            Self::Create(options) => options.question(),
            Self::List { format } => {
                let vql = "SELECT hunt_id, state, hunt_description, creator, create_time, expires FROM hunts()";
                Question::new(vql).in_format(*format)
            }
            Self::Show(which) => {
                of("SELECT * FROM hunts(hunt_id=Hunt)", which).in_format(Format::Json)
            }
            Self::Pause(which) => turned("pause", which),
            Self::Resume(which) => turned("start", which),
            Self::Stop(which) => turned("stop", which),
            Self::Add { hunt, client } => {
                let vql = "SELECT hunt_add(hunt_id=Hunt, client_id=Client) AS Done FROM scope()";
                Question::new(vql).with("Hunt", hunt).with("Client", client)
            }
            Self::Delete(which) => {
                of("SELECT * FROM hunt_delete(hunt_id=Hunt, really_do_it=TRUE)", which)
            }
            Self::Results(Results { which, artifact, format }) => match artifact {
                None => of("SELECT * FROM hunt_results(hunt_id=Hunt)", which).in_format(*format),
                Some(name) => of("SELECT * FROM hunt_results(hunt_id=Hunt, artifact=Name)", which)
                    .with("Name", name)
                    .in_format(*format),
            },
            Self::Export { which, .. } => of(
                "SELECT create_hunt_download(hunt_id=Hunt, wait=TRUE, password=Password).Components AS Components \
                 FROM scope()",
                which,
            ),
        }
    }
}

impl Create {
    fn question(&self) -> Question {
        let mut vql = format!(
            "SELECT hunt(artifacts=parse_json_array(data=Artifacts), env=parse_json(data=Parameters), \
             description=Description, include_labels=parse_json_array(data=Labels), \
             exclude_labels=parse_json_array(data=Excluded), client_limit={}, timeout={}, max_rows={}, \
             expires=now() + {}",
            self.client_limit,
            self.timeout,
            self.max_rows,
            self.expire_hours.saturating_mul(3600)
        );
        if let Some(os) = self.os {
            vql.push_str(&format!(", os='{}'", os.name().to_ascii_lowercase()));
        }
        if self.paused {
            vql.push_str(", pause=TRUE");
        }
        vql.push_str(") AS Hunt FROM scope()");
        Question::new(vql)
            .with("Artifacts", json!(self.artifacts))
            .with("Parameters", parameters(&self.arguments))
            .with("Description", &self.description)
            .with("Labels", json!(self.labels))
            .with("Excluded", json!(self.excluded))
    }
}

fn os(text: &str) -> Result<Os, String> {
    Os::named(text).ok_or_else(|| "it is linux, windows or darwin".to_owned())
}

pub(super) fn run(invocation: &Invocation, command: &HuntCommand) -> Result<()> {
    let console = Console::open(invocation)?;
    match command {
        HuntCommand::Create(options) => create(&console, options),
        HuntCommand::List { format } => list(&console, *format),
        HuntCommand::Show(Which { hunt }) => show(&console, hunt),
        HuntCommand::Pause(Which { hunt }) => turn(&console, hunt, HuntState::Paused),
        HuntCommand::Resume(Which { hunt }) => turn(&console, hunt, HuntState::Running),
        HuntCommand::Stop(Which { hunt }) => turn(&console, hunt, HuntState::Stopped),
        HuntCommand::Add { hunt, client } => {
            if !hunts::add(&console.actor(), &console.launcher, hunt, client, None)? {
                bail!("{client} takes part in {hunt} already");
            }
            Ok(())
        }
        HuntCommand::Delete(Which { hunt }) => {
            hunts::delete(&console.actor(), hunt)?;
            print(&format!("{hunt} is gone\n"))
        }
        HuntCommand::Results(options) => results(&console, options),
        HuntCommand::Export { which: Which { hunt }, target } => {
            console.enter(Door::Export, json!({"hunt_id": hunt.as_str()}))?;
            let store = &console.store;
            write(target, |file, wishes| export::hunt(store, hunt, wishes, file))
        }
    }
}

fn create(console: &Console, options: &Create) -> Result<()> {
    let spec = |artifact: &String| Spec {
        artifact: artifact.clone(),
        parameters: options.arguments.clone(),
    };
    let micros = options.expire_hours.saturating_mul(3_600_000_000);
    let wanted = NewHunt {
        description: options.description.clone(),
        collect: launcher::Collect {
            specs: options.artifacts.iter().map(spec).collect(),
            limits: Limits {
                timeout: options.timeout,
                max_rows: options.max_rows,
                ..Limits::default()
            },
            ..launcher::Collect::default()
        },
        condition: Condition {
            labels: options.labels.clone(),
            excluded_labels: options.excluded.clone(),
            os: options.os,
        },
        client_limit: options.client_limit,
        expires_us: now_us().saturating_add(micros),
        running: !options.paused,
    };
    let id = hunts::create(&console.actor(), &console.launcher, &wanted)?;
    print(&format!("{id}\n"))
}

fn turn(console: &Console, hunt: &HuntId, state: HuntState) -> Result<()> {
    let edit = Edit { state: Some(state), ..Edit::default() };
    Ok(hunts::edit(&console.actor(), &console.launcher, hunt, edit)?)
}

fn show(console: &Console, hunt: &HuntId) -> Result<()> {
    console.enter(Door::ShowHunts, json!({"hunt_id": hunt.as_str()}))?;
    let hunt = console.store.hunt(hunt)?;
    print(&format!("{:#}\n", hunts::shown(&console.store, &hunt)?))
}

fn list(console: &Console, format: Format) -> Result<()> {
    console.enter(Door::ShowHunts, json!({}))?;
    let mut writer = RowWriter::new(stdout().lock(), format);
    let mut skip = 0;
    loop {
        let page = console.store.hunts(skip, QUERY_FLOWS)?;
        for hunt in &page {
            writer.row(line(console, hunt)?)?;
        }
        skip += page.len();
        if page.len() < QUERY_FLOWS {
            writer.finish().context("the standard output cannot be written")?;
            return Ok(());
        }
    }
}

fn line(console: &Console, hunt: &Hunt) -> Result<Row> {
    let stats = console.store.hunt_stats(&hunt.id)?;
    let artifacts: Vec<&str> = hunt.artifacts.iter().map(ArtifactName::as_str).collect();
    let columns = [
        ("hunt_id", Value::from(hunt.id.as_str())),
        ("state", Value::from(hunt.state(stats.scheduled, now_us()).name())),
        ("clients", Value::from(stats.scheduled)),
        ("finished", Value::from(stats.finished)),
        ("errors", Value::from(stats.with_errors)),
        ("rows", Value::from(stats.rows)),
        ("artifacts", Value::from(artifacts.join(" "))),
        ("creator", Value::from(hunt.creator.as_str())),
        ("description", Value::from(hunt.description.as_str())),
    ];
    Ok(columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn results(console: &Console, options: &Results) -> Result<()> {
    let hunt = &options.which.hunt;
    console.enter(Door::ShowHunts, json!({"hunt_id": hunt.as_str(), "results": true}))?;
    console.store.hunt(hunt)?;
    let mut writer = RowWriter::new(stdout().lock(), options.format);
    for next in HuntRows::new(console.store.clone(), hunt.clone(), options.artifact.clone()) {
        let row = next?.object().context("a stored row is damaged")?;
        writer.row(row)?;
    }
    writer.finish().context("the standard output cannot be written")?;
    Ok(())
}
