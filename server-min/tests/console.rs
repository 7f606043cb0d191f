//! The command line on a store: queries, collections, and the server beside it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use troodon_server::store::Store;

const CLIENT: &str = "C.0123456789abcdef";

/// A deployment in a folder of its own, with one client.
struct Bench {
    config: PathBuf,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::merged("{}")
    }

    fn merged(patch: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let places = serde_json::json!({
            "Datastore": {"location": data, "filestore_directory": data},
            "Frontend": {"bind_address": "127.0.0.1", "bind_port": free_port()},
            "GUI": {"bind_port": free_port()},
            "API": {"bind_address": "127.0.0.1", "bind_port": free_port()},
        });
        let made = Command::new(env!("CARGO_BIN_EXE_troodon"))
            .args(["config", "generate", "--merge", &places.to_string(), "--merge", patch])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", text(&made.stderr));
        let config = folder.path().join("server.config.yaml");
        std::fs::write(&config, made.stdout).unwrap();
        let store = Store::open(&data).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(store.enrol(CLIENT.parse().unwrap(), vec![1, 2, 3])).unwrap());
        Self { config, _folder: folder }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_troodon"));
        command.arg("--config").arg(&self.config).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The rows of a query.
    fn rows(&self, vql: &str) -> Vec<Value> {
        let done = self.run(&["query", "--format", "json", vql]);
        assert!(done.status.success(), "{vql}: {}", text(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    }

    fn port(&self) -> u16 {
        let shown = self.run(&["config", "show", "--json"]);
        let config: Value = serde_json::from_slice(&shown.stdout).unwrap();
        u16::try_from(config["Frontend"]["bind_port"].as_u64().unwrap()).unwrap()
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn interrupt(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[test]
fn clients_and_their_record_can_be_queried() {
    let bench = Bench::new();
    let rows = bench.rows("SELECT client_id, os_info.hostname AS Host, labels FROM clients()");
    assert_eq!(rows, [serde_json::json!({"client_id": CLIENT, "Host": "", "labels": []})]);
    let labelled =
        format!("SELECT label(client_id='{CLIENT}', labels='Front') AS Done FROM scope()");
    assert_eq!(bench.rows(&labelled)[0]["Done"], true);
    let found =
        |search: &str| bench.rows(&format!("SELECT * FROM clients(search='{search}')")).len();
    assert_eq!(
        (found("label:front"), found("label:back"), found("C.0123"), found("all")),
        (1, 0, 1, 1)
    );
    let info =
        bench.rows(&format!("SELECT client_info(client_id='{CLIENT}').labels AS L FROM scope()"));
    assert_eq!(info[0]["L"], serde_json::json!(["Front"]));
}

#[test]
fn a_query_collects_and_cancels() {
    let bench = Bench::new();
    let queued = bench.rows(&format!(
        "SELECT collect_client(client_id='{CLIENT}', artifacts='Linux.Sys.Processes', \
         env=dict(NameRegex='init'), timeout=7).flow_id AS F FROM scope()"
    ));
    let flow = queued[0]["F"].as_str().unwrap().to_owned();
    let flows = bench.rows(&format!("SELECT * FROM flows(client_id='{CLIENT}')"));
    assert_eq!(flows[0]["session_id"], flow.as_str());
    assert_eq!(flows[0]["state"], "RUNNING");
    assert_eq!(flows[0]["creator"], "VelociraptorServer");
    assert_eq!(flows[0]["request"]["artifacts"][0]["parameters"]["NameRegex"], "init");
    let cancel =
        format!("SELECT cancel_flow(client_id='{CLIENT}', flow_id='{flow}') AS C FROM scope()");
    assert_eq!(bench.rows(&cancel)[0]["C"]["cancelled"], true);
    let flows = bench
        .rows(&format!("SELECT state, status FROM flows(client_id='{CLIENT}', flow_id='{flow}')"));
    assert_eq!(flows[0]["state"], "ERROR");
    assert_eq!(flows[0]["status"], "Cancelled by VelociraptorServer");
}

#[test]
fn variables_reach_the_query_and_artifacts_can_be_listed() {
    let bench = Bench::new();
    let done = bench.run(&[
        "query",
        "--format",
        "csv",
        "--env",
        "Wanted=Linux.Sys.Users",
        "LET Names = SELECT name, type FROM artifact_definitions(names=Wanted)",
        "SELECT * FROM Names",
    ]);
    assert_eq!(text(&done.stdout), "name,type\r\nLinux.Sys.Users,CLIENT\r\n");
}

#[test]
fn mistakes_in_a_query_are_said_and_the_output_stays_valid() {
    let bench = Bench::new();
    let done = bench.run(&["query", "--format", "json", "SELECT FROM"]);
    assert!(!done.status.success() && done.stdout.is_empty());
    assert!(text(&done.stderr).contains("line 1, column 8"), "{}", text(&done.stderr));
    assert!(text(&done.stderr).contains("  SELECT FROM\n         ^"), "{}", text(&done.stderr));

    let done = bench.run(&["query", "--format", "json", "SELECT * FROM no_such_plugin()"]);
    assert!(!done.status.success());
    assert_eq!(text(&done.stdout), "[]\n");
    assert!(text(&done.stderr).contains("no_such_plugin"), "{}", text(&done.stderr));

    let done = bench.run(&["query", "SELECT * FROM flows(client_id='../etc')"]);
    assert!(
        !done.status.success() && text(&done.stderr).contains("flows: "),
        "{}",
        text(&done.stderr)
    );
}

#[test]
fn lockdown_holds_on_the_command_line_and_reading_goes_on() {
    let bench = Bench::merged(r#"{"lockdown":true}"#);
    assert_eq!(bench.rows("SELECT client_id FROM clients()").len(), 1);
    let done = bench.run(&["artifacts", "collect", "Linux.Sys.Users", "--client_id", CLIENT]);
    assert!(!done.status.success());
    assert!(
        text(&done.stderr).contains("Server locked down: [COLLECT_CLIENT]"),
        "{}",
        text(&done.stderr)
    );
    let collect = format!(
        "SELECT collect_client(client_id='{CLIENT}', artifacts='Linux.Sys.Users') AS F FROM scope()"
    );
    let done = bench.run(&["query", "--format", "jsonl", &collect]);
    assert_eq!(text(&done.stdout), "{\"F\":null}\n");
    assert!(
        text(&done.stderr).contains("Server locked down: [COLLECT_CLIENT]"),
        "{}",
        text(&done.stderr)
    );
    assert!(bench.rows(&format!("SELECT * FROM flows(client_id='{CLIENT}')")).is_empty());
}

#[test]
fn in_lockdown_the_server_does_not_start_where_it_could_end_it() {
    let bench = Bench::merged(r#"{"lockdown":true}"#);
    let done = bench.run(&["frontend"]);
    assert!(!done.status.success());
    let said = text(&done.stderr);
    assert!(said.contains("in lockdown and could write its own configuration"), "{said}");
}

#[test]
fn plugins_that_are_not_allowed_do_not_exist() {
    let bench = Bench::merged(r#"{"security":{"allowed_plugins":["flows"]}}"#);
    let done = bench.run(&["query", "--format", "json", "SELECT * FROM clients()"]);
    assert!(!done.status.success());
    assert_eq!(text(&done.stdout), "[]\n");
    assert!(bench.rows(&format!("SELECT * FROM flows(client_id='{CLIENT}')")).is_empty());
}

#[test]
fn a_collection_that_nobody_waits_for_is_queued() {
    let bench = Bench::new();
    let done =
        bench.run(&["artifacts", "collect", "Linux.Sys.Users", "--client_id", CLIENT, "--no_wait"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let flows = bench.rows(&format!("SELECT session_id FROM flows(client_id='{CLIENT}')"));
    assert_eq!(format!("{}\n", flows[0]["session_id"].as_str().unwrap()), text(&done.stdout));
}

#[test]
fn what_cannot_be_collected_is_named() {
    let bench = Bench::new();
    let refusal = |arguments: &[&str]| {
        let done = bench.run(&[&["artifacts", "collect"], arguments].concat());
        assert!(!done.status.success() && done.stdout.is_empty(), "{arguments:?}");
        text(&done.stderr).to_owned()
    };
    let said = refusal(&["No.Such", "--client_id", CLIENT]);
    assert_eq!(
        said,
        "troodon: there is no artifact `No.Such`; `troodon artifacts list` shows all\n"
    );
    let said = refusal(&["Linux.Sys.Users", "--client_id", "C.ffffffffffffffff"]);
    assert_eq!(said, "troodon: there is no client C.ffffffffffffffff\n");
    let said = refusal(&["Linux.Sys.Users", "--client_id", CLIENT, "--args", "Nmae=x"]);
    assert!(said.contains("has no parameter `Nmae`"), "{said}");
}

#[test]
fn ctrl_c_cancels_the_collection() {
    let bench = Bench::new();
    let mut child = bench
        .command(&["artifacts", "collect", "Linux.Sys.Users", "--client_id", CLIENT])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let waiting = lines.next().unwrap().unwrap();
    assert!(waiting.ends_with("waiting for the client to connect"), "{waiting}");
    interrupt(&child, Signal::INT);
    let said = lines.next().unwrap().unwrap();
    assert!(said.starts_with("troodon: F.") && said.ends_with(" is cancelled"), "{said}");
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let flows = bench.rows(&format!("SELECT status FROM flows(client_id='{CLIENT}')"));
    assert_eq!(flows[0]["status"], "Cancelled by VelociraptorServer");
}

#[test]
fn the_server_runs_beside_commands_until_it_is_told_to_stop() {
    let bench = Bench::new();
    let mut server = bench.command(&["frontend"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let ready = lines.find(|line| line.as_ref().unwrap().contains("agents may come"));
    assert!(ready.is_some());
    TcpStream::connect(("127.0.0.1", bench.port())).unwrap();
    assert_eq!(bench.rows("SELECT client_id FROM clients()").len(), 1);
    interrupt(&server, Signal::TERM);
    assert!(lines.any(|line| line.unwrap().contains("stopped")));
    assert!(server.wait().unwrap().success());
}

#[test]
fn the_server_refuses_to_give_less_than_the_configuration_asks_for() {
    let bench = Bench::new();
    let config = std::fs::read_to_string(&bench.config).unwrap();
    for (asked, why) in [
        ("Frontend:\n", "Frontend.run_as_user: this server does not support it; let"),
        ("autocert_cert_cache:", "Frontend.hostname: `localhost` is no name that an authority"),
    ] {
        let asking = match asked {
            "Frontend:\n" => config.replace(asked, "Frontend:\n  run_as_user: troodon\n"),
            key => {
                config.lines().filter(|line| !line.starts_with(key)).collect::<Vec<_>>().join("\n")
                    + "\nautocert_cert_cache: /srv\n"
            }
        };
        std::fs::write(&bench.config, asking).unwrap();
        let done = bench.run(&["frontend"]);
        assert!(!done.status.success());
        let said = text(&done.stderr);
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn what_did_not_happen_is_not_on_record() {
    let bench = Bench::new();
    let missing = "SELECT label(client_id='C.ffffffffffffffff', labels='X') AS Done FROM scope()";
    let done = bench.run(&["query", "--format", "jsonl", missing]);
    assert_eq!(text(&done.stdout), "{\"Done\":null}\n", "{}", text(&done.stderr));
    let shown = bench.run(&["audit", "show", "--format", "jsonl"]);
    assert!(!text(&shown.stdout).contains("SetClientLabel"), "{}", text(&shown.stdout));
}

#[test]
fn users_act_with_their_own_rights_and_it_is_on_record() {
    let bench = Bench::new();
    let added = bench.run(&["user", "add", "Rita", "secret", "--role", "reader,api"]);
    assert!(added.status.success(), "{}", text(&added.stderr));
    assert_eq!(text(&bench.run(&["user", "list"]).stdout), format!("{:24} reader,api\n", "Rita"));
    let as_rita = |arguments: &[&str]| bench.run(&[&["--runas", "rita"], arguments].concat());

    let vql =
        format!("SELECT client_id, label(client_id='{CLIENT}', labels='X') AS Done FROM clients()");
    let done = as_rita(&["query", "--format", "jsonl", &vql]);
    assert_eq!(text(&done.stdout), format!("{{\"client_id\":\"{CLIENT}\",\"Done\":null}}\n"));
    let said = text(&done.stderr);
    assert!(said.contains("PermissionDenied: Permission denied: [LABEL_CLIENT]"), "{said}");

    let refused = [
        &["artifacts", "collect", "Linux.Sys.Users", "--client_id", CLIENT][..],
        &["user", "add", "eve", "secret", "--role", "reader"],
        &["acl", "grant", "rita", "--role", "administrator"],
        &["audit", "show"],
    ];
    for arguments in refused {
        let done = as_rita(arguments);
        assert!(!done.status.success() && done.stdout.is_empty(), "{arguments:?}");
        assert!(text(&done.stderr).contains("PermissionDenied: "), "{}", text(&done.stderr));
    }
    let granted = bench.run(&["acl", "grant", "rita", r#"{"label_clients":true}"#, "--merge"]);
    assert!(granted.status.success(), "{}", text(&granted.stderr));
    let done = as_rita(&["query", "--format", "jsonl", &vql]);
    assert!(text(&done.stdout).contains("\"Done\":true"), "{}", text(&done.stderr));

    let shown = bench.run(&["audit", "show", "--principal", "rita", "--format", "jsonl"]);
    let records: Vec<Value> =
        text(&shown.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = records
        .iter()
        .map(|one| (one["operation"].as_str().unwrap(), one["allowed"].clone()))
        .collect();
    let expected = [
        ("Query", true),
        ("Query", false),
        ("ReadResults", true),
        ("ScheduleFlow", false),
        ("ManageUsers", false),
        ("user_grant", false),
        ("ReadAudit", false),
        ("Query", true),
        ("SetClientLabel", true),
    ];
    assert_eq!(told, expected.map(|(operation, verdict)| (operation, Value::Bool(verdict))));
}

#[test]
fn somebody_unknown_may_do_nothing() {
    let bench = Bench::new();
    let done = bench.run(&["--runas", "nobody", "query", "SELECT 1 AS A FROM scope()"]);
    assert!(!done.status.success() && done.stdout.is_empty());
    assert_eq!(text(&done.stderr), "troodon: PermissionDenied: [ANY_QUERY]\n");
    // A user without rights cannot take the name of the server for them either.
    let done = bench.run(&["--runas", "VelociraptorServer", "user", "list"]);
    assert!(
        text(&done.stderr).contains("PermissionDenied: [SERVER_ADMIN]"),
        "{}",
        text(&done.stderr)
    );
}

#[test]
fn what_acts_as_the_server_is_not_run_as_somebody_else() {
    let bench = Bench::new();
    for arguments in [&["--runas", "ann", "frontend"][..], &["--runas", "ann", "config", "show"]] {
        let done = bench.run(arguments);
        assert!(!done.status.success() && done.stdout.is_empty());
        assert!(text(&done.stderr).contains("leave --runas out"), "{}", text(&done.stderr));
    }
}

#[test]
fn who_may_only_collect_does_not_see_the_rows() {
    let bench = Bench::new();
    bench.run(&["acl", "grant", "dora", r#"{"collect_client":true}"#]);
    let collect =
        ["--runas", "dora", "artifacts", "collect", "Linux.Sys.Users", "--client_id", CLIENT];
    let done = bench.run(&collect);
    assert!(
        text(&done.stderr).contains("Permission denied: [READ_RESULTS]"),
        "{}",
        text(&done.stderr)
    );
    assert!(bench.rows(&format!("SELECT * FROM flows(client_id='{CLIENT}')")).is_empty());
    let done = bench.run(&[&collect[..], &["--no_wait"]].concat());
    assert!(done.status.success(), "{}", text(&done.stderr));
    let flows = bench.rows(&format!("SELECT creator FROM flows(client_id='{CLIENT}')"));
    assert_eq!(flows, [serde_json::json!({"creator": "dora"})]);
}

#[test]
fn rights_can_be_given_and_shown() {
    let bench = Bench::new();
    let out = bench.config.with_file_name("api.yaml");
    let out = out.to_str().unwrap();
    let made =
        bench.run(&["config", "api_client", "--name", "Robot", "--role", "investigator", out]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let shown = bench.run(&["acl", "show", "robot"]);
    assert_eq!(text(&shown.stdout), "{\"roles\":[\"investigator\"]}\n");
    let granted = bench.run(&["acl", "grant", "robot", r#"{"execve":true}"#]);
    assert_eq!(text(&granted.stderr), "`robot` can do as much as an administrator with EXECVE\n");
    let shown = bench.run(&["acl", "show", "--effective", "Robot"]);
    assert_eq!(text(&shown.stdout), "EXECVE  like an administrator\n");
    for (policy, said) in [
        (r#"{"execvee":true}"#, "a policy has no field `execvee`"),
        (r#"{"roles":["admin"]}"#, "there is no role `admin`"),
        ("admin", "a policy is a JSON object"),
    ] {
        let done = bench.run(&["acl", "grant", "robot", policy]);
        assert!(
            !done.status.success() && text(&done.stderr).contains(said),
            "{}",
            text(&done.stderr)
        );
    }
    // The certificate for mutual TLS belongs to nobody who may do anything.
    let made = bench.run(&["config", "api_client", "--name", "Client", &format!("{out}2")]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert_eq!(text(&bench.run(&["acl", "show", "--effective", "Client"]).stdout), "");
}

#[test]
fn the_audit_log_is_verified_against_a_head_that_was_noted() {
    let bench = Bench::new();
    bench.run(&["user", "add", "ann", "secret", "--role", "reader"]);
    let verified = bench.run(&["audit", "verify"]);
    let head = text(&verified.stdout).trim().rsplit_once("head ").unwrap().1.to_owned();
    bench.run(&["user", "lock", "ann"]);
    assert!(bench.run(&["audit", "verify", "--head", &head]).status.success());
    let data = bench.config.with_file_name("data").join("troodon.sqlite");
    let log = rusqlite::Connection::open(data).unwrap();
    log.execute_batch(
        "DROP TRIGGER audit_stays; UPDATE audit SET principal = 'bob' WHERE number = 1",
    )
    .unwrap();
    let broken = bench.run(&["audit", "verify"]);
    assert!(!broken.status.success() && broken.stdout.is_empty());
    assert!(text(&broken.stderr).contains("record 1 is missing or was changed"));
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish"] {
        let done = bench.run(&["completions", shell]);
        let script = text(&done.stdout);
        assert!(script.contains("reissue_certs") && script.contains("notebook"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let done = bench.run(&["manual", folder.path().to_str().unwrap()]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    for command in troodon_server::cli::commands() {
        let page = folder.path().join(format!("troodon-{}.1", command.replace(' ', "-")));
        assert!(std::fs::read_to_string(page).unwrap().contains(".SH SYNOPSIS"), "{command}");
    }
    let done = bench.run(&["manual", "/nonexistent"]);
    assert!(!done.status.success() && text(&done.stderr).contains("/nonexistent"));
}
