//! What a board knows of itself, for queries and for the client record.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use spin::Mutex;
use troodon_core::identity::ClientId;
use troodon_core::queue::{CLIENT_INFO_ARTIFACT, MONITORING_SESSION};
use troodon_core::time::UnixTime;
use troodon_proto::{LogMessage, VeloMessage};
use troodon_vql::{RowBuilder, Value, json};

use crate::ending::{Cause, Ending};
use crate::network::NetworkState;
use crate::region::Region;
use crate::system::System;

/// The name under which the firmware is known in client records.
const NAME: &str = "troodon-board";
/// The version in client records.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What stands where others name their operating system: there is none.
pub const SYSTEM_NAME: &str = "firmware";

/// Facts about this board.
pub struct Facts {
    /// The services of the chip.
    pub system: &'static dyn System,
    /// Its host name.
    pub name: String,
    /// `Client.labels`.
    pub labels: Vec<String>,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// When it was provisioned, in seconds since 1970.
    pub issued_at: u64,
    /// How the firmware before this one ended, if it could say so.
    pub ending: Option<Ending>,
    /// What queries may read of the memory.
    pub regions: Vec<Region>,
    /// Its network, as it was in the last turn of the loop.
    pub network: Mutex<NetworkState>,
}

impl Facts {
    /// The hardware address as people write it.
    pub fn mac_text(&self) -> String {
        let digits: Vec<String> = self.mac.iter().map(|byte| format!("{byte:02x}")).collect();
        digits.join(":")
    }

    /// What the firmware before this one had to say, if it did not end as somebody wanted.
    pub fn last_panic(&self) -> Option<&str> {
        let ending = self.ending.as_ref().filter(|ending| ending.cause != Cause::Asked);
        ending.map(|ending| ending.text.as_str())
    }

    /// The message that tells the server of it: a line in the log of the monitoring that every client has.
    pub fn report(&self, now: UnixTime) -> Option<VeloMessage> {
        let cause = self.ending.as_ref()?.cause.name();
        let text = self.last_panic()?;
        let mut line = RowBuilder::new();
        line.set("client_time", i64::try_from(now.as_seconds()).unwrap_or(i64::MAX))
            .set("level", "ERROR")
            .set("message", format!("the board started again after a {cause}: {text}"));
        let mut jsonl = Vec::new();
        json::write_row(&line.build(), &mut jsonl);
        jsonl.push(b'\n');
        let log = LogMessage {
            artifact: CLIENT_INFO_ARTIFACT.into(),
            number_of_rows: 1,
            jsonl: jsonl.into(),
            ..Default::default()
        };
        Some(VeloMessage {
            session_id: MONITORING_SESSION.into(),
            log_message: Some(log),
            ..Default::default()
        })
    }

    /// The client record, as one line of JSON (docs/protocol.md section 7.5).
    pub fn client_info(&self, id: ClientId) -> Option<String> {
        let texts = |texts: &[String]| {
            Value::from(texts.iter().map(|text| Value::from(text.as_str())).collect::<Vec<_>>())
        };
        let mut info = RowBuilder::new();
        info.set("client_id", id.as_str())
            .set("hostname", self.name.as_str())
            .set("fqdn", self.name.as_str())
            .set("system", SYSTEM_NAME)
            .set("release", format!("{} {VERSION}", self.system.model()))
            .set("architecture", self.system.architecture())
            .set("client_name", NAME)
            .set("client_version", VERSION)
            .set("install_time", self.issued_at)
            .set("labels", texts(&self.labels))
            .set("mac_addresses", texts(&[self.mac_text()]));
        let mut line = Vec::new();
        json::write_row(&info.build(), &mut line);
        String::from_utf8(line).ok()
    }

    /// The variable `config` of queries (docs/protocol.md section 8.2).
    pub fn config_variable(&self) -> Value {
        let mut version = RowBuilder::new();
        version
            .set("Name", NAME)
            .set("Version", VERSION)
            .set("BuildTime", "")
            .set("ci_build_url", "")
            .set("install_time", self.issued_at);
        let labels: Vec<Value> = self.labels.iter().map(|label| label.as_str().into()).collect();
        let mut variable = RowBuilder::new();
        variable.set("Version", version.build()).set("Labels", labels);
        variable.build().into()
    }
}
