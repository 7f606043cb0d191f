//! Events while nobody takes them.

use anyhow::{Context, Result, ensure};
use hil_tests::{BoardKey, Deployment, Firmware, wait_until};
use serde_json::Value;

use super::memory::wait_for_row_in_flash;
use super::{ANSWER_MAX, board, plain_watching};

pub(super) const TICKS: &str = "Troodon.Test.Ticks";
const FLOOD: &str = "Troodon.Test.Flood";
/// Rows of the flood that are more than the flash holds: some 190 KiB for events, and 200 bytes a row at least.
const TOO_MANY: i64 = 1_200;
/// Lines that the query of the flood logs, at most.
const LOG_LINES_MAX: usize = 5;

/// The numbers of the events that the server has.
pub(super) fn numbers(deployment: &Deployment, client: &str, artifact: &str) -> Result<Vec<i64>> {
    let rows = deployment.query(&format!(
        "SELECT N FROM source(client_id='{client}', artifact='{artifact}', start_time=now() - 3600)"
    ))?;
    let number = |row: &Value| row["N"].as_i64().with_context(|| format!("no number in {row}"));
    rows.iter().map(number).collect()
}

/// Waits until the server has so many events, and makes sure that it has each once and in order.
pub(super) fn wait_for_all(deployment: &Deployment, client: &str, least: usize) -> Result<()> {
    let has_all = || Ok(numbers(deployment, client, TICKS)?.len() >= least);
    wait_until("events", ANSWER_MAX, has_all)?;
    let numbers = numbers(deployment, client, TICKS)?;
    let expected: Vec<_> = (1..).take(numbers.len()).collect();
    ensure!(numbers == expected, "not once and in order: {numbers:?}");
    Ok(())
}

pub(super) fn events_go_on_while_the_server_is_away_and_arrive_once_and_in_order(
    firmware: &Firmware,
) -> Result<()> {
    let options = plain_watching(&[TICKS]);
    let (deployment, server, board) = board(firmware, &options, BoardKey::Provisioned)?;
    let mut running = board.start()?;
    let client = deployment.wait_for_client(&mut running)?;
    wait_for_all(&deployment, &client, 1)?;
    server.kill()?;
    let before = numbers(&deployment, &client, TICKS)?.len();
    wait_for_row_in_flash(firmware, &board, i64::try_from(before)? + 5)?;
    let server = deployment.start_server()?;
    wait_for_all(&deployment, &client, before + 5)?;
    server.stop()?;
    Ok(())
}

pub(super) fn when_the_flash_is_full_the_oldest_events_go_and_are_counted(
    firmware: &Firmware,
) -> Result<()> {
    let options = plain_watching(&[FLOOD]);
    let (deployment, server, board) = board(firmware, &options, BoardKey::Provisioned)?;
    let mut running = board.start()?;
    let client = deployment.wait_for_client(&mut running)?;
    let count = || numbers(&deployment, &client, FLOOD).map(|numbers| numbers.len());
    wait_until("an event", ANSWER_MAX, || Ok(count()? > 0))?;
    server.kill()?;
    wait_for_row_in_flash(firmware, &board, i64::try_from(count()?)? + TOO_MANY)?;
    let server = deployment.start_server()?;
    let mut seen = (0, 0);
    wait_until("count of all that is missing", ANSWER_MAX, || {
        let numbers = numbers(&deployment, &client, FLOOD)?;
        ensure!(numbers.is_sorted_by(|one, next| one < next), "not once and in order");
        let last = usize::try_from(numbers.last().copied().unwrap_or_default())?;
        seen = (last - numbers.len(), reported(&deployment, &client)?);
        // A dropped line of the query's log counts as a row.
        Ok(seen.0 > 0 && (seen.0..=seen.0 + LOG_LINES_MAX).contains(&seen.1))
    })
    .with_context(|| format!("{} rows are missing, and {} were reported", seen.0, seen.1))?;
    eprintln!("{} rows were dropped and counted", seen.0);
    server.stop()?;
    Ok(())
}

/// Rows that the board reported as lost.
fn reported(deployment: &Deployment, client: &str) -> Result<usize> {
    let rows = deployment.query(&format!(
        "SELECT message FROM monitoring_logs(client_id='{client}', artifact='{FLOOD}')"
    ))?;
    let lost = rows.iter().filter_map(|row| row["message"].as_str()?.split_once(" rows were lost"));
    lost.map(|(count, _)| Ok(count.parse::<usize>()?)).sum()
}
