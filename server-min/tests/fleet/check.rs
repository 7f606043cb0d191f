//! The account: what was promised, against what the server has.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};

use serde_json::Value;
use sha2::{Digest, Sha256};
use troodon_core::time::Span;
use troodon_server::export::{self, Wishes};
use troodon_server::model::flow::FlowState;
use troodon_server::model::id::{ClientId, FlowId};
use zip::ZipArchive;

use crate::fleet::Fleet;
use crate::plugins::known_byte;
use crate::server::Server;

/// How long rows may be on their way in good weather: an agent on one link ends its poll first.
const DELIVERY: Span = Span::from_secs(60);

/// A collection that somebody asked for.
pub struct Launched {
    pub device: usize,
    pub flow: FlowId,
    /// Rows that it makes, unless it uploads.
    pub count: u64,
    /// Bytes of the file that it uploads.
    pub size: Option<u64>,
    pub is_cancelled: bool,
}

/// What happened in a run.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    pub rows: u64,
    pub events: u64,
    pub bytes: u64,
    pub finished: u64,
    pub lost: u64,
    pub power_cuts: u64,
    pub restarts: u64,
    pub crashes: u64,
    /// Rows of the last second before a power cut, which nobody was promised.
    pub fresh: u64,
    /// Tables and files whose hash in the export is the agent's.
    pub hashes: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.events += other.events;
        self.bytes += other.bytes;
        self.finished += other.finished;
        self.lost += other.lost;
        self.power_cuts += other.power_cuts;
        self.restarts += other.restarts;
        self.crashes += other.crashes;
        self.fresh += other.fresh;
        self.hashes += other.hashes;
    }

    pub fn print(&self) {
        println!("{self:?}");
    }
}

/// What the server has of one client, looked up once for each session.
struct Arrived<'a> {
    server: &'a Server,
    client: ClientId,
    sessions: BTreeMap<String, BTreeSet<String>>,
}

impl<'a> Arrived<'a> {
    const fn new(server: &'a Server, client: ClientId) -> Self {
        Self { server, client, sessions: BTreeMap::new() }
    }

    fn lines(&mut self, session: &str) -> &BTreeSet<String> {
        let look_up = || self.server.lines(&self.client, session).into_iter().collect();
        self.sessions.entry(session.to_owned()).or_insert_with(look_up)
    }
}

/// After a power cut: what was queued a second ago or earlier is on the medium or with the server.
pub fn check_power_cut(fleet: &mut Fleet, device: usize, tally: &mut Tally) {
    let now = fleet.now();
    let device = &mut fleet.devices[device];
    let kept: BTreeSet<(String, String)> = device.kept().into_iter().collect();
    let mut arrived = Arrived::new(&fleet.server, device.id);
    device.promises.retain(|promise| {
        let arrived = arrived.lines(&promise.session);
        let is_here = |line: &String| {
            arrived.contains(line) || kept.contains(&(promise.session.clone(), line.clone()))
        };
        let is_safe = promise.lines.iter().all(is_here);
        let is_fresh = now.since(promise.at) <= Span::from_secs(1);
        assert!(is_safe || is_fresh, "a power cut lost {:?} of {}", promise.lines, promise.session);
        tally.fresh += u64::from(!is_safe);
        is_safe
    });
}

/// After good weather: everything promised is there, once and in order, and everything asked for is answered.
pub fn check(fleet: &Fleet, launched: &[Launched], tally: &mut Tally) {
    for device in &fleet.devices {
        let events = fleet.server.lines(&device.id, FlowId::MONITORING);
        let mut times: Vec<u64> = events.iter().map(|line| number(line)).collect();
        if fleet.server.is_clock_shaky {
            // Event rows are ordered by the server's time of arrival.
            times.sort_unstable();
        }
        assert!(
            times.windows(2).all(|pair| pair[0] < pair[1]),
            "doubled or out of order: {times:?}"
        );
        assert!(!times.is_empty(), "{} watched nothing", device.id);
        tally.events += times.len() as u64;
        let mut arrived = Arrived::new(&fleet.server, device.id);
        for promise in
            device.promises.iter().filter(|promise| fleet.now().since(promise.at) > DELIVERY)
        {
            let is_cancelled = launched
                .iter()
                .any(|other| other.is_cancelled && other.flow.as_str() == promise.session);
            let arrived = arrived.lines(&promise.session);
            let is_here = promise.lines.iter().all(|line| arrived.contains(line));
            assert!(is_here || is_cancelled, "lost {:?} of {}", promise.lines, promise.session);
        }
    }
    for launched in launched {
        check_flow(fleet, launched, tally);
    }
}

fn check_flow(fleet: &Fleet, launched: &Launched, tally: &mut Tally) {
    let client = fleet.devices[launched.device].id;
    let store = fleet.server.store();
    let flow = store.flow(client, &launched.flow).unwrap();
    assert!(flow.complete, "{} has no end: {flow:?}", launched.flow);
    let is_finished = flow.state(0) == FlowState::Finished;
    // An agent that lost power has lost what it ran, and one that cannot send for ten minutes gives a collection up.
    let may_fail = ["lost", "timeout"].iter().any(|reason| flow.status().contains(reason));
    assert!(
        is_finished || launched.is_cancelled || may_fail,
        "{}: {}",
        launched.flow,
        flow.status()
    );
    tally.finished += u64::from(is_finished);
    tally.lost += u64::from(!is_finished && !launched.is_cancelled);
    if is_finished {
        check_export(fleet, launched, tally);
    }
    if let Some(size) = launched.size {
        return check_upload(fleet, launched, size, is_finished, tally);
    }
    let rows = fleet.server.lines(&client, launched.flow.as_str());
    let numbers: Vec<u64> = rows.iter().map(|line| number(line)).collect();
    let expected: Vec<u64> = (0..numbers.len() as u64).collect();
    assert_eq!(numbers, expected, "{} has other rows than the first", launched.flow);
    assert!(!is_finished || numbers.len() as u64 == launched.count, "{}", launched.flow);
    tally.rows += numbers.len() as u64;
}

/// What leaves the server is what the agent made: the manifest has the hashes that the agent reckoned before it sent
/// anything, those of its file from its own row, those of its rows from what they are known to be.
fn check_export(fleet: &Fleet, launched: &Launched, tally: &mut Tally) {
    let client = fleet.devices[launched.device].id;
    let store = fleet.server.store();
    let mut file = Cursor::new(Vec::new());
    export::flow(store, client, &launched.flow, &Wishes::default(), &mut file).unwrap();
    let mut archive = ZipArchive::new(file).unwrap();
    let manifest: Value =
        serde_json::from_reader(archive.by_name("manifest.json").unwrap()).unwrap();
    let entries = manifest["entries"].as_array().unwrap().clone();
    let hash_of = |prefix: &str| {
        let named = |entry: &&Value| {
            let name = entry["name"].as_str().unwrap();
            name.starts_with(prefix) && !name.ends_with(".csv")
        };
        let found: Vec<&Value> = entries.iter().filter(named).collect();
        assert!(found.len() <= 1, "{found:?}");
        found.first().map(|entry| entry["sha256"].as_str().unwrap().to_owned())
    };
    let rows = fleet.server.lines(&client, launched.flow.as_str());
    let told = match launched.size {
        Some(_) => {
            let row: Value = serde_json::from_str(&rows[0]).unwrap();
            (hash_of("uploads/"), Some(row["Sent"]["sha256"].as_str().unwrap().to_owned()))
        }
        None => {
            let made: String = (0..launched.count).map(|n| format!("{{\"N\":{n}}}\n")).collect();
            let made = (launched.count > 0).then(|| hex::encode(Sha256::digest(made)));
            (hash_of("results/"), made)
        }
    };
    assert_eq!(told.0, told.1, "{} left the server changed: {entries:?}", launched.flow);
    tally.hashes += u64::from(told.0.is_some());
    for entry in entries {
        let mut bytes = Vec::new();
        let name = entry["name"].as_str().unwrap();
        archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(entry["sha256"], hex::encode(Sha256::digest(bytes)), "{name}");
    }
}

fn check_upload(
    fleet: &Fleet,
    launched: &Launched,
    size: u64,
    is_finished: bool,
    tally: &mut Tally,
) {
    let client = fleet.devices[launched.device].id;
    let store = fleet.server.store();
    let uploads = store.uploads(client, &launched.flow).unwrap();
    assert!(!is_finished || uploads.len() == 1, "{}: {uploads:?}", launched.flow);
    for upload in uploads {
        assert!(!is_finished || (upload.stored == size && upload.complete), "{upload:?} of {size}");
        let mut bytes = Vec::new();
        let file = store.open_upload(client, &launched.flow, upload.number).unwrap();
        file.take(upload.stored).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, upload.stored);
        assert!(bytes.iter().zip(0..).all(|(byte, at)| *byte == known_byte(at)), "{upload:?}");
        tally.bytes += upload.stored;
    }
}

/// The number in a row of one column.
pub fn number(line: &str) -> u64 {
    line.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap()
}
