//! What the agent tells of itself: its version, and the client record (docs/protocol.md section 7.5).

use serde::Serialize;
use troodon_core::config::ClientConfig;
use troodon_core::identity::ClientId;
use troodon_vql::{RowBuilder, Value};

use crate::proc::interface::interfaces;
use crate::proc::platform::{Distribution, architecture, full_name};

/// The name under which the agent is known in client records.
pub const NAME: &str = "troodon-agent";
/// The version in client records.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `ClientInfo` as JSON; what is empty is left out.
#[derive(Serialize)]
struct ClientInfo<'a> {
    client_id: &'a str,
    hostname: &'a str,
    fqdn: &'a str,
    system: &'a str,
    release: &'a str,
    architecture: &'a str,
    client_name: &'a str,
    client_version: &'a str,
    install_time: u64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    labels: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mac_addresses: Vec<String>,
}

/// The client record of this machine, as one line of JSON.
pub fn client_info(id: ClientId, config: &ClientConfig, install_time: u64) -> Option<String> {
    let uname = rustix::system::uname();
    let hostname = uname.nodename().to_string_lossy();
    let distribution = Distribution::read();
    let macs = interfaces().unwrap_or_default();
    let macs = macs.iter().map(|interface| interface.hardware_text());
    let info = ClientInfo {
        client_id: id.as_str(),
        hostname: &hostname,
        fqdn: &full_name(&hostname),
        system: std::env::consts::OS,
        release: &format!("{}{}", distribution.id, distribution.version),
        architecture: architecture(),
        client_name: NAME,
        client_version: VERSION,
        install_time,
        labels: &config.labels,
        mac_addresses: macs.filter(|mac| !mac.is_empty()).collect(),
    };
    // Texts and numbers can always be written.
    serde_json::to_string(&info).ok()
}

/// The variable `config` of queries (docs/protocol.md section 8.2).
pub fn config_variable(config: &ClientConfig, install_time: u64) -> Value {
    let mut version = RowBuilder::new();
    version
        .set("Name", NAME)
        .set("Version", VERSION)
        .set("BuildTime", "")
        .set("ci_build_url", "")
        .set("install_time", install_time);
    let labels: Vec<Value> = config.labels.iter().map(|label| label.as_str().into()).collect();
    let mut variable = RowBuilder::new();
    variable.set("Version", version.build()).set("Labels", labels);
    variable.build().into()
}
