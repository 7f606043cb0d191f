//! The two files that the agent reads: its configuration and its identity.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tempfile::TempDir;
use troodon_agent::config::{ConfigFault, load};
use troodon_agent::writeback::{Identity, WritebackFault, identity};
use troodon_core::identity::ClientId;
use troodon_core::rsa::PrivateKey;

const GOOD: &str = "\
version:
  name: troodon
Client:
  server_urls:
    - https://192.0.2.1:8000/
  ca_certificate: |
    -----BEGIN CERTIFICATE-----
  nonce: AAECAwQFBgc=
  writeback_linux: /var/lib/agent.yaml
  use_self_signed_ssl: true
  max_poll: 60
autoexec:
  argv: [artifacts, list]
";

fn made_or_read(path: &Path, now: u64) -> Result<Identity, WritebackFault> {
    identity(path, now, &mut ChaCha20Rng::from_seed([7; 32]))
}

fn file(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("client.config.yaml");
    fs::write(&path, text).unwrap();
    path
}

fn fault(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, text);
    let fault = load(&path).unwrap_err().to_string();
    fault.replace(path.to_str().unwrap(), "FILE")
}

#[test]
fn a_configuration_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let config = load(&file(&folder, GOOD)).unwrap();
    assert_eq!(config.server_urls, ["https://192.0.2.1:8000/"]);
    assert_eq!(config.server_name(), "VelociraptorServer");
    assert!(config.use_self_signed_ssl);
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let told = fault(&GOOD.replace("  max_poll: 60", "  max_pole: 60"));
    assert!(told.starts_with("FILE:11:3: "), "{told}");
    assert!(told.contains("max_pole"), "{told}");
}

#[test]
fn a_missing_key_and_a_bad_url_are_named() {
    let told = fault(&GOOD.replace("  nonce: AAECAwQFBgc=\n", ""));
    assert!(told.contains("Client.nonce is missing"), "{told}");
    let told = fault(&GOOD.replace(":8000/", ":8000"));
    assert!(
        told.contains("\"https://192.0.2.1:8000\" must begin with a scheme and end in `/`"),
        "{told}"
    );
}

#[test]
fn what_is_no_configuration_is_refused() {
    assert!(matches!(load(Path::new("/nonexistent")), Err(ConfigFault::Unreadable { .. })));
    assert!(fault("<html>").starts_with("FILE:1:1: "));
    assert!(fault(&"#".repeat(2 << 20)).contains("this is no configuration"));
}

#[test]
fn an_identity_is_made_once_and_kept_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/agent.writeback.yaml");
    let made = made_or_read(&path, 1_700_000_000).unwrap();
    let read = made_or_read(&path, 1_800_000_000).unwrap();
    assert_eq!(ClientId::of(made.key.public()), ClientId::of(read.key.public()));
    assert_eq!(read.install_time, 1_700_000_000);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(ClientId::of(made.key.public()).as_str()));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn the_file_of_a_real_client_is_used_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.writeback.yaml");
    let made = made_or_read(&path, 1).unwrap();
    let pem = made.key.to_pkcs1_pem().unwrap();
    let text = format!(
        "private_key: |\n  {}\nlast_server_serial_number: 7\nevent_queries:\n  version: 3\ninstall_time: 1600000000\n",
        pem.trim_end().replace('\n', "\n  ")
    );
    fs::write(&path, &text).unwrap();
    let read = made_or_read(&path, 2).unwrap();
    assert_eq!(read.install_time, 1_600_000_000);
    assert_eq!(ClientId::of(made.key.public()), ClientId::of(read.key.public()));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_damaged_identity_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.writeback.yaml");
    for damaged in
        ["private_key: \"\"\n", "client_id: C.0123456789abcdef\n", "private_key: no key\n"]
    {
        fs::write(&path, damaged).unwrap();
        let fault = made_or_read(&path, 1).map(drop).unwrap_err();
        assert!(matches!(fault, WritebackFault::BadKey { .. }), "{fault}");
        assert!(fault.to_string().contains("delete it to enrol as another client"));
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
    }
}
