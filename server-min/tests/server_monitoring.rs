//! Event queries of the server: whose rights they have, what they keep, how they come back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use troodon_server::account::Accounts;
use troodon_server::acl::{Acl, Principal};
use troodon_server::actor::Actor;
use troodon_server::artifact::{Origin, Repository};
use troodon_server::config::Config;
use troodon_server::events::ALERTS;
use troodon_server::model::id::OrgId;
use troodon_server::model::monitoring::Watch;
use troodon_server::model::policy::Policy;
use troodon_server::model::role::Role;
use troodon_server::orgs::Orgs;
use troodon_server::query;
use troodon_server::server_monitoring::{self, Runner, ServerMonitoringError};
use troodon_server::services::Services;
use troodon_server::store::Store;
use troodon_vql::Interrupt;

/// Seconds after which a test gives up.
const PATIENCE: u64 = 60;

const EVENTS: [&str; 6] = [
    "name: Test.Copy\ntype: SERVER_EVENT\nparameters:\n- name: Queue\n  default: Test.Queue\nsources:\n\
     - query: SELECT Word, _Sender FROM watch_monitoring(artifact=Queue)\n",
    "name: Test.Short\ntype: SERVER_EVENT\nsources:\n- name: A\n  query: SELECT 1 AS X FROM scope()\n\
     - name: B\n  query: SELECT log(message='{\"name\":\"fire\"}', level='ALERT') AS X FROM scope()\n",
    "name: Test.Machine\ntype: SERVER_EVENT\nsources:\n\
     - query: SELECT * FROM chain(a={SELECT OS FROM info()}, b={SELECT 'end' AS OS FROM scope()})\n",
    "name: Test.Strong\ntype: SERVER_EVENT\nrequired_permissions: [EXECVE]\nsources:\n\
     - query: SELECT * FROM clock(period=1)\n",
    "name: Test.Calls\ntype: SERVER_EVENT\nsources:\n\
     - query: SELECT * FROM Artifact.Test.Inner(Word='given')\n",
    "name: Test.Inner\ntype: SERVER\nrequired_permissions: [EXECVE]\nparameters:\n- name: Word\n\
     - name: Number\n  type: int\n  default: '7'\nsources:\n- query: SELECT Word, Number FROM scope()\n",
];

struct Bench {
    services: Services,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::of(&Config::default())
    }

    fn of(config: &Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut repository = Repository::built_in().unwrap();
        for text in EVENTS {
            repository.add(text, "test", Origin::Given).unwrap();
        }
        Self { services: services(config, store, repository), _folder: folder }
    }

    fn user(&self, name: &str, roles: &[Role]) -> Actor {
        let acl = &self.services.acl;
        let own = Principal::Server { name: acl.server_name().into() };
        let accounts = Accounts::new(acl.clone(), own, OrgId::root());
        let policy = Policy::of(roles.iter().copied());
        accounts.add(&name.parse().unwrap(), None, &policy).unwrap();
        self.actor(Principal::User { name: name.parse().unwrap() })
    }

    fn store(&self) -> &Store {
        &self.services.orgs.root().store
    }

    fn server(&self) -> Actor {
        self.actor(Principal::Server { name: self.services.acl.server_name().into() })
    }

    fn actor(&self, principal: Principal) -> Actor {
        let (store, acl) = (self.store(), &self.services.acl);
        Actor::new(store.clone(), acl.clone(), principal)
    }

    fn add(&self, actor: &Actor, artifact: &str) -> Result<(), ServerMonitoringError> {
        let watch = Watch { artifact: artifact.into(), parameters: BTreeMap::new() };
        server_monitoring::add(actor, &self.services.orgs.root().launcher, watch).map(drop)
    }

    fn run(&self) -> Running {
        let switch = Interrupt::new();
        let thread = Runner::new(self.services.clone()).start(switch.clone()).unwrap();
        Running { switch, thread: Some(thread) }
    }

    fn rows(&self, name: &str) -> Vec<Value> {
        let events = self.store().server_events(&name.parse().unwrap(), 0..u64::MAX);
        events.map(|one| serde_json::from_slice(&one.unwrap().row).unwrap()).collect()
    }

    fn messages(&self, name: &str) -> Vec<String> {
        let logs = self.store().server_event_logs(&name.parse().unwrap(), 0..u64::MAX);
        let line = |row: &[u8]| serde_json::from_slice::<Value>(row).unwrap();
        logs.map(|one| line(&one.unwrap().row)["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until `look` finds something.
    fn wait<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(start.elapsed() < Duration::from_secs(PATIENCE), "{what} does not happen");
            self.store().wait_for_commit(Duration::from_millis(100));
        }
    }
}

fn services(config: &Config, store: Store, repository: Repository) -> Services {
    let acl = Acl::new(config, store.clone()).unwrap();
    let orgs = Arc::new(Orgs::of(config, Arc::new(repository), store, acl.clone()));
    Services { orgs, acl, registry: Arc::new(query::registry(config).unwrap()) }
}

/// Stops when it is dropped.
struct Running {
    switch: Interrupt,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.switch.set();
        self.thread.take().unwrap().join().unwrap();
    }
}

#[test]
fn an_event_query_follows_a_queue_and_keeps_its_rows_over_a_restart() {
    let bench = Bench::new();
    bench.add(&bench.server(), "Test.Copy").unwrap();
    let queue = "Test.Queue".parse().unwrap();
    for word in ["first", "second"] {
        let running = bench.run();
        let starts = bench.messages("Test.Copy").len();
        bench.wait("the start", || (bench.messages("Test.Copy").len() > starts).then_some(()));
        let line = format!("{{\"Word\":\"{word}\"}}");
        bench.wait("the row", || {
            // What was sent before the query followed the queue is not for it.
            troodon_server::events::send(&bench.server(), &queue, line.as_bytes()).unwrap();
            bench.rows("Test.Copy").iter().any(|row| row["Word"] == word).then_some(())
        });
        drop(running);
    }
    let rows = bench.rows("Test.Copy");
    assert!(rows.iter().any(|row| row["Word"] == "first"), "{rows:?}");
    assert_eq!(rows[0]["_Sender"], "VelociraptorServer");
}

#[test]
fn a_query_that_ends_starts_again_and_an_alert_of_it_is_kept_as_one() {
    let bench = Bench::new();
    bench.add(&bench.server(), "Test.Short").unwrap();
    let _running = bench.run();
    bench.wait("the second start", || (bench.rows("Test.Short/A").len() >= 2).then_some(()));
    let said = bench.messages("Test.Short/A");
    assert!(said.iter().any(|line| line.ends_with("starts again in 1 s")), "{said:?}");
    let alert = bench.wait("an alert", || bench.rows(ALERTS).pop());
    assert_eq!(alert["event"]["name"], "fire");
    server_monitoring::remove(&bench.server(), &bench.services.orgs.root().launcher, "Test.Short")
        .unwrap();
}

#[test]
fn launching_lifts_nobody_s_rights() {
    let bench = Bench::new();
    let ann = bench.user("ann", &[Role::Reader]);
    assert!(matches!(bench.add(&ann, "Test.Machine"), Err(ServerMonitoringError::Act(_))));
    let policy = r#"{"roles":["reader"],"collect_server":true,"any_query":true}"#;
    let policy = Policy::parse(policy).unwrap();
    let Services { acl, .. } = &bench.services;
    let own = Principal::Server { name: acl.server_name().into() };
    let accounts = Accounts::new(acl.clone(), own, OrgId::root());
    let grant = troodon_server::account::Grant::Replace;
    accounts.grant(&"ann".parse().unwrap(), policy, grant).unwrap();
    let refused = bench.add(&ann, "Test.Strong").unwrap_err();
    assert!(refused.to_string().contains("may not collect Test.Strong"), "{refused}");

    bench.add(&ann, "Test.Machine").unwrap();
    let _running = bench.run();
    bench.wait("a row", || bench.rows("Test.Machine").pop());
    assert!(bench.rows("Test.Machine").iter().all(|row| row["OS"] == "end"));
    let said = bench.messages("Test.Machine");
    let denied = "info: PermissionDenied: Permission denied: [MACHINE_STATE]";
    assert!(said.iter().any(|line| line == denied), "{said:?}");
}

#[test]
fn only_the_launched_artifact_is_asked_for_what_it_requires() {
    let bench = Bench::new();
    bench.user("ivy", &[Role::Administrator]);
    bench.add(&bench.server(), "Test.Calls").unwrap();
    let _running = bench.run();
    let row = bench.wait("a row", || bench.rows("Test.Calls").pop());
    assert_eq!((&row["Word"], &row["Number"]), (&"given".into(), &7.into()));
    assert_eq!(row["_Source"], "Test.Inner");
}

#[test]
fn in_lockdown_the_list_stays_as_it_is_and_goes_on() {
    let bench = Bench::new();
    bench.add(&bench.server(), "Test.Short").unwrap();
    let config = Config { lockdown: true, ..Config::default() };
    let (store, launcher) = (bench.store(), &bench.services.orgs.root().launcher);
    let acl = Acl::new(&config, store.clone()).unwrap();
    let locked = Bench {
        services: Services { acl, ..bench.services.clone() },
        _folder: tempfile::tempdir().unwrap(),
    };
    let said = locked.add(&locked.server(), "Test.Copy").unwrap_err().to_string();
    assert!(said.contains("Server locked down"), "{said}");
    let said = server_monitoring::remove(&locked.server(), launcher, "Test.Short").unwrap_err();
    assert!(said.to_string().contains("Server locked down"), "{said}");
    let _running = locked.run();
    locked.wait("a row", || locked.rows("Test.Short/A").pop());
}

#[test]
fn an_artifact_that_is_no_event_artifact_of_the_server_is_refused() {
    let bench = Bench::new();
    for (artifact, why) in [
        ("Test.Inner", "is of type SERVER; SERVER_EVENT is needed here"),
        ("Generic.Client.Stats", "is of type CLIENT_EVENT"),
        ("Not.Here", "there is no artifact `Not.Here`"),
    ] {
        let said = bench.add(&bench.server(), artifact).unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    }
}
