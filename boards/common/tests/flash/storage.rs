//! What the core may rely on when nothing goes wrong, and when a bit turns.

use troodon_board::flash::{FlashStorage, Layout};
use troodon_core::storage::{Blob, Lane, Position, Storage, StorageFault};

use super::medium::Nor;

pub type Chip = Nor<4096>;

pub fn open(chip: &Chip) -> FlashStorage<Chip> {
    FlashStorage::open(chip.clone(), Layout::at(0)).unwrap()
}

fn all(storage: &mut impl Storage, lane: Lane) -> Vec<Vec<u8>> {
    let (mut found, mut from, mut record) = (Vec::new(), Position::START, Vec::new());
    while let Some(at) = storage.read(lane, from, &mut record).unwrap() {
        found.push(record.clone());
        from = at.after();
    }
    found
}

#[test]
fn records_and_blobs_are_there_after_a_restart() {
    let chip = Chip::blank(Layout::LEN);
    let long = vec![7; 8 * 1024];
    let mut storage = open(&chip);
    storage.append(Lane::Flows, b"short").unwrap();
    storage.append(Lane::Flows, &long).unwrap();
    storage.append(Lane::Urgent, b"another lane").unwrap();
    storage.store(Blob::Identity, b"key").unwrap();
    storage.store(Blob::EventTable, &[1; 20_000]).unwrap();
    storage.store(Blob::EventTable, &[2; 19_999]).unwrap();
    storage.store(Blob::Losses, b"").unwrap();

    let mut storage = open(&chip);
    assert_eq!(all(&mut storage, Lane::Flows), [b"short".to_vec(), long]);
    assert_eq!(all(&mut storage, Lane::Urgent), [b"another lane".to_vec()]);
    assert_eq!(storage.load(Blob::Identity), Ok(Some(b"key".to_vec())));
    assert_eq!(storage.load(Blob::EventTable), Ok(Some(vec![2; 19_999])));
    assert_eq!(storage.load(Blob::Losses), Ok(Some(Vec::new())));
    assert_eq!(storage.load(Blob::Server), Ok(None));
}

#[test]
fn what_is_acknowledged_is_forgotten_and_its_room_is_free_again() {
    let chip = Chip::blank(Layout::LEN);
    let mut storage = open(&chip);
    for round in 0..2_000_u32 {
        let record = round.to_le_bytes().repeat(400);
        let at = storage.append(Lane::Urgent, &record).unwrap();
        assert_eq!(all(&mut storage, Lane::Urgent), [record], "round {round}");
        storage.acknowledge(Lane::Urgent, at).unwrap();
        storage.acknowledge(Lane::Urgent, at).unwrap();
    }
    assert_eq!(all(&mut open(&chip), Lane::Urgent), Vec::<Vec<u8>>::new());
}

#[test]
fn a_full_lane_refuses_and_keeps_what_it_has() {
    for len in [300, 5_000] {
        let chip = Chip::blank(Layout::LEN);
        let mut storage = open(&chip);
        let mut kept = 0;
        while storage.append(Lane::Urgent, &vec![1; len]).is_ok() {
            kept += 1;
        }
        assert!(kept * len >= 4 * 1024, "{kept} records of {len} bytes");
        for _ in 0..50 {
            assert_eq!(storage.append(Lane::Urgent, &vec![2; len]), Err(StorageFault::Full));
        }
        let mut storage = open(&chip);
        assert_eq!(all(&mut storage, Lane::Urgent), vec![vec![1; len]; kept]);
        storage.append(Lane::Flows, b"there is room elsewhere").unwrap();
    }
}

#[test]
fn a_record_whose_bits_turned_is_named_and_the_others_are_read() {
    let chip = Chip::blank(Layout::LEN);
    let mut storage = open(&chip);
    for text in ["first record", "second record", "third record"] {
        storage.append(Lane::Flows, text.as_bytes()).unwrap();
    }
    chip.flip(chip.find(b"second").unwrap(), 2);
    let mut storage = open(&chip);
    let mut record = Vec::new();
    let first = storage.read(Lane::Flows, Position::START, &mut record).unwrap().unwrap();
    assert_eq!(record, b"first record");
    let fault = storage.read(Lane::Flows, first.after(), &mut record).unwrap_err();
    let StorageFault::Corrupt(second) = fault else { panic!("{fault}") };
    let third = storage.read(Lane::Flows, second.after(), &mut record).unwrap().unwrap();
    assert_eq!(record, b"third record");
    assert_eq!(storage.read(Lane::Flows, third.after(), &mut record), Ok(None));
}
