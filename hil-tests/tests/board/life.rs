//! A board's day: it starts, is asked, and starts again.

use std::thread;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use hil_tests::{BoardKey, Deployment, Firmware, Programs};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{ANSWER_MAX, BOOT_MAX, NAME, board, plain, secure};

pub(super) fn a_board_enrols_is_interrogated_and_answers_collections(
    firmware: &Firmware,
) -> Result<()> {
    let model = &firmware.device().board;
    let (deployment, server, board) = board(firmware, &secure(), BoardKey::Provisioned)?;
    let mut running = board.start()?;
    let client = deployment.wait_for_client(&mut running)?;

    let rows = deployment.collect(&client, "Generic.Client.Info", &[])?;
    let info = rows.iter().find(|row| row["_Source"] == "Generic.Client.Info/BasicInformation");
    let info = info.cloned().unwrap_or_default();
    ensure!(info["Hostname"] == NAME && info["Platform"] == **model, "{rows:?}");
    ensure!(info["MACAddresses"] == json!(["02:54:00:12:34:56"]), "{rows:?}");

    let flow = deployment.schedule(&client, "Troodon.Test.Rows", &[("Count", "1000")])?;
    let record = flow.wait(ANSWER_MAX)?;
    ensure!(record["state"] == "FINISHED", "{record}");
    ensure!(flow.numbers("N")? == (0..1000).collect::<Vec<_>>(), "not once and in order");

    // Almost as long as a board takes it; that it is no number is for the board to say.
    let count = format!("{}10", "0".repeat(20_000));
    deployment.schedule(&client, "Troodon.Test.Rows", &[("Count", &count)])?.wait(ANSWER_MAX)?;

    let rows = deployment.collect(&client, "Troodon.Test.Firmware", &[])?;
    let told = rows.first().cloned().unwrap_or_default();
    eprintln!("the memory of {model}: {told}");
    ensure!(told["LastPanic"].is_null() && told["Board"] == **model, "{told}");
    ensure!(told["ResetReason"] == "power or pin", "{told}");
    for (peak, size) in [("HeapPeak", "HeapSize"), ("StackPeak", "StackSize")] {
        let (peak, size) = (told[peak].as_u64(), told[size].as_u64());
        ensure!(peak > Some(0) && peak < size, "memory is full: {told}");
    }
    check_network(&deployment, &client)?;
    server.stop()?;
    Ok(())
}

fn check_network(deployment: &Deployment, client: &str) -> Result<()> {
    let rows = deployment.collect(client, "Troodon.Test.Network", &[])?;
    let told = rows.first().cloned().unwrap_or_default();
    ensure!(told["HasLink"] == true && told["LinkChanges"] == 0, "{told}");
    for count in ["FramesReceived", "BytesReceived", "FramesSent", "BytesSent"] {
        ensure!(told[count].as_u64() > Some(0), "{told}");
    }
    let to_server = json!({ "Status": "ESTABLISHED", "Port": deployment.port() });
    let sockets = told["Sockets"].as_array().cloned().unwrap_or_default();
    ensure!(sockets.contains(&to_server), "{told}");
    Ok(())
}

pub(super) fn a_board_without_a_network_waits_and_its_watchdog_is_content(
    firmware: &Firmware,
) -> Result<()> {
    let deployment = Deployment::generate_with(&Programs::find()?, &plain())?;
    let board = deployment.provision(firmware, NAME, BoardKey::Provisioned)?;
    let mut running = board.start_unplugged()?;
    running.wait_for_line("pump-7 is C.", BOOT_MAX)?;
    // Longer than the watchdog's patience.
    thread::sleep(Duration::from_secs(13));
    let said = running.said();
    ensure!(!said.contains("ended") && !said.contains("watchdog"), "{said}");
    ensure!(said.matches("pump-7 is C.").count() == 1, "it started again: {said}");
    running.tell("troodon restart")?;
    running.wait_for_line("before this one ended (asked)", ANSWER_MAX)?;
    Ok(())
}

pub(super) fn a_board_gives_the_image_that_it_runs(firmware: &Firmware) -> Result<()> {
    let (deployment, server, board) = board(firmware, &secure(), BoardKey::Provisioned)?;
    let mut running = board.start()?;
    let client = deployment.wait_for_client(&mut running)?;
    let flow = deployment.schedule(&client, "Troodon.Test.Flash", &[])?;
    let record = flow.wait(ANSWER_MAX)?;
    ensure!(record["state"] == "FINISHED", "{record}");
    let uploads = flow.uploads()?;
    let [image] = uploads.as_slice() else { bail!("{} uploads", uploads.len()) };
    let rows = flow.rows()?;
    let hash: String = Sha256::digest(image).iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(rows[0]["Hash"] == json!(hash), "{rows:?}");
    let name = firmware.device().board.as_bytes();
    ensure!(image.windows(name.len()).any(|bytes| bytes == name), "no image of this board");
    server.stop()?;
    Ok(())
}

pub(super) fn a_board_that_panics_or_hangs_starts_again_and_says_why(
    firmware: &Firmware,
) -> Result<()> {
    let (deployment, server, board) = board(firmware, &plain(), BoardKey::Provisioned)?;
    let mut running = board.start()?;
    let client = deployment.wait_for_client(&mut running)?;
    let ways = [
        ("restart", "asked", None),
        ("panic", "panic", Some("asked on the console")),
        ("hang", "watchdog", Some("no turn of the loop for 10 s")),
    ];
    for (command, reason, words) in ways {
        running.tell(&format!("troodon {command}"))?;
        running.wait_for_line(&format!("before this one ended ({reason})"), ANSWER_MAX)?;
        let rows = deployment.collect(&client, "Troodon.Test.Firmware", &[])?;
        let told = rows.first().cloned().unwrap_or_default();
        ensure!(told["ResetReason"] == reason, "{told}");
        let last = told["LastPanic"].as_str();
        let is_right =
            words.map_or(last.is_none(), |words| last.is_some_and(|last| last.contains(words)));
        ensure!(is_right, "{command}: {told}");
    }
    server.stop()?;
    Ok(())
}
