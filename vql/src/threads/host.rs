//! Threads of the standard library.

extern crate std;

use alloc::string::ToString;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::{Bell, Threads, Work};

/// Stack of a thread, in bytes; the depth of [`Budget::host`](crate::Budget::host) fits, and only what is used counts.
const STACK_LEN: usize = 4 << 20;

/// Threads of the operating system, up to a number.
#[derive(Debug)]
pub struct HostThreads {
    running: Arc<AtomicUsize>,
    most: usize,
}

impl HostThreads {
    /// At most `most` threads at a time, for all queries together.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { running: Arc::default(), most }
    }
}

impl Threads for HostThreads {
    fn start(&self, work: Work) -> bool {
        let place = Place(Arc::clone(&self.running));
        if self.running.fetch_add(1, Ordering::Relaxed) >= self.most {
            return false;
        }
        let thread = thread::Builder::new().name("query worker".to_string()).stack_size(STACK_LEN);
        let started = thread.spawn(move || {
            let _place = place;
            work();
        });
        started.is_ok()
    }

    fn bell(&self) -> Arc<dyn Bell> {
        Arc::new(HostBell { rings: Mutex::new(0), rung: Condvar::new() })
    }
}

/// One of the threads; given back when it ends, even by a panic.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct HostBell {
    rings: Mutex<usize>,
    rung: Condvar,
}

impl HostBell {
    fn lock(&self) -> MutexGuard<'_, usize> {
        // A number is whole whatever happened.
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bell for HostBell {
    fn rings(&self) -> usize {
        *self.lock()
    }

    fn ring(&self) {
        let mut rings = self.lock();
        *rings = rings.wrapping_add(1);
        self.rung.notify_all();
    }

    fn wait(&self, rings: usize, at_most: Duration) {
        let waited = self.rung.wait_timeout_while(self.lock(), at_most, |now| *now == rings);
        drop(waited);
    }
}
