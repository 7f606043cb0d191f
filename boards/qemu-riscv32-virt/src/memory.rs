//! What the linker put where.

use alloc::vec;
use alloc::vec::Vec;

use troodon_board::Region;

unsafe extern "C" {
    static _stext: u32;
    static __sidata: u32;
    static __sdata: u32;
    static __edata: u32;
    static _stack_start: u32;
    static __estack: u32;
}

/// What no program writes on purpose.
const PAINT: u32 = 0xcccc_cccc;
/// Bytes below a local variable of the painter that it may use itself.
const OWN_STACK: usize = 1024;

/// What queries may read: the image. It is the same in every board, and holds no key.
pub(crate) fn regions() -> Vec<Region> {
    let begin = (&raw const _stext).addr();
    let data = (&raw const __edata).addr() - (&raw const __sdata).addr();
    let len = (&raw const __sidata).addr() + data - begin;
    // SAFETY: the image begins there and ends with what start-up code copies from it.
    vec![unsafe { Region::new("firmware", begin, len) }]
}

/// Paints the stack that is not in use, so that marks can be read later. Called once, first of all.
#[inline(never)]
pub(crate) fn paint_stack() {
    let here = 0_u32;
    let bottom = &raw const __estack;
    let free = (&raw const here).addr() - bottom.addr() - OWN_STACK;
    // SAFETY: the linker script says that the stack begins at its bottom, and what is painted lies below all that is in use.
    (0..free / 4).for_each(|word| unsafe { bottom.cast_mut().add(word).write_volatile(PAINT) });
}

/// Size of the stack and the most of it that was in use.
pub(crate) fn stack_marks() -> (usize, usize) {
    let (bottom, top) = (&raw const __estack, &raw const _stack_start);
    let size = top.addr() - bottom.addr();
    // SAFETY: the linker script says that the stack lies between the two.
    let is_painted = |word: &usize| unsafe { bottom.add(*word).read_volatile() } == PAINT;
    (size, size - (0..size / 4).take_while(is_painted).count() * 4)
}
