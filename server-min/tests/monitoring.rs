//! What clients are to watch: who may change it, who gets which table, and when its version changes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use troodon_proto::VqlEventTable;
use troodon_server::account::{Accounts, Grant};
use troodon_server::acl::{Acl, Principal};
use troodon_server::artifact::{Origin, Repository};
use troodon_server::config::Config;
use troodon_server::launcher::Launcher;
use troodon_server::model::client::Client;
use troodon_server::model::id::{ClientId, OrgId};
use troodon_server::model::monitoring::Watch;
use troodon_server::model::policy::Policy;
use troodon_server::model::role::Role;
use troodon_server::monitoring::Monitoring;
use troodon_server::store::Store;

const EVENTS: [&str; 3] = [
    "name: Test.Plain\ntype: CLIENT_EVENT\nsources:\n- query: SELECT * FROM clock(period=1)\n",
    "name: Test.Other\ntype: CLIENT_EVENT\nparameters:\n- name: Period\n  type: int\nsources:\n\
     - query: SELECT * FROM clock(period=Period)\n",
    "name: Test.Strong\ntype: CLIENT_EVENT\nrequired_permissions: [EXECVE]\nsources:\n\
     - query: SELECT * FROM clock(period=1)\n",
];

struct Bench {
    store: Store,
    acl: Acl,
    monitoring: Monitoring,
    client: ClientId,
    _folder: tempfile::TempDir,
}

fn server() -> Principal {
    Principal::Server { name: "VelociraptorServer".into() }
}

fn monitoring(store: &Store, acl: &Acl) -> Monitoring {
    let mut repository = Repository::built_in().unwrap();
    for text in EVENTS {
        repository.add(text, "test", Origin::Given).unwrap();
    }
    let (config, repository) = (Config::default(), Arc::new(repository));
    let launcher = Launcher::new(&config, repository, store.clone(), acl.clone());
    let usual = ["Test.Plain".to_owned(), "Not.Here".to_owned()];
    Monitoring::new(store.clone(), Arc::new(launcher), &usual)
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let client: ClientId = "C.0123456789abcdef".parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(store.enrol(client, vec![1])).unwrap());
        let acl = Acl::new(&Config::default(), store.clone()).unwrap();
        Self { monitoring: monitoring(&store, &acl), store, acl, client, _folder: folder }
    }

    fn record(&self, event_table_version: u64) -> Client {
        Client { event_table_version, ..self.store.client(&self.client).unwrap().unwrap() }
    }

    /// The table for an agent that has none.
    fn table(&self) -> VqlEventTable {
        self.monitoring.table(&self.record(0)).unwrap().unwrap()
    }

    fn user(&self, name: &str, roles: &[Role]) -> Principal {
        let accounts = Accounts::new(self.acl.clone(), server(), OrgId::root());
        let name = name.parse().unwrap();
        accounts.grant(&name, Policy::of(roles.iter().copied()), Grant::Replace).unwrap();
        Principal::User { name }
    }
}

fn watch(artifact: &str) -> Watch {
    Watch { artifact: artifact.into(), parameters: BTreeMap::new() }
}

fn names(table: &VqlEventTable) -> Vec<&str> {
    let queries = table.event.iter().flat_map(|event| &event.query);
    queries.map(|query| query.name.as_str()).filter(|name| !name.is_empty()).collect()
}

#[test]
fn until_somebody_edits_it_the_list_is_that_of_the_configuration() {
    let bench = Bench::new();
    let table = bench.table();
    assert_eq!(names(&table), ["Test.Plain"]);
    assert!(bench.monitoring.table(&bench.record(table.version)).unwrap().is_none());
    // A restart changes nothing.
    let again = monitoring(&bench.store, &bench.acl).table(&bench.record(0)).unwrap().unwrap();
    assert_eq!(again, table);
}

#[test]
fn an_edit_makes_a_later_version_with_other_content() {
    let bench = Bench::new();
    let before = bench.table();
    bench.monitoring.add(&server(), None, watch("Test.Other")).unwrap();
    let after = bench.monitoring.table(&bench.record(before.version)).unwrap().unwrap();
    assert_eq!(names(&after), ["Test.Plain", "Test.Other"]);
    bench.monitoring.remove(&server(), None, "Test.Plain").unwrap();
    let last = bench.monitoring.table(&bench.record(after.version)).unwrap().unwrap();
    assert_eq!(names(&last), ["Test.Other"]);
}

#[test]
fn a_label_decides_about_further_artifacts() {
    let bench = Bench::new();
    bench.monitoring.add(&server(), Some("Lab"), watch("Test.Other")).unwrap();
    let without = bench.table();
    assert_eq!(names(&without), ["Test.Plain"]);
    bench.store.label(&bench.client, vec!["lab".into()], Vec::new()).unwrap();
    let with = bench.monitoring.table(&bench.record(without.version)).unwrap().unwrap();
    assert_eq!(names(&with), ["Test.Plain", "Test.Other"]);
}

#[test]
fn required_permissions_count_for_what_clients_watch() {
    let bench = Bench::new();
    let investigator = bench.user("ivan", &[Role::Investigator]);
    bench.monitoring.add(&investigator, None, watch("Test.Other")).unwrap();
    let refused = bench.monitoring.add(&investigator, None, watch("Test.Strong")).unwrap_err();
    assert!(refused.to_string().contains("Permission denied: [EXECVE]"), "{refused}");
    let reader = bench.user("rita", &[Role::Reader]);
    bench.monitoring.add(&reader, None, watch("Test.Plain")).unwrap_err();
    bench.monitoring.remove(&reader, None, "Test.Other").unwrap_err();
    assert_eq!(names(&bench.table()), ["Test.Plain", "Test.Other"]);
    let records = bench.store.audit_records(0, 100).unwrap();
    let told: Vec<_> = records
        .iter()
        .filter(|(_, record)| record.operation == "SetClientMonitoringState")
        .map(|(_, record)| (record.principal.as_str(), record.allowed))
        .collect();
    assert_eq!(told, [("ivan", true), ("ivan", false), ("rita", false), ("rita", false)]);
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let bench = Bench::new();
    for artifact in ["No.Such", "Linux.Sys.Users"] {
        assert!(bench.monitoring.add(&server(), None, watch(artifact)).is_err(), "{artifact}");
    }
    let mut misspelt = watch("Test.Other");
    misspelt.parameters.insert("Peroid".into(), "5".into());
    assert!(bench.monitoring.add(&server(), None, misspelt).is_err());
    assert_eq!(names(&bench.table()), ["Test.Plain"]);
}
