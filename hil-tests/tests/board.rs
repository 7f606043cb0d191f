//! What an emulated board has to do in a deployment of ours.
#![allow(clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use hil_tests::{Board, BoardKey, Deployment, Firmware, Options, Process, Programs, wait_until};
use serde_json::json;
use sha2::{Digest, Sha256};

/// How long a board may take until it says something: it may have a key to make.
const BOOT_MAX: Duration = Duration::from_secs(180);
const COLLECT_MAX: Duration = Duration::from_secs(60);
/// How long the image of a board may take.
const UPLOAD_MAX: Duration = Duration::from_secs(180);
const NAME: &str = "pump-7";
const TICKS: &str = "Troodon.Test.Ticks";

/// Plain HTTP under the envelope, for links that are protected already.
fn plain() -> Options {
    let mut options = Options { scheme: "http", ..Options::with_test_artifacts(&[]).impatient() };
    options.merge["Frontend"]["use_plain_http"] = json!(true);
    options
}

/// The same, with an event each second.
fn watched() -> Options {
    let mut options = Options { scheme: "http", ..Options::with_test_artifacts(&[TICKS]) };
    options.merge["Frontend"]["use_plain_http"] = json!(true);
    options.impatient()
}

/// TLS, as deployments have it.
fn secure() -> Options {
    Options::with_test_artifacts(&[]).impatient()
}

/// A deployment, its server and a board in it, not yet switched on.
fn board(
    firmware: &Firmware,
    options: &Options,
    key: BoardKey,
) -> Result<(Deployment, Process, Board)> {
    let deployment = Deployment::generate_with(&Programs::find()?, options)?;
    let server = deployment.start_server()?;
    let board = deployment.provision(firmware, NAME, key)?;
    Ok((deployment, server, board))
}

/// Runs a case if there is an emulator, and says so if there is none.
fn with_firmware(what: &str, case: impl FnOnce(&Firmware) -> Result<()>) {
    let done = Firmware::find(what).and_then(|found| found.map_or(Ok(()), |found| case(&found)));
    if let Err(error) = done {
        panic!("{error:#}");
    }
}

#[test]
fn a_board_enrols_is_interrogated_and_answers_collections() {
    with_firmware("a board in our server", |firmware| {
        let (deployment, server, board) = board(firmware, &secure(), BoardKey::Provisioned)?;
        let mut running = board.start()?;
        let client = deployment.wait_for_client(&mut running)?;

        let rows = deployment.collect(&client, "Generic.Client.Info", &[])?;
        let info = rows.iter().find(|row| row["_Source"] == "Generic.Client.Info/BasicInformation");
        let info = info.cloned().unwrap_or_default();
        ensure!(info["Hostname"] == NAME, "{rows:?}");
        ensure!(info["Platform"] == "qemu-mps2-an386", "{rows:?}");
        ensure!(info["MACAddresses"] == json!(["02:54:00:12:34:56"]), "{rows:?}");

        let flow = deployment.schedule(&client, "Troodon.Test.Rows", &[("Count", "1000")])?;
        let record = flow.wait(COLLECT_MAX)?;
        ensure!(record["state"] == "FINISHED", "{record}");
        ensure!(flow.numbers("N")? == (0..1000).collect::<Vec<_>>(), "not once and in order");

        let rows = deployment.collect(&client, "Troodon.Test.Firmware", &[])?;
        let told = rows.first().cloned().unwrap_or_default();
        eprintln!("the board's memory: {told}");
        ensure!(told["LastPanic"].is_null() && told["Board"] == "qemu-mps2-an386", "{told}");
        ensure!(told["ResetReason"] == "power or pin", "{told}");
        for (peak, size) in [("HeapPeak", "HeapSize"), ("StackPeak", "StackSize")] {
            let (peak, size) = (told[peak].as_u64(), told[size].as_u64());
            ensure!(peak > Some(0) && peak < size, "memory is full: {told}");
        }
        server.stop()?;
        Ok(())
    });
}

#[test]
fn a_board_that_loses_its_power_keeps_its_own_key_and_its_rows() {
    with_firmware("a board without power", |firmware| {
        let (deployment, server, board) = board(firmware, &plain(), BoardKey::Own)?;
        let mut running = board.start()?;
        running.wait_for_line("pump-7 is C.", BOOT_MAX)?;
        let client = deployment.wait_for_client(&mut running)?;
        ensure!(running.said().contains(&format!("pump-7 is {client}")), "{}", running.said());

        let flow = deployment.schedule(&client, "Troodon.Test.Endless", &[])?;
        wait_until("a row", COLLECT_MAX, || Ok(!flow.numbers("N")?.is_empty()))?;
        server.kill()?;
        let before = flow.numbers("N")?.len();
        // A row each second of the board, whose seconds are long on a busy machine, and nobody who takes them.
        thread::sleep(Duration::from_secs(10));
        let said = running.said();
        running.kill()?;
        let mut running = board.start()?;
        running.wait_for_line(&format!("pump-7 is {client}"), BOOT_MAX)?;
        let keys = running.said().matches("making a key").count();
        ensure!(keys <= said.matches("making a key").count(), "another key: {}", running.said());
        let server = deployment.start_server()?;
        running.wait_until("rows of the time without a server", BOOT_MAX, || {
            flow.numbers("N").is_ok_and(|numbers| numbers.len() > before)
        })?;
        let numbers = flow.numbers("N")?;
        let expected: Vec<i64> = (1..).take(numbers.len()).collect();
        ensure!(numbers == expected, "not once and in order: {numbers:?}");
        server.stop()?;
        Ok(())
    });
}

#[test]
fn a_board_with_damaged_provisioning_says_so_and_sends_nothing() {
    with_firmware("damaged provisioning", |firmware| {
        let (deployment, server, board) = board(firmware, &plain(), BoardKey::Provisioned)?;
        let mut flash = fs::read(board.flash())?;
        flash[100] ^= 1;
        fs::write(board.flash(), flash)?;
        let mut running = board.start()?;
        running.wait_for_line("cannot start: the provisioning is damaged", BOOT_MAX)?;
        ensure!(deployment.query("SELECT client_id FROM clients()")?.is_empty(), "a client came");
        server.stop()?;
        Ok(())
    });
}

#[test]
fn events_go_on_while_the_server_is_away_and_arrive_once_and_in_order() {
    with_firmware("events of a board", |firmware| {
        let (deployment, server, board) = board(firmware, &watched(), BoardKey::Provisioned)?;
        let mut running = board.start()?;
        let client = deployment.wait_for_client(&mut running)?;
        let numbers = || -> Result<Vec<Option<i64>>> {
            let events = deployment.query(&format!(
                "SELECT N FROM source(client_id='{client}', artifact='{TICKS}', start_time=now() - 3600)"
            ))?;
            Ok(events.iter().map(|event| event["N"].as_i64()).collect())
        };
        wait_until("an event", COLLECT_MAX, || Ok(!numbers()?.is_empty()))?;
        let before = numbers()?.len();
        server.kill()?;
        // An event each second, and nobody who takes them.
        thread::sleep(Duration::from_secs(8));
        let server = deployment.start_server()?;
        wait_until("events of the outage", COLLECT_MAX, || Ok(numbers()?.len() >= before + 8))?;
        let numbers = numbers()?;
        let expected: Vec<_> = (1..).map(Some).take(numbers.len()).collect();
        ensure!(numbers == expected, "not once and in order: {numbers:?}");
        server.stop()?;
        Ok(())
    });
}

#[test]
fn a_board_without_a_network_waits_and_its_watchdog_is_content() {
    with_firmware("a board without a network", |firmware| {
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
        running.wait_for_line("before this one ended (asked)", COLLECT_MAX)?;
        Ok(())
    });
}

#[test]
fn a_board_gives_the_image_that_it_runs() {
    with_firmware("a board's flash", |firmware| {
        let (deployment, server, board) = board(firmware, &secure(), BoardKey::Provisioned)?;
        let mut running = board.start()?;
        let client = deployment.wait_for_client(&mut running)?;
        let flow = deployment.schedule(&client, "Troodon.Test.Flash", &[])?;
        let record = flow.wait(UPLOAD_MAX)?;
        ensure!(record["state"] == "FINISHED", "{record}");
        let uploads = flow.uploads()?;
        let [image] = uploads.as_slice() else { bail!("{} uploads", uploads.len()) };
        let rows = flow.rows()?;
        let hash: String = Sha256::digest(image).iter().map(|byte| format!("{byte:02x}")).collect();
        ensure!(rows[0]["Hash"] == json!(hash), "{rows:?}");
        let name = b"qemu-mps2-an386";
        ensure!(image.windows(name.len()).any(|bytes| bytes == name), "no image of this board");
        server.stop()?;
        Ok(())
    });
}

#[test]
fn a_board_that_panics_or_hangs_starts_again_and_says_why() {
    with_firmware("a board that panics", |firmware| {
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
            running.wait_for_line(&format!("before this one ended ({reason})"), COLLECT_MAX)?;
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
    });
}

#[test]
fn a_board_says_nothing_to_a_server_under_another_authority() {
    with_firmware("a board and a stranger", |firmware| {
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
    });
}
