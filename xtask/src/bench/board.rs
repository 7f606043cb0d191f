//! What a board's work costs, in instructions of its processor.
//!
//! The emulator counts: one instruction is one nanosecond of the board's time (`-icount shift=0`). Each line of the console
//! begins with the seconds since reset and those that the processor worked; what it slept is not counted, while what it
//! does each millisecond to look whether something came is.

use std::env;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hil_tests::{
    BoardKey, Deployment, Device, Firmware, Options, Process, Programs, without_folders,
};
use serde_json::Value;

use crate::{build, setup, step};

/// How long one answer may take: an emulator that counts is slow.
const ANSWER_MAX: Duration = Duration::from_secs(300);
/// How long the board's last line on something may take after the server has all of it.
const LINE_MAX: Duration = Duration::from_secs(2);
const NAME: &str = "bench-board";
/// The board whose RSA is measured alone, by its example `rsa`.
const RSA_BOARD: &str = "qemu-mps2-an386";
/// The emulator's network, and its count.
const COUNTING: [&str; 4] = ["-netdev", "user,id=wire", "-icount", "shift=0"];
/// What boards say when the server knows them, and when it has something.
const ENROLLED: &str = "Enrolled";
const DELIVERED: &str = "Delivered(";

/// Prints the costs of each emulated board.
///
/// # Errors
///
/// Something does not build, or a board does not do its work.
pub(super) fn run() -> Result<()> {
    let programs = match env::var_os("TROODON_BIN_DIR") {
        Some(_) => Programs::find()?,
        None => {
            setup::install()?;
            build::programs()?
        }
    };
    println!("| board | work | instructions |\n|---|---|---|");
    measure_rsa(&Device::named(RSA_BOARD)?)?;
    Device::emulated()?.iter().try_for_each(|device| measure(&programs, device))
}

/// RSA with the private key, blinded, and nothing else.
fn measure_rsa(device: &Device) -> Result<()> {
    let boards = step::root().join("boards");
    let mut build =
        step::cargo(["build", "--release", "--example", "rsa", "--package", &device.board]);
    build.args(["--target", &device.target]).args(without_folders(&device.target)?);
    step::run("the example rsa", build.current_dir(&boards))?;
    let image = boards.join("target").join(&device.target).join("release/examples/rsa");
    let mut emulator = Command::new("qemu-system-arm");
    emulator.args(["-machine", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "none"]);
    emulator.args(["-semihosting-config", "enable=on,target=native", "-icount", "shift=0"]);
    let output = emulator.arg("-kernel").arg(image).output().context("qemu-system-arm")?;
    // What a guest prints through semihosting, the emulator writes to one or the other.
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    for (word, work) in [("sign ", "RSA-2048: a signature"), ("decrypt ", "RSA-2048: a decryption")]
    {
        let count = said.lines().find_map(|line| line.strip_prefix(word));
        let count: u64 = count.with_context(|| format!("no {word}in {said}"))?.trim().parse()?;
        println!("| {} | {work} | {count} |", device.name);
    }
    Ok(())
}

fn measure(programs: &Programs, device: &Device) -> Result<()> {
    let firmware = Firmware::build(device)?;
    let options = Options::with_test_artifacts(&[]).impatient();
    let deployment = Deployment::generate_with(programs, &options)?;
    let server = deployment.start_server()?;
    let board = deployment.provision(&firmware, NAME, BoardKey::Provisioned)?;
    // The first run enrols the board and keeps its key and the server's; the second one is counted.
    let mut first = board.start()?;
    let client = deployment.wait_for_client(&mut first)?;
    let begin = first.said().len();
    first.kill()?;

    let mut running = board.start_with(&COUNTING)?;
    running.wait_for_lines(ENROLLED, 2, ANSWER_MAX)?;
    let told = said_since(&running, begin);
    let row = |work: &str, instructions: u64| {
        println!("| {} | {work} | {instructions} |", device.name);
    };
    row("from reset to the answer to the first message", worked(last(&told, ENROLLED)?)?);
    // The first answer opens the connection for answers.
    for work in ["from a request to its ten rows delivered", "the same, with the session open"] {
        let (ten_rows, _) = collect(&deployment, &client, &running, "Troodon.Test.Rows")?;
        row(work, ten_rows);
    }
    let (image, record) = collect(&deployment, &client, &running, "Troodon.Test.Flash")?;
    let bytes = record["total_uploaded_bytes"].as_u64().context("bytes of an upload")?;
    row("the firmware hashed and delivered, for each KiB", image / (bytes / 1024).max(1));
    server.stop()?;
    Ok(())
}

/// Collects an artifact; what it cost the board, and what the server says of it.
fn collect(
    deployment: &Deployment,
    client: &str,
    running: &Process,
    artifact: &str,
) -> Result<(u64, Value)> {
    let begin = running.said().len();
    let flow = deployment.schedule(client, artifact, &[])?;
    let record = flow.wait(ANSWER_MAX)?;
    ensure!(record["state"] == "FINISHED", "{record}");
    thread::sleep(LINE_MAX);
    let told = said_since(running, begin);
    let request = format!("request: {:?}", flow.id());
    let first = told.lines().find(|line| line.ends_with(&request)).context(request)?;
    Ok((worked(last(&told, DELIVERED)?)? - worked(first)?, record))
}

fn said_since(running: &Process, begin: usize) -> String {
    running.said().get(begin..).unwrap_or_default().to_owned()
}

fn last<'a>(told: &'a str, what: &str) -> Result<&'a str> {
    let line = told.lines().rfind(|line| line.contains(what));
    line.with_context(|| format!("no {what} in {told}"))
}

/// The instructions until a line was said: `[SECONDS WORKED] TEXT`, in microseconds.
fn worked(line: &str) -> Result<u64> {
    let stamp = line.strip_prefix('[').and_then(|line| line.split_once(']'));
    let worked = stamp.and_then(|(stamp, _)| stamp.split_once(' '));
    let digits = worked.map(|(_, worked)| worked.replace('.', "")).context("no stamp")?;
    Ok(digits.parse::<u64>().with_context(|| line.to_owned())? * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_much_the_processor_worked() {
        assert_eq!(worked("[12.000345 1.500002] request: \"F.1\"").ok(), Some(1_500_002_000));
        assert!(worked("making a key").is_err());
    }
}
