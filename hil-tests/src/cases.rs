//! What every pair of server and agent has to do. Each case makes its own deployment and leaves nothing behind.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use serde_json::Value;

use crate::{Chance, Flow, Make, Options, Pair, Programs, wait_until};

/// What a case is: a behaviour of a pair of programs.
pub type Case = fn(&Programs) -> Result<()>;

/// How long one collection may take, on a machine under load.
const COLLECT_MAX: Duration = Duration::from_secs(120);
/// The server asks after a minute of silence; it looks at that now and then only.
const DISOWN_MAX: Duration = Duration::from_secs(240);
/// The original adds up to 19 s to every wait of a monitoring table.
const EVENT_DELAY_MAX: Duration = Duration::from_secs(60);

/// The record of the client has the host name, the system and the hardware addresses of this machine.
///
/// # Errors
///
/// It is not so.
pub fn an_agent_enrols_and_is_interrogated(programs: &Programs) -> Result<()> {
    let pair = Pair::start(programs, &Options::default())?;
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname")?.trim().to_owned();
    let addresses = mac_addresses()?;
    let mut row = Value::Null;
    // The host name comes with the agent's own account of itself, the rest with the interrogation.
    let known = wait_until("full record", COLLECT_MAX, || {
        row = record_of(&pair)?;
        let mut macs: Vec<&str> =
            row["Macs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        macs.sort_unstable();
        Ok(row["Hostname"] == *hostname && row["System"] == "linux" && macs == addresses)
    });
    known.with_context(|| format!("{hostname}, linux, {addresses:?} in {row}"))?;
    pair.stop()
}

fn record_of(pair: &Pair) -> Result<Value> {
    let rows = pair.deployment.query(&format!(
        "SELECT os_info.hostname AS Hostname, os_info.system AS System, os_info.mac_addresses AS Macs \
         FROM clients(client_id='{}')",
        pair.client
    ))?;
    rows.into_iter().next().context("no record of the client")
}

/// Hardware addresses of this machine's interfaces, sorted.
fn mac_addresses() -> Result<Vec<String>> {
    let mut addresses = Vec::new();
    for interface in fs::read_dir("/sys/class/net")? {
        // Something that is no interface (bonding_masters) has no address.
        let Ok(address) = fs::read_to_string(interface?.path().join("address")) else { continue };
        let address = address.trim();
        if !address.is_empty() && address != "00:00:00:00:00:00" {
            addresses.push(address.to_owned());
        }
    }
    addresses.sort_unstable();
    Ok(addresses)
}

/// All rows of a large result arrive, each once, in order.
///
/// # Errors
///
/// It is not so.
pub fn a_hundred_thousand_rows_arrive_once_and_in_order(programs: &Programs) -> Result<()> {
    let pair = Pair::start(programs, &Options::with_test_artifacts(&[]))?;
    collect_rows(&pair, 100_000)?;
    pair.stop()
}

fn collect_rows(pair: &Pair, count: i64) -> Result<()> {
    let parameters = [("Count", &*count.to_string())];
    let flow = pair.deployment.schedule(&pair.client, "Troodon.Test.Rows", &parameters)?;
    let record = flow.wait(COLLECT_MAX)?;
    ensure!(record["state"] == "FINISHED", "{record}");
    ensure!(record["total_collected_rows"] == count, "{record}");
    let expected = (0..count).map(|number| (number, format!("row {number}")));
    // Rows may follow the end of the collection.
    let rows = wait_until_rows(&flow, usize::try_from(count)?)?;
    for (row, (number, text)) in rows.iter().zip(expected) {
        ensure!(row["N"] == number && row["Text"] == text, "row {number} is {row}");
    }
    ensure!(rows.len() == usize::try_from(count)?, "{} rows", rows.len());
    Ok(())
}

fn wait_until_rows(flow: &Flow<'_>, count: usize) -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    wait_until("rows", COLLECT_MAX, || {
        rows = flow.rows()?;
        Ok(rows.len() >= count)
    })
    .with_context(|| format!("{} rows of {count}", rows.len()))?;
    Ok(rows)
}

/// A file arrives byte for byte.
///
/// # Errors
///
/// It is not so.
pub fn an_upload_of_twenty_megabytes_arrives_as_it_is(programs: &Programs) -> Result<()> {
    let pair = Pair::start(programs, &Options::with_test_artifacts(&[]))?;
    collect_file(&pair, 20_000_000)?;
    pair.stop()
}

fn collect_file(pair: &Pair, size: usize) -> Result<()> {
    let content = Chance::from_seed(1).bytes(size);
    let path = pair.deployment.folder().join("a file");
    fs::write(&path, &content)?;
    let path = path.display().to_string();
    let parameters = [("Path", &*path)];
    let flow = pair.deployment.schedule(&pair.client, "Troodon.Test.Upload", &parameters)?;
    let record = flow.wait(COLLECT_MAX)?;
    ensure!(record["state"] == "FINISHED", "{record}");
    let mut files = Vec::new();
    wait_until("the file", COLLECT_MAX, || {
        files = flow.uploads()?;
        Ok(!files.is_empty())
    })?;
    let [file] = files.as_slice() else { bail!("{} files", files.len()) };
    ensure!(file.len() == content.len(), "{} bytes of {}", file.len(), content.len());
    ensure!(*file == content, "the bytes differ");
    Ok(())
}

/// A collection that is cancelled ends on both sides, and the next one runs.
///
/// # Errors
///
/// It is not so.
pub fn a_cancelled_collection_ends(programs: &Programs) -> Result<()> {
    let pair = Pair::start(programs, &Options::with_test_artifacts(&[]))?;
    let flow = pair.deployment.schedule(&pair.client, "Troodon.Test.Endless", &[])?;
    wait_until_rows(&flow, 2)?;
    flow.cancel()?;
    let record = flow.wait(COLLECT_MAX)?;
    ensure!(record["state"] == "ERROR", "{record}");

    // The agent has stopped as well: its own account says so, and no row follows it.
    let told = |record: &Value| {
        let stats = record["query_stats"].as_array();
        stats.is_some_and(|stats| stats.iter().any(|status| status["status"] == "GENERIC_ERROR"))
    };
    wait_until("the agent's account", COLLECT_MAX, || Ok(told(&flow.record()?)))?;
    let rows = flow.rows()?.len();
    thread::sleep(Duration::from_secs(4));
    let later = flow.rows()?.len();
    ensure!(rows == later, "{later} rows after {rows} at the end");

    // A place is free for the next one.
    collect_rows(&pair, 10)?;
    pair.stop()
}

/// Events arrive each once, in order, with the id of their client.
///
/// # Errors
///
/// It is not so.
pub fn a_monitoring_table_sends_rows_for_a_minute(programs: &Programs) -> Result<()> {
    let pair = Pair::start(programs, &Options::with_test_artifacts(&[TICKS]))?;
    watch(&pair, 60)?;
    pair.stop()
}

fn watch(pair: &Pair, seconds: u64) -> Result<()> {
    let limit = Duration::from_secs(seconds) + EVENT_DELAY_MAX;
    let events = wait_for_events(pair, usize::try_from(seconds)?, limit)?;
    let numbers: Vec<_> = events.iter().map(|event| event["N"].as_i64()).collect();
    let expected: Vec<_> = (1..).map(Some).take(numbers.len()).collect();
    ensure!(numbers == expected, "not once and in order: {numbers:?}");
    for event in &events {
        ensure!(event["ClientId"] == pair.client.as_str(), "client of {event}");
    }
    Ok(())
}

/// The same for a few events: enough where both ends send them at once.
///
/// # Errors
///
/// It is not so.
pub fn a_monitoring_table_sends_rows(programs: &Programs) -> Result<()> {
    let pair = Pair::start(programs, &Options::with_test_artifacts(&[TICKS]))?;
    watch(&pair, 4)?;
    pair.stop()
}

const TICKS: &str = "Troodon.Test.Ticks";

fn wait_for_events(pair: &Pair, count: usize, limit: Duration) -> Result<Vec<Value>> {
    let mut events = Vec::new();
    wait_until("events", limit, || {
        events = events_of(pair)?;
        Ok(events.len() >= count)
    })
    .with_context(|| format!("{} events of {count}", events.len()))?;
    Ok(events)
}

fn events_of(pair: &Pair) -> Result<Vec<Value>> {
    pair.deployment.query(&format!(
        "SELECT * FROM source(client_id='{}', artifact='{TICKS}', start_time=now() - 3600)",
        pair.client
    ))
}

/// A collection goes on while the server restarts, and no row of it is lost or doubled.
///
/// # Errors
///
/// It is not so.
pub fn rows_made_while_the_server_is_down_arrive_later(programs: &Programs) -> Result<()> {
    let Pair { deployment, server, agent, client } =
        Pair::start(programs, &Options::with_test_artifacts(&[]))?;
    let flow = deployment.schedule(&client, "Troodon.Test.Fifteen", &[])?;
    wait_until_rows(&flow, 2)?;
    server.stop()?;
    // Rows are made, and nobody takes them.
    thread::sleep(Duration::from_secs(6));
    let server = deployment.start_server()?;
    let record = flow.wait(COLLECT_MAX)?;
    ensure!(record["state"] == "FINISHED", "{record}");
    wait_until_rows(&flow, 15)?;
    let numbers = flow.numbers("N")?;
    ensure!(numbers == (1..=15).collect::<Vec<_>>(), "not once and in order: {numbers:?}");
    agent.stop()?;
    server.stop()?;
    Ok(())
}

/// After a crash of the agent its monitoring goes on, and the server learns that the collection died.
///
/// # Errors
///
/// It is not so.
pub fn a_restarted_agent_disowns_its_collection_and_watches_on(programs: &Programs) -> Result<()> {
    let mut pair = Pair::start(programs, &Options::with_test_artifacts(&[TICKS]))?;
    let flow = pair.deployment.schedule(&pair.client, "Troodon.Test.Endless", &[])?;
    wait_until_rows(&flow, 1)?;
    let before = wait_for_events(&pair, 1, EVENT_DELAY_MAX)?.len();
    pair.agent.kill()?;
    pair.agent = pair.deployment.start_agent()?;
    // It watches on by itself: its events begin again at 1.
    wait_until("events after the restart", EVENT_DELAY_MAX, || {
        Ok(events_of(&pair)?.iter().skip(before).any(|event| event["N"] == 1))
    })?;
    if pair.deployment.served_by() == Make::Troodon {
        // The original is told as well, and leaves the collection in progress.
        let disowned = || Ok(flow.record()?["state"] == "ERROR");
        wait_until("end of a collection that nobody runs", DISOWN_MAX, disowned)?;
    }
    collect_rows(&pair, 10)?;
    pair.stop()
}

/// The same over `wss`.
///
/// # Errors
///
/// It is not so.
pub fn websockets_carry_rows_and_files(programs: &Programs) -> Result<()> {
    let options = Options { scheme: "wss", ..Options::with_test_artifacts(&[]) };
    let pair = Pair::start(programs, &options)?;
    collect_rows(&pair, 10_000)?;
    collect_file(&pair, 3_000_000)?;
    pair.stop()
}
