//! A board in a real Velociraptor, as a black box on loopback.

use anyhow::{Result, ensure};
use hil_tests::{BoardKey, Deployment, Firmware, Options, Peer, Programs, wait_until};
use serde_json::json;

use super::events::{TICKS, numbers};
use super::{ANSWER_MAX, NAME};

/// Without `VELOCIRAPTOR_BIN` it says that it was skipped.
pub(super) fn a_board_serves_a_real_velociraptor(firmware: &Firmware) -> Result<()> {
    let Some(peer) = Peer::find("a board in a real Velociraptor")? else { return Ok(()) };
    let programs = peer.serving(&Programs::find()?);
    let options = Options::with_test_artifacts(&[TICKS]).impatient();
    let deployment = Deployment::generate_with(&programs, &options)?;
    let server = deployment.start_server()?;
    let board = deployment.provision(firmware, NAME, BoardKey::Provisioned)?;
    let mut running = board.start()?;
    let client = deployment.wait_for_client(&mut running)?;

    // The rest of its record comes with the interrogation.
    let record = format!("SELECT os_info FROM clients(client_id='{client}')");
    wait_until("interrogation", ANSWER_MAX, || {
        let rows = deployment.query(&record)?;
        let info = rows.first().map(|row| row["os_info"].clone()).unwrap_or_default();
        Ok(info["hostname"] == NAME && info["mac_addresses"] == json!(["02:54:00:12:34:56"]))
    })?;

    let flow = deployment.schedule(&client, "Troodon.Test.Rows", &[("Count", "100")])?;
    let record = flow.wait(ANSWER_MAX)?;
    ensure!(record["state"] == "FINISHED", "{record}");
    // Rows may follow the end of the collection.
    wait_until("rows", ANSWER_MAX, || Ok(flow.numbers("N")?.len() >= 100))?;
    ensure!(flow.numbers("N")? == (0..100).collect::<Vec<_>>(), "not once and in order");

    wait_until("events", ANSWER_MAX, || Ok(numbers(&deployment, &client, TICKS)?.len() >= 3))?;
    let events = numbers(&deployment, &client, TICKS)?;
    ensure!(events == (1..).take(events.len()).collect::<Vec<_>>(), "{events:?}");
    server.stop()?;
    Ok(())
}
