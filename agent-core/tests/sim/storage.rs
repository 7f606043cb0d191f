//! A medium that outlives the agent on it.

use std::cell::RefCell;
use std::rc::Rc;

use troodon_core::storage::memory::MemoryStorage;
use troodon_core::storage::{Blob, Lane, Position, Storage, StorageFault};

/// A handle; the bytes stay when it is dropped.
#[derive(Clone, Debug)]
pub struct Medium(pub Rc<RefCell<MemoryStorage>>);

impl Medium {
    pub fn new() -> Self {
        Self(Rc::new(RefCell::new(MemoryStorage::new().remembering_syncs())))
    }
}

impl Storage for Medium {
    fn append(&mut self, lane: Lane, record: &[u8]) -> Result<Position, StorageFault> {
        self.0.borrow_mut().append(lane, record)
    }

    fn read(
        &mut self,
        lane: Lane,
        from: Position,
        into: &mut Vec<u8>,
    ) -> Result<Option<Position>, StorageFault> {
        self.0.borrow_mut().read(lane, from, into)
    }

    fn acknowledge(&mut self, lane: Lane, through: Position) -> Result<(), StorageFault> {
        self.0.borrow_mut().acknowledge(lane, through)
    }

    fn sync(&mut self) -> Result<(), StorageFault> {
        self.0.borrow_mut().sync()
    }

    fn load(&mut self, blob: Blob) -> Result<Option<Vec<u8>>, StorageFault> {
        self.0.borrow_mut().load(blob)
    }

    fn store(&mut self, blob: Blob, bytes: &[u8]) -> Result<(), StorageFault> {
        self.0.borrow_mut().store(blob, bytes)
    }
}
