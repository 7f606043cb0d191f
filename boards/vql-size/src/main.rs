//! Firmware that holds the query language and nothing else.
//!
//! `cargo xtask sizes` builds it once for each feature: the difference of two images is what a feature costs on a
//! board. With the feature `run` it works under QEMU and prints what a query takes of the heap.

#![no_std]
#![no_main]

extern crate alloc;

mod heap;
#[cfg(feature = "engine")]
mod query;

use core::hint::black_box;
use core::panic::PanicInfo;

use cortex_m as _; // its critical section
use cortex_m_rt::entry;

/// Ten columns over a thousand rows.
const TEXT: &str = "SELECT _value AS A, _value * 2 AS B, _value + 0.5 AS C, format(format='row %d', args=_value) AS D, \
                    _value > 500 AS E, 'text' AS F, _value - 1 AS G, len(list='abc') AS H, (1, _value) AS I, \
                    dict(a=_value) AS J FROM range(end=1000) WHERE D =~ '^row [0-9]+$'";

#[entry]
fn main() -> ! {
    heap::init();
    // What the compiler cannot see through stays in the image.
    let text = black_box(TEXT);
    use_memory(text);
    #[cfg(feature = "engine")]
    query::run(text);
    #[cfg(all(feature = "syntax", not(feature = "engine")))]
    let _ = black_box(troodon_vql::Program::parse(text).map(|program| program.statements().len()));
    end()
}

/// Copies, moves, compares and fills memory, as every firmware does: those routines are no part of the language.
#[inline(never)]
fn use_memory(text: &str) {
    let mut bytes = alloc::vec::Vec::from(text);
    bytes.copy_within(black_box(1).., 0);
    let is_same = bytes == text.as_bytes();
    bytes.fill(black_box(u8::from(is_same)));
    bytes.resize(black_box(200), 0);
    drop(black_box(bytes));
}

#[cfg(feature = "run")]
fn end() -> ! {
    semihosting::process::exit(0)
}

#[cfg(not(feature = "run"))]
const fn end() -> ! {
    loop {}
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    #[cfg(feature = "run")]
    semihosting::process::exit(101);
    #[cfg(not(feature = "run"))]
    end()
}
