//! `interfaces()`: network interfaces with their addresses.

use nix::net::if_::InterfaceFlags;
use troodon_vql::{Availability, Columns, Fault, Permission, Plugin, Ready, Row, Value};

use crate::proc::interface::{Interface, interfaces};

/// The plugins of this file. The columns are those of docs/protocol.md section 8.2.
pub(super) static PLUGINS: &[&Plugin] = &[&Plugin::new(
    "interfaces",
    "The network interfaces with their addresses.",
    &[],
    |_, _, _| {
        let found = interfaces().map_err(|why| Fault::note(format!("getifaddrs: {why}")))?;
        let columns = Columns::fixed(&[
            "Index",
            "MTU",
            "Name",
            "HardwareAddr",
            "Flags",
            "Loopback",
            "PointToPoint",
            "Up",
            "HardwareAddrString",
            "Addrs",
            "AddrsString",
            "MulticastAddrs",
            "MulticastAddrsString",
        ]);
        Ok(Ready::boxed(found.iter().map(|interface| row(&columns, interface)).collect()))
    },
)
.needs(&[Permission::MachineState])
.on(Availability::Linux)];

fn row(columns: &Columns, interface: &Interface) -> Row {
    let has = |flag| Value::from(if interface.flags.contains(flag) { "Y" } else { "N" });
    let texts =
        |all: Vec<String>| Value::from(all.into_iter().map(Value::from).collect::<Vec<_>>());
    let addresses = interface.addresses.iter();
    let addresses = texts(addresses.map(|(ip, prefix)| format!("{ip}/{prefix}")).collect());
    let groups = texts(interface.groups.iter().map(ToString::to_string).collect());
    let values = vec![
        interface.index.into(),
        interface.mtu.into(),
        Value::from(interface.name.as_str()),
        Value::from(interface.hardware.as_slice()),
        interface.flag_names().into(),
        has(InterfaceFlags::IFF_LOOPBACK),
        has(InterfaceFlags::IFF_POINTOPOINT),
        has(InterfaceFlags::IFF_UP),
        interface.hardware_text().into(),
        addresses.clone(),
        addresses,
        groups.clone(),
        groups,
    ];
    Row::new(columns, values)
}
