//! An emulated board: its firmware, its flash in a file, and an emulator around both.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::deployment::run;
use crate::{Deployment, Device, Make, Process, Programs, Wire, without_folders};

/// Where a guest of QEMU's user network finds the loopback of this machine.
const HOST: &str = "10.0.2.2";
/// How long an emulator may take to do what it is told.
const OBEY_MAX: Duration = Duration::from_secs(60);
/// What an emulator says when it waits for a command.
const PROMPT: &[u8] = b"(qemu) ";

/// What a board runs.
#[derive(Clone, Debug)]
pub struct Firmware {
    device: Device,
    image: PathBuf,
}

/// Whose key a board gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BoardKey {
    /// The board makes its own at its first boot.
    Own,
    /// It is made with the provisioning: quicker.
    Provisioned,
}

/// A board that was provisioned: what is in its flash lasts as long as the deployment.
#[derive(Debug)]
pub struct Board {
    name: String,
    folder: PathBuf,
    firmware: Firmware,
}

impl Firmware {
    /// Builds the firmware; `None`, said aloud, when there is no emulator for it.
    ///
    /// # Errors
    ///
    /// It does not build.
    pub fn find(device: &Device, what: &str) -> Result<Option<Self>> {
        device.is_here(what).then(|| Self::build(device)).transpose()
    }

    /// Builds the firmware. Costs nothing when it is there already.
    ///
    /// # Errors
    ///
    /// It does not build.
    pub fn build(device: &Device) -> Result<Self> {
        let boards = concat!(env!("CARGO_MANIFEST_DIR"), "/../boards");
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--release", "--package", &device.board, "--target", &device.target]);
        build.args(without_folders(&device.target)?);
        // What cargo tells a test of the other workspace is not for this one.
        build.env_remove("CARGO_TARGET_DIR").current_dir(boards);
        let mut target = Path::new(boards).join("target");
        if !device.build.is_empty() {
            // Firmware that is built in two ways has two places, or each build would undo the other.
            target.push(&device.name);
            build.args(&device.build).arg("--target-dir").arg(&target);
        }
        run(&mut build)?;
        let image = target.join(&device.target).join("release").join(&device.board);
        ensure!(image.is_file(), "{} was not built", image.display());
        Ok(Self { device: device.clone(), image })
    }

    /// What it runs on.
    pub fn device(&self) -> &Device {
        &self.device
    }
}

impl Deployment {
    /// Makes the flash of a board of this deployment.
    ///
    /// # Errors
    ///
    /// Our server's program is not there, or refuses.
    pub fn provision(&self, firmware: &Firmware, name: &str, key: BoardKey) -> Result<Board> {
        let config = fs::read_to_string(self.client_config())?.replace("127.0.0.1", HOST);
        let config_path = self.folder().join("board.config.yaml");
        fs::write(&config_path, config)?;
        let folder = self.folder().to_path_buf();
        let board = Board { name: name.to_owned(), folder, firmware: firmware.clone() };
        // Of whatever make the server is, a board is provisioned by our program.
        let mut provision = match self.served_by() {
            Make::Troodon => self.server_command(),
            Make::Velociraptor => Command::new(Programs::find()?.server),
        };
        provision.args(["provision", "--board", &firmware.device.board, "--name", name]);
        provision.arg("--client_config").arg(config_path);
        if key == BoardKey::Provisioned {
            provision.arg("--generate-key");
        }
        run(provision.arg(board.flash()))?;
        Ok(board)
    }
}

impl Board {
    /// The board's host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that is the board's flash.
    pub fn flash(&self) -> PathBuf {
        self.folder.join(format!("{}.flash", self.name))
    }

    /// Switches the board on. What it says on its console is what [`Process::said`] gives.
    ///
    /// # Errors
    ///
    /// The emulator cannot be started.
    pub fn start(&self) -> Result<Process> {
        self.start_with(&["-netdev", "user,id=wire"])
    }

    /// Switches the board on with a cable that leads nowhere.
    ///
    /// # Errors
    ///
    /// The emulator cannot be started.
    pub fn start_unplugged(&self) -> Result<Process> {
        self.start_with(&["-netdev", "hubport,id=wire,hubid=1"])
    }

    /// Switches the board on at the end of a wire that has faults.
    ///
    /// # Errors
    ///
    /// The emulator cannot be started.
    pub fn start_on(&self, wire: &Wire) -> Result<Process> {
        let arguments = wire.arguments();
        self.start_with(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Switches the board on with a network that the arguments of QEMU describe.
    ///
    /// # Errors
    ///
    /// The emulator cannot be started.
    pub fn start_with(&self, network: &[&str]) -> Result<Process> {
        let flash = self.flash();
        let flash = flash.to_str().context("the path of the flash is no text")?;
        let monitor = self.monitor();
        if monitor.exists() {
            fs::remove_file(&monitor)?;
        }
        let mut qemu = self.firmware.device.emulate(flash)?;
        qemu.args(network)
            .args(["-monitor", &format!("unix:{},server=on,wait=off", monitor.display())]);
        qemu.arg("-kernel").arg(&self.firmware.image);
        let log = self.folder.join(format!("{}.log", self.name));
        Process::start_listening(&format!("the board {}", self.name), &mut qemu, &log)
    }

    /// Pulls the cable out of a running board, or puts it in again.
    ///
    /// # Errors
    ///
    /// The emulator does not obey.
    pub fn plug(&self, is_in: bool) -> Result<()> {
        self.command(if is_in { "set_link wire on" } else { "set_link wire off" })
    }

    fn monitor(&self) -> PathBuf {
        self.folder.join(format!("{}.monitor", self.name))
    }

    /// Tells the emulator something, and waits until it has done it.
    fn command(&self, command: &str) -> Result<()> {
        let mut monitor = UnixStream::connect(self.monitor()).context("the emulator's monitor")?;
        monitor.set_read_timeout(Some(OBEY_MAX))?;
        let mut said = until_prompt(&mut monitor)?;
        writeln!(monitor, "{command}")?;
        said.extend(until_prompt(&mut monitor)?);
        let said = String::from_utf8_lossy(&said);
        ensure!(!said.contains("Error") && !said.contains("unknown"), "{command}: {said}");
        Ok(())
    }
}

fn until_prompt(monitor: &mut UnixStream) -> Result<Vec<u8>> {
    let mut said = Vec::new();
    let mut byte = [0];
    while !said.ends_with(PROMPT) {
        if monitor.read(&mut byte)? == 0 {
            bail!("the emulator has ended");
        }
        said.extend(byte);
    }
    Ok(said)
}
