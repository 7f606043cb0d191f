//! The network as queries see it: `interfaces()` and `netstat()` with the columns that every agent has (docs/protocol.md
//! section 8.2), and what only a board tells: `interface_counters()`, `watch_link()`.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use smoltcp::wire::IpEndpoint;
use troodon_vql::{
    Args, Columns, Context, Fault, Permission, Plugin, Ready, Row, Rows, Scope, Step, Value,
};

use super::{facts, one_row};
use crate::facts::Facts;
use crate::limits::LINK_LOOK_MS;

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] = &[
    &Plugin::new("interfaces", "The network interface with its address.", &[], interfaces)
        .needs(&[Permission::MachineState]),
    &Plugin::new(
        "interface_counters",
        "The network interface: its cable, how often that came and went, frames and bytes since reset.",
        &[],
        interface_counters,
    )
    .needs(&[Permission::MachineState]),
    &Plugin::new("netstat", "The connections of the board.", &[], netstat)
        .needs(&[Permission::MachineState]),
    &Plugin::new("watch_link", "A row whenever the cable comes or goes.", &[], watch_link)
        .needs(&[Permission::MachineState]),
];

/// The only interface.
const NAME: &str = "eth0";

fn interfaces(cx: &mut Context, _: &Scope, _: Args) -> Result<Box<dyn Rows>, Fault> {
    let facts = facts(cx)?;
    let address = facts.network.lock().address;
    let is_up = address.is_some();
    let addresses: Vec<Value> = address.iter().map(|one| format!("{one}").into()).collect();
    Ok(one_row([
        ("Index", 1_i64.into()),
        ("MTU", 1_500_i64.into()),
        ("Name", NAME.into()),
        ("HardwareAddr", Value::from(facts.mac.as_slice())),
        ("Flags", "up|broadcast".into()),
        ("Loopback", "N".into()),
        ("PointToPoint", "N".into()),
        ("Up", if is_up { "Y" } else { "N" }.into()),
        ("HardwareAddrString", facts.mac_text().into()),
        ("Addrs", addresses.clone().into()),
        ("AddrsString", addresses.into()),
        ("MulticastAddrs", Vec::<Value>::new().into()),
        ("MulticastAddrsString", Vec::<Value>::new().into()),
    ]))
}

fn interface_counters(cx: &mut Context, _: &Scope, _: Args) -> Result<Box<dyn Rows>, Fault> {
    let state = *facts(cx)?.network.lock();
    Ok(one_row([
        ("Name", NAME.into()),
        ("HasLink", state.has_link.into()),
        ("LinkChanges", state.link_changes.into()),
        ("FramesReceived", state.received.frames.into()),
        ("BytesReceived", state.received.bytes.into()),
        ("FramesSent", state.sent.frames.into()),
        ("BytesSent", state.sent.bytes.into()),
    ]))
}

fn netstat(cx: &mut Context, _: &Scope, _: Args) -> Result<Box<dyn Rows>, Fault> {
    let columns = Columns::fixed(&[
        "Pid",
        "Family",
        "FamilyString",
        "Type",
        "TypeString",
        "Status",
        "Laddr",
        "Raddr",
    ]);
    let address = Columns::fixed(&["IP", "Port"]);
    let end = |end: IpEndpoint| {
        Value::from(Row::new(
            &address,
            vec![format!("{}", end.addr).into(), u32::from(end.port).into()],
        ))
    };
    let sockets = facts(cx)?.network.lock().sockets;
    let row = |socket: &crate::network::Socket| {
        let values = vec![
            Value::Null,
            2_i64.into(),
            "IPv4".into(),
            1_i64.into(),
            "TCP".into(),
            socket.status.into(),
            end(socket.local),
            end(socket.remote),
        ];
        Row::new(&columns, values)
    };
    Ok(Ready::boxed(sockets.iter().flatten().map(row).collect()))
}

fn watch_link(cx: &mut Context, _: &Scope, _: Args) -> Result<Box<dyn Rows>, Fault> {
    let seen = facts(cx)?.network.lock().link_changes;
    Ok(Box::new(Watch { seen }))
}

/// Changes behind those that were seen.
struct Watch {
    seen: u32,
}

impl Rows for Watch {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        cx.charge(1)?;
        let facts: alloc::sync::Arc<Facts> = facts(cx)?;
        let state = *facts.network.lock();
        if state.link_changes == self.seen {
            return Ok(Step::Pending(cx.instant().after(Duration::from_millis(LINK_LOOK_MS))));
        }
        self.seen = state.link_changes;
        let columns = Columns::fixed(&["Name", "HasLink", "LinkChanges"]);
        let values = vec![NAME.into(), state.has_link.into(), state.link_changes.into()];
        Ok(Step::Row(Row::new(&columns, values)))
    }
}
