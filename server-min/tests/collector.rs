//! Collections of the server itself: whose rights they have, what they bring, how they end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use troodon_server::account::{Accounts, Grant};
use troodon_server::acl::{Acl, Principal};
use troodon_server::actor::Actor;
use troodon_server::artifact::{Origin, Repository};
use troodon_server::collector::Runner;
use troodon_server::config::Config;
use troodon_server::events::ALERTS;
use troodon_server::export::{self, Wishes};
use troodon_server::flows;
use troodon_server::launcher::{Collect, LaunchError, Limits, Spec};
use troodon_server::model::flow::{Flow, FlowState};
use troodon_server::model::id::{FlowId, OrgId};
use troodon_server::model::policy::Policy;
use troodon_server::model::role::Role;
use troodon_server::model::site::Site;
use troodon_server::orgs::Orgs;
use troodon_server::query;
use troodon_server::services::Services;
use troodon_server::store::{Store, now_us};
use troodon_vql::Interrupt;

/// Seconds after which a test gives up.
const PATIENCE: u64 = 60;

const ARTIFACTS: [&str; 8] = [
    "name: Test.Two\ntype: SERVER\nparameters:\n- name: Word\n  default: none\nsources:\n- name: A\n\
     \x20 query: |\n    LET Said = Word + '!'\n    SELECT Said, whoami() AS Who FROM scope()\n- name: B\n\
     \x20 query: SELECT Said + '?' AS Twice FROM range(start=0, end=2)\n",
    "name: Test.Machine\ntype: SERVER\nsources:\n\
     - query: SELECT * FROM chain(a={SELECT OS FROM info()}, b={SELECT 'end' AS OS FROM scope()})\n",
    "name: Test.Clock\ntype: SERVER\nsources:\n- query: SELECT 1 AS Tick FROM clock(ms=20)\n",
    "name: Test.Strong\ntype: SERVER\nrequired_permissions: [EXECVE]\nsources:\n\
     - query: SELECT 1 AS X FROM scope()\n",
    "name: Test.File\ntype: SERVER\nparameters:\n- name: Path\nsources:\n\
     - query: SELECT upload(file=Path, name='/evidence/x.bin') AS Upload FROM scope()\n",
    "name: Test.Says\ntype: SERVER\nsources:\n\
     - query: SELECT log(message='the magic words') AS X FROM scope()\n",
    "name: Test.Many\ntype: SERVER\nsources:\n- query: SELECT _value FROM range(start=0, end=600)\n",
    "name: Test.Lends\ntype: SERVER\nimpersonate: VelociraptorServer\nsources:\n\
     - query: SELECT 1 AS X FROM scope()\n",
];

struct Bench {
    services: Services,
    folder: Arc<tempfile::TempDir>,
}

impl Bench {
    fn new() -> Self {
        Self::of(&Config::default(), Arc::new(tempfile::tempdir().unwrap()))
    }

    fn of(config: &Config, folder: Arc<tempfile::TempDir>) -> Self {
        let store = Store::open(folder.path()).unwrap();
        let mut repository = Repository::built_in().unwrap();
        for text in ARTIFACTS {
            repository.add(text, "test", Origin::Given).unwrap();
        }
        let acl = Acl::new(config, store.clone()).unwrap();
        let orgs = Arc::new(Orgs::of(config, Arc::new(repository), store, acl.clone()));
        let registry = Arc::new(query::registry(config).unwrap());
        Self { services: Services { orgs, acl, registry }, folder }
    }

    fn accounts(&self) -> Accounts {
        Accounts::new(self.services.acl.clone(), self.server(), OrgId::root())
    }

    fn user(&self, name: &str, policy: &Policy) -> Principal {
        let name = name.parse().unwrap();
        self.accounts().add(&name, None, policy).unwrap();
        Principal::User { name }
    }

    fn server(&self) -> Principal {
        Principal::Server { name: self.services.acl.server_name().into() }
    }

    fn store(&self) -> &Store {
        &self.services.orgs.root().store
    }

    fn launch(&self, who: &Principal, wanted: &Collect) -> Result<FlowId, LaunchError> {
        self.services.orgs.root().launcher.launch(who, Site::Server, wanted)
    }

    fn run(&self) -> Running {
        let switch = Interrupt::new();
        let thread = Runner::new(self.services.clone()).start(switch.clone()).unwrap();
        Running { switch, thread: Some(thread) }
    }

    fn flow(&self, id: &FlowId) -> Flow {
        self.store().flow(Site::Server, id).unwrap()
    }

    /// Waits until `look` finds something in the collection.
    fn wait<T>(&self, id: &FlowId, look: impl Fn(&Flow) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            let flow = self.flow(id);
            if let Some(found) = look(&flow) {
                return found;
            }
            let late = start.elapsed() >= Duration::from_secs(PATIENCE);
            assert!(!late, "{flow:?} {:?}", self.log(id));
            self.store().wait_for_commit(Duration::from_millis(100));
        }
    }

    fn end(&self, id: &FlowId) -> Flow {
        self.wait(id, |flow| flow.complete.then(|| flow.clone()))
    }

    fn rows(&self, id: &FlowId, name: &str) -> Vec<Value> {
        let rows = self.store().rows(Site::Server, id, &name.parse().unwrap(), 0).unwrap();
        rows.map(|row| serde_json::from_slice(&row.unwrap()).unwrap()).collect()
    }

    fn log(&self, id: &FlowId) -> Vec<String> {
        let lines = self.store().logs(Site::Server, id, 0).unwrap();
        let line = |row: &[u8]| serde_json::from_slice::<Value>(row).unwrap();
        lines.map(|one| line(&one.unwrap())["message"].as_str().unwrap().to_owned()).collect()
    }
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

fn wanted(artifact: &str, parameters: &[(&str, &str)]) -> Collect {
    let parameters = parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let spec = Spec { artifact: artifact.to_owned(), parameters: parameters.collect() };
    Collect { specs: vec![spec], ..Collect::default() }
}

fn administrator() -> Policy {
    Policy::of([Role::Administrator])
}

#[test]
fn sources_share_their_variables_and_their_rows_are_kept_by_name() {
    let bench = Bench::new();
    let ivy = bench.user("ivy", &administrator());
    let id = bench.launch(&ivy, &wanted("Test.Two", &[("Word", "hey")])).unwrap();
    assert_eq!(bench.flow(&id).state(now_us()), FlowState::Running);
    let _running = bench.run();
    let flow = bench.end(&id);
    assert_eq!((flow.state(now_us()), flow.creator.as_str()), (FlowState::Finished, "ivy"));
    assert_eq!(bench.rows(&id, "Test.Two/A"), [serde_json::json!({"Said": "hey!", "Who": "ivy"})]);
    let twice = bench.rows(&id, "Test.Two/B");
    assert!(twice.len() >= 2 && twice.iter().all(|row| row["Twice"] == "hey!?"), "{twice:?}");
    let rows = u64::try_from(twice.len()).unwrap() + 1;
    assert_eq!(flow.totals().rows, rows);
    assert_eq!(bench.log(&id)[0], "Starting as ivy");

    let mut file = std::io::Cursor::new(Vec::new());
    let exported = export::flow(bench.store(), Site::Server, &id, &Wishes::default(), &mut file);
    assert!(exported.unwrap().entries > 6);
    let actor = Actor::new(bench.store().clone(), bench.services.acl.clone(), ivy);
    flows::delete(&actor, Site::Server, &id).unwrap();
    assert!(bench.store().flow(Site::Server, &id).is_err());
}

#[test]
fn a_collection_is_launched_again_with_the_same_or_another_value() {
    let bench = Bench::new();
    let (ivy, _running) = (bench.user("ivy", &administrator()), bench.run());
    let limits = Limits { timeout: 77, ..Limits::default() };
    let asked = Collect { limits, urgent: true, ..wanted("Test.Two", &[("Word", "hey")]) };
    let first = bench.launch(&bench.server(), &asked).unwrap();
    let launcher = &bench.services.orgs.root().launcher;
    for (changed, said) in [(vec![], "hey!"), (vec![("Word".to_owned(), "ho".to_owned())], "ho!")] {
        let again = launcher.launch_again(&ivy, Site::Server, &first, &changed).unwrap();
        let flow = bench.end(&again);
        assert!(again != first && flow.urgent && flow.creator == "ivy");
        assert_eq!(flow.spec["limits"]["timeout"], 77);
        assert_eq!(bench.rows(&again, "Test.Two/A")[0]["Said"], said);
    }
}

#[test]
fn a_collection_says_until_when_it_may_begin_and_the_same_again_waits_as_long() {
    let bench = Bench::new();
    let over = Collect { expires: 1, ..wanted("Test.Two", &[]) };
    let refused = bench.launch(&bench.server(), &over).unwrap_err().to_string();
    assert_eq!(refused, "expires: 1 s since 1970 is over already");
    let begun = now_us() / 1_000_000;
    let hour = Collect { expires: begun + 3600, ..wanted("Test.Two", &[]) };
    let first = bench.launch(&bench.server(), &hour).unwrap();
    let flow = bench.flow(&first);
    assert_eq!(flow.expires_us(), (begun + 3600) * 1_000_000);
    // Whoever runs it looks as well.
    let told = flow.request.vql_client_actions.iter().map(|action| action.expiry);
    assert!(told.clone().count() > 0 && told.clone().all(|expiry| expiry == begun + 3600));
    let launcher = &bench.services.orgs.root().launcher;
    let again = launcher.launch_again(&bench.server(), Site::Server, &first, &[]).unwrap();
    let wait = bench.flow(&again).expires_us() / 1_000_000 - begun;
    assert!((3599..3660).contains(&wait), "{wait}");
    let _running = bench.run();
    assert_eq!(bench.end(&first).state(now_us()), FlowState::Finished);
}

#[test]
fn the_built_in_artifact_counts_the_clients_of_each_system() {
    let bench = Bench::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for id in ["C.0123456789abcdef", "C.1123456789abcdef"] {
        runtime.block_on(bench.store().enrol(id.parse().unwrap(), vec![1])).unwrap();
    }
    let _running = bench.run();
    let id = bench.launch(&bench.server(), &wanted("Server.Clients.Systems", &[])).unwrap();
    let flow = bench.end(&id);
    assert_eq!(flow.state(now_us()), FlowState::Finished, "{:?}", bench.log(&id));
    let rows = bench.rows(&id, "Server.Clients.Systems");
    assert_eq!(rows, [serde_json::json!({"System": "", "Clients": 2, "Seen": 0})]);
}

#[test]
fn collecting_lifts_nobody_s_rights() {
    let bench = Bench::new();
    let ann = bench.user("ann", &Policy::of([Role::Investigator]));
    let refused = bench.launch(&ann, &wanted("Test.Two", &[])).unwrap_err().to_string();
    let why = "ann may not collect on the server: Permission denied: [COLLECT_SERVER]";
    assert_eq!(refused, format!("PermissionDenied: {why}"));

    let policy = Policy::parse(r#"{"roles":["reader"],"collect_server":true}"#).unwrap();
    let bob = bench.user("bob", &policy);
    let refused = bench.launch(&bob, &wanted("Test.Strong", &[])).unwrap_err().to_string();
    assert!(refused.contains("bob may not collect Test.Strong"), "{refused}");
    let refused = bench.launch(&bench.server(), &wanted("Test.Lends", &[])).unwrap_err();
    assert!(refused.to_string().contains("has `impersonate`"), "{refused}");
    let refused = bench.launch(&bob, &wanted("Linux.Sys.Users", &[])).unwrap_err().to_string();
    assert!(refused.contains("is of type CLIENT; SERVER is needed here"), "{refused}");

    let id = bench.launch(&bob, &wanted("Test.Machine", &[])).unwrap();
    let _running = bench.run();
    bench.end(&id);
    assert_eq!(bench.rows(&id, "Test.Machine"), [serde_json::json!({"OS": "end"})]);
    let denied = "info: PermissionDenied: Permission denied: [MACHINE_STATE]";
    assert!(bench.log(&id).iter().any(|line| line == denied), "{:?}", bench.log(&id));
}

#[test]
fn who_has_lost_the_right_since_gets_nothing() {
    let bench = Bench::new();
    let ivy = bench.user("ivy", &administrator());
    let id = bench.launch(&ivy, &wanted("Test.Two", &[])).unwrap();
    let name = "ivy".parse().unwrap();
    bench.accounts().grant(&name, Policy::of([Role::Reader]), Grant::Replace).unwrap();
    let _running = bench.run();
    let flow = bench.end(&id);
    assert_eq!(flow.state(now_us()), FlowState::Error);
    assert!(flow.status().contains("ivy may not collect on the server"), "{}", flow.status());
    assert!(bench.store().results(Site::Server, &id).unwrap().is_empty());
}

#[test]
fn lockdown_begins_no_collection_and_queues_none() {
    let bench = Bench::new();
    let id = bench.launch(&bench.server(), &wanted("Test.Two", &[])).unwrap();
    let folder = Arc::clone(&bench.folder);
    drop(bench);
    let locked = Bench::of(&Config { lockdown: true, ..Config::default() }, folder);
    let refused = locked.launch(&locked.server(), &wanted("Test.Two", &[])).unwrap_err();
    assert!(refused.to_string().contains("Server locked down: [COLLECT_SERVER]"), "{refused}");
    let _running = locked.run();
    let flow = locked.end(&id);
    assert!(flow.status().contains("Server locked down"), "{}", flow.status());
}

#[test]
fn a_collection_ends_when_it_is_cancelled_or_has_run_too_long_or_brought_too_much() {
    let bench = Bench::new();
    let (server, _running) = (bench.server(), bench.run());
    let id = bench.launch(&server, &wanted("Test.Clock", &[])).unwrap();
    bench.wait(&id, |flow| (flow.totals().rows > 2).then_some(()));
    let flow = bench.flow(&id);
    assert_eq!(flow.state(now_us()), FlowState::InProgress);
    let actor = Actor::new(bench.store().clone(), bench.services.acl.clone(), server.clone());
    assert!(flows::cancel(&actor, Site::Server, &id).unwrap());
    assert!(!flows::cancel(&actor, Site::Server, &id).unwrap());
    assert_eq!(bench.flow(&id).status(), "Cancelled by VelociraptorServer");

    let late = Limits { timeout: 1, ..Limits::default() };
    let late = Collect { limits: late, ..wanted("Test.Clock", &[]) };
    let much = Limits { max_rows: 3, ..Limits::default() };
    let much = Collect { limits: much, ..wanted("Test.Clock", &[]) };
    for (wanted, why) in
        [(late, "Timeout: the query has run for 1 s"), (much, "more rows than the limit of 3")]
    {
        let id = bench.launch(&server, &wanted).unwrap();
        let flow = bench.end(&id);
        assert_eq!((flow.state(now_us()), flow.status()), (FlowState::Error, why));
        let kept = bench.rows(&id, "Test.Clock").len();
        assert!(kept > 0 && (kept == 3 || why.starts_with("Timeout")), "{kept}");
        assert_eq!(bench.log(&id).iter().filter(|line| *line == why).count(), 1);
    }
}

#[test]
fn a_collection_runs_as_fast_as_it_may_and_what_cannot_be_limited_is_refused() {
    let bench = Bench::new();
    let (server, _running) = (bench.server(), bench.run());
    // Some 600 steps at least.
    let slow = Limits { ops_per_second: 1200.0, ..Limits::default() };
    let slow = Collect { limits: slow, ..wanted("Test.Many", &[]) };
    let flow = bench.end(&bench.launch(&server, &slow).unwrap());
    assert_eq!(flow.state(now_us()), FlowState::Finished);
    assert!(flow.totals().rows >= 600);
    let took = Duration::from_nanos(flow.totals().duration_ns);
    assert!(took >= Duration::from_millis(450), "{took:?}");
    let odd = Limits { iops_limit: 5.0, ..Limits::default() };
    let odd = Collect { limits: odd, ..wanted("Test.Many", &[]) };
    let refused = bench.launch(&server, &odd).unwrap_err().to_string();
    assert!(refused.starts_with("iops_limit: the server counts no operations"), "{refused}");
}

#[test]
fn a_message_that_the_configuration_calls_an_error_is_one() {
    for (pattern, state) in
        [("", FlowState::Finished), ("(?i)MAGIC", FlowState::Error), ("other", FlowState::Finished)]
    {
        let mut config = Config::default();
        config.frontend.collection_error_regex = pattern.to_owned();
        let bench = Bench::of(&config, Arc::new(tempfile::tempdir().unwrap()));
        let _running = bench.run();
        let id = bench.launch(&bench.server(), &wanted("Test.Says", &[])).unwrap();
        let flow = bench.end(&id);
        assert_eq!(flow.state(now_us()), state, "{pattern}: {:?}", bench.log(&id));
        if state == FlowState::Error {
            assert_eq!(flow.status(), "the magic words");
        }
    }
}

#[test]
fn what_ran_when_the_server_ended_is_over_and_says_why() {
    let bench = Bench::new();
    let server = bench.server();
    let running = bench.run();
    let stopped = bench.launch(&server, &wanted("Test.Clock", &[])).unwrap();
    bench.wait(&stopped, |flow| (flow.totals().rows > 0).then_some(()));
    drop(running);
    let why = "The server ended while the collection ran";
    assert_eq!(bench.end(&stopped).status(), why);

    // Killed: nobody has ended it.
    let killed = bench.launch(&server, &wanted("Test.Clock", &[])).unwrap();
    let sql = "UPDATE flow SET delivered_us = 1 WHERE id = ?1";
    let id = killed.as_str().to_owned();
    bench.store().write(move |db| Ok(db.execute(sql, [id])?)).unwrap();
    let waits = bench.launch(&server, &wanted("Test.Two", &[])).unwrap();
    let _running = bench.run();
    assert_eq!(bench.end(&killed).status(), why);
    assert_eq!(bench.log(&killed), [why]);
    assert_eq!(bench.end(&waits).state(now_us()), FlowState::Finished);
}

#[test]
fn an_alert_of_any_query_is_an_event_and_says_whose_it_is() {
    let bench = Bench::new();
    let ivy = bench.user("ivy", &administrator());
    let Services { orgs, acl, registry } = &bench.services;
    let backend = Arc::new(query::Backend::new(orgs, orgs.root(), acl, ivy));
    let (registry, interrupt) = (Arc::clone(registry), Interrupt::new());
    let text = "SELECT alert(name='fire', level=7), log(message='no JSON', level='ALERT'), \
                log(message='only said') FROM scope()";
    let log = Box::new(query::Messages::default());
    query::run(text, &[], backend, registry, log, interrupt, |_| Ok(())).unwrap();
    let kept = bench.store().server_events(&ALERTS.parse().unwrap(), 0..u64::MAX);
    let rows: Vec<Value> =
        kept.map(|one| serde_json::from_slice(&one.unwrap().row).unwrap()).collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(rows[0]["event"]["name"], "fire");
    assert_eq!(rows[0]["event"]["event_data"]["level"], 7);
    assert_eq!(rows[1]["event"]["name"], "no JSON");
    assert!(rows.iter().all(|row| row["_Sender"] == "ivy" && row["client_id"] == "server"));
}

#[test]
fn files_of_a_collection_are_kept_with_it() {
    let bench = Bench::new();
    let path = bench.folder.path().join("evidence");
    let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&path, &content).unwrap();
    let path = path.to_str().unwrap();
    let _running = bench.run();
    let id = bench.launch(&bench.server(), &wanted("Test.File", &[("Path", path)])).unwrap();
    let flow = bench.end(&id);
    assert_eq!(flow.state(now_us()), FlowState::Finished, "{:?}", bench.log(&id));
    let uploads = bench.store().uploads(Site::Server, &id).unwrap();
    let size = u64::try_from(content.len()).unwrap();
    assert_eq!((uploads.len(), uploads[0].stored, uploads[0].complete), (1, size, true));
    assert_eq!(uploads[0].path, "/evidence/x.bin");
    let mut file = bench.store().open_upload(Site::Server, &id, 0).unwrap();
    let mut kept = Vec::new();
    file.read_to_end(&mut kept).unwrap();
    assert!(kept == content);
    assert_eq!(flow.totals().uploaded_bytes, size);
    let row = &bench.rows(&id, "Test.File")[0]["Upload"];
    assert_eq!(row["StoredSize"], size);

    let small = Limits { max_upload_bytes: 1000, ..Limits::default() };
    let small = Collect { limits: small, ..wanted("Test.File", &[("Path", path)]) };
    let id = bench.launch(&bench.server(), &small).unwrap();
    let status = bench.end(&id).status().to_owned();
    assert!(status.contains("uploads exceed the limit of 1000 bytes"), "{status}");
}

#[test]
fn a_file_with_holes_is_kept_without_them_and_with_their_places() {
    const HOLE: u64 = 8 << 20;
    let bench = Bench::new();
    let path = bench.folder.path().join("sparse");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(b"begin").unwrap();
    file.seek(std::io::SeekFrom::Start(HOLE)).unwrap();
    file.write_all(b"end").unwrap();
    file.set_len(2 * HOLE).unwrap();
    drop(file);
    if std::fs::metadata(&path).unwrap().blocks() * 512 >= HOLE {
        println!("SKIPPED: the file system keeps no holes");
        return;
    }
    let _running = bench.run();
    let given = [("Path", path.to_str().unwrap())];
    let id = bench.launch(&bench.server(), &wanted("Test.File", &given)).unwrap();
    let flow = bench.end(&id);
    assert_eq!(flow.state(now_us()), FlowState::Finished, "{:?}", bench.log(&id));
    let upload = bench.store().uploads(Site::Server, &id).unwrap().remove(0);
    assert_eq!((upload.size, upload.complete), (2 * HOLE, true));
    assert!(upload.stored < HOLE, "{upload:?}");
    // What is there and where it was makes the file again.
    let mut kept = Vec::new();
    let mut file = bench.store().open_upload(Site::Server, &id, 0).unwrap();
    file.read_to_end(&mut kept).unwrap();
    let mut whole = Vec::new();
    let ranges: Value = serde_json::from_str(upload.sparse.as_ref().unwrap()).unwrap();
    for range in ranges.as_array().unwrap() {
        let number = |name: &str| usize::try_from(range[name].as_u64().unwrap()).unwrap();
        assert_eq!(number("original_offset"), whole.len());
        match number("file_length") {
            0 => whole.resize(whole.len() + number("length"), 0),
            length => whole.extend(&kept[number("file_offset")..][..length]),
        }
    }
    assert!(whole == std::fs::read(&path).unwrap());
}
