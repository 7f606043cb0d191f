//! `info()`, `sysinfo()` and the agent's environment.

use std::os::unix::ffi::OsStringExt;

use troodon_vql::{
    Arg, Args, Availability, Columns, Context, Fault, Function, Kind, Permission, Plugin, Ready,
    Row, RowBuilder, Rows, Scope, Text, Time, Value,
};

use crate::proc::platform::{self, Distribution, Memory};
use crate::proc::process::Process;

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] = &[
    &Function::new(
        "environ",
        "A variable of the agent's environment; NULL if it is not set.",
        &[Arg::required("var", Kind::String, "The name of the variable.")],
        |_, _, args| Ok(variable(&args.string("var").unwrap_or_default())),
    )
    .needs(&[Permission::MachineState])
    .on(Availability::Linux),
    &Function::new(
        "expand",
        "A path with $NAME and ${NAME} replaced by variables of the agent's environment.",
        &[Arg::required("path", Kind::String, "The path.")],
        |_, _, args| Ok(expanded(&args.string("path").unwrap_or_default()).into()),
    )
    .needs(&[Permission::MachineState])
    .on(Availability::Linux),
    &Function::new("sysinfo", "The memory of the machine in bytes.", &[], |_, _, _| Ok(sysinfo()))
        .needs(&[Permission::MachineState])
        .on(Availability::Linux),
];

/// The plugins of this file. The columns of `info()` are those of docs/protocol.md section 8.2.
pub(super) static PLUGINS: &[&Plugin] = &[
    &Plugin::new(
        "environ",
        "The variables of the agent's environment, as columns of one row.",
        &[Arg::optional("vars", Kind::List, "Only these (all).")],
        environ,
    )
    .needs(&[Permission::MachineState])
    .on(Availability::Linux),
    &Plugin::new("info", "The machine and its operating system.", &[], info)
        .needs(&[Permission::MachineState]),
];

fn info(cx: &mut Context, _: &Scope, _: Args) -> Result<Box<dyn Rows>, Fault> {
    let system = rustix::system::uname();
    let hostname = system.nodename().to_string_lossy().into_owned();
    let distribution = Distribution::read();
    let (virtual_system, role) = platform::virtualization();
    let (zone, offset) = platform::time_zone(cx.now().seconds());
    let boot = i64::try_from(platform::boot_time()).unwrap_or(0);
    let start = Process::read(std::process::id()).ok().map(|own| {
        let since_boot = i64::try_from(own.start_after_boot_ns()).unwrap_or(i64::MAX);
        Time::from_nanos(Time::from_seconds(boot).nanos().saturating_add(since_boot))
    });
    let columns: [(&'static str, Value); 20] = [
        ("Hostname", hostname.as_str().into()),
        ("Uptime", platform::uptime().into()),
        ("BootTime", boot.into()),
        ("OS", "linux".into()),
        ("Platform", distribution.id.into()),
        ("PlatformFamily", distribution.family.into()),
        ("PlatformVersion", distribution.version.into()),
        ("KernelVersion", system.release().to_string_lossy().into_owned().into()),
        ("VirtualizationSystem", virtual_system.into()),
        ("VirtualizationRole", role.into()),
        ("CompilerVersion", concat!("rust", env!("CARGO_PKG_RUST_VERSION")).into()),
        ("HostID", platform::host_id().into()),
        ("Exe", Value::from(platform::link_target("/proc/self/exe"))),
        ("CWD", Value::from(platform::link_target("/proc/self/cwd"))),
        ("IsAdmin", rustix::process::geteuid().is_root().into()),
        ("ClientStart", start.into()),
        ("LocalTZ", zone.into()),
        ("LocalTZOffset", i64::from(offset).into()),
        ("Fqdn", platform::full_name(&hostname).into()),
        ("Architecture", platform::architecture().into()),
    ];
    let names = columns.each_ref().map(|(name, _)| *name);
    let values = columns.into_iter().map(|(_, value)| value).collect();
    Ok(Ready::boxed(vec![Row::new(&Columns::fixed(&names), values)]))
}

fn sysinfo() -> Value {
    let memory = Memory::read();
    let mut row = RowBuilder::new();
    row.set("TotalPhysicalMemory", memory.total)
        .set("TotalFreeMemory", memory.free)
        .set("TotalSharedMemory", memory.shared)
        .set("TotalSwap", memory.swap_total)
        .set("FreeSwap", memory.swap_free);
    row.build().into()
}

fn environ(_: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let mut row = RowBuilder::new();
    match args.list("vars") {
        Some(names) => {
            for name in names.iter().filter_map(Value::as_text) {
                row.set(name.clone(), variable(&name.to_str_lossy()));
            }
        }
        None => {
            for (name, value) in std::env::vars_os() {
                row.set(name.into_vec(), Text::from(value.into_vec()));
            }
        }
    }
    Ok(Ready::boxed(vec![row.build()]))
}

fn variable(name: &str) -> Value {
    // No variable can have such a name, and the standard library may panic on it.
    if name.is_empty() || name.contains(['=', '\0']) {
        return Value::Null;
    }
    std::env::var_os(name).map(|value| Text::from(value.into_vec())).into()
}

/// Replaces variables; those that are not set become empty, as in a shell.
fn expanded(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let braced = after.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let (name, tail) = braced.unwrap_or_else(|| {
            let is_end = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
            after.split_at(after.find(is_end).unwrap_or(after.len()))
        });
        if name.is_empty() {
            out.push('$');
        } else if let Value::Str(value) = variable(name) {
            out.push_str(&value.to_str_lossy());
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_in_paths_are_replaced_and_lone_dollars_stay() {
        let home = std::env::var("PATH").unwrap();
        assert_eq!(expanded("/a/$PATH/b"), format!("/a/{home}/b"));
        assert_eq!(expanded("${PATH}x"), format!("{home}x"));
        assert_eq!(expanded("a$ $NO_SUCH_VARIABLE_HERE!"), "a$ !");
        assert_eq!(expanded("$"), "$");
    }
}
