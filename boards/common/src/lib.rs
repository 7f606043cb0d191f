//! What every board shares.
//!
//! So far the panic record: what went wrong and where, in memory that a reset leaves alone.

#![no_std]

#[cfg(test)]
extern crate std;

mod panic_record;

pub use panic_record::{PanicRecord, TEXT_LEN_MAX};
