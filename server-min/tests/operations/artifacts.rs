//! Definitions that queries keep: who may, where they count, and that a running server notices.

use serde_json::{Value, json};

use super::api::Running;
use super::bench::{Bench, text};

const PLAIN: &str = "name: Custom.Plain\nsources:\n- query: SELECT 1 AS A FROM scope()\n";
const SERVER: &str =
    "name: Custom.Here\ntype: SERVER\nsources:\n- query: SELECT 1 AS A FROM scope()\n";
const SHELL: &str = "name: Custom.Shell\nsources:\n- query: SELECT * FROM execve(argv='id')\n";

impl Bench {
    /// What `artifact_set()` answers this user, and what it says.
    fn set(&self, user: &str, definition: &str) -> (Value, String) {
        let env = format!("D={definition}");
        let vql = "SELECT artifact_set(definition=D) AS Answer FROM scope()";
        let done = self.run(&["--runas", user, "query", "--format", "json", "--env", &env, vql]);
        let rows: Value = serde_json::from_slice(&done.stdout).unwrap();
        (rows[0]["Answer"].clone(), text(&done.stderr).to_owned())
    }

    fn user(&self, name: &str, policy: &str) {
        self.output(&["user", "add", name, "some words", "--role", "api"]);
        self.output(&["acl", "grant", name, policy, "--merge"]);
    }

    fn knows(&self, artifact: &str) -> bool {
        let vql = format!("SELECT name, built_in FROM artifact_definitions(names='{artifact}')");
        !self.rows(&vql).is_empty()
    }
}

#[test]
fn a_query_keeps_a_definition_with_the_right_of_its_type_and_of_what_it_can_do() {
    let bench = Bench::new();
    bench.user("ann", r#"{"artifact_writer":true}"#);
    bench.user("sue", r#"{"server_artifact_writer":true}"#);
    bench.user("eve", "{}");
    for (user, definition, refusal) in [
        ("ann", PLAIN, ""),
        ("ann", SERVER, "[SERVER_ARTIFACT_WRITER]"),
        ("ann", SHELL, "[EXECVE]"),
        ("sue", SERVER, ""),
        ("sue", PLAIN, "[ARTIFACT_WRITER]"),
        ("eve", PLAIN, "[ARTIFACT_WRITER]"),
    ] {
        let (answer, said) = bench.set(user, definition);
        if refusal.is_empty() {
            let name = definition.lines().next().unwrap().trim_start_matches("name: ");
            assert_eq!(answer["name"], name, "{said}");
            assert!(bench.knows(name));
            assert!(bench.audited(user).contains(&("SetArtifactFile".into(), true)));
        } else {
            assert_eq!(answer, Value::Null, "{user}");
            assert!(said.contains("PermissionDenied") && said.contains(refusal), "{user}: {said}");
            assert!(bench.audited(user).contains(&("SetArtifactFile".into(), false)));
        }
    }
    assert!(!bench.knows("Custom.Shell"));
    bench.output(&["acl", "grant", "ann", r#"{"execve":true}"#, "--merge"]);
    assert_eq!(bench.set("ann", SHELL).0, json!({"name": "Custom.Shell", "type": "CLIENT"}));
}

#[test]
fn a_query_removes_what_was_kept_with_the_same_right() {
    let bench = Bench::new();
    bench.user("ann", r#"{"artifact_writer":true}"#);
    bench.user("eve", "{}");
    bench.set("ann", PLAIN);
    let delete = |user: &str, name: &str| {
        let vql = format!("SELECT artifact_delete(name='{name}') AS Name FROM scope()");
        text(&bench.run(&["--runas", user, "query", &vql]).stderr).to_owned()
    };
    assert!(delete("eve", "Custom.Plain").contains("[ARTIFACT_WRITER]"));
    assert!(delete("ann", "Generic.Client.Info").contains("no definition"));
    assert!(bench.knows("Custom.Plain"));
    assert_eq!(delete("ann", "Custom.Plain"), "");
    assert!(!bench.knows("Custom.Plain"));
    assert!(bench.audited("ann").contains(&("artifact_delete".into(), true)));
}

#[test]
fn definitions_of_all_organisations_are_written_in_the_root_only() {
    let bench = Bench::new();
    let org = bench.output(&["orgs", "create", "Other", "--id", "OABCD"]);
    assert!(org.contains("OABCD"), "{org}");
    let env = format!("D={PLAIN}");
    let vql = "SELECT artifact_set(definition=D) FROM scope()";
    let done = bench.run(&["--org", "OABCD", "query", "--env", &env, vql]);
    assert!(text(&done.stderr).contains("root organisation"), "{}", text(&done.stderr));
    assert!(!bench.knows("Custom.Plain"));
}

#[test]
fn a_running_server_notices_what_a_command_has_kept() {
    let running = Running::start();
    let bench = &running.bench;
    let config = running.program("tool", Some("administrator"));
    let known = |wanted: usize| {
        let vql = "SELECT name FROM artifact_definitions(names='Custom.Plain')";
        let start = std::time::Instant::now();
        loop {
            let arguments = ["--api_config", config.to_str().unwrap()];
            let done = bench.bare(&[&arguments[..], &["query", "--format", "jsonl", vql]].concat());
            assert!(done.status.success(), "{}", text(&done.stderr));
            if text(&done.stdout).lines().count() == wanted {
                return;
            }
            assert!(start.elapsed().as_secs() < 60, "{}", text(&done.stdout));
        }
    };
    known(0);
    let env = format!("D={PLAIN}");
    bench.output(&["query", "--env", &env, "SELECT artifact_set(definition=D) FROM scope()"]);
    known(1);
    bench.output(&["query", "SELECT artifact_delete(name='Custom.Plain') FROM scope()"]);
    known(0);
}
