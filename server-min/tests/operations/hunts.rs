//! Hunts from the command line and from queries.

use serde_json::{Value, json};
use troodon_server::model::hunt::HuntState;

use super::bench::{Bench, text};

const CLIENT: &str = "C.0000000000000001";

impl Bench {
    fn hunt(&self, arguments: &[&str]) -> String {
        self.output(&[&["hunt", "create"], arguments].concat()).trim().to_owned()
    }

    /// Lets a client ask for its tasks.
    fn ask(&self, number: u64) -> Vec<String> {
        let id = format!("C.{number:016x}").parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let now_us = troodon_server::store::now_us();
        let taken = runtime.block_on(self.store.take_tasks(&id, 100, true, now_us)).unwrap();
        taken.into_iter().map(|message| message.session_id).collect()
    }
}

#[test]
fn a_hunt_lives_from_the_command_line() {
    let bench = Bench::new();
    for number in 1..=3 {
        bench.client(number);
    }
    bench.output(&["client", "label", CLIENT, "Lab"]);
    let hunt =
        bench.hunt(&["Linux.Sys.Users", "--label", "lab", "--description", "who", "--paused"]);
    let flow = hunt.replace("H.", "F.") + ".H";
    assert!(bench.ask(1).is_empty(), "it is paused");
    bench.output(&["hunt", "resume", &hunt]);
    assert_eq!(bench.ask(1), [flow.as_str()]);
    assert!(bench.ask(2).is_empty(), "it has no such label");
    bench.output(&["hunt", "add", &hunt, "C.0000000000000003"]);
    assert_eq!(bench.ask(3), [flow.as_str()]);
    assert!(bench.refusal(&["hunt", "add", &hunt, CLIENT]).contains("takes part in"));
    bench.output(&["hunt", "stop", &hunt]);

    let shown: Value = serde_json::from_str(&bench.output(&["hunt", "show", &hunt])).unwrap();
    assert_eq!((&shown["state"], &shown["hunt_description"]), (&json!("STOPPED"), &json!("who")));
    assert_eq!(shown["stats"]["total_clients_scheduled"], 2);
    let listed: Vec<Value> =
        serde_json::from_str(&bench.output(&["hunt", "list", "--format", "json"])).unwrap();
    assert_eq!((listed.len(), &listed[0]["clients"]), (1, &json!(2)));
    let told: Vec<_> = bench.audited("VelociraptorServer");
    let changes = ["CreateHunt", "ModifyHunt", "hunt_add", "ModifyHunt"];
    assert!(changes.iter().all(|wanted| told.contains(&((*wanted).to_owned(), true))), "{told:?}");

    bench.output(&["hunt", "delete", &hunt]);
    assert!(bench.rows(&format!("SELECT * FROM flows(client_id='{CLIENT}')")).is_empty());
    assert!(bench.refusal(&["hunt", "show", &hunt]).contains("there is no hunt"));
}

#[test]
fn queries_make_and_lead_hunts() {
    let bench = Bench::new();
    bench.client(1);
    bench.client(2);
    let made = bench.rows(
        "SELECT hunt(description='t', artifacts='Linux.Sys.Processes', pause=TRUE, expires=now()+3600, \
         spec=dict(`Linux.Sys.Processes`=dict(NameRegex='init')), os='linux').HuntId AS H FROM scope()",
    );
    let hunt = made[0]["H"].as_str().unwrap();
    let state = || bench.store.hunt(&hunt.parse().unwrap()).unwrap().state;
    assert_eq!(state(), HuntState::Paused);
    bench.rows(&format!("SELECT hunt_update(hunt_id='{hunt}', start=TRUE) FROM scope()"));
    assert_eq!(state(), HuntState::Running);
    assert!(bench.ask(1).is_empty(), "nobody knows its system yet");
    bench.rows(&format!("SELECT hunt_add(hunt_id='{hunt}', client_id='{CLIENT}') FROM scope()"));

    let rows = bench.rows("SELECT hunt_id, state, condition, start_request FROM hunts()");
    assert_eq!(rows[0]["condition"]["os"], "LINUX");
    assert_eq!(rows[0]["start_request"]["artifacts"][0]["parameters"]["NameRegex"], "init");
    let flows =
        bench.rows(&format!("SELECT ClientId, Flow.state AS S FROM hunt_flows(hunt_id='{hunt}')"));
    assert_eq!(flows, [json!({"ClientId": CLIENT, "S": "RUNNING"})]);
    assert!(bench.rows(&format!("SELECT * FROM hunt_results(hunt_id='{hunt}')")).is_empty());
    let info = bench.rows(&format!(
        "SELECT hunt_info(hunt_id='{hunt}').stats.total_clients_scheduled AS N FROM scope()"
    ));
    assert_eq!(info, [json!({"N": 1})]);

    let gone = format!("SELECT * FROM hunt_delete(hunt_id='{hunt}')");
    assert_eq!(bench.rows(&gone).len(), 1);
    assert_eq!(bench.rows("SELECT * FROM hunts()").len(), 1);
    bench.rows(&gone.replace(')', ", really_do_it=TRUE)"));
    assert!(bench.rows("SELECT * FROM hunts()").is_empty());
}

#[test]
fn a_hunt_needs_what_its_artifacts_require_from_whoever_starts_it() {
    let bench = Bench::new();
    bench.output(&["user", "add", "ivy", "secret", "--role", "investigator"]);
    bench.output(&["user", "add", "rita", "secret", "--role", "reader"]);
    let hunt = bench.hunt(&["Linux.Sys.Command", "--args", "Arguments=id", "--paused"]);
    let said = bench.refusal(&["--runas", "ivy", "hunt", "resume", &hunt]);
    assert!(said.contains("may not collect Linux.Sys.Command"), "{said}");
    let said = bench.refusal(&["--runas", "ivy", "hunt", "create", "Linux.Sys.Command"]);
    assert!(said.contains("may not collect Linux.Sys.Command"), "{said}");
    let harmless = bench.run(&["--runas", "ivy", "hunt", "create", "Linux.Sys.Users"]);
    assert!(harmless.status.success(), "{}", text(&harmless.stderr));
    for refused in [
        &["hunt", "create", "Linux.Sys.Users"][..],
        &["hunt", "pause", &hunt],
        &["hunt", "delete", &hunt],
    ] {
        let said = bench.refusal(&[&["--runas", "rita"], refused].concat());
        assert!(said.contains("PermissionDenied: "), "{said}");
    }
    assert_eq!(bench.store.hunt(&hunt.parse().unwrap()).unwrap().state, HuntState::Paused);
}

#[test]
fn lockdown_lets_nobody_begin_a_hunt() {
    let bench = Bench::merged(r#"{"lockdown":true}"#);
    let said = bench.refusal(&["hunt", "create", "Linux.Sys.Users"]);
    assert!(said.contains("Server locked down"), "{said}");
    assert!(bench.rows("SELECT * FROM hunts()").is_empty());
}
