//! Log lines as JSON (docs/protocol.md section 6.4).

use alloc::vec::Vec;

use troodon_vql::{Level, RowBuilder, json};

use crate::time::UnixTime;

/// Appends `{"client_time":…,"level":…,"message":…}` and a line feed.
pub(crate) fn log_line(out: &mut Vec<u8>, wall: UnixTime, level: Level, text: &str) {
    let mut row = RowBuilder::new();
    row.set("client_time", wall.as_seconds()).set("level", level.name()).set("message", text);
    json::write_line(&row.build(), out);
}
