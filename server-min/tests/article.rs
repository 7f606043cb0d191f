//! The examples of the article on securing a deployment.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "the bench is that of tests/doors.rs, which uses more of it")]

#[path = "doors/bench.rs"]
mod bench;

use std::sync::Arc;

use bench::{Bench, CLIENT, Who};
use troodon_server::acl::{Acl, Principal};
use troodon_server::artifact::{Origin, Repository, undeclared};
use troodon_server::config::Config;
use troodon_server::launcher::{Collect, Launcher, Spec};
use troodon_server::model::id::OrgId;
use troodon_server::model::role::Role;
use troodon_server::model::site::Site;
use troodon_vql::Permission;

const POWERSHELL: &str = "\
name: Windows.System.PowerShell
required_permissions:
  - EXECVE
parameters:
  - name: Command
    default: dir C:/
sources:
  - query: |
      SELECT * FROM execve(argv=['powershell', '-ExecutionPolicy', 'Unrestricted', '-Command', Command])
";

/// What it wraps may do more than those may do to whom it is given.
const WRAPPER: &str = "\
name: Custom.SafePowershellDir
sources:
  - query: |
      SELECT * FROM Artifact.Windows.System.PowerShell(Command='dir C:/Users')
";

#[test]
fn a_reader_sees_results_of_hunts_and_not_the_server() {
    let bench = Bench::new();
    let reader = Who::Role(Role::Reader);
    let log = bench.query(reader, false, false, "SELECT * FROM info()");
    assert_eq!(log, ["info: PermissionDenied: Permission denied: [MACHINE_STATE]"]);
    let results =
        "SELECT * FROM hunt_results(hunt_id='H.0123456789ABC', artifact='Linux.Sys.Users')";
    let log = bench.query(reader, false, false, results);
    assert!(log.iter().all(|line| !line.contains("PermissionDenied")), "{log:?}");
    let log = bench.query(Who::Role(Role::Administrator), false, false, "SELECT * FROM info()");
    assert!(log.is_empty(), "{log:?}");
}

#[test]
fn an_analyst_does_not_read_the_server_s_files() {
    let bench = Bench::new();
    let vql = "SELECT * FROM glob(globs='/etc/*', accessor='file')";
    let log = bench.query(Who::Role(Role::Analyst), false, false, vql);
    assert_eq!(
        log,
        ["glob: Accessor file: PermissionDenied: Permission denied: [FILESYSTEM_READ]"]
    );
    let log = bench.query(Who::Role(Role::Administrator), false, false, vql);
    assert!(log.is_empty(), "{log:?}");
}

#[test]
fn queries_reach_neither_the_keys_nor_the_store() {
    let bench = Bench::new();
    for path in bench.secrets() {
        for vql in [
            format!("SELECT read_file(filename='{path}') FROM scope()"),
            format!("SELECT * FROM stat(filename='{path}')"),
            format!("SELECT read_file(filename='/etc/../{path}') FROM scope()"),
        ] {
            let log = bench.query(Who::Server, false, false, &vql);
            assert!(
                log.iter().any(|line| line.contains("No access to filesystem path")),
                "{vql}: {log:?}"
            );
        }
    }
}

#[test]
fn an_investigator_runs_the_wrapper_and_not_what_it_wraps() {
    let bench = Bench::new();
    let mut repository = Repository::built_in().unwrap();
    repository.add(POWERSHELL, "powershell", Origin::Given).unwrap();
    repository.add(WRAPPER, "wrapper", Origin::Given).unwrap();
    let wrapper = repository.get("Custom.SafePowershellDir").unwrap();
    let beyond = undeclared(&repository, &wrapper.artifact);
    assert!(beyond.contains_key(&Permission::Execve), "{beyond:?}");
    let store = bench.store();
    let config = Config::default();
    let acl = Acl::new(&config, store.clone()).unwrap();
    let launcher = Launcher::new(&config, Arc::new(repository), store, acl);
    let investigator = Principal::User { name: "investigator".parse().unwrap() };
    let collect = |artifact: &str| {
        let wanted = Collect { specs: vec![Spec::of(artifact)], ..Collect::default() };
        launcher.launch(&investigator, CLIENT.parse::<Site>().unwrap(), &wanted)
    };
    let why = collect("Windows.System.PowerShell").unwrap_err().to_string();
    assert!(
        why.starts_with("PermissionDenied: ") && why.ends_with("Permission denied: [EXECVE]"),
        "{why}"
    );
    collect("Custom.SafePowershellDir").unwrap();
}

#[test]
fn a_certificate_for_mutual_tls_has_no_rights_of_its_own() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("client.yaml");
    let arguments = ["--name", "Client", file.to_str().unwrap()];
    bench.command(None, false, "config api_client", &arguments).unwrap();
    assert!(std::fs::read_to_string(&file).unwrap().contains("name: Client"));
    let acl = Acl::new(&Config::default(), bench.store()).unwrap();
    let client = Principal::User { name: "Client".parse().unwrap() };
    for permission in Permission::ALL {
        assert!(acl.check(&client, &OrgId::root(), &[permission]).is_err(), "{permission}");
    }
    assert!(acl.check(&client, &OrgId::root(), &[]).is_err());
}
