//! Whom a board believes, and who believes a board.

use std::fs;

use anyhow::{Context, Result, ensure};
use hil_tests::{BoardKey, Deployment, Firmware, Programs, wait_until};
use serde_json::Value;

use super::{ANSWER_MAX, BOOT_MAX, NAME, board, secure};

pub(super) fn a_board_says_nothing_to_a_server_under_another_authority(
    firmware: &Firmware,
) -> Result<()> {
    let programs = Programs::find()?;
    let stranger = Deployment::generate_with(&programs, &secure())?;
    let server = stranger.start_server()?;
    let own = Deployment::generate_with(&programs, &secure())?;
    let config = fs::read_to_string(own.client_config())?;
    let (ours, theirs) = (own.port().to_string(), stranger.port().to_string());
    fs::write(own.client_config(), config.replace(&ours, &theirs))?;
    let mut running = own.provision(firmware, NAME, BoardKey::Provisioned)?.start()?;
    running.wait_for_line("TLS: the server's certificate is not trusted", BOOT_MAX)?;
    ensure!(stranger.query("SELECT client_id FROM clients()")?.is_empty(), "a client came");
    server.stop()?;
    Ok(())
}

pub(super) fn a_board_follows_a_server_with_another_key(firmware: &Firmware) -> Result<()> {
    let (deployment, server, board) = board(firmware, &secure(), BoardKey::Provisioned)?;
    let mut running = board.start()?;
    let client = deployment.wait_for_client(&mut running)?;
    server.stop()?;
    let rotated = deployment.server_command().args(["config", "rotate_keys"]).output()?;
    ensure!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    fs::write(deployment.server_config(), rotated.stdout)?;
    let server = deployment.start_server()?;
    running.wait_for_line("Pinned(Changed)", ANSWER_MAX)?;
    let rows = deployment.collect(&client, "Troodon.Test.Rows", &["Count=10"])?;
    ensure!(rows.len() == 10, "{rows:?}");
    server.stop()?;
    Ok(())
}

pub(super) fn a_server_that_wants_certificates_hears_only_boards_that_have_one(
    firmware: &Firmware,
) -> Result<()> {
    let deployment = Deployment::generate_with(&Programs::find()?, &secure())?;
    let without = deployment.provision(firmware, "pump-8", BoardKey::Provisioned)?;
    want_certificates(&deployment)?;
    let with = deployment.provision(firmware, NAME, BoardKey::Provisioned)?;
    let server = deployment.start_server()?;

    let mut refused = without.start()?;
    refused.wait_for_lines("LinkDown(", 2, BOOT_MAX)?;
    let said = refused.said();
    ensure!(!said.contains("Pinned"), "it got so far as server.pem: {said}");
    ensure!(deployment.query("SELECT client_id FROM clients()")?.is_empty(), "a client came");

    let mut running = with.start()?;
    let client = deployment.wait_for_client(&mut running)?;
    let rows = deployment.collect(&client, "Troodon.Test.Rows", &["Count=10"])?;
    ensure!(rows.len() == 10, "{rows:?}");
    let clients = || deployment.query("SELECT client_id FROM clients()");
    wait_until("the one client", ANSWER_MAX, || Ok(clients()?.len() == 1))?;
    server.stop()?;
    Ok(())
}

/// Makes the server of a deployment ask for certificates, and gives one to those who are provisioned from here on.
fn want_certificates(deployment: &Deployment) -> Result<()> {
    let path = deployment.folder().join("client.api.yaml");
    let mut make = deployment.server_command();
    make.args(["config", "api_client", "--name", "Client"]).arg(&path);
    ensure!(make.status()?.success(), "no certificate");
    let made: Value = serde_saphyr::from_str(&fs::read_to_string(path)?)?;
    let mut config: Value =
        serde_saphyr::from_str(&fs::read_to_string(deployment.server_config())?)?;
    config["Frontend"]["require_client_certificates"] = true.into();
    let keys = [
        ("client_certificate", "client_cert"),
        ("client_certificate_private_key", "client_private_key"),
    ];
    for (place, name) in keys {
        let text = made[name].as_str().with_context(|| format!("no {name}"))?;
        config["Client"]["Crypto"][place] = text.into();
    }
    // JSON is YAML.
    fs::write(deployment.server_config(), config.to_string())?;
    let client = deployment.server_command().args(["config", "client"]).output()?;
    ensure!(client.status.success(), "{}", String::from_utf8_lossy(&client.stderr));
    fs::write(deployment.client_config(), client.stdout)?;
    Ok(())
}
