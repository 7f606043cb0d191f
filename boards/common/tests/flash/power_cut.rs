//! Power fails at every word that is written and in every eighth of every page that is erased, and what was being done is
//! left undone, half done, or done in some of its bits. Nothing that was acknowledged to the caller is lost, nothing is
//! there that was never written, and the storage goes on to work.

use std::collections::BTreeMap;
use std::ops::Range;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use troodon_board::flash::{FlashStorage, Layout};
use troodon_core::storage::{Blob, Lane, Position, Storage, StorageFault};

use super::medium::{Nor, Torn};

type Chip = Nor<256>;

const LEN: u32 = 18 * 256;

/// Pages of 256 bytes: many of them are filled and erased by few operations.
fn layout() -> Layout {
    let pages = |pages: Range<u32>| pages.start * 256..pages.end * 256;
    Layout {
        state: pages(0..6),
        urgent: pages(6..10),
        flows: pages(10..14),
        monitoring: pages(14..18),
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Append(Lane, Vec<u8>),
    /// So many of the oldest records.
    Acknowledge(Lane, usize),
    Store(Blob, Vec<u8>),
}

/// What must be on the chip.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Model {
    lanes: BTreeMap<Lane, Vec<Vec<u8>>>,
    blobs: BTreeMap<Blob, Vec<u8>>,
}

impl Model {
    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Append(lane, record) => {
                self.lanes.entry(*lane).or_default().push(record.clone());
            }
            Operation::Acknowledge(lane, count) => {
                let records = self.lanes.entry(*lane).or_default();
                records.drain(..(*count).min(records.len()));
            }
            Operation::Store(blob, bytes) => {
                self.blobs.insert(*blob, bytes.clone());
            }
        }
    }

    /// What may be on the chip when power failed in `operation`.
    fn outcomes(&self, operation: &Operation) -> Vec<Self> {
        let steps = match operation {
            Operation::Acknowledge(lane, count) => {
                (0..=*count).map(|count| Operation::Acknowledge(*lane, count)).collect()
            }
            whole => vec![Operation::Acknowledge(Lane::Urgent, 0), whole.clone()],
        };
        let after = |step: &Operation| {
            let mut model = self.clone();
            model.apply(step);
            model.without_empty()
        };
        steps.iter().map(after).collect()
    }

    fn without_empty(mut self) -> Self {
        self.lanes.retain(|_, records| !records.is_empty());
        self
    }

    fn read(storage: &mut FlashStorage<Chip>) -> Self {
        let mut model = Self::default();
        for lane in Lane::ALL {
            let (mut from, mut record) = (Position::START, Vec::new());
            while let Some(at) = storage.read(lane, from, &mut record).expect("readable") {
                model.lanes.entry(lane).or_default().push(record.clone());
                from = at.after();
            }
        }
        for blob in Blob::ALL {
            model.blobs.extend(storage.load(blob).expect("readable").map(|bytes| (blob, bytes)));
        }
        model
    }
}

/// The same operations in every run. Lanes fill up and wrap around; blobs are short and in parts.
fn operations(seed: u64, count: usize) -> Vec<Operation> {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut below = |bound: u32| random.next_u32() % bound;
    let mut operations = Vec::new();
    for number in 0..count {
        let lane = Lane::ALL[usize::try_from(below(3)).unwrap()];
        let bytes = |len: u32| {
            let number = u8::try_from(number % 251).unwrap();
            (0..len).map(|index| number ^ index.to_le_bytes()[0]).collect::<Vec<u8>>()
        };
        operations.push(match below(10) {
            0..5 => {
                Operation::Append(lane, bytes(1 + below(if number % 5 == 0 { 150 } else { 40 })))
            }
            5..8 => Operation::Acknowledge(lane, usize::try_from(below(5)).unwrap()),
            8 => Operation::Store(Blob::Losses, bytes(below(20))),
            _ => Operation::Store(Blob::EventTable, bytes(below(150))),
        });
    }
    operations
}

fn perform(storage: &mut FlashStorage<Chip>, operation: &Operation) -> Result<(), StorageFault> {
    match operation {
        Operation::Append(lane, record) => storage.append(*lane, record).map(drop),
        Operation::Store(blob, bytes) => storage.store(*blob, bytes),
        Operation::Acknowledge(lane, count) => {
            let mut positions = Vec::new();
            storage.scan(*lane, &mut |at, _| positions.push(at))?;
            match positions.iter().take(*count).next_back() {
                Some(through) => storage.acknowledge(*lane, *through),
                None => Ok(()),
            }
        }
    }
}

/// Performs operations until power fails; which one it failed in.
fn run(chip: &Chip, model: &mut Model, operations: &[Operation]) -> Option<usize> {
    let Ok(mut storage) = FlashStorage::open(chip.clone(), layout()) else {
        assert!(chip.is_off(), "a storage that cannot be opened");
        return Some(0);
    };
    assert_eq!(storage.lost_lanes(), 0, "a lane was given up");
    for (index, operation) in operations.iter().enumerate() {
        match perform(&mut storage, operation) {
            Ok(()) => model.apply(operation),
            Err(_) if chip.is_off() => return Some(index),
            Err(StorageFault::Full) => {}
            Err(fault) => panic!("{operation:?}: {fault}"),
        }
    }
    None
}

/// Reads the chip after a power cut, and holds it against what may be there.
fn check(chip: &Chip, model: &Model, operation: &Operation, what: &str) -> Model {
    chip.power_on();
    let mut storage = FlashStorage::open(chip.clone(), layout()).expect(what);
    assert_eq!(storage.lost_lanes(), 0, "{what}: a lane was given up");
    let found = Model::read(&mut storage);
    let outcomes = model.outcomes(operation);
    assert!(
        outcomes.contains(&found),
        "{what} in {operation:?}: {found:?} is none of {outcomes:?}"
    );
    found
}

/// Steps that all operations take when nothing fails.
fn steps_of(operations: &[Operation]) -> u64 {
    let chip = Chip::blank(LEN);
    assert_eq!(run(&chip, &mut Model::default(), operations), None);
    assert!(chip.erased_most() > 1, "the operations do not go around");
    chip.steps()
}

fn cut_everywhere(seed: u64) {
    let operations = operations(seed, 250);
    let steps = steps_of(&operations);
    eprintln!("seed {seed}: {steps} steps, each cut in {} ways", Torn::ALL.len());
    for torn in Torn::ALL {
        for cut in 0..steps {
            let what = format!("seed {seed}, {torn:?} torn, a cut after {cut} steps");
            let chip = Chip::blank(LEN);
            chip.cut_after(cut, torn);
            let mut model = Model::default();
            let at = run(&chip, &mut model, &operations).expect(&what);
            let mut model = check(&chip, &model, &operations[at], &what);
            assert_eq!(run(&chip, &mut model, &operations[at + 1..]), None, "{what}");
            let mut storage = FlashStorage::open(chip, layout()).expect(&what);
            assert_eq!(Model::read(&mut storage), model.without_empty(), "{what}, at the end");
        }
    }
}

#[test]
fn a_cut_anywhere_loses_nothing_and_invents_nothing() {
    cut_everywhere(1);
}

#[test]
fn another_history_with_a_cut_anywhere_loses_nothing_either() {
    cut_everywhere(2);
}

#[test]
fn cuts_upon_cuts_lose_nothing() {
    for seed in 0..150 {
        let mut random = ChaCha20Rng::seed_from_u64(seed);
        let operations = operations(seed, 200);
        let (chip, mut model, mut done) = (Chip::blank(LEN), Model::default(), 0);
        while done < operations.len() {
            let torn = Torn::ALL[usize::try_from(random.next_u32() % 3).unwrap()];
            chip.cut_after(u64::from(random.next_u32() % 200), torn);
            let Some(at) = run(&chip, &mut model, &operations[done..]) else { break };
            // Power may fail again while the chip is read.
            chip.power_on();
            chip.cut_after(u64::from(random.next_u32() % 20), torn);
            let _read_or_cut = FlashStorage::open(chip.clone(), layout())
                .map(|mut storage| Lane::ALL.map(|lane| storage.scan(lane, &mut |_, _| {})));
            model = check(&chip, &model, &operations[done + at], &format!("seed {seed}"));
            done += at + 1;
        }
    }
}
