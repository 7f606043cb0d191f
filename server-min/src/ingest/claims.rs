//! What an agent says about its host: in a row of the interrogation, or in a message of its own
//! (docs/protocol.md sections 5.2 and 7.5).

use serde_json::{Map, Value};

use super::{Fact, Refusal};
use crate::limits;
use crate::model::client::Host;
use crate::model::id::ArtifactName;
use crate::store::chunk::RowFault;

/// The name under which agents speak of themselves, unasked.
pub(super) const CLIENT_INFO: &str = "Server.Internal.ClientInfo";

/// The results that describe a host; a deployment may replace the artifact by its own.
const INTERROGATIONS: [&str; 2] =
    ["Generic.Client.Info/BasicInformation", "Custom.Generic.Client.Info/BasicInformation"];

/// Whether the first row under this name describes the host.
#[must_use]
pub fn is_interrogation(name: &ArtifactName) -> bool {
    INTERROGATIONS.contains(&name.as_str())
}

/// The claims in the first row of an interrogation, with the labels of the agent.
///
/// `None` when it is no object with a text `OS`: without that the record is left as it is.
#[must_use]
pub fn claims_of_interrogation(row: &[u8]) -> Option<(Host, Vec<String>)> {
    let row = Claims::parse(row)?;
    let system = row.text("OS");
    (!system.is_empty()).then(|| {
        let host = Host {
            hostname: row.text("Hostname"),
            fqdn: row.text("Fqdn"),
            system,
            release: short(&(row.text("Platform") + &row.text("PlatformVersion"))),
            architecture: row.text("Architecture"),
            client_version: row.text("Version"),
            client_name: row.text("Name"),
            build_url: row.text("build_url"),
            build_time: row.text("BuildTime"),
            mac_addresses: row.list("MACAddresses"),
        };
        (host, row.list("Labels"))
    })
}

/// The fact in a message of the name [`CLIENT_INFO`].
pub(super) fn of_client_info(row: &[u8]) -> Result<Fact, Refusal> {
    let row = Claims::parse(row).ok_or(Refusal::Rows(RowFault::NotAnObject(0)))?;
    let host = Host {
        hostname: row.text("hostname"),
        fqdn: row.text("fqdn"),
        system: row.text("system"),
        release: row.text("release"),
        architecture: row.text("architecture"),
        client_version: row.text("client_version"),
        client_name: row.text("client_name"),
        build_url: row.text("build_url"),
        build_time: row.text("build_time"),
        mac_addresses: row.list("mac_addresses"),
    };
    Ok(Fact::Host { host: Box::new(host), labels: row.list("labels") })
}

/// A row by its columns. What is missing or of another kind is empty.
struct Claims(Map<String, Value>);

impl Claims {
    /// The first row of some lines.
    fn parse(lines: &[u8]) -> Option<Self> {
        serde_json::Deserializer::from_slice(lines).into_iter().next()?.ok().map(Self)
    }

    fn text(&self, column: &str) -> String {
        match self.0.get(column) {
            Some(Value::String(text)) => short(text),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        }
    }

    fn list(&self, column: &str) -> Vec<String> {
        match self.0.get(column) {
            Some(Value::Array(values)) => {
                values.iter().filter_map(Value::as_str).take(limits::LABELS).map(short).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// At most [`limits::HOST_TEXT_BYTES`] of a text, cut between characters.
fn short(text: &str) -> String {
    text[..text.floor_char_boundary(limits::HOST_TEXT_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrogation_describes_the_host() {
        let row = br#"{"Name":"agent","BuildTime":"2026-01-01T00:00:00Z","Version":"1.2","build_url":null,
            "Labels":["lab"],"Hostname":"h","OS":"linux","Architecture":"arm","Platform":"debian",
            "PlatformVersion":"12","KernelVersion":"6","Fqdn":"h.example","MACAddresses":["02:00"]}"#;
        let (host, labels) = claims_of_interrogation(row).unwrap();
        assert_eq!((host.system.as_str(), host.release.as_str()), ("linux", "debian12"));
        assert_eq!((host.fqdn.as_str(), host.build_url.as_str()), ("h.example", ""));
        assert_eq!((host.mac_addresses, labels), (vec!["02:00".into()], vec!["lab".into()]));
    }

    #[test]
    fn a_row_without_os_describes_nothing() {
        for row in [&b"{}"[..], b"[]", b"{\"OS\":null}", b"{\"OS\":", b"{\"OS\":\"\"}"] {
            assert!(claims_of_interrogation(row).is_none());
        }
    }

    #[test]
    fn long_claims_are_cut_between_characters() {
        let row = format!("{{\"OS\":\"{}\"}}", "\u{20ac}".repeat(1000));
        let (host, _) = claims_of_interrogation(row.as_bytes()).unwrap();
        assert_eq!(host.system.len(), limits::HOST_TEXT_BYTES / 3 * 3);
    }

    #[test]
    fn what_an_agent_says_of_itself_is_taken() {
        let row = b"{\"hostname\":\"h\",\"system\":\"linux\",\"labels\":[\"a\"],\"unknown\":1}\n";
        let Ok(Fact::Host { host, labels }) = of_client_info(row) else { panic!() };
        assert_eq!((host.hostname.as_str(), labels.len()), ("h", 1));
        assert!(of_client_info(b"[]").is_err());
    }
}
