//! What a board has to do in a deployment: every case on every device of `duts/`.
//!
//! `cargo test -p hil-tests --test board -- NAME` runs the cases whose name, `DEVICE::CASE`, contains NAME. A case makes its
//! own deployment, and waits for facts: a line of the console, a row on the server, bytes in the flash.

mod events;
mod life;
mod link;
mod memory;
mod peer;
mod trust;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use hil_tests::{Board, BoardKey, Deployment, Device, Firmware, Options, Process, Programs};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::json;

/// How long a board may take until it says something: it may have a key to make, on a machine under load.
const BOOT_MAX: Duration = Duration::from_secs(300);
/// How long one answer may take, on a machine under load.
const ANSWER_MAX: Duration = Duration::from_secs(180);
/// Cases that run at once: most of the time a board waits.
const AT_ONCE: usize = 4;
/// The host name of the boards.
const NAME: &str = "pump-7";

/// What a case is: a behaviour of a board.
type Case = fn(&Firmware) -> Result<()>;

macro_rules! cases {
    ($($file:ident::$case:ident),* $(,)?) => { &[$((stringify!($case), $file::$case)),*] };
}

/// The longest first, so that none of them is left over for the end.
const CASES: &[(&str, Case)] = cases![
    events::when_the_flash_is_full_the_oldest_events_go_and_are_counted,
    life::a_board_without_a_network_waits_and_its_watchdog_is_content,
    life::a_board_that_panics_or_hangs_starts_again_and_says_why,
    link::a_lossy_wire_loses_no_rows,
    memory::a_board_that_loses_its_power_keeps_its_own_key_and_its_rows,
    peer::a_board_serves_a_real_velociraptor,
    events::events_go_on_while_the_server_is_away_and_arrive_once_and_in_order,
    link::a_cable_that_was_pulled_out_costs_no_events,
    link::a_slow_wire_carries_rows,
    life::a_board_gives_the_image_that_it_runs,
    life::a_board_enrols_is_interrogated_and_answers_collections,
    trust::a_board_follows_a_server_with_another_key,
    trust::a_server_that_wants_certificates_hears_only_boards_that_have_one,
    trust::a_board_says_nothing_to_a_server_under_another_authority,
    memory::a_board_with_damaged_provisioning_says_so_and_sends_nothing,
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    match devices() {
        Ok(devices) => libtest_mimic::run(&arguments, trials(&devices)).exit_code(),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn devices() -> Result<Vec<Device>> {
    let devices = Device::all()?;
    for device in &devices {
        let is_known = |case: &String| CASES.iter().any(|(name, _)| name == case);
        let unknown = device.cases.iter().find(|case| !is_known(case));
        ensure!(unknown.is_none(), "{}: no case {unknown:?}", device.name);
    }
    Ok(devices)
}

fn trials(devices: &[Device]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, case) in CASES {
        for device in devices.iter().filter(|device| device.runs(name)) {
            let (device, name) = (device.clone(), format!("{}::{name}", device.name));
            let what = name.clone();
            trials.push(Trial::test(name, move || run(&device, &what, *case)));
        }
    }
    trials
}

/// Runs a case if there is an emulator, and says so if there is none.
fn run(device: &Device, what: &str, case: Case) -> Result<(), Failed> {
    let firmware = Firmware::find(device, what).map_err(failed)?;
    firmware.map_or(Ok(()), |firmware| case(&firmware).map_err(failed))
}

fn failed(error: anyhow::Error) -> Failed {
    Failed::from(format!("{error:#}"))
}

/// Plain HTTP under the envelope, for links that are protected already.
fn plain() -> Options {
    plain_watching(&[])
}

/// The same, with events of these artifacts.
fn plain_watching(artifacts: &[&str]) -> Options {
    let mut options = Options { scheme: "http", ..Options::with_test_artifacts(artifacts) };
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
