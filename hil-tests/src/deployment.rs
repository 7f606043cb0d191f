//! A throw-away deployment on loopback: a configuration, a server, an agent.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::options::{Options, merge};
use crate::{Make, Process, Programs};

/// How long the server may take until it listens. Far more than it needs, for a machine under load.
const LISTEN_MAX: Duration = Duration::from_secs(30);
/// How long an agent may take to enrol; making its RSA key takes most of it. Far more than it needs, like the above.
const ENROL_MAX: Duration = Duration::from_secs(180);

/// A folder with all that a deployment keeps; deleted when dropped.
#[derive(Debug)]
pub struct Deployment {
    folder: TempDir,
    port: u16,
    pages_port: u16,
    programs: Programs,
}

impl Deployment {
    /// Generates keys and configuration for a server on a free port of loopback.
    ///
    /// # Errors
    ///
    /// A program is missing or fails; its own message says why.
    pub fn generate(programs: &Programs) -> Result<Self> {
        Self::generate_with(programs, &Options::default())
    }

    /// The same, with options.
    ///
    /// # Errors
    ///
    /// A program is missing or fails; its own message says why.
    pub fn generate_with(programs: &Programs, options: &Options) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("troodon-").tempdir()?;
        let (port, pages_port) = (free_port()?, free_port()?);
        let deployment = Self { folder, port, pages_port, programs: programs.clone() };
        deployment.write_configurations(options)?;
        Ok(deployment)
    }

    /// The folder of the deployment.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a browser finds the pages.
    pub fn pages(&self) -> String {
        format!("https://127.0.0.1:{}/", self.pages_port)
    }

    /// Makes somebody who may do everything, and answers their password.
    ///
    /// # Errors
    ///
    /// The server's program refuses, or the system gives no random bytes.
    pub fn add_administrator(&self, name: &str) -> Result<String> {
        let mut bytes = [0; 12];
        fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let password: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut add = self.server_command();
        run(add.args(["user", "add", name, &password, "--role", "administrator"]))?;
        Ok(password)
    }

    /// The port of the frontend.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whose server it is.
    pub fn served_by(&self) -> Make {
        self.programs.served_by
    }

    /// The server's configuration.
    pub fn server_config(&self) -> PathBuf {
        self.folder().join("server.config.yaml")
    }

    /// The configuration that agents get.
    pub fn client_config(&self) -> PathBuf {
        self.folder().join("client.config.yaml")
    }

    /// What a program needs to ask the server: the user `tester` is an administrator.
    pub fn api_config(&self) -> PathBuf {
        self.folder().join("api.config.yaml")
    }

    fn write_configurations(&self, options: &Options) -> Result<()> {
        let mut settings = self.settings(options.scheme);
        merge(&mut settings, &other_ports()?);
        merge(&mut settings, &options.merge);
        let mut generate = Command::new(&self.programs.server);
        generate.args(["config", "generate", "--merge", &settings.to_string()]);
        fs::write(self.server_config(), output_of(&mut generate)?)?;
        let client = output_of(self.server_command().args(["config", "client"]))?;
        fs::write(self.client_config(), client)?;
        let mut user = self.server_command();
        user.args(["config", "api_client", "--name", "tester", "--role", "administrator"]);
        run(user.arg(self.api_config()))?;
        Ok(())
    }

    fn settings(&self, scheme: &str) -> Value {
        let at = |name: &str| self.folder().join(name).display().to_string();
        json!({
            "Client": {
                "server_urls": [format!("{scheme}://127.0.0.1:{}/", self.port)],
                "use_self_signed_ssl": true,
                "max_poll": 4,
                "max_poll_std": 1,
                "writeback_linux": at("agent.writeback.yaml"),
            },
            "Frontend": { "bind_address": "127.0.0.1", "bind_port": self.port },
            "GUI": { "bind_address": "127.0.0.1", "bind_port": self.pages_port },
            "Datastore": { "location": at("store"), "filestore_directory": at("store") },
            "Logging": { "output_directory": at("logs") },
        })
    }

    /// A command of the server's program with the configuration named.
    pub fn server_command(&self) -> Command {
        let mut command = Command::new(&self.programs.server);
        command.arg("--config").arg(self.server_config());
        command
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Errors
    ///
    /// The server ends, or does not listen in time.
    pub fn start_server(&self) -> Result<Process> {
        let log = self.folder().join("server.log");
        let mut frontend = self.server_command();
        frontend.arg("frontend");
        if self.served_by() == Make::Velociraptor {
            // Else the process is only a wrapper around the server.
            frontend.arg("--disable-panic-guard");
        }
        let mut server = Process::start("the server", &mut frontend, &log)?;
        let address = (Ipv4Addr::LOCALHOST, self.port);
        server.wait_until("listening", LISTEN_MAX, || TcpStream::connect(address).is_ok())?;
        Ok(server)
    }

    /// Starts the agent; it enrols on its own.
    ///
    /// # Errors
    ///
    /// The program cannot be started.
    pub fn start_agent(&self) -> Result<Process> {
        let mut command = Command::new(&self.programs.agent);
        command.arg("--config").arg(self.client_config()).arg("client");
        Process::start("the agent", &mut command, &self.folder().join("agent.log"))
    }

    /// Starts so many of Velociraptor's clients in one process; each enrols on its own.
    ///
    /// # Errors
    ///
    /// The program cannot be started.
    pub fn start_pool(&self, clients: usize) -> Result<Process> {
        let folder = self.folder().join("pool");
        fs::create_dir_all(&folder)?;
        let mut command = Command::new(&self.programs.agent);
        command.arg("--config").arg(self.client_config()).args(["pool_client", "--number"]);
        command.arg(clients.to_string()).arg("--writeback_dir").arg(folder);
        command.args(["--start_rate", "20"]);
        Process::start("the pool of clients", &mut command, &self.folder().join("pool.log"))
    }

    /// Waits until the server knows an agent and its host name, and returns the client id.
    ///
    /// # Errors
    ///
    /// The agent ends, or is not known in time.
    pub fn wait_for_client(&self, agent: &mut Process) -> Result<String> {
        let mut client = None;
        agent.wait_until("record of it on the server", ENROL_MAX, || {
            let rows = self.query("SELECT client_id, os_info.hostname AS Hostname FROM clients()");
            client = rows.ok().and_then(|rows| interrogated(&rows));
            client.is_some()
        })?;
        client.context("no client")
    }

    /// The same for a program whose host name is `host`, where there are others.
    ///
    /// # Errors
    ///
    /// Those of [`Deployment::wait_for_client`].
    pub fn wait_for_host(&self, program: &mut Process, host: &str) -> Result<String> {
        let mut client = None;
        program.wait_until("record of it on the server", ENROL_MAX, || {
            let rows = self.query("SELECT client_id, os_info.hostname AS Hostname FROM clients()");
            let mut rows = rows.unwrap_or_default();
            rows.retain(|row| row["Hostname"] == host);
            client = interrogated(&rows);
            client.is_some()
        })?;
        client.context("no client")
    }

    /// Whether the client has been heard of since a point in time.
    ///
    /// # Errors
    ///
    /// The query fails, or the server does not know the client.
    pub fn has_heard_since(&self, client: &str, since: SystemTime) -> Result<bool> {
        let rows = self.query(&format!(
            "SELECT last_seen_at AS SeenMicroseconds FROM clients(client_id='{client}')"
        ))?;
        let seen = rows.first().and_then(|row| row["SeenMicroseconds"].as_u64());
        let seen = seen.with_context(|| format!("no time at which {client} was seen: {rows:?}"))?;
        Ok(u128::from(seen) > since.duration_since(UNIX_EPOCH)?.as_micros())
    }

    /// Runs a query on the server and returns its rows.
    ///
    /// # Errors
    ///
    /// The query fails, or what it prints is not JSON.
    pub fn query(&self, vql: &str) -> Result<Vec<Value>> {
        let mut command = match self.served_by() {
            Make::Troodon => self.server_command(),
            Make::Velociraptor => {
                let mut command = Command::new(&self.programs.server);
                command.arg("--api_config").arg(self.api_config());
                command
            }
        };
        let output = run(command.args(["query", "--format", "jsonl", vql]))?;
        let row = |line: &[u8]| {
            let row = serde_json::from_slice(line);
            row.with_context(|| format!("not JSON: {}", String::from_utf8_lossy(line)))
        };
        output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(row).collect()
    }

    /// Collects an artifact from a client and returns the rows.
    ///
    /// # Errors
    ///
    /// The collection fails, or what it prints is not JSON.
    pub fn collect(&self, client: &str, artifact: &str, arguments: &[&str]) -> Result<Vec<Value>> {
        let mut command = self.collect_command(client, artifact, "json");
        for argument in arguments {
            command.args(["--args", argument]);
        }
        rows_of(&mut command)
    }

    /// The command that collects an artifact.
    pub fn collect_command(&self, client: &str, artifact: &str, format: &str) -> Command {
        let mut command = self.server_command();
        command.args(["artifacts", "collect", artifact, "--client_id", client, "--format", format]);
        command
    }
}

fn interrogated(rows: &[Value]) -> Option<String> {
    let known = |row: &&Value| row["Hostname"].as_str().is_some_and(|name| !name.is_empty());
    rows.iter().find(known)?["client_id"].as_str().map(str::to_owned)
}

/// A port that nobody has. It is below those that the system gives to connections: one of these could have it before the
/// server has. Each process begins at another.
fn free_port() -> Result<u16> {
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 20_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(61);
    for _ in 0..COUNT {
        let next = begin.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + next % COUNT)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port from {FIRST} on is free")
}

fn rows_of(command: &mut Command) -> Result<Vec<Value>> {
    let output = output_of(command)?;
    let rows = serde_json::from_slice(&output);
    rows.with_context(|| format!("not JSON: {}", String::from_utf8_lossy(&output)))
}

fn output_of(command: &mut Command) -> Result<Vec<u8>> {
    let output = run(command)?;
    ensure!(!output.is_empty(), "{command:?} printed nothing");
    Ok(output)
}

pub(crate) fn run(command: &mut Command) -> Result<Vec<u8>> {
    let Output { status, stdout, stderr } =
        command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed ({status}): {}", String::from_utf8_lossy(&stderr).trim());
    }
    Ok(stdout)
}

/// Ports beside the frontend's.
fn other_ports() -> Result<Value> {
    let at_free_port = || -> Result<Value> {
        Ok(json!({ "bind_address": "127.0.0.1", "bind_port": free_port()? }))
    };
    Ok(json!({ "API": at_free_port()?, "Monitoring": at_free_port()? }))
}
