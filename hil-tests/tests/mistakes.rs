//! Configurations with a mistake in them: both programs refuse to start and say in one line what to look at.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hil_tests::{Deployment, Programs, wait_until};

/// How long a program may take to refuse.
const REFUSE_MAX: Duration = Duration::from_secs(20);

/// A mistake: what is replaced by what, and the words that the error must hold.
type Mistake = (&'static str, &'static str, &'static [&'static str]);

fn deployment() -> (Programs, Deployment) {
    let programs = Programs::find().expect("programs");
    let deployment = Deployment::generate(&programs).expect("a configuration");
    (programs, deployment)
}

/// Runs a program that must refuse, and returns its one line.
fn refusal(program: &Path, config: &Path, command: &str) -> String {
    let mut command_line = Command::new(program);
    command_line.arg("--config").arg(config).arg(command).stdout(Stdio::null());
    let mut child = command_line.stderr(Stdio::piped()).spawn().expect("a start");
    let ended = wait_until("refusal", REFUSE_MAX, || Ok(child.try_wait()?.is_some()));
    if let Err(error) = ended {
        child.kill().expect("a kill");
        panic!("{command_line:?}: {error}");
    }
    let done = child.wait_with_output().expect("its last words");
    let said = String::from_utf8_lossy(&done.stderr).trim_end().to_owned();
    assert!(!done.status.success(), "{command_line:?} works: {said}");
    assert!(!said.is_empty(), "{command_line:?} says nothing");
    assert!(!said.contains('\n'), "{command_line:?} says more than a line: {said}");
    said
}

fn check(program: &Path, config: &Path, command: &str, mistakes: &[Mistake]) {
    let text = fs::read_to_string(config).expect("a configuration");
    for (from, to, words) in mistakes {
        assert!(text.contains(from), "{from} is not in {}", config.display());
        fs::write(config, text.replacen(from, to, 1)).expect("a mistake");
        let said = refusal(program, config, command);
        for word in *words {
            assert!(said.contains(word), "{from} -> {to}: no {word:?} in: {said}");
        }
    }
}

#[test]
fn an_agent_names_the_mistake_in_its_configuration() {
    let (programs, deployment) = deployment();
    let config = deployment.client_config();
    let mistakes: &[Mistake] = &[
        ("nonce:", "nonse:", &["client.config.yaml:", "nonse"]),
        ("Client:", "Klient:", &["client.config.yaml:", "Klient"]),
        ("https://", "", &["Client.server_urls", "127.0.0.1"]),
        ("-----BEGIN CERTIFICATE-----", "-----BEGIN-----", &["Client.ca_certificate"]),
        ("max_poll: 4", "max_poll: soon", &["client.config.yaml:", "u64"]),
    ];
    check(&programs.agent, &config, "client", mistakes);
}

#[test]
fn a_server_names_the_mistake_in_its_configuration() {
    let (programs, deployment) = deployment();
    let config = deployment.server_config();
    let mistakes: &[Mistake] = &[
        ("nonce:", "nonse:", &["server.config.yaml:", "nonse"]),
        ("Frontend:", "Frontent:", &["server.config.yaml:", "Frontent"]),
        ("CA:", "Ca:", &["server.config.yaml:", "did you mean `CA`"]),
    ];
    check(&programs.server, &config, "frontend", mistakes);
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let (programs, deployment) = deployment();
    let missing = deployment.folder().join("missing.yaml");
    for (program, command) in [(&programs.agent, "client"), (&programs.server, "frontend")] {
        let said = refusal(program, &missing, command);
        assert!(said.contains("missing.yaml"), "{said}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let (programs, deployment) = deployment();
    let _server = deployment.start_server().expect("a server");
    let said = refusal(&programs.server, &deployment.server_config(), "frontend");
    assert!(said.contains(&deployment.port().to_string()), "{said}");
}
