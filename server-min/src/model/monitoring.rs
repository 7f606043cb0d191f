//! What clients are to watch, and what the server watches itself, as administrators edit it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::client::Client;
use crate::limits;

/// One event artifact with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Its name.
    pub artifact: String,
    /// Values by name; all are texts.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
}

/// The artifacts of all clients, and further ones of those with a label.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchList {
    /// When it was changed, in nanoseconds since 1970: the unit of event table versions.
    pub changed_ns: u64,
    /// Of every client.
    pub all: Vec<Watch>,
    /// Of clients with this label, in lower case.
    #[serde(default)]
    pub labels: BTreeMap<String, Vec<Watch>>,
}

impl WatchList {
    /// The list of a label, or without one that of every client.
    fn of(&mut self, label: Option<&str>) -> &mut Vec<Watch> {
        match label {
            None => &mut self.all,
            Some(label) => self.labels.entry(label.trim().to_lowercase()).or_default(),
        }
    }

    /// Puts an artifact on a list; one of the same name gives way. Answers false when the lists are full.
    pub fn add(&mut self, label: Option<&str>, watch: Watch) -> bool {
        self.remove(label, &watch.artifact);
        let held: usize = self.labels.values().map(Vec::len).sum();
        if held.saturating_add(self.all.len()) >= limits::WATCHES {
            return false;
        }
        self.of(label).push(watch);
        true
    }

    /// Takes an artifact from a list. Answers whether it was there.
    pub fn remove(&mut self, label: Option<&str>, artifact: &str) -> bool {
        let list = self.of(label);
        let before = list.len();
        list.retain(|watch| watch.artifact != artifact);
        let found = list.len() != before;
        self.labels.retain(|_, list| !list.is_empty());
        found
    }

    /// The lists that count for a client, by label; `None` is the list of every client.
    pub fn lists_for<'a>(&'a self, client: &'a Client) -> impl Iterator<Item = Option<&'a str>> {
        let labelled = self.labels.keys().filter(|label| client.has_label(label));
        std::iter::once(None).chain(labelled.map(|label| Some(label.as_str())))
    }
}

/// An event artifact that runs on the server, with the rights of whoever put it on the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerWatch {
    /// What runs.
    #[serde(flatten)]
    pub watch: Watch,
    /// Whose rights its queries have; nobody's name: the server's own account.
    #[serde(default)]
    pub owner: Option<String>,
    /// When it was put on the list, in microseconds since 1970.
    #[serde(default)]
    pub added_us: u64,
}

/// All that runs on the server from its start to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerWatchList {
    /// One of each artifact.
    pub artifacts: Vec<ServerWatch>,
}

impl ServerWatchList {
    /// Puts an artifact on the list; one of the same name gives way. Answers false when the list is full.
    pub fn add(&mut self, watch: ServerWatch) -> bool {
        self.remove(&watch.watch.artifact);
        if self.artifacts.len() >= limits::SERVER_WATCHES {
            return false;
        }
        self.artifacts.push(watch);
        true
    }

    /// Takes an artifact from the list. Answers whether it was there.
    pub fn remove(&mut self, artifact: &str) -> bool {
        let before = self.artifacts.len();
        self.artifacts.retain(|one| one.watch.artifact != artifact);
        self.artifacts.len() != before
    }

    /// An artifact on the list.
    #[must_use]
    pub fn get(&self, artifact: &str) -> Option<&ServerWatch> {
        self.artifacts.iter().find(|one| one.watch.artifact == artifact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(artifact: &str) -> Watch {
        Watch { artifact: artifact.into(), parameters: BTreeMap::new() }
    }

    #[test]
    fn a_list_that_is_empty_is_forgotten() {
        let mut list = WatchList::default();
        assert!(list.add(Some(" Lab "), watch("A")));
        assert!(list.add(Some("lab"), watch("A")));
        assert_eq!(list.labels["lab"].len(), 1);
        assert!(!list.remove(None, "A"));
        assert!(list.remove(Some("LAB"), "A"));
        assert_eq!(list, WatchList::default());
    }

    #[test]
    fn the_lists_have_an_end() {
        let mut list = WatchList::default();
        for number in 0..limits::WATCHES {
            assert!(list.add(Some(&format!("l{number}")), watch("A")));
        }
        assert!(!list.add(None, watch("A")));
    }

    #[test]
    fn a_client_has_the_list_of_all_and_those_of_its_labels() {
        let mut list = WatchList::default();
        assert!(list.add(Some("lab"), watch("A")) && list.add(Some("other"), watch("B")));
        let client = Client::labelled(&["Lab"]);
        assert_eq!(list.lists_for(&client).collect::<Vec<_>>(), [None, Some("lab")]);
    }

    #[test]
    fn the_server_watches_each_artifact_once_up_to_a_limit() {
        let watch =
            |artifact: String| ServerWatch { watch: watch(&artifact), owner: None, added_us: 0 };
        let mut list = ServerWatchList::default();
        for number in 0..limits::SERVER_WATCHES {
            assert!(list.add(watch(format!("A{number}"))));
        }
        assert!(!list.add(watch("B".into())), "it is full");
        assert!(list.add(ServerWatch { added_us: 1, ..watch("A0".into()) }), "one gives way");
        assert_eq!(list.artifacts.len(), limits::SERVER_WATCHES);
        assert_eq!(list.get("A0").map(|one| one.added_us), Some(1));
        assert_eq!(list.get("A1").map(|one| one.added_us), Some(0));
        assert!(list.get("B").is_none());
        assert!(!list.remove("B") && list.remove("A0") && !list.remove("A0"));
        assert_eq!(list.artifacts.len(), limits::SERVER_WATCHES - 1);
    }
}
