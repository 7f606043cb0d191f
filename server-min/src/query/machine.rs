//! `info()`: the machine on which the server runs.

use troodon_vql::{
    Args, Availability, Context, Fault, Permission, Plugin, Pull, Rows, Scope, Value,
};

use super::json::dict;

pub(super) const PLUGINS: &[&Plugin] = &[&INFO];

static INFO: Plugin = Plugin::new(
    "info",
    "The machine on which the server runs, and its operating system.",
    &[],
    info,
)
.needs(&[Permission::MachineState])
.on(Availability::Server);

fn info(_: &mut Context, _: &Scope, _: Args) -> Result<Box<dyn Rows>, Fault> {
    let system = rustix::system::uname();
    let text = |text: &std::ffi::CStr| Value::from(&*text.to_string_lossy());
    let mut row = Some(dict([
        ("Hostname", text(system.nodename())),
        ("OS", Value::from(std::env::consts::OS)),
        ("KernelVersion", text(system.release())),
        ("Architecture", Value::from(std::env::consts::ARCH)),
        ("Uptime", Value::from(rustix::system::sysinfo().uptime)),
    ]));
    Ok(Box::new(Pull::new(move |_| Ok(row.take()))))
}
