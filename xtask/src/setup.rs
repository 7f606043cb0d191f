//! Installs what a fresh machine lacks: targets of rustup, packages of apt.
//!
//! Nothing is fetched from anywhere else. Where apt cannot be used, the error names the one command to run.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::step;

/// Targets without an operating system that `proto`, `vql` and `agent-core` are built for.
pub const BOARD_TARGETS: [&str; 4] = [
    "thumbv7em-none-eabihf",
    "thumbv7m-none-eabi",
    "thumbv8m.main-none-eabihf",
    "riscv32imac-unknown-none-elf",
];

/// The target of the static binaries.
pub const MUSL_TARGET: &str = "x86_64-unknown-linux-musl";

/// Makes sure that the targets and the C compilers that builds need are there.
pub fn install() -> Result<()> {
    add_targets()?;
    let wanted = [
        ("cc", "gcc"),
        ("musl-gcc", "musl-tools"),
        ("make", "make"),
        ("qemu-system-arm", "qemu-system-arm"),
        ("qemu-system-riscv32", "qemu-system-misc"),
        // What is said of the units.
        ("systemd-analyze", "systemd"),
        // A receiver of the audit log; over TLS it needs the second.
        ("rsyslogd", "rsyslog"),
        ("rsyslogd", "rsyslog-openssl"),
        // An authority for certificates, as Let's Encrypt gives it to those who test; and what its test calls.
        ("pebble", "pebble"),
        ("curl", "curl"),
        // A browser in which the pages are looked at.
        ("chromedriver", "chromium-driver"),
    ];
    let missing: Vec<&str> = wanted
        .into_iter()
        .filter(|(program, _)| !is_installed(program))
        .map(|(_, package)| package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    install_packages(&missing)
}

fn add_targets() -> Result<()> {
    let installed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    let installed = match installed {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(error) => bail!("rustup is needed ({error}); see https://rustup.rs"),
    };
    let missing: Vec<&str> = BOARD_TARGETS
        .into_iter()
        .chain([MUSL_TARGET])
        .filter(|target| !installed.lines().any(|line| line == *target))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    step::run("rustup target add", Command::new("rustup").args(["target", "add"]).args(missing))
}

fn is_installed(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

fn install_packages(packages: &[&str]) -> Result<()> {
    let line = packages.join(" ");
    let hint = || format!("install {line} by hand: sudo apt-get install {line}");
    step::run("apt-get update", Command::new("apt-get").arg("update").stdout(Stdio::null()))
        .with_context(hint)?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "--no-install-recommends"]).args(packages);
    install.env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
    step::run(&format!("apt-get install {line}"), &mut install).with_context(hint)
}
