//! Time and the watchdog of RISC-V boards: the machine timer of the CLINT.
//!
//! Chips without a watchdog have that of its interrupt: it notices a loop that does not turn, and not one that has switched
//! interrupts off.
#![allow(unsafe_code, reason = "registers are reached by address")]

use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

use riscv::register::{mie, mstatus};

use crate::limits::WATCHDOG_SECS;

/// When the watchdog was fed, in milliseconds since reset; 0 before the first time.
static FED_AT: AtomicU32 = AtomicU32::new(0);

/// The CLINT at `BASE` whose timer runs at `HZ`, a multiple of a million.
#[derive(Clone, Copy, Debug)]
pub struct Clint<const BASE: usize, const HZ: u32>(());

impl<const BASE: usize, const HZ: u32> Clint<BASE, HZ> {
    const TIME: *const u32 = ptr::without_provenance(BASE + 0xbff8);
    const COMPARE: *mut u32 = ptr::without_provenance_mut(BASE + 0x4000);
    const TICKS_PER_MILLI: u64 = HZ as u64 / 1_000;

    /// Takes a CLINT over.
    ///
    /// # Safety
    ///
    /// A CLINT is there, nothing else touches it, and the handler of its interrupt calls [`Clint::tick`].
    #[must_use]
    pub const unsafe fn new() -> Self {
        Self(())
    }

    /// Starts an interrupt each millisecond.
    pub fn start(self) {
        self.set_alarm();
        // SAFETY: the handler of the only interrupt that is enabled calls `tick`.
        unsafe {
            mie::set_mtimer();
            mstatus::set_mie();
        }
    }

    /// Microseconds since the machine started.
    pub fn micros(self) -> u64 {
        self.ticks() / (Self::TICKS_PER_MILLI / 1_000)
    }

    /// All is well.
    pub fn feed(self) {
        FED_AT.store(self.millis(), Ordering::Relaxed);
    }

    /// What the handler of the interrupt does; `true` when the watchdog was not fed for too long.
    #[must_use]
    pub fn tick(self) -> bool {
        self.set_alarm();
        let fed_at = FED_AT.load(Ordering::Relaxed);
        fed_at != 0 && self.millis().wrapping_sub(fed_at) > WATCHDOG_SECS * 1_000
    }

    /// They begin again after 49 days; only differences of them are used.
    fn millis(self) -> u32 {
        let [a, b, c, d, ..] = (self.ticks() / Self::TICKS_PER_MILLI).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    fn ticks(self) -> u64 {
        loop {
            // SAFETY: the timer's two registers, which can be read at any time.
            let (high, low, again) = unsafe {
                let high = Self::TIME.add(1).read_volatile();
                (high, Self::TIME.read_volatile(), Self::TIME.add(1).read_volatile())
            };
            if high == again {
                return u64::from(high) << 32 | u64::from(low);
            }
        }
    }

    fn set_alarm(self) {
        let [a, b, c, d, e, f, g, h] = (self.ticks() + Self::TICKS_PER_MILLI).to_le_bytes();
        // SAFETY: the compare register of this processor; between the writes it is later than any time that comes.
        unsafe {
            Self::COMPARE.add(1).write_volatile(u32::MAX);
            Self::COMPARE.write_volatile(u32::from_le_bytes([a, b, c, d]));
            Self::COMPARE.add(1).write_volatile(u32::from_le_bytes([e, f, g, h]));
        }
    }
}
