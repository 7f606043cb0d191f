//! The devices that the cases of boards run on: what `duts/*.toml` says of each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde::Deserialize;

/// Stands in the arguments of an emulator for the file that is the board's flash.
const FLASH: &str = "{flash}";

/// A kind of firmware: its crate in `boards/`, and the emulator that runs it.
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
    /// The program.
    pub emulator: String,
    /// Where in the file of its flash the provisioning begins, in bytes.
    pub provisioned_at: u64,
    /// What it is told. Its network device is joined to the `-netdev` named `wire`.
    arguments: Vec<String>,
}

impl Device {
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

    /// Whether its emulator is here; if not, that is said aloud.
    #[must_use]
    pub fn is_here(&self, what: &str) -> bool {
        let emulator = &self.emulator;
        let found = Command::new(emulator).arg("--version").stdout(Stdio::null()).status().is_ok();
        if !found {
            eprintln!(
                "SKIPPED: {what}: there is no {emulator} here; `cargo xtask test` installs it"
            );
        }
        found
    }

    /// The command that runs a board of this kind, without its firmware and its network.
    #[must_use]
    pub fn emulate(&self, flash: &str) -> Command {
        let mut emulator = Command::new(&self.emulator);
        emulator.args(self.arguments.iter().map(|argument| argument.replace(FLASH, flash)));
        emulator.args(["-nographic", "-serial", "stdio"]);
        emulator
    }
}
