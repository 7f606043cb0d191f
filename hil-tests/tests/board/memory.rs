//! What a board's flash holds when power is gone, and when it is damaged.

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::{Result, ensure};
use hil_tests::{Board, BoardKey, Firmware, wait_until};

use super::{ANSWER_MAX, BOOT_MAX, board, plain};

/// A page of the flash. No record goes over the end of one.
const PAGE: usize = 4096;

/// Bytes of the file that a board uses as flash, at most.
const FLASH: usize = 1 << 20;

/// Waits until the board has written down the row with a number. Nothing in flash is encrypted.
pub(super) fn wait_for_row_in_flash(firmware: &Firmware, board: &Board, number: i64) -> Result<()> {
    let text = format!("\"N\":{number},");
    let mut flash = vec![0; FLASH];
    wait_until(&format!("{text} in the flash"), ANSWER_MAX, || {
        let file = File::open(board.flash())?;
        file.read_exact_at(&mut flash, firmware.device().provisioned_at)?;
        let has_text = |page: &[u8]| page.windows(text.len()).any(|bytes| bytes == text.as_bytes());
        Ok(flash.chunks(PAGE).any(has_text))
    })
}

pub(super) fn a_board_that_loses_its_power_keeps_its_own_key_and_its_rows(
    firmware: &Firmware,
) -> Result<()> {
    let (deployment, server, board) = board(firmware, &plain(), BoardKey::Own)?;
    let mut running = board.start()?;
    running.wait_for_line("pump-7 is C.", BOOT_MAX)?;
    let client = deployment.wait_for_client(&mut running)?;
    ensure!(running.said().contains(&format!("pump-7 is {client}")), "{}", running.said());

    let flow = deployment.schedule(&client, "Troodon.Test.Endless", &[])?;
    wait_until("a row", ANSWER_MAX, || Ok(!flow.numbers("N")?.is_empty()))?;
    server.kill()?;
    let before = i64::try_from(flow.numbers("N")?.len())?;
    // A row that nobody can have taken, with one before it.
    wait_for_row_in_flash(firmware, &board, before + 2)?;
    let said = running.said();
    running.kill()?;
    let mut running = board.start()?;
    running.wait_for_line(&format!("pump-7 is {client}"), BOOT_MAX)?;
    let keys = running.said().matches("making a key").count();
    ensure!(keys <= said.matches("making a key").count(), "another key: {}", running.said());
    let server = deployment.start_server()?;
    running.wait_until("rows of the time without a server", ANSWER_MAX, || {
        flow.numbers("N").is_ok_and(|numbers| numbers.contains(&(before + 2)))
    })?;
    let numbers = flow.numbers("N")?;
    let expected: Vec<i64> = (1..).take(numbers.len()).collect();
    ensure!(numbers == expected, "not once and in order: {numbers:?}");
    server.stop()?;
    Ok(())
}

pub(super) fn a_board_with_damaged_provisioning_says_so_and_sends_nothing(
    firmware: &Firmware,
) -> Result<()> {
    let (deployment, server, board) = board(firmware, &plain(), BoardKey::Provisioned)?;
    let flash = File::options().read(true).write(true).open(board.flash())?;
    let place = firmware.device().provisioned_at + 100;
    let mut byte = [0];
    flash.read_exact_at(&mut byte, place)?;
    flash.write_all_at(&[byte[0] ^ 1], place)?;
    let mut running = board.start()?;
    running.wait_for_line("cannot start: the provisioning is damaged", BOOT_MAX)?;
    ensure!(deployment.query("SELECT client_id FROM clients()")?.is_empty(), "a client came");
    server.stop()?;
    Ok(())
}
