//! What the linker put where.

use alloc::vec;
use alloc::vec::Vec;

use troodon_board::Region;

/// What queries may read: the image, as it lies in flash. It is the same in every board, and holds no key.
pub(crate) fn regions() -> Vec<Region> {
    unsafe extern "C" {
        static __sidata: u32;
        static __sdata: u32;
        static __edata: u32;
    }
    let data = (&raw const __edata).addr() - (&raw const __sdata).addr();
    // SAFETY: code memory begins at 0 and ends with what start-up code copies from there.
    vec![unsafe { Region::new("firmware", 0, (&raw const __sidata).addr() + data) }]
}

/// Size of the stack, which start-up code painted, and the most of it that was in use.
pub(crate) fn stack_marks() -> (usize, usize) {
    unsafe extern "C" {
        static _stack_end: u32;
        static _stack_start: u32;
    }
    let (bottom, top) = (&raw const _stack_end, &raw const _stack_start);
    let size = top.addr() - bottom.addr();
    // SAFETY: the linker script says that the stack lies between the two.
    let is_painted = |word: &usize| unsafe { bottom.add(*word).read_volatile() } == 0xcccc_cccc;
    (size, size - (0..size / 4).take_while(is_painted).count() * 4)
}
