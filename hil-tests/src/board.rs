//! An emulated board: its firmware, its flash in a file, and QEMU around both.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::deployment::run;
use crate::{Deployment, Process};

/// The emulated machine and the board's name in `boards/`.
const BOARD: &str = "qemu-mps2-an386";
const TARGET: &str = "thumbv7em-none-eabihf";
const QEMU: &str = "qemu-system-arm";
/// Where a guest of QEMU's user network finds the loopback of this machine.
const HOST: &str = "10.0.2.2";

/// What an emulated board runs.
#[derive(Clone, Debug)]
pub struct Firmware(PathBuf);

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
    flash: PathBuf,
    log: PathBuf,
    firmware: Firmware,
}

impl Firmware {
    /// Builds the firmware; `None`, said aloud, when there is no emulator for it.
    ///
    /// # Errors
    ///
    /// It does not build.
    pub fn find(what: &str) -> Result<Option<Self>> {
        let emulator = Command::new(QEMU).arg("--version").stdout(Stdio::null()).status();
        if emulator.is_err() {
            eprintln!("SKIPPED: {what}: there is no {QEMU} here; `cargo xtask test` installs it");
            return Ok(None);
        }
        Self::build().map(Some)
    }

    /// Builds the firmware. Costs nothing when it is there already.
    ///
    /// # Errors
    ///
    /// It does not build.
    pub fn build() -> Result<Self> {
        let boards = concat!(env!("CARGO_MANIFEST_DIR"), "/../boards");
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--release", "--package", BOARD, "--target", TARGET]);
        // What cargo tells a test of the other workspace is not for this one.
        build.env_remove("CARGO_TARGET_DIR").current_dir(boards);
        run(&mut build)?;
        let path = Path::new(boards).join("target").join(TARGET).join("release").join(BOARD);
        ensure!(path.is_file(), "{} was not built", path.display());
        Ok(Self(path))
    }

    /// The image.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Deployment {
    /// Makes the flash of a board of this deployment.
    ///
    /// # Errors
    ///
    /// The server's program refuses.
    pub fn provision(&self, firmware: &Firmware, name: &str, key: BoardKey) -> Result<Board> {
        let config = fs::read_to_string(self.client_config())?.replace("127.0.0.1", HOST);
        let config_path = self.folder().join("board.config.yaml");
        fs::write(&config_path, config)?;
        let flash = self.folder().join(format!("{name}.flash"));
        let mut provision = self.server_command();
        provision.args(["provision", "--board", BOARD, "--name", name, "--client_config"]);
        provision.arg(config_path);
        if key == BoardKey::Provisioned {
            provision.arg("--generate-key");
        }
        run(provision.arg(&flash))?;
        let log = self.folder().join(format!("{name}.log"));
        Ok(Board { name: name.to_owned(), flash, log, firmware: firmware.clone() })
    }
}

impl Board {
    /// The board's host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that is the board's flash.
    pub fn flash(&self) -> &Path {
        &self.flash
    }

    /// Switches the board on. What it says on its console is what [`Process::said`] gives.
    ///
    /// # Errors
    ///
    /// The emulator cannot be started.
    pub fn start(&self) -> Result<Process> {
        self.start_with("user,model=lan9118")
    }

    /// Switches the board on with a cable that leads nowhere.
    ///
    /// # Errors
    ///
    /// The emulator cannot be started.
    pub fn start_unplugged(&self) -> Result<Process> {
        self.start_with("none")
    }

    fn start_with(&self, network: &str) -> Result<Process> {
        let flash = self.flash.to_str().context("the path of the flash is no text")?;
        let mut qemu = Command::new(QEMU);
        qemu.args(["-machine", "mps2-an386,memory-backend=flash"])
            .args([
                "-object",
                &format!("memory-backend-file,id=flash,size=16M,mem-path={flash},share=on"),
            ])
            .args(["-nographic", "-monitor", "none", "-serial", "stdio"])
            .args(["-semihosting-config", "enable=on,target=native"])
            .args(["-nic", network, "-kernel"])
            .arg(self.firmware.path());
        Process::start_listening(&format!("the board {}", self.name), &mut qemu, &self.log)
    }
}
