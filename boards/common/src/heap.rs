//! The allocator, with a mark of the most that was in use.
#![allow(unsafe_code, reason = "an allocator is unsafe by its trait")]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use embedded_alloc::LlffHeap;

/// First fit over a list of holes in `LEN` bytes: none are lost to headers, which counts where there are 64 KiB.
pub struct Heap<const LEN: usize> {
    holes: LlffHeap,
    memory: UnsafeCell<MaybeUninit<[u8; LEN]>>,
    is_started: AtomicBool,
    peak: AtomicUsize,
}

// SAFETY: the memory is touched through `holes` alone, which guards itself.
unsafe impl<const LEN: usize> Sync for Heap<LEN> {}

impl<const LEN: usize> Heap<LEN> {
    /// A heap that gives nothing before [`Heap::start`].
    #[expect(clippy::new_without_default, reason = "a default is not const")]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            holes: LlffHeap::empty(),
            memory: UnsafeCell::new(MaybeUninit::uninit()),
            is_started: AtomicBool::new(false),
            peak: AtomicUsize::new(0),
        }
    }

    /// Gives its memory to it. Only the first call counts.
    pub fn start(&'static self) {
        let is_started = self.is_started.load(Ordering::Relaxed);
        self.is_started.store(true, Ordering::Relaxed);
        if !is_started {
            // SAFETY: the memory is there for ever, nothing else uses it, and this happens once.
            unsafe { self.holes.init(self.memory.get().addr(), LEN) }
        }
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
unsafe impl<const LEN: usize> GlobalAlloc for Heap<LEN> {
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
