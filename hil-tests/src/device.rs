//! The devices that the cases of boards run on: what `duts/*.toml` says of each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// Stands in the arguments of an emulator for the file that is the board's flash.
const FLASH: &str = "{flash}";

/// A kind of firmware: its crate in `boards/`, and what runs it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// The name of its file.
    #[serde(skip)]
    pub name: String,
    /// The name of its crate, which is that of its kind for `troodon provision`; that of the file if none is given.
    #[serde(default, rename = "crate")]
    pub board: String,
    /// What cargo is told beside that, to build it otherwise than it is usually built.
    #[serde(default)]
    pub build: Vec<String>,
    /// The cases that it runs, by their names; all, if none is given.
    #[serde(default)]
    pub cases: Vec<String>,
    /// What its firmware is built for.
    pub target: String,
    /// Where the provisioning begins: in the file of an emulator's flash, or in the address space of a chip.
    pub provisioned_at: u64,
    /// What runs it.
    runs_on: RunsOn,
}

/// What runs a firmware.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
enum RunsOn {
    /// An emulator on this machine.
    Emulator {
        program: String,
        /// What it is told. Its network device is joined to the `-netdev` named `wire`.
        arguments: Vec<String>,
    },
    /// A board on a bench, flashed through a probe.
    Probe {
        /// The chip, as probe-rs calls it.
        chip: String,
    },
}

impl Device {
    /// Every device that an emulator runs, by name.
    ///
    /// # Errors
    ///
    /// Those of [`Device::all`].
    pub fn emulated() -> Result<Vec<Self>> {
        Ok(Self::all()?.into_iter().filter(Self::is_emulated).collect())
    }

    /// Every device, by name.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or says something else.
    pub fn all() -> Result<Vec<Self>> {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/duts"));
        let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// The device with a name.
    ///
    /// # Errors
    ///
    /// There is none, or its file says something else.
    pub fn named(name: &str) -> Result<Self> {
        let found = Self::all()?.into_iter().find(|device| device.name == name);
        found.with_context(|| format!("no device {name}"))
    }

    fn read(path: &Path) -> Result<Self> {
        let shown = || path.display().to_string();
        let mut device: Self =
            toml::from_str(&fs::read_to_string(path).with_context(shown)?).with_context(shown)?;
        let name = path.file_stem().and_then(|name| name.to_str()).with_context(shown)?;
        name.clone_into(&mut device.name);
        if device.board.is_empty() {
            name.clone_into(&mut device.board);
        }
        Ok(device)
    }

    /// Whether it is to run a case.
    #[must_use]
    pub fn runs(&self, case: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|one| one == case)
    }

    /// Whether an emulator runs it, and not a bench.
    #[must_use]
    pub fn is_emulated(&self) -> bool {
        matches!(self.runs_on, RunsOn::Emulator { .. })
    }

    /// Whether its emulator is here; if not, that is said aloud. A board on a bench is never here.
    #[must_use]
    pub fn is_here(&self, what: &str) -> bool {
        let (name, lacks) = (
            &self.board,
            match &self.runs_on {
                RunsOn::Emulator { program, .. } if answers(program) => return true,
                RunsOn::Emulator { program, .. } => {
                    format!("there is no {program} here; `cargo xtask test` installs it")
                }
                RunsOn::Probe { chip } => format!("no {chip} is joined to this machine by a probe"),
            },
        );
        eprintln!("SKIPPED: {what}: {lacks}; see boards/{name}");
        false
    }

    /// The command that runs a board of this kind, without its firmware and its network.
    ///
    /// # Errors
    ///
    /// No emulator runs it.
    pub fn emulate(&self, flash: &str) -> Result<Command> {
        let RunsOn::Emulator { program, arguments } = &self.runs_on else {
            bail!("{} runs on a bench", self.name)
        };
        let mut emulator = Command::new(program);
        emulator.args(arguments.iter().map(|argument| argument.replace(FLASH, flash)));
        emulator.args(["-nographic", "-serial", "stdio"]);
        Ok(emulator)
    }
}

fn answers(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok()
}
