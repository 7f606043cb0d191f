//! A deployment from one command: server, agent, an emulated board, rows.

use std::process::Command;
use std::sync::mpsc;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use hil_tests::{BoardKey, Deployment, Device, Firmware, Process};

use crate::{build, setup, step};

/// How long the demo stays.
#[derive(Args)]
pub struct Arguments {
    /// Exit after the rows are printed
    #[arg(long)]
    once: bool,
}

impl Arguments {
    /// For scripts: print the rows and exit.
    pub fn once() -> Self {
        Self { once: true }
    }
}

/// What the demo collects, and with which parameters.
const COLLECTIONS: [(&str, &[&str]); 3] = [
    ("Generic.Client.Info", &[]),
    ("Linux.Sys.Mounts", &[]),
    ("Generic.File.Hash", &["Globs=/etc/os-release"]),
];

/// What it is.
const BOARD_MODEL: &str = "qemu-mps2-an386";
/// The board's host name.
const BOARD: &str = "demo-board";

/// Builds all, starts a throw-away deployment, and collects from it.
pub fn run(arguments: &Arguments) -> Result<()> {
    setup::install()?;
    let programs = build::programs()?;
    let interrupted = watch_for_ctrl_c()?;

    say("generating keys and configuration");
    let deployment = Deployment::generate(&programs)?;
    say("starting the server");
    let server = deployment.start_server()?;
    let start = Instant::now();
    say("starting the agent; it makes its key and enrols");
    let mut agent = deployment.start_agent()?;
    let client = deployment.wait_for_client(&mut agent)?;
    say(&format!("{client} is known after {:.1} s", start.elapsed().as_secs_f32()));
    for (artifact, parameters) in COLLECTIONS {
        collect(&deployment, &client, artifact, parameters)?;
    }
    let board = board(&deployment)?;
    if !arguments.once {
        stay(&deployment, &client, &interrupted)?;
    }
    // A board has no order to end; it is switched off.
    drop(board);
    stop(agent, server)
}

fn collect(
    deployment: &Deployment,
    client: &str,
    artifact: &str,
    parameters: &[&str],
) -> Result<()> {
    let mut collect = deployment.collect_command(client, artifact, "table");
    for parameter in parameters {
        collect.args(["--args", parameter]);
    }
    step::run(&format!("collect {artifact} from {client}"), &mut collect)
}

/// A second client, if there is an emulator for it: firmware on a Cortex-M4.
fn board(deployment: &Deployment) -> Result<Option<Process>> {
    say("building the firmware of a board");
    let device = Device::named(BOARD_MODEL)?;
    let Some(firmware) = Firmware::find(&device, "the board")? else { return Ok(None) };
    let board = deployment.provision(&firmware, BOARD, BoardKey::Provisioned)?;
    let start = Instant::now();
    say("switching the board on");
    let mut running = board.start()?;
    let client = deployment.wait_for_host(&mut running, BOARD)?;
    say(&format!("{client} is known after {:.1} s: {BOARD}", start.elapsed().as_secs_f32()));
    collect(deployment, &client, "Generic.Client.Info", &[])?;
    Ok(Some(running))
}

fn say(what: &str) {
    eprintln!("==> {what}");
}

fn watch_for_ctrl_c() -> Result<mpsc::Receiver<()>> {
    let (tell, interrupted) = mpsc::channel();
    // A second Ctrl-C while the first is handled has nobody to be told.
    ctrlc::set_handler(move || {
        let _told = tell.send(());
    })
    .context("cannot watch for Ctrl-C")?;
    Ok(interrupted)
}

fn stay(deployment: &Deployment, client: &str, interrupted: &mpsc::Receiver<()>) -> Result<()> {
    let password = deployment.add_administrator("admin")?;
    let shown = |mut command: Command, arguments: &[&str]| {
        command.args(arguments);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    };
    let collect = ["artifacts", "collect", "Linux.Sys.Processes", "--client_id", client];
    eprintln!(
        "\nThe deployment runs until Ctrl-C. In a browser, which has to accept a certificate that it does not know:"
    );
    eprintln!("  {} as `admin` with the password `{password}`", deployment.pages());
    eprintln!("From another terminal:");
    eprintln!("  {}", shown(deployment.server_command(), &["artifacts", "list"]));
    eprintln!("  {}", shown(deployment.server_command(), &collect));
    interrupted.recv().context("nobody waits for Ctrl-C")?;
    Ok(())
}

fn stop(agent: Process, server: Process) -> Result<()> {
    say("stopping");
    agent.stop()?;
    server.stop()?;
    Ok(())
}
