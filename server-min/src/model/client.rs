//! What the server knows about one agent and its host.

use serde::{Deserialize, Serialize};

use super::id::{ClientId, FlowId};
use crate::limits;

/// The record of one client.
///
/// Times are microseconds since 1970 unless said otherwise; 0 means never.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Derived from the key of the agent; the only identity.
    pub id: ClientId,
    /// When its key was stored.
    pub enrolled_us: u64,
    /// When it was last heard on any channel.
    pub seen_us: u64,
    /// Address and port from which it was last heard.
    pub address: String,
    /// What the agent says about its host.
    pub host: Host,
    /// In the order in which they were given.
    pub labels: Vec<String>,
    /// When the labels changed, in nanoseconds: the unit of event table versions.
    pub labels_changed_ns: u64,
    /// The version of the event table that the agent said to have, in nanoseconds.
    pub event_table_version: u64,
    /// The collection that asked for [`Host`].
    pub interrogation: Option<FlowId>,
    /// Messages that it sent and that were not kept: not asked for, not allowed, or too much.
    pub refused: u64,
}

/// What an agent says about itself and its host. Claims, not facts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// Name of the host.
    pub hostname: String,
    /// Name of the host with its domain.
    pub fqdn: String,
    /// `linux`, `windows`, `darwin`, or whatever a small device calls itself.
    pub system: String,
    /// Platform and version.
    pub release: String,
    /// Architecture of the processor.
    pub architecture: String,
    /// Version of the agent.
    pub client_version: String,
    /// Name of the agent program.
    pub client_name: String,
    /// Where the agent was built.
    pub build_url: String,
    /// When the agent was built, as it says.
    pub build_time: String,
    /// Hardware addresses.
    pub mac_addresses: Vec<String>,
}

impl Client {
    /// Whether the client has this label. `all` is on every client; case does not matter (Unicode simple folding).
    #[must_use]
    pub fn has_label(&self, label: &str) -> bool {
        let wanted = label.trim().to_lowercase();
        wanted == "all" || self.labels.iter().any(|held| held.to_lowercase() == wanted)
    }
}

/// A label as it is kept: trimmed, its case left alone.
///
/// `None` when nothing is left of it or it is longer than [`limits::HOST_TEXT_BYTES`].
#[must_use]
pub fn label(text: &str) -> Option<&str> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= limits::HOST_TEXT_BYTES;
    (fits && !text.chars().any(char::is_control)).then_some(text)
}

/// Puts labels behind those that are there; a label that differs only in case is the same label.
///
/// Answers whether anything changed. Labels beyond [`limits::LABELS`] are left out.
pub fn add_labels<'a>(held: &mut Vec<String>, fresh: impl IntoIterator<Item = &'a str>) -> bool {
    let before = held.len();
    for text in fresh.into_iter().filter_map(label) {
        let known = held.iter().any(|other| other.to_lowercase() == text.to_lowercase());
        if !known && held.len() < limits::LABELS {
            held.push(text.to_owned());
        }
    }
    held.len() != before
}

#[cfg(test)]
impl Client {
    /// A client of which nothing is known but its labels.
    pub(crate) fn labelled(labels: &[&str]) -> Self {
        Self {
            id: "C.0123456789abcdef".parse().unwrap(),
            enrolled_us: 1,
            seen_us: 1,
            address: String::new(),
            host: Host::default(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            labels_changed_ns: 0,
            event_table_version: 0,
            interrogation: None,
            refused: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_differ_in_case_are_one() {
        let mut held = vec!["Server".to_owned()];
        assert!(!add_labels(&mut held, ["server", "  SERVER "]));
        assert!(add_labels(&mut held, ["lab"]));
        assert_eq!(held, ["Server", "lab"]);
    }

    #[test]
    fn a_client_cannot_have_labels_without_end() {
        let mut held = Vec::new();
        let many: Vec<String> = (0..1000).map(|n| format!("label {n}")).collect();
        add_labels(&mut held, many.iter().map(String::as_str));
        assert_eq!(held.len(), limits::LABELS);
    }

    #[test]
    fn empty_and_multi_line_labels_are_refused() {
        assert_eq!(label("  "), None);
        assert_eq!(label("a\nb"), None);
        assert_eq!(label(" a b "), Some("a b"));
    }
}
