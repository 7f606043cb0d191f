//! Artifacts to requests: what agents get, compared with files in `tests/compile`.
//!
//! `UPDATE_GOLDEN=1 cargo test -p troodon-server --test compile` writes the files again; read the difference.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use troodon_proto::{FlowRequest, VqlCollectorArgs};
use troodon_server::account::{Accounts, Grant};
use troodon_server::acl::{Acl, Principal};
use troodon_server::artifact::{ArtifactType, Origin, Repository};
use troodon_server::config::Config;
use troodon_server::launcher::{Collect, Launcher, Limits, Spec};
use troodon_server::model::id::{ClientId, OrgId, UserName};
use troodon_server::model::policy::Policy;
use troodon_server::model::role::Role;
use troodon_server::store::Store;

const TYPED: &str = r"
name: Test.Typed
parameters:
  - name: Count
    type: int
    default: 5
  - name: Since
    type: timestamp
    default: 2026-01-01
  - name: Deep
    type: bool
    default: Y
  - name: Rows
    type: csv
    default: |
      A
      1
  - name: List
    type: json_array
    default: '[1]'
  - name: Odd-Name
    type: float
    default: 1.5
  - name: Plain
    default: text
export: |
  LET Twice(x) = x * 2
precondition: select * from info() where OS = 'linux'
sources:
  - query: |
      -- A comment that does not travel.
      LET X = SELECT Twice(x=Count) AS N
         FROM scope()
      SELECT * FROM X
  - name: Second
    query: SELECT 2 AS N FROM scope()
";

const PARALLEL: &str = r"
name: Test.Parallel
sources:
  - name: Linux
    precondition: SELECT * FROM info() WHERE OS = 'linux'
    query: SELECT 1 AS A FROM scope()
  - name: Any
    query: SELECT 2 AS A FROM scope()
";

const CALLER: &str = r"
name: Test.Caller
imports:
  - Test.Typed
resources:
  timeout: 30
  max_rows: 7
sources:
  - query: SELECT * FROM Artifact.Test.Middle(Count=3)
";

const MIDDLE: &str = r"
name: Test.Middle
parameters:
  - name: Count
    type: int
    default: 1
sources:
  - query: SELECT * FROM Artifact.Test.Parallel() WHERE Count
";

const EVENT: &str = r"
name: Test.Event
type: client_event
parameters:
  - name: Period
    type: int
    default: 10
sources:
  - name: A
    query: SELECT * FROM clock(period=Period)
  - name: B
    precondition: SELECT 1 FROM scope()
    query: SELECT * FROM clock(period=Period)
";

struct Bench {
    launcher: Launcher,
    store: Store,
    _folder: tempfile::TempDir,
}

fn bench_with(config: &Config) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut repository = Repository::built_in().unwrap();
    for text in [TYPED, PARALLEL, CALLER, MIDDLE, EVENT] {
        repository.add(text, "test", Origin::Given).unwrap();
    }
    let acl = Acl::new(config, store.clone()).unwrap();
    let launcher = Launcher::new(config, Arc::new(repository), store.clone(), acl);
    Bench { launcher, store, _folder: folder }
}

fn bench() -> Bench {
    bench_with(&Config::default())
}

fn wanted(artifacts: &[&str]) -> Collect {
    Collect { specs: artifacts.iter().map(|name| Spec::of(name)).collect(), ..Collect::default() }
}

/// The request as a text for people.
fn shown(request: &FlowRequest) -> String {
    let mut text = String::new();
    writeln!(
        text,
        "max_rows {} max_upload_bytes {} log_batch_time {} compression {:?}",
        request.max_rows,
        request.max_upload_bytes,
        request.log_batch_time,
        request.compression()
    )
    .unwrap();
    text + &shown_actions(&request.vql_client_actions)
}

fn shown_actions(actions: &[VqlCollectorArgs]) -> String {
    let mut text = String::new();
    for action in actions {
        writeln!(text, "\n== {} of {}", action.query_id, action.total_queries).unwrap();
        writeln!(
            text,
            "max_row {} max_wait {} timeout {}",
            action.max_row, action.max_wait, action.timeout
        )
        .unwrap();
        for variable in &action.env {
            writeln!(text, "env {} = {:?}", variable.key, variable.value).unwrap();
        }
        for line in action.precondition.lines() {
            writeln!(text, "precondition {line}").unwrap();
        }
        for query in &action.query {
            writeln!(text, "query [{}] {}", query.name, query.vql).unwrap();
        }
        for artifact in &action.artifacts {
            writeln!(text, "artifact {} ({})", artifact.name, artifact.r#type).unwrap();
            for parameter in &artifact.parameters {
                let (name, kind, default) =
                    (&parameter.name, &parameter.r#type, &parameter.default);
                writeln!(text, "  parameter {name} ({kind}) = {default:?}").unwrap();
            }
            for source in &artifact.sources {
                writeln!(text, "  source [{}] if {:?}", source.name, source.precondition).unwrap();
                for query in &source.queries {
                    writeln!(text, "    {query}").unwrap();
                }
            }
        }
    }
    text
}

fn compare(name: &str, got: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, got).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(got, want, "{}", path.display());
}

#[test]
fn sources_share_a_request_after_typed_parameters_and_exports() {
    compare("serial.txt", &shown(&bench().launcher.compile(&wanted(&["Test.Typed"])).unwrap()));
}

#[test]
fn sources_with_preconditions_get_requests_of_their_own() {
    compare(
        "parallel.txt",
        &shown(&bench().launcher.compile(&wanted(&["Test.Parallel"])).unwrap()),
    );
}

#[test]
fn called_artifacts_travel_along_and_imports_are_inlined() {
    compare(
        "dependencies.txt",
        &shown(&bench().launcher.compile(&wanted(&["Test.Caller"])).unwrap()),
    );
}

#[test]
fn event_sources_run_by_themselves() {
    let actions = bench().launcher.compile_events(&[Spec::of("Test.Event")]).unwrap();
    compare("event.txt", &shown_actions(&actions));
}

#[test]
fn every_built_in_artifact_compiles() {
    let bench = bench();
    for entry in bench.launcher.repository().iter() {
        let name = entry.artifact.name.as_str();
        let requests = match entry.artifact.kind {
            ArtifactType::ClientEvent => bench.launcher.compile_events(&[Spec::of(name)]).unwrap(),
            ArtifactType::Client => {
                bench.launcher.compile(&wanted(&[name])).unwrap().vql_client_actions
            }
            _ => bench.launcher.compile_call(name).unwrap(),
        };
        assert!(!requests.is_empty(), "{name}");
    }
}

#[test]
fn parameters_and_limits_of_the_caller_win() {
    let collect = Collect {
        specs: vec![Spec {
            artifact: "Test.Typed".into(),
            parameters: vec![("Count".into(), "9".into())],
        }],
        limits: Limits { timeout: 5, max_rows: 11, ..Limits::default() },
        ..Collect::default()
    };
    let request = bench().launcher.compile(&collect).unwrap();
    let action = &request.vql_client_actions[0];
    assert_eq!((action.timeout, request.max_rows), (5, 11));
    let count = action.env.iter().find(|variable| variable.key == "Count").unwrap();
    assert_eq!(count.value, "9");
}

#[test]
fn numbers_run_through_all_artifacts_of_a_collection() {
    let request = bench().launcher.compile(&wanted(&["Test.Parallel", "Test.Typed"])).unwrap();
    let numbers = request.vql_client_actions.iter().map(|a| (a.query_id, a.total_queries));
    assert_eq!(numbers.collect::<Vec<_>>(), [(1, 3), (2, 3), (3, 3)]);
}

#[test]
fn what_cannot_be_compiled_is_named() {
    let bench = bench();
    let fault = |collect: &Collect| bench.launcher.compile(collect).unwrap_err().to_string();
    assert_eq!(fault(&wanted(&[])), "no artifact is named");
    assert!(fault(&wanted(&["No.Such"])).contains("there is no artifact `No.Such`"));
    assert_eq!(
        fault(&wanted(&["Test.Event"])),
        "artifact `Test.Event` is of type CLIENT_EVENT; CLIENT is needed here"
    );
    let mut odd = wanted(&["Test.Middle"]);
    odd.specs[0].parameters.push(("Cuont".into(), "1".into()));
    assert_eq!(fault(&odd), "artifact `Test.Middle` has no parameter `Cuont`; it has: Count");
}

fn server() -> Principal {
    Principal::Server { name: "VelociraptorServer".into() }
}

#[test]
fn the_door_refuses_users_without_a_policy_and_lockdown() {
    let client: ClientId = "C.0123456789abcdef".parse().unwrap();
    let user = Principal::User { name: "joe".parse().unwrap() };
    let open = bench();
    let refused = open.launcher.launch(&user, client, &wanted(&["Test.Typed"])).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "PermissionDenied: joe may not collect from clients: [COLLECT_CLIENT]"
    );
    let locked = bench_with(&Config { lockdown: true, ..Config::default() });
    let refused = locked.launcher.launch(&server(), client, &wanted(&["Test.Typed"])).unwrap_err();
    assert!(refused.to_string().contains("Server locked down: [COLLECT_CLIENT]"), "{refused}");
}

#[test]
fn the_door_asks_for_what_the_launched_artifact_requires() {
    let client: ClientId = "C.0123456789abcdef".parse().unwrap();
    let mut config = Config { lockdown: true, ..Config::default() };
    config.security.lockdown_denied_permissions = vec!["EXECVE".into()];
    let bench = bench_with(&config);
    let launch = |name: &str| bench.launcher.launch(&server(), client, &wanted(&[name]));
    let refused = launch("Linux.Sys.Command").unwrap_err().to_string();
    assert_eq!(
        refused,
        "PermissionDenied: VelociraptorServer may not collect Linux.Sys.Command: Server locked down: [EXECVE]"
    );
    // Everything else gets as far as the store, which does not know the client.
    let unknown = launch("Test.Typed").unwrap_err().to_string();
    assert_eq!(unknown, "there is no client C.0123456789abcdef");
    assert!(bench.store.clients(None, 10).unwrap().is_empty());
}

/// The wrapper of docs/artifacts.md: people who may not run commands may run this one.
const WRAPPER: &str = "
name: Custom.SafeListing
parameters:
  - name: Folder
    type: choices
    choices: [/tmp, /var/log]
    default: /tmp
sources:
  - query: |
      SELECT * FROM if(condition=Folder =~ '^/(tmp|var/log)$', then={
        SELECT * FROM Artifact.Linux.Sys.Command(Arguments=['/bin/ls', '-l', Folder])
      })
";

#[test]
fn a_wrapper_gives_one_use_of_a_strong_artifact_to_those_who_may_not_launch_it() {
    let client: ClientId = "C.0123456789abcdef".parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(store.enrol(client, vec![1])).unwrap());
    let config = Config::default();
    let acl = Acl::new(&config, store.clone()).unwrap();
    let ivan: UserName = "ivan".parse().unwrap();
    Accounts::new(acl.clone(), server(), OrgId::root())
        .grant(&ivan, Policy::of([Role::Investigator]), Grant::Replace)
        .unwrap();
    let mut repository = Repository::built_in().unwrap();
    repository.add(WRAPPER, "test", Origin::Given).unwrap();
    let launcher = Launcher::new(&config, Arc::new(repository), store.clone(), acl);
    let ivan = Principal::User { name: ivan };
    let refused =
        launcher.launch(&ivan, client, &wanted(&["Linux.Sys.Command"])).unwrap_err().to_string();
    assert_eq!(
        refused,
        "PermissionDenied: ivan may not collect Linux.Sys.Command: Permission denied: [EXECVE]"
    );
    let both = wanted(&["Custom.SafeListing", "Linux.Sys.Command"]);
    launcher.launch(&ivan, client, &both).unwrap_err();
    let flow = launcher.launch(&ivan, client, &wanted(&["Custom.SafeListing"])).unwrap();
    assert_eq!(store.flow(client, &flow).unwrap().creator, "ivan");
    let records = store.audit_records(0, 10).unwrap();
    let told: Vec<_> = records
        .iter()
        .map(|(_, record)| (record.operation.as_str(), record.principal.as_str(), record.allowed))
        .collect();
    let expected = [
        ("user_grant", "VelociraptorServer", true),
        ("ScheduleFlow", "ivan", false),
        ("ScheduleFlow", "ivan", false),
        ("ScheduleFlow", "ivan", true),
    ];
    assert_eq!(told, expected);
    assert_eq!(records[3].1.details["flow_id"], flow.as_str());
}
