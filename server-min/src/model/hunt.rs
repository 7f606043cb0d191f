//! One collection for many clients: whom it wants, how far it is, what came of it.

use serde::{Deserialize, Serialize};
use troodon_proto::FlowRequest;

use super::client::Client;
use super::id::{ArtifactName, ClientId, FlowId, HuntId};

/// A hunt as it was created, and what it does.
///
/// Times are microseconds since 1970; 0 means never.
#[derive(Debug, Clone)]
pub struct Hunt {
    /// Its id.
    pub id: HuntId,
    /// Who made it.
    pub creator: String,
    /// What people wrote about it.
    pub description: String,
    /// The artifacts that it collects.
    pub artifacts: Vec<ArtifactName>,
    /// What was asked for, as JSON: artifacts and parameters. For display only.
    pub spec: serde_json::Value,
    /// What each agent gets. Compiled when the hunt was made: later definitions of the artifacts have no effect.
    pub request: FlowRequest,
    /// Overtakes other collections.
    pub urgent: bool,
    /// Whom it wants.
    pub condition: Condition,
    /// Clients that it takes at most; 0: all.
    pub client_limit: u64,
    /// When it was made.
    pub created_us: u64,
    /// When it last began to take clients.
    pub started_us: u64,
    /// When it takes no more clients.
    pub expires_us: u64,
    /// What people want it to do.
    pub state: HuntState,
}

/// Whether a hunt takes clients. Names and numbers are those of Velociraptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HuntState {
    /// Not yet, or not at the moment.
    Paused = 1,
    /// It does.
    Running = 2,
    /// No more: ended by somebody, by time, or at its limit.
    Stopped = 3,
}

impl HuntState {
    /// The name that people see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paused => "PAUSED",
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
        }
    }

    /// The state with this number.
    #[must_use]
    pub const fn numbered(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Paused),
            2 => Some(Self::Running),
            3 => Some(Self::Stopped),
            _ => None,
        }
    }
}

/// Operating systems that a hunt can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Os {
    /// Microsoft Windows.
    Windows,
    /// Linux, and boards that call themselves so.
    Linux,
    /// macOS.
    Osx,
}

impl Os {
    /// The system with this name, as people write it: in any letter case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "windows" => Some(Self::Windows),
            "linux" => Some(Self::Linux),
            "osx" | "darwin" | "macos" => Some(Self::Osx),
            _ => None,
        }
    }

    /// The name that people see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Windows => "Windows",
            Self::Linux => "Linux",
            Self::Osx => "macOS",
        }
    }

    /// What agents there say.
    const fn system(self) -> &'static str {
        match self {
            Self::Windows => "windows",
            Self::Linux => "linux",
            Self::Osx => "darwin",
        }
    }
}

/// Which clients a hunt wants. Without anything it wants all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// Only clients with one of these; none: labels do not matter.
    pub labels: Vec<String>,
    /// No clients with one of these.
    pub excluded_labels: Vec<String>,
    /// Only clients with this system.
    pub os: Option<Os>,
}

impl Condition {
    /// Whether it wants this client, by what is known about it at the moment.
    #[must_use]
    pub fn admits(&self, client: &Client) -> bool {
        let has = |label: &String| client.has_label(label);
        let system = &client.host.system;
        (self.labels.is_empty() || self.labels.iter().any(has))
            && !self.excluded_labels.iter().any(has)
            && self.os.is_none_or(|os| system.eq_ignore_ascii_case(os.system()))
    }
}

/// A client in a hunt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Which client.
    pub client: ClientId,
    /// Its collection: that of the hunt, or one that was put into it.
    pub flow: FlowId,
    /// When it joined, in microseconds since 1970.
    pub joined_us: u64,
}

/// What came of a hunt so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct HuntStats {
    /// Clients that joined.
    pub scheduled: u64,
    /// Clients of which nothing more is expected.
    pub finished: u64,
    /// Clients with rows.
    pub with_results: u64,
    /// Clients whose collection failed.
    pub with_errors: u64,
    /// Rows of all of them, as the agents count.
    pub rows: u64,
    /// Bytes of files of all of them.
    pub uploaded_bytes: u64,
}

impl Hunt {
    /// Whether it takes clients, time and limit considered.
    #[must_use]
    pub fn state(&self, scheduled: u64, now_us: u64) -> HuntState {
        let is_full = self.client_limit > 0 && scheduled >= self.client_limit;
        match self.state {
            HuntState::Running if is_full || self.expires_us <= now_us => HuntState::Stopped,
            state => state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::client::Host;

    fn client(system: &str, labels: &[&str]) -> Client {
        let host = Host { system: system.into(), ..Host::default() };
        Client { host, ..Client::labelled(labels) }
    }

    #[test]
    fn a_condition_wants_any_label_none_of_the_excluded_and_the_system() {
        let labels = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let condition = Condition {
            labels: labels(&["Lab", "front"]),
            excluded_labels: labels(&["fragile"]),
            os: Os::named("Linux"),
        };
        assert!(condition.admits(&client("linux", &["lab"])));
        assert!(condition.admits(&client("Linux", &["x", "Front"])));
        assert!(!condition.admits(&client("linux", &["lab", "Fragile"])));
        assert!(!condition.admits(&client("linux", &["x"])));
        assert!(!condition.admits(&client("darwin", &["lab"])));
        assert!(Condition::default().admits(&client("", &[])));
        let nobody = Condition { excluded_labels: labels(&["all"]), ..Condition::default() };
        assert!(!nobody.admits(&client("linux", &["lab"])));
    }

    #[test]
    fn a_running_hunt_stops_at_its_limit_and_at_its_end() {
        let hunt = |client_limit, state| Hunt {
            id: "H.1".parse().unwrap(),
            creator: String::new(),
            description: String::new(),
            artifacts: Vec::new(),
            spec: serde_json::Value::Null,
            request: FlowRequest::default(),
            urgent: false,
            condition: Condition::default(),
            client_limit,
            created_us: 0,
            started_us: 0,
            expires_us: 10,
            state,
        };
        for (limit, scheduled, now, expected) in [
            (0, 5, 9, HuntState::Running),
            (0, 5, 10, HuntState::Stopped),
            (0, 5, 11, HuntState::Stopped),
            (1, 0, 9, HuntState::Running),
            (5, 4, 9, HuntState::Running),
            (5, 5, 9, HuntState::Stopped),
            (5, 6, 9, HuntState::Stopped),
        ] {
            let found = hunt(limit, HuntState::Running).state(scheduled, now);
            assert_eq!(found, expected, "{limit} {scheduled} {now}");
        }
        assert_eq!(hunt(1, HuntState::Paused).state(5, 11), HuntState::Paused);
    }

    #[test]
    fn states_and_systems_have_the_names_that_people_know() {
        let states = [HuntState::Paused, HuntState::Running, HuntState::Stopped];
        for (number, (state, name)) in
            (1..).zip(states.into_iter().zip(["PAUSED", "RUNNING", "STOPPED"]))
        {
            assert_eq!((state.name(), HuntState::numbered(number)), (name, Some(state)));
        }
        assert_eq!((HuntState::numbered(0), HuntState::numbered(4)), (None, None));
        for (name, os) in [
            ("Windows", Some(Os::Windows)),
            ("LINUX", Some(Os::Linux)),
            ("darwin", Some(Os::Osx)),
            ("macOS", Some(Os::Osx)),
            ("osx", Some(Os::Osx)),
            ("", None),
        ] {
            assert_eq!(Os::named(name), os, "{name}");
        }
        assert_eq!([Os::Windows, Os::Linux, Os::Osx].map(Os::name), ["Windows", "Linux", "macOS"]);
    }
}
