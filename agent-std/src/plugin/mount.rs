//! `mounts()`: what is mounted where.

use std::fs::File;
use std::io::BufReader;

use troodon_vql::{Availability, Columns, Fault, Permission, Plugin, Pull, Row, Value};

use crate::limits::TABLE_LINE_LEN_MAX;
use crate::proc::mount::Mount;
use crate::proc::read_line_bounded;

const TABLE: &str = "/proc/self/mountinfo";

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] =
    &[&Plugin::new("mounts", "The mounts that the agent sees.", &[], |_, _, _| {
        let fault = |why| Fault::note(format!("{TABLE}: {why}"));
        let mut reader = BufReader::new(File::open(TABLE).map_err(fault)?);
        let columns = Columns::fixed(&[
            "Device",
            "MountPoint",
            "FsType",
            "Options",
            "SuperOptions",
            "Root",
            "Id",
            "Parent",
        ]);
        let mut line = Vec::new();
        Ok(Box::new(Pull::new(move |_| {
            while read_line_bounded(&mut reader, &mut line, TABLE_LINE_LEN_MAX).map_err(fault)? {
                if let Some(mount) = Mount::parse(&line) {
                    return Ok(Some(row(&columns, mount)));
                }
            }
            Ok(None)
        })))
    })
    .needs(&[Permission::MachineState])
    .on(Availability::Linux)];

fn row(columns: &Columns, mount: Mount) -> Row {
    let values = vec![
        Value::from(mount.source),
        Value::from(mount.point),
        Value::from(mount.kind),
        Value::from(mount.options),
        Value::from(mount.super_options),
        Value::from(mount.root),
        Value::from(mount.id),
        Value::from(mount.parent),
    ];
    Row::new(columns, values)
}
