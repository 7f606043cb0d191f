//! Definitions: what is accepted, what is refused, and how the refusal reads.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::Path;
use std::process::{Command, Output};

use troodon_server::artifact::{Artifact, ArtifactType, Origin, Repository, yaml_files};

fn refusal(text: &str) -> String {
    Artifact::parse(text, "a.yaml").unwrap_err().to_string()
}

#[test]
fn all_keys_of_the_schema_are_read() {
    let text = r"
name: Test.All_Keys
aliases: [Test.Other]
description: Words.
author: Somebody
reference: [https://one.example]
references: [https://two.example]
required_permissions: [EXECVE, filesystem_read]
implied_permissions: [NETWORK]
impersonate: joe
type: Server_Event
resources: {timeout: 10, ops_per_second: 2.5, max_rows: 3, max_upload_bytes: 4}
tools:
  - {name: T, url: 'https://t.example', serve_locally: true}
parameters:
  - {name: Count, type: int, default: 5, friendly_name: C, validating_regex: '^\d+$'}
  - {name: Pick, type: choices, default: b, choices: [a, b]}
export: LET X = 1
imports: [Test.Import]
precondition: SELECT * FROM info()
sources:
  - name: One
    description: First.
    queries:
      - LET Y = X
      - SELECT Y FROM scope()
    notebook:
      - {type: vql_suggestion, name: N, template: SELECT 1}
column_types:
  - {name: Y, type: timestamp}
reports:
  - {type: client}
";
    let artifact = Artifact::parse(text, "a.yaml").unwrap();
    assert_eq!(artifact.kind, ArtifactType::ServerEvent);
    assert_eq!(artifact.parameters[0].default, "5");
    assert_eq!(artifact.resources.timeout, 10);
    assert_eq!(artifact.sources[0].text(), "LET Y = X\nSELECT Y FROM scope()");
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (text, wanted) in [
        ("name: A\nsource: []\n", "a.yaml:2:1: unknown key `source`"),
        ("name: A\nsources:\n  - querry: x\n", "a.yaml:3:5: unknown key `querry`"),
        ("name: 1.A\n", "`1.A` is no name such as"),
        ("name: A..B\n", "`A..B` is no name such as"),
        ("description: x\n", "`name` is missing"),
        ("name: A\ntype: CLEINT\n", "unknown artifact type `CLEINT`"),
        ("name: A\nrequired_permissions: [EXEC]\n", "unknown permission `EXEC`"),
        (
            "name: A\nparameters:\n  - name: P\n    type: choices\n    default: c\n    choices: [a]\n",
            "the default `c` of `P`",
        ),
        (
            "name: A\nprecondition: SELECT 1 FROM scope()\nsources:\n  - precondition: SELECT 1 FROM scope()\n    query: SELECT 1 FROM scope()\n",
            "a.yaml:4:0: A: both the artifact and this source have a precondition",
        ),
        (
            "name: A\nsources:\n  - query: |\n      LET X = 1\n",
            "the last statement must be a SELECT",
        ),
        (
            "name: A\nsources:\n  - query: |\n      SELECT 1 FROM scope()\n      SELECT 2 FROM scope()\n",
            "only the last statement may be a SELECT",
        ),
        ("name: A\nexport: SELECT 1 FROM scope()\n", "export: only LET is possible here"),
        (
            "name: A\nsources:\n  - query: SELECT 1 FROM scope()\n    notebook:\n      - type: html\n",
            "unknown type `html` of a notebook cell",
        ),
    ] {
        let said = refusal(text);
        assert!(said.contains(wanted), "{text}\n{said}");
    }
}

#[test]
fn mistakes_in_queries_point_into_the_file() {
    let block =
        "name: A\nsources:\n  - query: |\n      LET X = 1\n\n      SELECT FROM FROM scope()\n";
    assert!(refusal(block).starts_with("a.yaml:6:14: query: "), "{}", refusal(block));
    let bare = "name: A\nsources:\n  - query: SELECT FROM FROM scope()\n";
    assert!(refusal(bare).starts_with("a.yaml:3:19: query: "), "{}", refusal(bare));
    let several = "name: A\nsources:\n  - query: SELECT 1: 2,\n      3 FROM FROM\n";
    assert!(refusal(several).starts_with("a.yaml:3:20: "), "{}", refusal(several));
}

#[test]
fn too_long_definitions_are_refused() {
    let text = format!("name: A\ndescription: {}\n", "x".repeat(1 << 20));
    assert!(refusal(&text).contains("larger than"), "{}", refusal(&text));
}

#[test]
fn aliases_find_their_artifact_and_cannot_be_taken() {
    let mut repository = Repository::built_in().unwrap();
    repository.add("name: A\naliases: [B]\n", "a", Origin::Given).unwrap();
    assert_eq!(repository.get("B").unwrap().artifact.name, "A");
    let error = repository.add("name: C\naliases: [B]\n", "c", Origin::Given).unwrap_err();
    assert!(error.to_string().contains("`B` is the name of another artifact"), "{error}");
    repository.add("name: A\n", "a", Origin::Given).unwrap();
    assert!(repository.get("B").is_none());
}

fn troodon(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_troodon")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_built_in_artifacts_can_be_listed_and_shown() {
    let listed = troodon(&["artifacts", "list", "sys.proc"]);
    assert_eq!(text(&listed.stdout), "Linux.Sys.Processes\n");
    let shown = troodon(&["artifacts", "show", "Linux.Sys.Processes"]);
    let definition = Artifact::parse(text(&shown.stdout), "shown").unwrap();
    assert_eq!(definition.name, "Linux.Sys.Processes");
    let unknown = troodon(&["artifacts", "show", "No.Such"]);
    assert!(!unknown.status.success());
    assert_eq!(
        text(&unknown.stderr),
        "troodon: there is no artifact `No.Such`; `troodon artifacts list` shows all\n"
    );
}

#[test]
fn verify_reads_folders_and_says_all_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("Custom/Linux");
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(deep.join("good.yaml"), "name: Custom.Good\n").unwrap();
    let path = folder.path().to_str().unwrap();
    let fine = troodon(&["artifacts", "verify", path]);
    assert!(fine.status.success(), "{}", text(&fine.stderr));
    assert_eq!(text(&fine.stdout), "1 definitions are fine\n");

    std::fs::write(deep.join("bad.yaml"), "name: Custom.Bad\nnmae: x\n").unwrap();
    let calls = "name: Custom.Calls\nsources:\n  - query: SELECT * FROM Artifact.No.Such()\n";
    std::fs::write(deep.join("calls.yaml"), calls).unwrap();
    let wrong = troodon(&["artifacts", "verify", path]);
    assert!(!wrong.status.success() && wrong.stdout.is_empty());
    let lines: Vec<&str> = text(&wrong.stderr).lines().collect();
    assert!(lines[0].ends_with("bad.yaml:2:1: unknown key `nmae`"), "{lines:?}");
    assert!(lines[1].ends_with("calls.yaml:3:0: there is no artifact `No.Such`"), "{lines:?}");
    assert_eq!(lines[2], "troodon: 2 of 3 definitions are wrong");
}

#[test]
fn what_a_definition_can_do_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let shell = "name: Custom.Shell\nrequired_permissions: [EXECVE]\nparameters:\n- name: Command\n\
                 sources:\n- query: SELECT * FROM execve(argv=Command)\n";
    let list = "name: Custom.List\nsources:\n\
                - query: SELECT * FROM Artifact.Custom.Shell(Command='ls')\n";
    std::fs::write(folder.path().join("shell.yaml"), shell).unwrap();
    std::fs::write(folder.path().join("list.yaml"), list).unwrap();
    let done = troodon(&["artifacts", "verify", folder.path().to_str().unwrap()]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(
        text(&done.stdout),
        "Custom.List: EXECVE by execve() in Custom.Shell, not declared\n\
         Custom.Shell: EXECVE by execve() in Custom.Shell\n\
         2 definitions are fine\n"
    );
}

#[test]
fn verify_shows_what_the_host_of_an_artifact_does_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, rest: &str| {
        std::fs::write(
            folder.path().join(name),
            format!("name: {}\n{rest}", name.trim_end_matches(".yaml")),
        )
        .unwrap();
    };
    write(
        "Custom.A.yaml",
        "parameters:\n- name: Rows\n  type: csv\nsources:\n- query: |\n    \
         LET Own(x) = x + Absent(y=1)\n    SELECT Own(x=1), upcase(string='a', text=2), clients() FROM Rows\n    \
         WHERE filter(list=Rows, condition='x=>nope(x=x)')\n- query: SELECT * FROM glob(globs='/', accessor='tape')\n",
    );
    write("Custom.B.yaml", "type: SERVER\nsources:\n- query: SELECT * FROM clients()\n");
    write("Custom.C.yaml", "type: SERVER\nsources:\n- query: SELECT * FROM pslist()\n");
    let done = troodon(&["artifacts", "verify", folder.path().to_str().unwrap()]);
    assert!(!done.status.success());
    let wanted = "\
artifact  runs on  missing
Custom.A  agent    function Absent, function clients, function nope, argument text of upcase(), accessor tape
Custom.C  server   plugin pslist
";
    let printed = text(&done.stdout);
    assert!(printed.ends_with(wanted), "{printed}");
    assert_eq!(text(&done.stderr), "troodon: 2 of 3 definitions call what is not there\n");
}

/// A folder of definitions from elsewhere, such as a checkout of Velociraptor's.
#[test]
fn definitions_from_elsewhere_are_accepted() {
    let Some(folder) = std::env::var_os("TROODON_ARTIFACTS") else {
        eprintln!("SKIPPED: TROODON_ARTIFACTS names no folder of artifact definitions");
        return;
    };
    let files = yaml_files(Path::new(&folder)).unwrap();
    assert!(!files.is_empty(), "no definitions in {}", folder.display());
    let faults: Vec<String> = files
        .iter()
        .filter_map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            Artifact::parse(&text, &file.display().to_string()).err()
        })
        .map(|fault| fault.to_string())
        .collect();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), files.len(), faults.join("\n"));
}
