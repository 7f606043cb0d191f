//! Programs that exist ask our API: PyPI's `pyvelociraptor`, unmodified, in an environment of its own.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::bench::{Bench, text};
use super::environment;

const CLIENT: &str = "C.0000000000000001";
/// The newest when this was written.
const PACKAGE: &str = "pyvelociraptor==0.1.14";

/// The programs of the package; `None`, said aloud, when Python or the package index is not there.
fn programs() -> Option<PathBuf> {
    static PROGRAMS: OnceLock<Option<PathBuf>> = OnceLock::new();
    PROGRAMS.get_or_init(|| environment::programs(PACKAGE)).clone()
}

/// A running server.
pub struct Running {
    pub bench: Bench,
    server: Child,
}

impl Running {
    pub fn start() -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (frontend, pages, api) = (free(), free(), free());
        let patch = json!({
            "Frontend": {"bind_port": frontend},
            "GUI": {"bind_address": "127.0.0.1", "bind_port": pages},
            "API": {"bind_address": "127.0.0.1", "bind_port": api},
        });
        let bench = Bench::merged(&patch.to_string());
        let server = bench.command(&["frontend"]).spawn().unwrap();
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", frontend)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(60), "the server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { bench, server }
    }

    /// The file of a program.
    pub fn program(&self, name: &str, role: Option<&str>) -> PathBuf {
        let file = self.bench.folder().join(format!("{name}.yaml"));
        let mut arguments = vec!["config", "api_client", "--name", name];
        arguments.extend(role.iter().flat_map(|role| ["--role", role]));
        arguments.push(file.to_str().unwrap());
        self.bench.output(&arguments);
        file
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

fn ask(programs: &Path, config: &Path, query: &str) -> Output {
    let mut command = Command::new(programs.join("pyvelociraptor"));
    command.arg("--config").arg(config).arg(query).output().unwrap()
}

#[test]
fn pyvelociraptor_queries_and_hears_the_log() {
    let Some(programs) = programs() else { return };
    let running = Running::start();
    running.bench.client(1);
    let config = running.program("tool", Some("administrator"));
    let asked =
        ask(&programs, &config, "SELECT client_id, log(message='seen') AS L FROM clients()");
    let said = text(&asked.stdout);
    assert!(asked.status.success(), "{}", text(&asked.stderr));
    assert!(said.contains(&format!("'client_id': '{CLIENT}'")), "{said}");
    assert!(said.contains("seen"), "{said}");
    let asked = ask(&programs, &config, "SELECT FROM");
    assert!(text(&asked.stdout).contains("VQL Error: "), "{}", text(&asked.stdout));

    let many = ask(&programs, &config, "SELECT _value AS N FROM range(start=1, end=2500)");
    let lines: Vec<Vec<Value>> = text(&many.stdout)
        .lines()
        .filter(|line| line.starts_with('['))
        .map(|line| serde_json::from_str(&line.replace('\'', "\"")).unwrap())
        .collect();
    assert!(lines.len() > 20, "a hundred rows in an answer: {}", lines.len());
    let numbers: Vec<i64> = lines.concat().iter().map(|row| row["N"].as_i64().unwrap()).collect();
    let first = numbers[0];
    assert!(numbers.iter().copied().eq(first..first + numbers.len() as i64), "in order, each once");
    assert!(numbers.len() >= 2499);
    let told = running.bench.audited("tool");
    assert!(told.contains(&("Query".to_owned(), true)), "{told:?}");
}

#[test]
fn whoever_has_no_rights_is_refused_by_the_api() {
    let Some(programs) = programs() else { return };
    let running = Running::start();
    running.bench.client(1);
    let refused = |config: &Path| {
        let asked = ask(&programs, config, "SELECT client_id FROM clients()");
        assert!(!asked.status.success(), "{}", text(&asked.stdout));
        assert!(!text(&asked.stdout).contains(CLIENT));
        text(&asked.stderr).to_owned()
    };
    // The certificate that agents hold opens the frontend, and not this.
    let agents = running.program("Client", None);
    assert!(refused(&agents).contains("PERMISSION_DENIED"));
    let reader = running.program("rita", Some("reader"));
    assert!(refused(&reader).contains("requires permission ANY_QUERY"));
    let tool = running.program("tool", Some("api"));
    assert!(ask(&programs, &tool, "SELECT client_id FROM clients()").status.success());
    running.bench.output(&["acl", "grant", "tool", "{}"]);
    assert!(refused(&tool).contains("PERMISSION_DENIED"));

    let other = Bench::new();
    let foreign = other.folder().join("foreign.yaml");
    other.output(&["config", "api_client", "--name", "tool", foreign.to_str().unwrap()]);
    let line = |file: &Path, key: &str| {
        let all = fs::read_to_string(file).unwrap();
        all.lines().find(|line| line.starts_with(key)).unwrap().to_owned()
    };
    let own = fs::read_to_string(&foreign).unwrap();
    let key = "api_connection_string";
    fs::write(&foreign, own.replace(&line(&foreign, key), &line(&tool, key))).unwrap();
    assert!(refused(&foreign).contains("UNAVAILABLE"), "another authority");
}

#[test]
fn pyvelociraptor_pushes_events_to_its_queues_only() {
    let Some(programs) = programs() else { return };
    let running = Running::start();
    let config = running.program("sensor", None);
    running.bench.output(&["acl", "grant", "sensor", r#"{"publish_queues":["Custom.Alerts"]}"#]);
    let push = |queue: &str| {
        let mut command = Command::new(programs.join("pyvelociraptor_push_event"));
        let event = r#"{"What":"door","_Sender":"somebody"}"#;
        command.arg(&config).arg(queue).arg(event).output().unwrap()
    };
    let pushed = push("Custom.Alerts");
    assert!(pushed.status.success(), "{}", text(&pushed.stderr));
    let refused = push("Custom.Others");
    assert!(text(&refused.stderr).contains("PERMISSION_DENIED"), "{}", text(&refused.stderr));
    let rows = running
        .bench
        .rows("SELECT What, _Sender, ClientId FROM monitoring(artifact='Custom.Alerts')");
    assert_eq!(rows, [json!({"What": "door", "_Sender": "sensor", "ClientId": "server"})]);
    assert!(running.bench.rows("SELECT * FROM monitoring(artifact='Custom.Others')").is_empty());
    let told = running.bench.audited("sensor");
    let send = "send_event".to_owned();
    assert_eq!(told, [(send.clone(), true), (send, false)]);
}

#[test]
fn a_watching_program_hears_of_events_as_they_come() {
    let Some(programs) = programs() else { return };
    let running = Running::start();
    let config = running.program("tool", Some("administrator"));
    let watch = "SELECT N FROM watch_monitoring(artifact='Custom.Alerts') LIMIT 2";
    let mut command = Command::new(programs.join("pyvelociraptor"));
    command.arg("--config").arg(&config).arg(watch).stdout(std::process::Stdio::piped());
    let watching = command.spawn().unwrap();
    // The watch begins some time after the program does: events are sent until it has seen two.
    let seen = std::thread::spawn(move || watching.wait_with_output().unwrap());
    let start = Instant::now();
    while !seen.is_finished() {
        assert!(start.elapsed() < Duration::from_secs(120), "nothing is heard");
        running.bench.output(&[
            "query",
            "SELECT send_event(artifact='Custom.Alerts', row=dict(N=7)) FROM scope()",
        ]);
    }
    let heard = seen.join().unwrap();
    assert_eq!(text(&heard.stdout).matches("'N': 7").count(), 2, "{}", text(&heard.stdout));
}

#[test]
fn pyvelociraptor_fetches_uploads_and_downloads_byte_by_byte() {
    let Some(programs) = programs() else { return };
    let running = Running::start();
    let config = running.program("tool", Some("administrator"));
    let client = running.bench.client(1);
    let bytes: Vec<u8> = (0..2_500_000_u32).map(|at| (at % 251) as u8).collect();
    let flow = running.bench.uploaded(&client, "C:/ä/../passwd", &bytes);
    let fetch = |more: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(programs.join("pyvelociraptor_fetch_flow_uploads"));
        command.arg("--config").arg(&config).arg(client.as_str()).arg(&flow);
        let done = command.arg("--output").arg(folder.path()).args(more).output().unwrap();
        assert!(done.status.success(), "{}", text(&done.stderr));
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(Result::unwrap).collect();
        assert_eq!(files.len(), 1, "{}", text(&done.stdout));
        fs::read(files[0].path()).unwrap()
    };
    assert!(fetch(&[]) == bytes, "the file is another one");
    let packed = fetch(&["--zip"]);
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(packed)).unwrap();
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    let name = names.iter().find(|name| name.starts_with("uploads/")).expect("the file");
    let mut unpacked = Vec::new();
    std::io::copy(&mut archive.by_name(name).unwrap(), &mut unpacked).unwrap();
    assert!(unpacked == bytes, "the packed file is another one");
    let reader = running.program("nobody", None);
    let mut command = Command::new(programs.join("pyvelociraptor_fetch"));
    let path = format!("clients/{client}/collections/{flow}/uploads/0");
    let refused = command.arg("--config").arg(&reader).arg(path).output().unwrap();
    assert!(text(&refused.stderr).contains("PERMISSION_DENIED") && refused.stdout.is_empty());
}

#[test]
fn a_certificate_that_has_ended_opens_nothing() {
    let Some(programs) = programs() else { return };
    let running = Running::start();
    let config = running.program("tool", Some("administrator"));
    let query = "SELECT 1 AS A FROM scope()";
    assert!(ask(&programs, &config, query).status.success());
    super::remote::expire(&running.bench.config, &config);
    let refused = ask(&programs, &config, query);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("UNAVAILABLE"), "{}", text(&refused.stderr));
}
