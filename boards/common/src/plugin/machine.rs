//! `info()`, with the columns that every agent has (docs/protocol.md section 8.2).

use alloc::boxed::Box;

use troodon_vql::{Args, Context, Fault, Permission, Plugin, Rows, Scope, Value};

use super::{facts, one_row};
use crate::facts::{SYSTEM_NAME, VERSION};

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] =
    &[&Plugin::new("info", "The board and its firmware.", &[], info)
        .needs(&[Permission::MachineState])];

fn info(cx: &mut Context, _: &Scope, _: Args) -> Result<Box<dyn Rows>, Fault> {
    let facts = facts(cx)?;
    let uptime = i64::try_from(facts.system.now().as_micros() / 1_000_000).unwrap_or(0);
    Ok(one_row([
        ("Hostname", facts.name.as_str().into()),
        ("Uptime", uptime.into()),
        ("BootTime", cx.now().seconds().saturating_sub(uptime).into()),
        ("OS", SYSTEM_NAME.into()),
        ("Platform", facts.system.model().into()),
        ("PlatformFamily", "troodon".into()),
        ("PlatformVersion", VERSION.into()),
        ("KernelVersion", "".into()),
        ("VirtualizationSystem", "".into()),
        ("VirtualizationRole", "".into()),
        ("CompilerVersion", concat!("rust", env!("CARGO_PKG_RUST_VERSION")).into()),
        ("HostID", facts.mac_text().into()),
        ("Exe", "".into()),
        ("CWD", "".into()),
        ("IsAdmin", true.into()),
        ("ClientStart", Value::Null),
        ("LocalTZ", "UTC".into()),
        ("LocalTZOffset", 0_i64.into()),
        ("Fqdn", facts.name.as_str().into()),
        ("Architecture", facts.system.architecture().into()),
    ]))
}
