//! A digest that another thread computes.
//!
//! The thread that reads copies blocks out of its cache into a short queue, and waits when that is full. Copying costs
//! a fortieth of hashing, and spares both sides any sharing of buffers.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;
use core::time::Duration;

use md5::{Digest, Md5};
use spin::Mutex;

use crate::budget::Fault;
use crate::limits::{HASH_ASIDE_BLOCK_LEN, HASH_ASIDE_BLOCKS_MAX};
use crate::threads::{Bell, Threads};

/// The longest wait before looking whether the other side is still there.
const NAP: Duration = Duration::from_millis(10);

/// The side that reads.
pub(super) struct Md5Aside {
    desk: Arc<Desk>,
    /// What is not handed over yet; shorter than a block.
    block: Vec<u8>,
}

/// What both sides share.
struct Desk {
    state: Mutex<State>,
    /// Rung when there is a block, or the end.
    put: Arc<dyn Bell>,
    /// Rung when a block is done, or the digest is there.
    done: Arc<dyn Bell>,
}

#[derive(Default)]
struct State {
    blocks: VecDeque<Vec<u8>>,
    /// Blocks that are done, to be filled again.
    spare: Vec<Vec<u8>>,
    has_ended: bool,
    digest: Option<[u8; 16]>,
}

impl Md5Aside {
    /// Starts to hash; `None` if there is no thread to spare.
    pub(super) fn start(threads: &dyn Threads) -> Option<Self> {
        let desk = Desk { state: Mutex::default(), put: threads.bell(), done: threads.bell() };
        let desk = Arc::new(desk);
        let other = Arc::clone(&desk);
        let is_started = threads.start(alloc::boxed::Box::new(move || other.work()));
        is_started.then_some(Self { desk, block: Vec::new() })
    }

    /// Hashes more; waits while the queue is full.
    pub(super) fn update(&mut self, data: &[u8]) -> Result<(), Fault> {
        self.block.extend_from_slice(data);
        if self.block.len() < HASH_ASIDE_BLOCK_LEN { Ok(()) } else { self.hand_over() }
    }

    /// The digest of all.
    pub(super) fn finish(mut self) -> Result<[u8; 16], Fault> {
        self.hand_over()?;
        self.end();
        self.wait_for(|state| state.digest)
    }

    fn hand_over(&mut self) -> Result<(), Fault> {
        let block = mem::take(&mut self.block);
        let mut block = Some(block);
        self.block = self.wait_for(|state| {
            if state.blocks.len() >= HASH_ASIDE_BLOCKS_MAX {
                return None;
            }
            state.blocks.extend(block.take());
            Some(state.spare.pop().unwrap_or_default())
        })?;
        self.desk.put.ring();
        Ok(())
    }

    /// Waits until `take` finds in the state what it wants.
    fn wait_for<T>(&self, mut take: impl FnMut(&mut State) -> Option<T>) -> Result<T, Fault> {
        loop {
            let rings = self.desk.done.rings();
            if let Some(found) = take(&mut self.desk.state.lock()) {
                return Ok(found);
            }
            if Arc::strong_count(&self.desk) == 1 {
                return Err(Fault::error("hash: the thread that computes MD5 has failed"));
            }
            self.desk.done.wait(rings, NAP);
        }
    }

    fn end(&self) {
        self.desk.state.lock().has_ended = true;
        self.desk.put.ring();
    }
}

impl Drop for Md5Aside {
    fn drop(&mut self) {
        self.end();
    }
}

impl Desk {
    /// Hashes blocks until the end; that of a query that failed comes early, and nobody looks at the digest.
    fn work(&self) {
        let mut hash = Md5::new();
        loop {
            let rings = self.put.rings();
            let (block, has_ended) = {
                let mut state = self.state.lock();
                (state.blocks.pop_front(), state.has_ended)
            };
            match block {
                Some(mut block) => {
                    hash.update(&block);
                    block.clear();
                    self.state.lock().spare.push(block);
                    self.done.ring();
                }
                None if has_ended => break,
                None => self.put.wait(rings, NAP),
            }
        }
        self.state.lock().digest = Some(hash.finalize().into());
        self.done.ring();
    }
}
