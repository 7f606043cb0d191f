//! `troodon config …`.

use std::io::{self, BufReader};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use crate::account::Grant;
use crate::config::{self, Config, Wizard};
use crate::model::id::UserName;
use crate::model::policy::Policy;
use crate::model::role::Role;

use super::acl_command::{role, warn_of};
use super::console::Console;
use super::{Invocation, print};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Make a new deployment: authority, certificates, nonces; prints the configuration
    Generate(Generate),
    /// Print the configuration, secrets included
    Show(Show),
    /// Print what agents need, and nothing else
    Client,
    /// Make the file with which a program reaches the API
    #[command(name = "api_client", alias = "api-client")]
    ApiClient(ApiClient),
    /// Give server and gateway new keys and certificates; prints the new configuration
    #[command(name = "rotate_keys", alias = "rotate_key", alias = "rotate-keys")]
    RotateKeys(Validity),
    /// Give server and gateway new certificates for their keys; prints the new configuration
    #[command(name = "reissue_certs", alias = "reissue_key", alias = "reissue-certs")]
    ReissueCerts(Validity),
}

#[derive(Debug, Args)]
pub(super) struct Generate {
    /// Ask questions, then write the answers to a file
    #[arg(short, long, conflicts_with_all = ["merge", "merge_file"])]
    interactive: bool,
    /// A JSON object that is merged over the defaults, as RFC 7396 says; may be repeated
    #[arg(long, value_name = "JSON")]
    merge: Vec<String>,
    /// The same from a file
    #[arg(long = "merge_file", alias = "merge-file", value_name = "FILE")]
    merge_file: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ApiClient {
    /// The user that the certificate names
    #[arg(long)]
    name: UserName,
    /// What the user may do, as `acl grant --role`; several are separated by commas
    #[arg(long, value_name = "ROLE", value_delimiter = ',', value_parser = role)]
    role: Vec<Role>,
    /// Where to write the file
    #[arg(value_name = "OUT")]
    output: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Validity {
    /// Days that the certificates are valid; security.certificate_validity_days unless given
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=36_500))]
    validity: Option<u64>,
}

pub(super) fn run(invocation: &Invocation, command: ConfigCommand) -> Result<()> {
    match command {
        ConfigCommand::Generate(options) if options.interactive => ask(),
        ConfigCommand::Generate(options) => generate(&options),
        ConfigCommand::Show(Show { json }) => show(&invocation.load()?, json),
        ConfigCommand::Client => client(invocation),
        ConfigCommand::ApiClient(options) => api_client(invocation, options),
        ConfigCommand::RotateKeys(Validity { validity }) => {
            let mut config = invocation.load()?;
            config::rotate_keys(&mut config, validity)?;
            print(&config.to_yaml()?)
        }
        ConfigCommand::ReissueCerts(Validity { validity }) => {
            let mut config = invocation.load()?;
            config::reissue_certificates(&mut config, validity)?;
            print(&config.to_yaml()?)
        }
    }
}

fn generate(options: &Generate) -> Result<()> {
    let mut config = config::defaults();
    for patch in &options.merge {
        config = config::apply_merge(&config, patch, "--merge")?;
    }
    for path in &options.merge_file {
        let name = path.display().to_string();
        let patch = std::fs::read_to_string(path).with_context(|| name.clone())?;
        config = config::apply_merge(&config, &patch, &name)?;
    }
    // A mistake in what was merged should not wait until the server starts.
    let config = config::generate(config)?;
    config.check_server()?;
    print(&config.to_yaml()?)
}

fn ask() -> Result<()> {
    let outcome = Wizard::new(BufReader::new(io::stdin()), io::stderr()).run()?;
    let path = PathBuf::from(outcome.path);
    if path.exists() {
        bail!("{}: exists already; move it away or choose another name", path.display());
    }
    let config = config::generate(outcome.config)?;
    config.check_server()?;
    config::write_private(&path, &config.to_yaml()?)?;
    eprintln!("Wrote {}. Keep it secret; keep CA.private_key offline.", path.display());
    Ok(())
}

/// What agents of the organisation need. They do not know their organisation: its nonce says it for them.
fn client(invocation: &Invocation) -> Result<()> {
    let mut config = invocation.load()?;
    if !invocation.org.is_root() {
        config.client.nonce.clone_from(&Console::open(invocation)?.org.record.nonce);
    }
    print(&config.client_yaml()?)
}

fn show(config: &Config, json: bool) -> Result<()> {
    if json {
        return print(&format!("{}\n", serde_json::to_string_pretty(config)?));
    }
    print(&config.to_yaml()?)
}

fn api_client(invocation: &Invocation, options: ApiClient) -> Result<()> {
    let file = config::api_client(&invocation.load()?, options.name.as_str())?;
    if !options.role.is_empty() {
        let policy = Policy::of(options.role);
        let console = Console::open(invocation)?;
        let granted = console.accounts().grant(&options.name, policy, Grant::Replace)?;
        warn_of(&options.name, &granted, console.org.id());
    }
    config::write_private(&options.output, &config::to_yaml(&file)?)?;
    Ok(())
}
