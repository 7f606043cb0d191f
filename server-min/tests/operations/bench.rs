//! A deployment in a folder of its own, and its command line.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use troodon_server::model::id::ClientId;
use troodon_server::store::Store;

pub struct Bench {
    pub config: PathBuf,
    pub store: Store,
    folder: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self::merged("{}")
    }

    pub fn merged(patch: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let places = serde_json::json!({
            "Datastore": {"location": data, "filestore_directory": data},
            "Frontend": {"bind_address": "127.0.0.1"},
        });
        let made = Command::new(env!("CARGO_BIN_EXE_troodon"))
            .args(["config", "generate", "--merge", &places.to_string(), "--merge", patch])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", text(&made.stderr));
        let config = folder.path().join("server.config.yaml");
        std::fs::write(&config, made.stdout).unwrap();
        Self { config, store: Store::open(&data).unwrap(), folder }
    }

    /// A client with this number.
    pub fn client(&self, number: u64) -> ClientId {
        let id: ClientId = format!("C.{number:016x}").parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(self.store.enrol(id, vec![1, 2, 3])).unwrap());
        id
    }

    /// A collection of this client that is over, and has copied one file; answers its id.
    pub fn uploaded(&self, client: &ClientId, path: &str, bytes: &[u8]) -> String {
        let (client, path) = (*client, path.to_owned());
        let length = i64::try_from(bytes.len()).unwrap();
        let number = self.store.write(move |db| {
            let sql = "INSERT INTO flow (client, id, creator, artifacts, spec, request, urgent, created_us, complete) \
                       VALUES (?1, 'F.UPLOADED', 'x', '[]', 'null', x'', 0, 1, 1)";
            db.execute(sql, [client.as_str()])?;
            let number = db.last_insert_rowid();
            let sql = "INSERT INTO upload (flow, upload, path, accessor, components, size, stored, complete, \
                           mtime_ns, atime_ns, ctime_ns, btime_ns, started_us) \
                       VALUES (?1, 0, ?2, 'file', '[]', ?3, ?3, 1, 0, 0, 0, 0, 1)";
            db.execute(sql, rusqlite::params![number, path, length])?;
            Ok(number)
        });
        let folder = self.folder().join("data/uploads").join(number.unwrap().to_string());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("0"), bytes).unwrap();
        "F.UPLOADED".to_owned()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_troodon"));
        command.arg("--config").arg(&self.config).args(arguments);
        command
    }

    /// A command without `--config`.
    pub fn bare(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_troodon")).args(arguments).output().unwrap()
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The standard output of a command that succeeds.
    pub fn output(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
        text(&done.stdout).to_owned()
    }

    /// The standard error of a command that fails without output.
    pub fn refusal(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert!(!done.status.success() && done.stdout.is_empty(), "{arguments:?}");
        text(&done.stderr).to_owned()
    }

    /// The rows of a query.
    pub fn rows(&self, vql: &str) -> Vec<Value> {
        serde_json::from_str(&self.output(&["query", "--format", "json", vql])).unwrap()
    }

    /// Operations of a principal in the audit log, with what became of them.
    pub fn audited(&self, principal: &str) -> Vec<(String, bool)> {
        let records = self.store.audit_records(0, 10_000).unwrap();
        let own = records.into_iter().map(|(_, one)| one).filter(|one| one.principal == principal);
        own.map(|one| (one.operation, one.allowed)).collect()
    }
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
