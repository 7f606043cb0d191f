//! The command line. Names follow Velociraptor's; global options stand before the subcommand.
//!
//! Rows and files go to the standard output, everything else to the standard error. The exit status is 0 only when
//! everything that was asked for has happened.

mod acl_command;
mod artifacts_command;
mod audit_command;
mod client_command;
mod collect;
mod config_command;
mod console;
mod flow_command;
mod gate;
mod hunt_command;
mod lockdown_command;
mod monitoring_command;
mod notebook_command;
mod orgs_command;
mod provision_command;
mod query_command;
mod remote_command;
mod remote_flow;
mod remote_notebook;
mod rows;
mod uploads;
mod user_command;
mod verify;
mod vql_command;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use rustix::fs::{Access, access};
use tracing::Level;
use troodon_vql::ParseError;

use crate::artifact::ArtifactError;
use crate::config::{ApiClientConfig, Config};
use crate::model::id::{OrgId, UserName};

pub use gate::{GATES, Gate};

/// The server of Troodon, and its administration.
#[derive(Debug, Parser)]
#[command(
    name = "troodon",
    version,
    about,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "First steps:\n  \
        troodon config generate > server.config.yaml\n  \
        troodon --config server.config.yaml frontend\n  \
        troodon --config server.config.yaml config client > client.config.yaml\n\n\
        From elsewhere:\n  \
        troodon --config server.config.yaml config api_client --name ann --role administrator ann.yaml\n  \
        troodon --api_config ann.yaml query \"SELECT client_id FROM clients()\"\n\n\
        Compatible with Velociraptor's protocol and configuration; not affiliated with it."
)]
struct Cli {
    /// The server's configuration, made by `config generate`
    #[arg(long, value_name = "FILE", env = "TROODON_CONFIG")]
    config: Option<PathBuf>,

    /// Ask another server through its API, Troodon's or Velociraptor's, with the file that its `config api_client` has made
    #[arg(
        long = "api_config",
        alias = "api-config",
        value_name = "FILE",
        env = "TROODON_API_CONFIG"
    )]
    api_config: Option<PathBuf>,

    /// Act with the rights of this user, in place of the server's own
    #[arg(long, value_name = "USER")]
    runas: Option<UserName>,

    /// Work in this organisation, in place of the root
    #[arg(
        long,
        value_name = "ORG",
        global = true,
        default_value = "root",
        hide_default_value = true
    )]
    org: OrgId,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make, show and change configurations, keys and certificates
    #[command(subcommand)]
    Config(config_command::ConfigCommand),
    /// Run the server until it is asked to stop
    Frontend,
    /// Look at artifacts, check them, run them on clients
    #[command(subcommand)]
    Artifacts(artifacts_command::ArtifactsCommand),
    /// Find, show, label and remove clients
    #[command(subcommand)]
    Client(client_command::ClientCommand),
    /// List, end, remove and export collections
    #[command(subcommand)]
    Flow(flow_command::FlowCommand),
    /// Let many clients collect the same, and lead that
    #[command(subcommand)]
    Hunt(hunt_command::HuntCommand),
    /// Choose what clients and the server watch all the time
    #[command(subcommand)]
    Monitoring(monitoring_command::MonitoringCommand),
    /// Make, run, share and export notebooks of text and queries
    #[command(subcommand)]
    Notebook(notebook_command::NotebookCommand),
    /// Make what a microcontroller needs to join the deployment
    Provision(provision_command::ProvisionOptions),
    /// Run VQL on the server's store, whether or not the server runs
    Query(query_command::QueryOptions),
    /// Explain what queries on the server can use
    #[command(subcommand)]
    Vql(vql_command::VqlCommand),
    /// Make, show, lock and unlock users
    #[command(subcommand)]
    User(user_command::UserCommand),
    /// Give and show rights
    #[command(subcommand)]
    Acl(acl_command::AclCommand),
    /// Make, show and remove organisations
    #[command(subcommand)]
    Orgs(orgs_command::OrgsCommand),
    /// See whether the server is in lockdown, and leave it for a time where the configuration allows that
    #[command(subcommand)]
    Lockdown(lockdown_command::LockdownCommand),
    /// Read and check the log of who did what
    #[command(subcommand)]
    Audit(audit_command::AuditCommand),
    /// Print what a shell needs to complete command lines
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write the manual pages
    Manual {
        /// An existing folder
        folder: PathBuf,
    },
}

/// What every command may use.
struct Invocation {
    config: Option<PathBuf>,
    runas: Option<UserName>,
    org: OrgId,
}

impl Invocation {
    /// The file after `--config`.
    fn config_path(&self) -> Result<&PathBuf> {
        self.config
            .as_ref()
            .context("which configuration? Put `--config FILE` before the subcommand")
    }

    /// What that file holds.
    fn load(&self) -> Result<Config> {
        Ok(Config::load(self.config_path()?)?)
    }
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    match run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast::<clap::Error>() {
            Ok(usage) => usage.exit(),
            Err(error) => {
                complain(&error);
                ExitCode::FAILURE
            }
        },
    }
}

/// Runs one command line, the name of the program first.
///
/// # Errors
/// A [`clap::Error`] for what is no command line, or a wish for help; else why the command did not do its work.
pub fn run<T: Into<OsString> + Clone>(arguments: impl IntoIterator<Item = T>) -> Result<()> {
    let matches = Cli::command().try_get_matches_from(arguments)?;
    let typed = gate::typed(&matches);
    let Cli { config, api_config, runas, org, command } = Cli::from_arg_matches(&matches)?;
    let invocation = Invocation { config, runas, org };
    if let Some(path) = api_config {
        if invocation.runas.is_some() {
            bail!("with --api_config the certificate in the file says who asks; leave --runas out");
        }
        let file = ApiClientConfig::load(&path)?;
        return remote_command::run(&invocation, &file, &typed, &command);
    }
    match gate::of(&typed) {
        None => bail!("nothing says who may use `{typed}`"),
        Some(Gate::Host) if invocation.runas.is_some() => {
            bail!("`{typed}` acts as the server's own account; leave --runas out")
        }
        Some(Gate::Host | Gate::Open) if !invocation.org.is_root() && !gate::knows_orgs(&typed) => {
            bail!("`{typed}` is the same in all organisations; leave --org out")
        }
        Some(_) => {}
    }
    match command {
        Command::Config(command) => config_command::run(&invocation, command),
        Command::Frontend => frontend(&invocation),
        Command::Artifacts(command) => artifacts_command::run(&invocation, command),
        Command::Client(command) => client_command::run(&invocation, &command),
        Command::Flow(command) => flow_command::run(&invocation, &command),
        Command::Hunt(command) => hunt_command::run(&invocation, &command),
        Command::Monitoring(command) => monitoring_command::run(&invocation, &command),
        Command::Notebook(command) => notebook_command::run(&invocation, &command),
        Command::Provision(options) => provision_command::run(&invocation, &options),
        Command::Query(options) => query_command::run(&invocation, &options),
        Command::Vql(command) => vql_command::run(command),
        Command::User(command) => user_command::run(&invocation, command),
        Command::Acl(command) => acl_command::run(&invocation, command),
        Command::Orgs(command) => orgs_command::run(&invocation, command),
        Command::Lockdown(command) => lockdown_command::run(&invocation, &command),
        Command::Audit(command) => audit_command::run(&invocation, &command),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "troodon", &mut text);
            print(&String::from_utf8(text)?)
        }
        Command::Manual { folder } => clap_mangen::generate_to(Cli::command(), &folder)
            .with_context(|| folder.display().to_string()),
    }
}

/// All commands that do something, in full.
pub fn commands() -> Vec<String> {
    gate::leaves(&Cli::command())
}

/// Runs the server. Its log goes to the standard error, with more lines when `verbose` is set.
fn frontend(invocation: &Invocation) -> Result<()> {
    let config = invocation.load()?;
    let path = invocation.config_path()?;
    if config.lockdown && is_writable(path) {
        bail!(
            "{0}: the server is in lockdown and could write its own configuration to end it; as root, in a folder \
             of root's: chown root:GROUP {0} && chmod 0640 {0}, where GROUP is the service account's",
            path.display()
        );
    }
    let level = if config.verbose { Level::DEBUG } else { Level::INFO };
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
    let runtime = crate::frontend::runtime().context("the server's threads cannot be started")?;
    Ok(runtime.block_on(crate::serve::serve(&config))?)
}

/// Whether this process may change a file, or replace it.
fn is_writable(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let may_write = |path: &Path| access(path, Access::WRITE_OK).is_ok();
    may_write(path) || may_write(folder)
}

/// One line on the standard error, unless it points into the text of a query.
fn complain(error: &anyhow::Error) {
    let text = format!("{error:#}");
    let points = error.is::<ParseError>() || error.is::<ArtifactError>();
    let text = if points { text } else { text.replace('\n', " ") };
    // Nobody is left to be told when even this fails.
    let _ = writeln!(std::io::stderr(), "troodon: {text}");
}

/// Writes to the standard output. A reader that went away is an error like any other.
fn print(text: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
        .context("the standard output cannot be written")
}

/// Text of an agent without control characters, which a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '·' } else { c }).collect()
}
