//! `netstat()`: sockets with the processes that hold them.

use std::net::IpAddr;

use troodon_vql::{
    Args, Availability, Columns, Context, Fault, Level, Permission, Plugin, Row, Rows, Scope, Step,
    Value,
};

use crate::limits::SOCKET_OWNERS_MAX;
use crate::proc::process::Pids;
use crate::proc::socket::{Family, Kind, Owners, Socket, Sockets, TABLES, Table};

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] = &[
    &Plugin::new("netstat", "The TCP and UDP sockets of this machine.", &[], netstat)
        .needs(&[Permission::MachineState])
        .on(Availability::Linux),
    &Plugin::new("connections", "The same as netstat().", &[], netstat)
        .needs(&[Permission::MachineState])
        .on(Availability::Linux),
];

fn netstat(_: &mut Context, _: &Scope, _: Args) -> Result<Box<dyn Rows>, Fault> {
    let pids = Pids::open().map_err(|why| Fault::note(format!("/proc: {why}")))?;
    Ok(Box::new(Netstat {
        pids: Some(pids),
        owners: Owners::default(),
        tables: TABLES.iter(),
        current: None,
        columns: Columns::fixed(&[
            "Pid",
            "Family",
            "FamilyString",
            "Type",
            "TypeString",
            "Status",
            "Laddr",
            "Raddr",
            "Uid",
            "Inode",
        ]),
        address: Columns::fixed(&["IP", "Port"]),
    }))
}

struct Netstat {
    /// Processes whose open files are still to be looked at, before the first row.
    pids: Option<Pids>,
    owners: Owners,
    tables: std::slice::Iter<'static, Table>,
    current: Option<(Table, Sockets)>,
    columns: Columns,
    address: Columns,
}

impl Rows for Netstat {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        self.find_owners(cx)?;
        loop {
            cx.charge(1)?;
            if let Some((table, sockets)) = &mut self.current
                && let Some(socket) = sockets.next()
            {
                let table = *table;
                return Ok(Step::Row(self.row(table, &socket)));
            }
            let Some(table) = self.tables.next() else { return Ok(Step::End) };
            // A kernel without IPv6 lacks its tables.
            self.current = Sockets::open(*table).ok().map(|sockets| (*table, sockets));
        }
    }
}

impl Netstat {
    fn find_owners(&mut self, cx: &mut Context) -> Result<(), Fault> {
        for pid in self.pids.take().into_iter().flatten() {
            cx.charge(1)?;
            if !self.owners.note(pid) {
                let text = format_args!("netstat: only {SOCKET_OWNERS_MAX} sockets have a process");
                cx.log(Level::Warn, text);
                break;
            }
        }
        Ok(())
    }

    fn row(&self, table: Table, socket: &Socket) -> Row {
        // Linux' numbers of AF_INET, AF_INET6, SOCK_STREAM and SOCK_DGRAM.
        let (family, family_name) = match table.family {
            Family::V4 => (2_i64, "IPv4"),
            Family::V6 => (10, "IPv6"),
        };
        let (kind, kind_name) = match table.kind {
            Kind::Tcp => (1_i64, "TCP"),
            Kind::Udp => (2, "UDP"),
        };
        let address = |(ip, port): (IpAddr, u16)| {
            Row::new(&self.address, vec![ip.to_string().into(), u32::from(port).into()]).into()
        };
        let values = vec![
            self.owners.of(socket.inode).into(),
            family.into(),
            family_name.into(),
            kind.into(),
            kind_name.into(),
            socket.state_name(table.kind).into(),
            address(socket.local),
            address(socket.remote),
            Value::from(socket.uid),
            Value::from(socket.inode),
        ];
        Row::new(&self.columns, values)
    }
}
