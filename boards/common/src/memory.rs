//! What the linker put where: `memory.x` of each board names the begin of the image and both ends of the stack.
#![allow(unsafe_code, reason = "the linker's symbols, and memory reached by its address")]

use crate::region::Region;

unsafe extern "C" {
    static _image_start: u32;
    static __sidata: u32;
    static __sdata: u32;
    static __edata: u32;
    /// The top of the stack, and its lowest address.
    static _stack_start: u32;
    static _stack_end: u32;
}

/// What no program writes on purpose.
const PAINT: u32 = 0xcccc_cccc;
/// Bytes below a local variable of the painter that it may use itself.
const OWN_STACK: usize = 1024;

/// What queries may read: the image. It is the same in every board, and holds no key.
pub fn image() -> Region {
    let begin = (&raw const _image_start).addr();
    let data = (&raw const __edata).addr() - (&raw const __sdata).addr();
    let len = (&raw const __sidata).addr() + data - begin;
    // SAFETY: the image begins there and ends with what start-up code copies from it.
    unsafe { Region::new("firmware", begin, len) }
}

/// Paints the stack that is not in use, so that marks can be read later. Called once, first of all.
#[inline(never)]
pub fn paint_stack() {
    let here = 0_u32;
    let bottom = &raw const _stack_end;
    let free = (&raw const here).addr() - bottom.addr() - OWN_STACK;
    // SAFETY: the linker script says that the stack begins at its bottom, and what is painted lies below all that is in use.
    (0..free / 4).for_each(|word| unsafe { bottom.cast_mut().add(word).write_volatile(PAINT) });
}

/// Size of the stack and the most of it that was in use.
pub fn stack_marks() -> (usize, usize) {
    let (bottom, top) = (&raw const _stack_end, &raw const _stack_start);
    let size = top.addr() - bottom.addr();
    // SAFETY: the linker script says that the stack lies between the two.
    let is_painted = |word: &usize| unsafe { bottom.add(*word).read_volatile() } == PAINT;
    (size, size - (0..size / 4).take_while(is_painted).count() * 4)
}
