//! `troodon provision`: what it writes is what a board reads, and what a board would refuse it refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use troodon_core::identity::ClientId;
use troodon_core::provision::Provision;
use troodon_core::rsa::PrivateKey;
use troodon_core::rsa::aws::AwsKey;

fn troodon(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_troodon")).args(arguments).output().unwrap()
}

/// A deployment whose agents find the server at `url`.
fn deployment(folder: &Path, url: &str) -> String {
    let patch = serde_json::json!({"Client": {"server_urls": [url], "labels": ["board"]}});
    let made = troodon(&["config", "generate", "--merge", &patch.to_string()]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let path = folder.join("server.config.yaml");
    std::fs::write(&path, made.stdout).unwrap();
    path.display().to_string()
}

#[test]
fn what_is_written_is_what_a_board_reads() {
    let folder = tempfile::tempdir().unwrap();
    let config = deployment(folder.path(), "http://10.0.2.2:8000/");
    let out = folder.path().join("pump-7.flash");
    let shown = out.display().to_string();
    let board = ["provision", "--board", "qemu-mps2-an386", "--name", "pump-7"];
    let arguments = [&["--config", &config], &board[..], &["--generate-key", &shown]].concat();
    let done = troodon(&arguments);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{said}");

    let flash = std::fs::read(&out).unwrap();
    let read = Provision::parse(&flash).unwrap();
    assert_eq!(read.name, "pump-7");
    assert_eq!(read.labels, ["board"]);
    assert_eq!(read.server_urls, ["http://10.0.2.2:8000/"]);
    assert!(read.agent_config().is_ok());
    let key = AwsKey::from_pkcs1_pem(read.private_key.expose().as_bytes()).unwrap();
    assert!(said.contains(&ClientId::of(key.public()).to_string()), "{said}");
    assert!(!said.contains("PRIVATE KEY"), "{said}");
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(flash[16 * 1024..].iter().all(|byte| *byte == 0xff), "the rest is erased flash");
}

#[test]
fn names_keys_and_missing_configurations_are_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let config = deployment(folder.path(), "https://server.example:8000/");
    let out = folder.path().join("out").display().to_string();
    let board = ["provision", "--board", "qemu-mps2-an386"];
    let with =
        |more: &[&str]| troodon(&[&["--config", &config], &board[..], more, &[&out]].concat());
    for (done, reason) in [
        (with(&["--name", "a b"]), "--name \"a b\""),
        (with(&["--name", ""]), "--name \"\""),
        (with(&["--key", &config]), "too many for a private key"),
        (with(&["--key", "/nowhere"]), "/nowhere"),
        (troodon(&[&board[..], &[&out]].concat()), "--config FILE"),
    ] {
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success(), "{reason}");
        assert!(said.contains(reason), "{said}");
        assert!(!Path::new(&out).exists(), "{reason}");
    }
}
