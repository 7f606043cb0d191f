//! How deep the stack was: start-up code painted it.

/// Size of the stack, and the most of it that was in use.
pub(crate) fn marks() -> (usize, usize) {
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
