//! The allocator, with a mark of the most that was in use.
#![allow(unsafe_code, reason = "an allocator is unsafe by its trait")]

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering};

use embedded_alloc::LlffHeap;

/// First fit over a list of holes: no bytes are lost to headers, which counts where there are 64 KiB.
pub struct Heap {
    holes: LlffHeap,
    size: AtomicUsize,
    peak: AtomicUsize,
}

impl Heap {
    /// A heap without memory.
    #[must_use]
    pub const fn empty() -> Self {
        Self { holes: LlffHeap::empty(), size: AtomicUsize::new(0), peak: AtomicUsize::new(0) }
    }

    /// Takes memory over.
    ///
    /// # Safety
    ///
    /// Called once, before the first allocation, with `size` bytes at `start` that nothing else uses.
    pub unsafe fn init(&self, start: *mut u8, size: usize) {
        self.size.store(size, Ordering::Relaxed);
        // SAFETY: the caller promises the same.
        unsafe { self.holes.init(start.addr(), size) }
    }

    /// Bytes in all.
    pub fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.holes.used()
    }

    /// Bytes in use at most since reset.
    pub fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }
}

// SAFETY: every call goes to the inner allocator, which upholds the contract; counting changes nothing about it.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        let memory = unsafe { self.holes.alloc(layout) };
        self.peak.fetch_max(self.holes.used(), Ordering::Relaxed);
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.holes.dealloc(memory, layout) }
    }
}
