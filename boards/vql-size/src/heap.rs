//! The heap, which counts.

#![allow(unsafe_code, reason = "a heap cannot be made without")]

use core::alloc::{GlobalAlloc, Layout};
use core::mem::MaybeUninit;
use core::ptr::addr_of_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

use embedded_alloc::LlffHeap;

const LEN: usize = 64 * 1024;

#[global_allocator]
static HEAP: Counted =
    Counted { heap: LlffHeap::empty(), held: AtomicUsize::new(0), most: AtomicUsize::new(0) };

static mut MEMORY: [MaybeUninit<u8>; LEN] = [MaybeUninit::uninit(); LEN];

/// Gives the heap its memory; called once, before anything is allocated.
pub fn init() {
    // SAFETY: nothing else refers to MEMORY, and this is called once.
    unsafe { HEAP.heap.init(addr_of_mut!(MEMORY) as usize, LEN) }
}

/// Bytes that are held, and the most that were held.
#[cfg(feature = "run")]
pub fn held() -> (usize, usize) {
    (HEAP.held.load(Ordering::Relaxed), HEAP.most.load(Ordering::Relaxed))
}

struct Counted {
    heap: LlffHeap,
    held: AtomicUsize,
    most: AtomicUsize,
}

/// What a block takes: the heap hands out multiples of eight bytes.
const fn taken(layout: Layout) -> usize {
    layout.size().next_multiple_of(8)
}

// SAFETY: the inner heap keeps the contract; counting touches no memory.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = self.held.fetch_add(taken(layout), Ordering::Relaxed) + taken(layout);
        self.most.fetch_max(held, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { self.heap.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.held.fetch_sub(taken(layout), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { self.heap.dealloc(block, layout) }
    }
}
