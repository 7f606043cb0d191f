//! Local commands of the program against the real machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_troodon-agent");

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

/// The rows of a query and what it logged.
fn query_with(vql: &str, env: &[(&str, &str)]) -> (Vec<Value>, String) {
    let mut command = Command::new(PROGRAM);
    command.args(["query", vql, "--format", "json"]);
    for (name, value) in env {
        command.arg("--env").arg(format!("{name}={value}"));
    }
    let output = command.output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{vql}: {log}");
    (serde_json::from_slice(&output.stdout).unwrap(), log)
}

fn query(vql: &str) -> Vec<Value> {
    query_with(vql, &[]).0
}

fn below(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

#[test]
fn this_process_is_listed_with_its_parent_and_memory() {
    let pid = std::process::id();
    let rows = query(&format!("SELECT * FROM pslist(pid={pid})"));
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(row["Pid"], pid);
    assert_eq!(row["Ppid"], std::os::unix::process::parent_id());
    assert!(row["MemoryInfo"]["RSS"].as_u64().unwrap() > 100_000);
    assert!(row["Times"]["user"].as_f64().is_some());
    let exe = std::env::current_exe().unwrap();
    assert_eq!(row["Exe"], exe.to_str().unwrap());
    let all = query("SELECT Pid FROM pslist()");
    assert!(all.iter().any(|row| row["Pid"] == pid));
    assert!(query("SELECT * FROM pslist(pid=-1)").is_empty());
    assert_eq!(query("SELECT Name FROM pslist(pid=getpid())")[0]["Name"], "troodon-agent");
}

#[test]
fn a_socket_is_listed_with_the_process_that_holds_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let rows = query(&format!(
        "SELECT Pid, Status, TypeString, Laddr FROM netstat() WHERE Laddr.Port = {port} AND Status = 'LISTEN'"
    ));
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["Pid"], std::process::id());
    assert_eq!(rows[0]["TypeString"], "TCP");
    assert_eq!(rows[0]["Laddr"]["IP"], "127.0.0.1");
}

#[test]
fn the_first_interrogation_is_answered() {
    let rows = query(
        "LET Interfaces = SELECT HardwareAddrString AS MAC FROM interfaces() WHERE HardwareAddr \
         SELECT Hostname, OS, Architecture, Platform, KernelVersion, Fqdn, Interfaces.MAC AS MACs FROM info()",
    );
    assert_eq!(rows[0]["OS"], "linux");
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(rows[0]["Hostname"], hostname.trim());
    assert!(rows[0]["MACs"].is_array());
    let rows = query("SELECT * FROM items(item={ SELECT * FROM info() })");
    assert!(!rows.is_empty());
    let rows = query("SELECT sysinfo() AS S FROM scope()");
    assert!(rows[0]["S"]["TotalPhysicalMemory"].as_u64().unwrap() > 1 << 20);
    let lo = query("SELECT * FROM interfaces() WHERE Name = 'lo'");
    assert_eq!(lo[0]["Loopback"], "Y");
}

#[test]
fn accounts_and_mounts_are_listed() {
    let root = query("SELECT * FROM users() WHERE Uid = 0");
    assert_eq!(root[0]["User"], "root");
    let mounts = query("SELECT MountPoint, FsType FROM mounts() WHERE MountPoint = '/proc'");
    assert_eq!(mounts[0]["FsType"], "proc");
}

#[test]
fn a_tree_is_globbed_with_hostile_names_and_loops() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("a/b/c")).unwrap();
    fs::write(root.join("a/b/c/deep.txt"), "deep").unwrap();
    fs::write(root.join("a/new\nline \"q\".txt"), "x").unwrap();
    fs::write(root.join(std::ffi::OsStr::from_bytes(b"a/\xff\xfe.txt")), "x").unwrap();
    symlink(root, root.join("a/b/loop")).unwrap();
    symlink("nowhere", root.join("a/dangling.txt")).unwrap();
    let env = [("Root", root.to_str().unwrap())];
    let names = |glob: &str, rest: &str| {
        let vql = format!("SELECT Name FROM glob(globs='{glob}', root=Root{rest})");
        let (rows, log) = query_with(&vql, &env);
        assert!(!log.contains("ERROR"), "{log}");
        rows.iter().map(|row| row["Name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("**/deep.txt", ""), ["deep.txt"]);
    assert_eq!(
        names("a/*.txt", ""),
        ["dangling.txt", "new\nline \"q\".txt", "\u{fffd}\u{fffd}.txt"]
    );
    assert_eq!(names("a/{b,x}/c/*.{txt,md}", ""), ["deep.txt"]);
    assert_eq!(names("a/b/loop/a/b/c/*", ", nosymlink=TRUE"), Vec::<String>::new());
    assert_eq!(names("a/b/c/[c-e]eep.???", ""), ["deep.txt"]);
    assert_eq!(names("**1/c", ""), Vec::<String>::new());
    assert_eq!(names("**2/c", ""), ["c"]);
    assert_eq!(names("a/nothing", ""), Vec::<String>::new());
    let (rows, _) = query_with(
        "SELECT IsLink, IsDir, Data.Link AS Link, Mode, Size FROM glob(globs='a/*', root=Root) WHERE Name = 'dangling.txt'",
        &env,
    );
    assert_eq!(rows[0]["IsLink"], true);
    assert_eq!(rows[0]["Link"], "nowhere");
    assert_eq!(rows[0]["Mode"], "lrwxrwxrwx");
}

#[test]
fn files_that_cannot_be_read_are_logged_with_their_reason() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = below(folder.path(), "fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        fifo.as_str(),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let (rows, log) = query_with("SELECT read_file(filename=F) AS D FROM scope()", &[("F", &fifo)]);
    assert_eq!(rows[0]["D"], Value::Null);
    assert!(log.contains("fifo: is a FIFO, not a regular file"), "{log}");
    let (rows, log) = query_with("SELECT hash(path='/no/such/file') AS H FROM scope()", &[]);
    assert_eq!(rows[0]["H"], Value::Null);
    assert!(log.contains("/no/such/file"), "{log}");
    let (rows, log) = query_with("SELECT * FROM parse_lines(filename='/no/such/file')", &[]);
    assert!(rows.is_empty());
    assert!(log.contains("parse_lines: /no/such/file"), "{log}");
}

#[test]
fn a_folder_without_permission_is_logged_and_the_rest_is_found() {
    if rustix::process::geteuid().is_root() {
        println!("SKIPPED: root may read every folder");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::write(folder.path().join("open.txt"), "").unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let (rows, log) = query_with(
        "SELECT Name FROM glob(globs='**', root=Root)",
        &[("Root", folder.path().to_str().unwrap())],
    );
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(rows.len(), 2);
    assert!(log.contains("Permission denied"), "{log}");
}

#[test]
fn contents_are_hashed_read_and_split() {
    let folder = tempfile::tempdir().unwrap();
    let file = below(folder.path(), "abc");
    fs::write(&file, "abc").unwrap();
    let env = [("F", file.as_str())];
    let (rows, _) = query_with(
        "SELECT hash(path=F).SHA256 AS H, read_file(filename=F, offset=1, length=1) AS D, stat(filename=F).Size AS S FROM scope()",
        &env,
    );
    assert_eq!(rows[0]["H"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!((&rows[0]["D"], &rows[0]["S"]), (&Value::from("b"), &Value::from(3)));
    let (rows, _) = query_with("SELECT Data, Offset FROM read_file(filenames=F, chunk=2)", &env);
    assert_eq!(rows[1]["Data"], "c");
    assert_eq!(rows[1]["Offset"], 2);
    let rows = query(
        "SELECT User FROM split_records(filenames='/etc/passwd', regex=':', columns=['User', 'X', 'Uid']) WHERE Uid = '0'",
    );
    assert_eq!(rows[0]["User"], "root");
}

#[test]
fn a_program_runs_without_a_shell() {
    let rows = query("SELECT * FROM execve(argv=['/bin/echo', '$(id)', 'a b'])");
    assert_eq!(rows[0]["Stdout"], "$(id) a b\n");
    assert_eq!((&rows[0]["ReturnCode"], &rows[0]["Complete"]), (&0.into(), &true.into()));
    let rows =
        query("SELECT Stdout FROM execve(argv=['/bin/echo', 'a\nb'], sep='\n') WHERE Stdout");
    assert_eq!(rows.len(), 2);
    // A query inside an expression waits for the program too.
    let rows = query(
        "SELECT { SELECT Stdout, ReturnCode FROM execve(argv=['/bin/sh', '-c', 'sleep 0.2; echo $X; exit 3'], env=dict(X='y')) } AS R FROM scope()",
    );
    assert_eq!(rows[0]["R"]["Stdout"], "y\n");
    assert_eq!(rows[0]["R"]["ReturnCode"], 3);
    let (rows, log) = query_with("SELECT * FROM execve(argv=['/no/such/program'])", &[]);
    assert!(rows.is_empty());
    assert!(log.contains("/no/such/program"), "{log}");
}

#[test]
fn a_signal_ends_the_query_and_the_program_that_it_runs() {
    let vql = "SELECT * FROM execve(argv=['/bin/sh', '-c', 'echo $$; exec sleep 1000'], sep='\n')";
    let mut agent = Command::new(PROGRAM)
        .args(["query", vql, "--format", "jsonl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(agent.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let row: Value = serde_json::from_str(&line).unwrap();
    let sleeper = row["Stdout"].as_str().unwrap().to_owned();
    let pid = rustix::process::Pid::from_raw(i32::try_from(agent.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(!agent.wait().unwrap().success());
    let stat = fs::read_to_string(format!("/proc/{sleeper}/stat"));
    assert!(stat.is_err() || stat.unwrap().contains(") Z "));
}

#[test]
fn an_upload_is_copied_below_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let target = below(folder.path(), "stored");
    let file = below(folder.path(), "file.txt");
    fs::write(&file, "content").unwrap();
    let vql = "SELECT upload(file=F, name='../../x/y.txt') AS U FROM scope()";
    let env = format!("F={file}");
    let output = run(&["query", vql, "--format", "jsonl", "--env", &env, "--upload-dir", &target]);
    let row: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(row["U"]["Size"], 7);
    assert_eq!(row["U"]["StoredName"], "../../x/y.txt");
    let stored = Path::new(&target).join("auto/%2E./%2E./x/y.txt");
    assert_eq!(fs::read_to_string(stored).unwrap(), "content");
    let (rows, log) = query_with("SELECT upload(file=F) AS U FROM scope()", &[("F", &file)]);
    assert_eq!(rows[0]["U"], Value::Null);
    assert!(log.contains("nowhere to upload to"), "{log}");
}

#[test]
fn every_format_is_well_formed() {
    let vql = "SELECT * FROM foreach(row=[dict(A=1, B='x,\"y\"'), dict(A=2, B=NULL)])";
    let text = |format: &str| {
        let output = run(&["query", vql, "--format", format]);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(text("csv"), "A,B\n1,\"x,\"\"y\"\"\"\n2,\n");
    let lines: Vec<Value> =
        text("jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    let array: Vec<Value> = serde_json::from_str(&text("json")).unwrap();
    assert_eq!(array, lines);
    assert_eq!(text("table"), "A  B\n-  -----\n1  x,\"y\"\n2\n");
}

#[test]
fn a_mistake_in_a_query_fails_the_command_and_says_where() {
    let output = run(&["query", "SELECT FROM"]);
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    assert!(!output.stderr.is_empty());
    let output = run(&["query", "SELECT 1 FROM scope()", "--env", "novalue"]);
    assert!(!output.status.success());
}

#[test]
fn an_artifact_is_listed_shown_and_collected() {
    let folder = tempfile::tempdir().unwrap();
    let text = "name: Custom.Test\n\
                description: Counts.\n\
                parameters:\n\
                - name: Count\n  type: int\n  default: 3\n\
                - name: Flag\n  type: bool\n\
                - name: Table\n  type: csv\n  default: |\n    Name,Port\n    ssh,22\n\
                sources:\n\
                - name: Numbers\n  query: |\n    SELECT Count + 1 AS N, Flag, Table[0].Port AS Port FROM scope()\n\
                - name: Never\n  precondition: SELECT OS FROM info() WHERE OS = 'windows'\n  query: SELECT 1 FROM scope()\n";
    fs::create_dir(folder.path().join("Custom")).unwrap();
    fs::write(folder.path().join("Custom/Test.yaml"), text).unwrap();
    let definitions = folder.path().to_str().unwrap();
    let artifacts = |rest: &[&str]| {
        let mut arguments = vec!["artifacts", "--definitions", definitions];
        arguments.extend_from_slice(rest);
        run(&arguments)
    };
    assert_eq!(artifacts(&["list"]).stdout, b"Custom.Test\n");
    let shown = String::from_utf8(artifacts(&["show", "Custom.Test"]).stdout).unwrap();
    assert!(shown.contains("Count (int, default \"3\")"), "{shown}");
    let collect = ["collect", "Custom.Test", "--format", "json", "--args", "Flag=Y"];
    let output = artifacts(&collect);
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows.len(), 1, "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(rows[0]["N"], 4);
    assert_eq!(rows[0]["Flag"], true);
    assert_eq!(rows[0]["Port"], 22);
    let vql = "SELECT N, _Source FROM Artifact.Custom.Test(Count=9, source='Numbers')";
    let called = run(&["query", vql, "--definitions", definitions, "--format", "json"]);
    let rows: Vec<Value> = serde_json::from_slice(&called.stdout).unwrap();
    assert_eq!(rows[0]["N"], 10, "{}", String::from_utf8_lossy(&called.stderr));
    assert_eq!(rows[0]["_Source"], "Custom.Test/Numbers");
    let output = artifacts(&["collect", "Custom.Test", "--args", "Nope=1"]);
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("no parameter Nope"));
    assert!(!artifacts(&["show", "No.Such"]).status.success());
}

#[test]
fn a_name_is_explained_and_an_unknown_one_refused() {
    let shown = run(&["vql", "show", "pslist"]);
    assert!(shown.status.success());
    assert!(String::from_utf8_lossy(&shown.stdout).contains("MACHINE_STATE"));
    let listed = run(&["vql", "list", "PSL"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("plugin    pslist"));
    let unknown = run(&["vql", "show", "nosuch"]);
    assert!(!unknown.status.success());
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("`troodon-agent vql list`"));
}
