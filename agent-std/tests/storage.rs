//! The agent's folder: what is kept over restarts, torn writes and corrupt files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use troodon_agent::storage::{FileStorage, OpenFault};
use troodon_core::storage::{Blob, Lane, Position, Storage, StorageFault};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open(folder: &Path) -> FileStorage {
    FileStorage::open(folder).unwrap()
}

/// All records of a lane that are not acknowledged, oldest first; corrupt ones are left out.
fn records(storage: &mut FileStorage, lane: Lane) -> Vec<Vec<u8>> {
    let (mut from, mut record, mut found) = (Position::START, Vec::new(), Vec::new());
    loop {
        match storage.read(lane, from, &mut record) {
            Ok(Some(at)) => {
                found.push(record.clone());
                from = at.after();
            }
            Ok(None) => return found,
            Err(StorageFault::Corrupt(at)) => from = at.after(),
            Err(fault) => panic!("{fault}"),
        }
    }
}

fn record(number: usize) -> Vec<u8> {
    format!("record {number}").into_bytes()
}

fn segments(folder: &Path, lane: Lane) -> Vec<PathBuf> {
    let prefix = format!("{}.0", lane.name());
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let named = entries.filter(|entry| entry.file_name().to_str().unwrap().starts_with(&prefix));
    named.map(|entry| entry.path()).collect()
}

#[test]
fn records_are_read_in_order_from_any_place_and_after_a_restart() {
    let folder = folder();
    let mut storage = open(folder.path());
    let places: Vec<Position> =
        (0..10).map(|number| storage.append(Lane::Flows, &record(number)).unwrap()).collect();
    let expected: Vec<Vec<u8>> = (0..10).map(record).collect();
    assert_eq!(records(&mut storage, Lane::Flows), expected);
    let mut found = Vec::new();
    for (number, place) in places.iter().enumerate().rev() {
        assert_eq!(storage.read(Lane::Flows, *place, &mut found), Ok(Some(*place)));
        assert_eq!(found, record(number));
    }
    assert!(records(&mut storage, Lane::Monitoring).is_empty());
    storage.sync().unwrap();
    drop(storage);
    assert_eq!(records(&mut open(folder.path()), Lane::Flows), expected);
}

#[test]
fn what_is_acknowledged_stays_forgotten() {
    let folder = folder();
    let mut storage = open(folder.path());
    for number in 0..5 {
        storage.append(Lane::Urgent, &record(number)).unwrap();
    }
    let mut found = Vec::new();
    let first = storage.read(Lane::Urgent, Position::START, &mut found).unwrap().unwrap();
    let second = storage.read(Lane::Urgent, first.after(), &mut found).unwrap().unwrap();
    storage.acknowledge(Lane::Urgent, second).unwrap();
    storage.acknowledge(Lane::Urgent, first).unwrap();
    let expected: Vec<Vec<u8>> = (2..5).map(record).collect();
    assert_eq!(records(&mut storage, Lane::Urgent), expected);
    storage.sync().unwrap();
    drop(storage);
    assert_eq!(records(&mut open(folder.path()), Lane::Urgent), expected);
}

#[test]
fn positions_go_on_after_everything_was_acknowledged() {
    let folder = folder();
    let mut storage = open(folder.path());
    let old = storage.append(Lane::Flows, b"old").unwrap();
    storage.acknowledge(Lane::Flows, old).unwrap();
    assert!(segments(folder.path(), Lane::Flows).is_empty());
    storage.sync().unwrap();
    drop(storage);
    let mut storage = open(folder.path());
    let fresh = storage.append(Lane::Flows, b"fresh").unwrap();
    assert!(fresh > old);
    assert_eq!(records(&mut storage, Lane::Flows), [b"fresh"]);
}

#[test]
fn a_lane_that_was_emptied_is_read_from_its_new_beginning() {
    let folder = folder();
    let mut storage = open(folder.path());
    for round in 0..3 {
        let expected: Vec<Vec<u8>> = (0..4).map(|number| record(4 * round + number)).collect();
        let append = |record: &Vec<u8>| storage.append(Lane::Flows, record).unwrap();
        let last = expected.iter().map(append).last().unwrap();
        assert_eq!(records(&mut storage, Lane::Flows), expected, "round {round}");
        storage.acknowledge(Lane::Flows, last).unwrap();
    }
}

#[test]
fn the_folder_shrinks_when_records_are_delivered() {
    let folder = folder();
    let mut storage = open(folder.path());
    let large = vec![7; 200_000];
    let last = (0..20).map(|_| storage.append(Lane::Flows, &large).unwrap()).last().unwrap();
    assert!(segments(folder.path(), Lane::Flows).len() > 2);
    storage.acknowledge(Lane::Flows, last).unwrap();
    assert!(segments(folder.path(), Lane::Flows).is_empty());
}

#[test]
fn a_tail_torn_at_any_byte_costs_the_last_record_only() {
    let folder = folder();
    let mut storage = open(folder.path());
    for number in 0..3 {
        storage.append(Lane::Flows, &record(number)).unwrap();
    }
    storage.sync().unwrap();
    drop(storage);
    let path = segments(folder.path(), Lane::Flows).remove(0);
    let whole = fs::read(&path).unwrap();
    let entry = whole.len() / 3;
    for cut in 2 * entry..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let mut storage = open(folder.path());
        assert_eq!(records(&mut storage, Lane::Flows), [record(0), record(1)], "cut at {cut}");
        storage.append(Lane::Flows, b"next").unwrap();
        assert_eq!(records(&mut storage, Lane::Flows).last().unwrap(), b"next", "cut at {cut}");
    }
}

#[test]
fn a_changed_byte_never_yields_a_changed_record() {
    let folder = folder();
    let mut storage = open(folder.path());
    for number in 0..3 {
        storage.append(Lane::Flows, &record(number)).unwrap();
    }
    storage.sync().unwrap();
    drop(storage);
    let path = segments(folder.path(), Lane::Flows).remove(0);
    let whole = fs::read(&path).unwrap();
    let expected: Vec<Vec<u8>> = (0..3).map(record).collect();
    for at in 0..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 0x41;
        fs::write(&path, &bad).unwrap();
        let found = records(&mut open(folder.path()), Lane::Flows);
        assert!(found.len() < 3, "byte {at}");
        assert!(found.iter().all(|record| expected.contains(record)), "byte {at}");
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn a_torn_acknowledgement_leaves_the_one_before() {
    let folder = folder();
    let mut storage = open(folder.path());
    let places: Vec<Position> =
        (0..4).map(|number| storage.append(Lane::Flows, &record(number)).unwrap()).collect();
    storage.acknowledge(Lane::Flows, places[0]).unwrap();
    storage.acknowledge(Lane::Flows, places[1]).unwrap();
    drop(storage);
    let path = folder.path().join("flows.ack");
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 0xff;
        fs::write(&path, &bad).unwrap();
        let left = records(&mut open(folder.path()), Lane::Flows).len();
        assert!(left == 2 || left == 3, "byte {at}: {left} records");
    }
}

#[test]
fn blobs_are_replaced_as_a_whole() {
    let folder = folder();
    let mut storage = open(folder.path());
    assert_eq!(storage.load(Blob::EventTable), Ok(None));
    storage.store(Blob::EventTable, b"first, and longer").unwrap();
    storage.store(Blob::EventTable, b"second").unwrap();
    drop(storage);
    // What a write that never ended leaves behind is not looked at.
    fs::write(folder.path().join("event-table.fresh"), b"torn").unwrap();
    assert_eq!(open(folder.path()).load(Blob::EventTable), Ok(Some(b"second".to_vec())));
}

#[test]
fn one_agent_uses_a_folder() {
    let folder = folder();
    let first = open(folder.path());
    let fault = FileStorage::open(folder.path()).unwrap_err();
    assert!(matches!(fault, OpenFault::Locked(_)), "{fault}");
    drop(first);
    open(folder.path());
}

#[test]
fn only_the_owner_may_read() {
    use std::os::unix::fs::PermissionsExt;
    let parent = folder();
    let folder = parent.path().join("queue");
    let mut storage = open(&folder);
    storage.append(Lane::Flows, b"secret").unwrap();
    storage.store(Blob::Identity, b"secret").unwrap();
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    for entry in fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", entry.path().display());
    }
}
