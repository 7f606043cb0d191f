//! Time and the watchdog: the machine timer of the CLINT.
//!
//! The machine has no watchdog of its own. The timer's interrupt stands in for one: it notices a loop that does not turn,
//! and not one that has switched interrupts off.

use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

use riscv::interrupt::Interrupt;
use riscv::register::{mie, mstatus};
use riscv_rt::core_interrupt;
use troodon_board::{Cause, WATCHDOG_SECS};

use crate::last_words;

const TICKS_PER_MILLI: u64 = 10_000;
const TIME: *const u32 = ptr::without_provenance(0x0200_bff8);
const COMPARE: *mut u32 = ptr::without_provenance_mut(0x0200_4000);

/// When the watchdog was fed, in milliseconds since reset; 0 before the first time.
static FED_AT: AtomicU32 = AtomicU32::new(0);

/// Starts an interrupt each millisecond.
pub(crate) fn start() {
    set_alarm();
    // SAFETY: the handler of the only interrupt that is enabled is below.
    unsafe {
        mie::set_mtimer();
        mstatus::set_mie();
    }
}

/// Microseconds since the machine started.
pub(crate) fn micros() -> u64 {
    ticks() / (TICKS_PER_MILLI / 1_000)
}

/// All is well.
pub(crate) fn feed() {
    FED_AT.store(millis(), Ordering::Relaxed);
}

/// They begin again after 49 days; only differences of them are used.
fn millis() -> u32 {
    let [a, b, c, d, ..] = (ticks() / TICKS_PER_MILLI).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn ticks() -> u64 {
    loop {
        // SAFETY: the timer's two registers, which can be read at any time.
        let (high, low, again) = unsafe {
            let high = TIME.add(1).read_volatile();
            (high, TIME.read_volatile(), TIME.add(1).read_volatile())
        };
        if high == again {
            return u64::from(high) << 32 | u64::from(low);
        }
    }
}

fn set_alarm() {
    let [a, b, c, d, e, f, g, h] = (ticks() + TICKS_PER_MILLI).to_le_bytes();
    // SAFETY: the compare register of this processor; between the writes it is later than any time that comes.
    unsafe {
        COMPARE.add(1).write_volatile(u32::MAX);
        COMPARE.write_volatile(u32::from_le_bytes([a, b, c, d]));
        COMPARE.add(1).write_volatile(u32::from_le_bytes([e, f, g, h]));
    }
}

#[core_interrupt(Interrupt::MachineTimer)]
fn tick() {
    set_alarm();
    let fed_at = FED_AT.load(Ordering::Relaxed);
    if fed_at != 0 && millis().wrapping_sub(fed_at) > WATCHDOG_SECS * 1_000 {
        last_words::end(Cause::Watchdog, format_args!("no turn of the loop for {WATCHDOG_SECS} s"));
    }
}
