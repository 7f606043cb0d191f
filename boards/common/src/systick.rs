//! Time on a Cortex-M: the processor's own timer, and a count of its interrupts.

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};
use cortex_m_rt::exception;

/// Milliseconds, in two words: these chips have no atomic numbers of 64 bits. Only the interrupt writes them.
static MILLIS: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];

/// The timer of a processor that runs at `HZ`, a multiple of a million.
#[derive(Clone, Copy, Debug)]
pub struct SysTickClock<const HZ: u32>;

impl<const HZ: u32> SysTickClock<HZ> {
    const TICKS_PER_MILLI: u32 = HZ / 1_000;
    const TICKS_PER_MICRO: u32 = HZ / 1_000_000;

    /// Starts an interrupt each millisecond.
    pub fn start(self, timer: &mut SYST) {
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(Self::TICKS_PER_MILLI - 1);
        timer.clear_current();
        timer.enable_counter();
        timer.enable_interrupt();
    }

    /// Microseconds since the start.
    pub fn micros(self) -> u64 {
        loop {
            let before = millis();
            let last = Self::TICKS_PER_MILLI - 1;
            let ticks = last - SYST::get_current().min(last);
            // An interrupt that has not been counted, and was due before the timer was read.
            let is_due = SCB::is_pendst_pending() && ticks < Self::TICKS_PER_MILLI / 2;
            // Else the timer began again in between.
            if millis() == before {
                let millis = before + u64::from(is_due);
                return millis * 1_000 + u64::from(ticks / Self::TICKS_PER_MICRO);
            }
        }
    }
}

fn millis() -> u64 {
    let [low, high] = &MILLIS;
    loop {
        let before = high.load(Ordering::Relaxed);
        let low = low.load(Ordering::Relaxed);
        if high.load(Ordering::Relaxed) == before {
            return u64::from(before) << 32 | u64::from(low);
        }
    }
}

#[exception]
fn SysTick() {
    let [low, high] = &MILLIS;
    let next = low.load(Ordering::Relaxed).wrapping_add(1);
    if next == 0 {
        high.store(high.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
    low.store(next, Ordering::Relaxed);
}
