//! The audit log on the command line: filters, heads, archives.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

struct Bench {
    config: PathBuf,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let places =
            serde_json::json!({"Datastore": {"location": data, "filestore_directory": data}});
        let made = Command::new(env!("CARGO_BIN_EXE_troodon"))
            .args(["config", "generate", "--merge", &places.to_string()])
            .output()
            .unwrap();
        let config = folder.path().join("server.config.yaml");
        std::fs::write(&config, made.stdout).unwrap();
        Self { config, folder }
    }

    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_troodon"));
        let done = command.arg("--config").arg(&self.config).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if done.status.success() { Ok(text(done.stdout)) } else { Err(text(done.stderr)) }
    }

    fn list(&self, filters: &[&str]) -> Vec<Value> {
        let all = [&["audit", "list", "--format", "jsonl"], filters].concat();
        let lines = self.run(&all).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn records_are_found_by_who_what_when_and_whether_it_was_allowed() {
    let bench = Bench::new();
    bench.run(&["user", "add", "rita", "secret", "--role", "reader"]).unwrap();
    bench.run(&["--runas", "rita", "user", "list"]).unwrap_err();
    let refused = bench.list(&["--refused"]);
    assert_eq!(refused.len(), 1);
    assert_eq!(
        (&refused[0]["principal"], &refused[0]["operation"]),
        (&"rita".into(), &"ShowUsers".into())
    );
    assert_eq!(bench.list(&["--principal", "RITA"]), refused);
    assert_eq!(bench.list(&["--operation", "user_create"]).len(), 1);
    let time = refused[0]["ServerTime"].as_str().unwrap();
    assert_eq!(bench.list(&["--since", time])[0], refused[0]);
    assert!(!bench.list(&["--until", time]).contains(&refused[0]));
    assert!(bench.list(&["--since", "2999-01-01T00:00:00Z"]).is_empty());
    let wrong = bench.run(&["audit", "list", "--since", "yesterday"]).unwrap_err();
    assert!(wrong.contains("a time looks like 2026-01-31T00:00:00Z"), "{wrong}");
}

#[test]
fn what_was_moved_to_an_archive_is_verified_together_with_the_log() {
    let bench = Bench::new();
    bench.run(&["user", "add", "rita", "secret", "--role", "reader"]).unwrap();
    bench.run(&["user", "lock", "rita"]).unwrap();
    let (first, second) = (bench.path("first.jsonl"), bench.path("second.jsonl"));
    let later = "2999-01-01T00:00:00Z";
    let early = bench.run(&["audit", "rotate", "--before", "1999-01-01T00:00:00Z", &first]);
    assert_eq!(early.unwrap_err(), "troodon: no record is that old\n");
    bench.run(&["audit", "rotate", "--before", later, &first]).unwrap();
    let overwrites = bench.run(&["audit", "rotate", "--before", later, &first]).unwrap_err();
    assert!(overwrites.contains("File exists"), "{overwrites}");
    bench.run(&["user", "unlock", "rita"]).unwrap();
    bench.run(&["audit", "rotate", "--before", later, &second]).unwrap();
    let whole = bench.run(&["audit", "verify", "--archive", &first, "--archive", &second]).unwrap();
    assert!(whole.contains("are whole\n") && whole.contains("; signed up to "), "{whole}");
    assert!(bench.run(&["audit", "verify"]).is_ok());
    assert!(bench.list(&["--operation", "user_lock"]).is_empty());

    let missing = bench.run(&["audit", "verify", "--archive", &second]).unwrap_err();
    assert!(missing.contains("an archive is missing, or in another order"), "{missing}");
    let half = bench.run(&["audit", "verify", "--archive", &first]).unwrap_err();
    assert!(half.contains("one is missing"), "{half}");
    let text = std::fs::read_to_string(&first).unwrap();
    std::fs::write(&first, text.replace("user_lock", "user_show")).unwrap();
    let changed = bench.run(&["audit", "verify", "--archive", &first]).unwrap_err();
    assert!(changed.contains("is missing or was changed after it was written"), "{changed}");
}
