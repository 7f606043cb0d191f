//! What lies on a board's flash.

use std::ops::Range;

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase,
    check_read, check_write,
};
use troodon_board::flash::{FlashStorage, Layout};
use troodon_core::storage::{Blob, Lane, Position, Storage, StorageFault};

const PAGE: usize = 256;
const PAGES: u32 = 18;

/// NOR flash in memory, with small pages.
struct Nor(Vec<u8>);

impl ErrorType for Nor {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Nor {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        bytes.copy_from_slice(&self.0[index(offset)..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for Nor {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        self.0[index(from)..index(to)].fill(0xff);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        let place = &mut self.0[index(offset)..][..bytes.len()];
        place.iter_mut().zip(bytes).for_each(|(old, new)| *old &= new);
        Ok(())
    }
}

impl MultiwriteNorFlash for Nor {}

fn index(offset: u32) -> usize {
    usize::try_from(offset).expect("32 bits")
}

fn layout() -> Layout {
    let pages = |pages: Range<u32>| pages.start * 256..pages.end * 256;
    Layout {
        state: pages(0..6),
        urgent: pages(6..10),
        flows: pages(10..14),
        monitoring: pages(14..PAGES),
    }
}

/// Any bytes as the flash: the board starts, and whatever it is asked comes to an end. Pages in an order that no run of ours
/// leaves may show what was forgotten once more; the server knows it by its numbers.
pub fn flash(data: &[u8]) {
    let mut image = data.to_vec();
    image.resize(PAGE * index(PAGES), 0xff);
    let mut storage = FlashStorage::open(Nor(image), layout()).expect("flash that never fails");
    for blob in Blob::ALL {
        // A map that is beyond repair is a fault, and the board says so.
        if storage.load(blob).is_ok() && storage.store(blob, b"value").is_ok() {
            assert_eq!(storage.load(blob), Ok(Some(b"value".to_vec())));
        }
    }
    for lane in Lane::ALL {
        let through = last(&mut storage, lane).unwrap_or(Position::START);
        storage.acknowledge(lane, through).expect("an acknowledgement");
        last(&mut storage, lane);
        let appended = storage.append(lane, b"record");
        assert!(matches!(appended, Ok(_) | Err(StorageFault::Full)), "{appended:?}");
        last(&mut storage, lane);
    }
}

/// The place of the newest record.
fn last(storage: &mut FlashStorage<Nor>, lane: Lane) -> Option<Position> {
    let (mut from, mut found, mut record) = (Position::START, None, Vec::new());
    for _ in 0..PAGE * index(PAGES) {
        match storage.read(lane, from, &mut record) {
            Ok(Some(at)) => {
                assert!(at >= from && !record.is_empty());
                (found, from) = (Some(at), at.after());
            }
            Err(StorageFault::Corrupt(at)) if at >= from => from = at.after(),
            Err(fault) => panic!("{fault}"),
            Ok(None) => return found,
        }
    }
    panic!("more records than bytes");
}

/// Blank flash, and flash in use.
pub fn images() -> Vec<Vec<u8>> {
    let blank = || Nor(vec![0xff; PAGE * index(PAGES)]);
    let mut storage = FlashStorage::open(blank(), layout()).expect("blank flash");
    for number in 0..40_u8 {
        for lane in Lane::ALL {
            let bytes = vec![number; usize::from(number % 7) * 20 + 1];
            match storage.append(lane, &bytes) {
                Err(StorageFault::Full) => {
                    let through = last(&mut storage, lane).expect("a full lane has records");
                    storage.acknowledge(lane, Position(through.0 - 2)).expect("room");
                }
                other => drop(other.expect("an append")),
            }
        }
        storage.store(Blob::Losses, &[number; 9]).expect("a blob");
        storage.store(Blob::EventTable, &vec![number; 150]).expect("a long blob");
    }
    vec![blank().0, storage.into_flash().0]
}
