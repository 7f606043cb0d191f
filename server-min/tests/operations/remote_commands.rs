//! Commands of another server that are more than one query: relaunches, exports, files, notebooks, and who watches what.

use std::fs;
use std::io::Read;

use serde_json::Value;

use super::api::Running;
use super::bench::text;
use super::remote::ask;

/// A server with an administrator's file, and what its commands print.
struct Far {
    running: Running,
    file: std::path::PathBuf,
}

impl Far {
    fn start() -> Self {
        let running = Running::start();
        let file = running.program("tool", Some("administrator"));
        Self { running, file }
    }

    fn output(&self, more: &[&str]) -> String {
        let done = ask(&self.running.bench, &self.file, more);
        assert!(done.status.success(), "{more:?}: {}", text(&done.stderr));
        text(&done.stdout).trim_end().to_owned()
    }

    fn refusal(&self, more: &[&str]) -> String {
        let done = ask(&self.running.bench, &self.file, more);
        assert!(!done.status.success(), "{more:?}: {}", text(&done.stdout));
        text(&done.stderr).to_owned()
    }

    fn path(&self, name: &str) -> String {
        self.running.bench.folder().join(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn a_collection_of_another_server_is_relaunched_with_other_values() {
    let far = Far::start();
    let client = far.running.bench.client(1).to_string();
    let collect =
        ["artifacts", "collect", "Generic.File.Hash", "--client_id", &client, "--no_wait"];
    far.output(&[&collect[..], &["--args", "Globs=/a", "--timeout", "7"]].concat());
    let first = far.running.bench.store.latest_flows(1).unwrap().remove(0);
    let relaunch = ["flow", "relaunch", &client, first.id.as_str()];
    let same = far.output(&relaunch);
    let other = far.output(&[&relaunch[..], &["--args", "Globs=/b"]].concat());
    for (id, globs) in [(same, "/a"), (other, "/b")] {
        let again = far.running.bench.store.flow(first.site, &id.parse().unwrap()).unwrap();
        assert_eq!(again.spec["artifacts"][0]["parameters"]["Globs"], globs);
        assert_eq!((&again.spec["limits"]["timeout"], again.creator.as_str()), (&7.into(), "tool"));
    }
    let gone = far.refusal(&["flow", "relaunch", &client, "F.GONE"]);
    assert!(gone.contains("has no collection F.GONE"), "{gone}");
}

#[test]
fn evidence_comes_from_another_server_as_a_whole_or_not_at_all() {
    let far = Far::start();
    let id = far.running.bench.client(1);
    // More than one part.
    let bytes: Vec<u8> = (0..2_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let flow = far.running.bench.uploaded(&id, "/etc/../passwd", &bytes);
    let client = id.to_string();
    let target = far.path("case.zip");
    far.output(&["flow", "export", &client, &flow, &target]);
    let mut archive = zip::ZipArchive::new(fs::File::open(&target).unwrap()).unwrap();
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    let name = names.iter().find(|name| name.starts_with("uploads/")).unwrap();
    let mut came = Vec::new();
    archive.by_name(name).unwrap().read_to_end(&mut came).unwrap();
    assert!(came == bytes);
    assert!(archive.by_name("manifest.json").is_ok());
    let again = far.refusal(&["flow", "export", &client, &flow, &target]);
    assert!(again.contains("there is such a file already"), "{again}");

    let folder = far.path("files");
    let uploads = ["artifacts", "uploads", &flow, "--client_id", &client];
    let listed = far.output(&[&uploads[..], &["--output", &folder]].concat());
    assert!(listed.starts_with("/etc/../passwd  8000000 bytes"), "{listed}");
    assert!(fs::read(format!("{folder}/0-passwd")).unwrap() == bytes);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);

    let hunt = far.output(&["hunt", "create", "Linux.Sys.Users", "--paused"]);
    let hunt = far.running.bench.store.hunts(0, 1).unwrap().pop().expect(&hunt).id;
    let target = far.path("hunt.zip");
    far.output(&["hunt", "export", hunt.as_str(), &target]);
    let mut archive = zip::ZipArchive::new(fs::File::open(&target).unwrap()).unwrap();
    assert!(archive.by_name("hunt_info.json").is_ok());

    let lost = far.path("lost.zip");
    far.refusal(&["flow", "export", &client, "F.GONE", &lost]);
    assert!(!fs::exists(&lost).unwrap());
    let reader = far.running.program("rita", Some("reader"));
    let done = ask(&far.running.bench, &reader, &["flow", "export", &client, &flow, &lost]);
    assert!(!done.status.success() && !fs::exists(&lost).unwrap());
}

#[test]
fn a_notebook_of_another_server_is_written_run_and_shared() {
    let far = Far::start();
    let id = far.output(&["notebook", "create", "Case"]);
    let text = far.output(&["notebook", "add", &id, "--markdown", "# Found"]);
    let query = far.output(&["notebook", "add", &id, "--vql", "SELECT 1 AS A FROM scope()"]);
    let ran = far.output(&["notebook", "run", &id, "--format", "jsonl"]);
    assert_eq!(ran, "{\"A\":1}");
    far.output(&["notebook", "edit", &id, &query, "SELECT 2 AS B FROM scope()"]);
    let ran = far.output(&["notebook", "run", &id, &query, "--format", "jsonl"]);
    assert_eq!(ran, "{\"B\":2}");
    far.output(&["notebook", "share", &id, "ben"]);
    let shown: Value = serde_json::from_str(&far.output(&["notebook", "show", &id])).unwrap();
    assert_eq!(shown["collaborators"], serde_json::json!(["ben"]));
    assert_eq!(shown["cells"].as_array().unwrap().len(), 2);
    far.output(&["notebook", "remove", &id, &text]);
    let gone = far.refusal(&["notebook", "remove", &id, &text]);
    assert!(gone.contains("has no cell"), "{gone}");
    far.output(&["notebook", "cancel", &id, &query]);
    assert!(far.output(&["notebook", "list", "--format", "jsonl"]).contains("\"name\":\"Case\""));
    let broken = far.output(&["notebook", "add", &id, "--vql", "SELECT FROM"]);
    assert!(far.refusal(&["notebook", "run", &id, &broken]).contains("failed"));
    far.output(&["notebook", "delete", &id]);
    assert_eq!(far.output(&["notebook", "list", "--format", "jsonl"]), "");
    let here = far.refusal(&["notebook", "export", &id, &far.path("x.html")]);
    assert!(here.contains("works on the server's own files"), "{here}");
}

#[test]
fn what_is_watched_and_who_may_work_there_is_led_from_elsewhere() {
    let far = Far::start();
    let add = ["monitoring", "client", "add", "Linux.Events.Logins"];
    far.output(&add);
    far.output(&[&add[..], &["--label", "lab"]].concat());
    let listed = far.output(&["monitoring", "client", "list", "--format", "jsonl"]);
    assert_eq!(listed.matches("Linux.Events.Logins").count(), 2, "{listed}");
    far.output(&["monitoring", "client", "remove", "Linux.Events.Logins"]);
    let listed = far.output(&["monitoring", "client", "list", "--format", "jsonl"]);
    assert!(listed.contains("lab") && listed.matches("Linux.Events.Logins").count() == 1);
    assert!(far.output(&["monitoring", "server", "list", "--format", "jsonl"]).contains("Runs"));

    far.output(&["user", "add", "ann", "--no-password", "--role", "reader,api"]);
    let users = far.output(&["user", "list"]);
    assert!(users.contains("ann") && users.contains("api"), "{users}");
    assert!(far.output(&["user", "show", "ann"]).contains("reader"));
    far.output(&["acl", "grant", "ann", "{\"label_clients\":true}"]);
    let policy = far.output(&["acl", "show", "ann"]);
    assert!(policy.contains("label_clients") && !policy.contains("reader"), "{policy}");
}
