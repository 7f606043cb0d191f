//! Time: the processor's own timer, and a count of its interrupts.

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::Peripherals;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};
use cortex_m_rt::exception;

/// Ticks of the timer in a second.
pub(crate) const HZ: u32 = 25_000_000;
const TICKS_PER_MILLI: u32 = HZ / 1_000;
const TICKS_PER_MICRO: u32 = HZ / 1_000_000;

static MILLIS: AtomicU32 = AtomicU32::new(0);

/// Starts an interrupt each millisecond.
pub(crate) fn start() {
    if let Some(mut core) = Peripherals::take() {
        core.SYST.set_clock_source(SystClkSource::Core);
        core.SYST.set_reload(TICKS_PER_MILLI - 1);
        core.SYST.clear_current();
        core.SYST.enable_counter();
        core.SYST.enable_interrupt();
    }
}

/// Microseconds since the start.
pub(crate) fn micros() -> u64 {
    loop {
        let millis = MILLIS.load(Ordering::Relaxed);
        let ticks = TICKS_PER_MILLI - 1 - SYST::get_current().min(TICKS_PER_MILLI - 1);
        // An interrupt that has not been counted, and was due before the timer was read.
        let is_due = SCB::is_pendst_pending() && ticks < TICKS_PER_MILLI / 2;
        // Else the timer began again in between.
        if MILLIS.load(Ordering::Relaxed) == millis {
            let millis = u64::from(millis) + u64::from(is_due);
            return millis * 1_000 + u64::from(ticks / TICKS_PER_MICRO);
        }
    }
}

#[exception]
fn SysTick() {
    MILLIS.fetch_add(1, Ordering::Relaxed);
}
