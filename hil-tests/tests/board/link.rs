//! Boards at the end of bad wires.

use anyhow::{Result, ensure};
use hil_tests::{BoardKey, Faults, Firmware, Wire, wait_until};

use super::events::{TICKS, numbers, wait_for_all};
use super::memory::wait_for_row_in_flash;
use super::{ANSWER_MAX, board, plain_watching, secure};

/// Of a thousand frames, how many a bad wire loses.
const LOST_PER_MILLE: u64 = 30;
/// How often the cable is pulled out.
const PULLS: usize = 2;
const LINK: &str = "Troodon.Test.Link";
/// A slow wire: bits in a second.
const SLOW_BITS: u64 = 128_000;

pub(super) fn a_lossy_wire_loses_no_rows(firmware: &Firmware) -> Result<()> {
    let faults = Faults { lost_per_mille: LOST_PER_MILLE, ..Faults::default() };
    let (lost, carried) = rows_over(firmware, faults, 300)?;
    ensure!(lost > 0, "{carried} frames, and none was lost: the wire is too good");
    eprintln!("{lost} frames were lost, {carried} arrived");
    Ok(())
}

pub(super) fn a_slow_wire_carries_rows(firmware: &Firmware) -> Result<()> {
    let faults = Faults { bits_per_second: SLOW_BITS, ..Faults::default() };
    let (lost, _) = rows_over(firmware, faults, 100)?;
    ensure!(lost == 0, "the wire lost {lost} frames");
    Ok(())
}

/// Enrols a board over a wire and has it send rows; frames that were lost, and that arrived.
fn rows_over(firmware: &Firmware, faults: Faults, count: i64) -> Result<(u64, u64)> {
    let (deployment, server, board) = board(firmware, &secure(), BoardKey::Provisioned)?;
    let wire = Wire::lay(deployment.folder(), faults, 1)?;
    let mut running = board.start_on(&wire)?;
    let client = deployment.wait_for_client(&mut running)?;
    let parameters = [("Count", &*count.to_string())];
    let flow = deployment.schedule(&client, "Troodon.Test.Rows", &parameters)?;
    let record = flow.wait(ANSWER_MAX)?;
    ensure!(record["state"] == "FINISHED", "{record}");
    ensure!(flow.numbers("N")? == (0..count).collect::<Vec<_>>(), "not once and in order");
    server.stop()?;
    Ok(wire.counts())
}

pub(super) fn a_cable_that_was_pulled_out_costs_no_events(firmware: &Firmware) -> Result<()> {
    let options = plain_watching(&[TICKS, LINK]);
    let (deployment, server, board) = board(firmware, &options, BoardKey::Provisioned)?;
    let mut running = board.start()?;
    let client = deployment.wait_for_client(&mut running)?;
    wait_for_all(&deployment, &client, 1)?;
    for _ in 0..PULLS {
        board.plug(false)?;
        let before = numbers(&deployment, &client, TICKS)?.len();
        wait_for_row_in_flash(firmware, &board, i64::try_from(before)? + 3)?;
        board.plug(true)?;
        wait_for_all(&deployment, &client, before + 3)?;
    }
    let changes = || -> Result<Vec<Option<bool>>> {
        let rows = deployment.query(&format!(
            "SELECT HasLink FROM source(client_id='{client}', artifact='{LINK}', start_time=now() - 3600)"
        ))?;
        Ok(rows.iter().map(|row| row["HasLink"].as_bool()).collect())
    };
    wait_until("a row for each change", ANSWER_MAX, || Ok(changes()?.len() >= 2 * PULLS))?;
    let changes = changes()?;
    ensure!(changes == [Some(false), Some(true)].repeat(PULLS), "{changes:?}");
    server.stop()?;
    Ok(())
}
