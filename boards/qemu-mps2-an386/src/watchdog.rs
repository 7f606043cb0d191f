//! The watchdog: CMSDK APB watchdog (Arm DDI 0479). Its first expiry is an NMI, its second a reset.

use core::ptr;

use troodon_board::WATCHDOG_SECS;

const LOAD: *mut u32 = ptr::without_provenance_mut(0x4000_8000);
const CONTROL: *mut u32 = ptr::without_provenance_mut(0x4000_8008);
const CLEAR: *mut u32 = ptr::without_provenance_mut(0x4000_800c);
/// The interrupt and the reset.
const ON: u32 = 1 | 1 << 1;

/// Switches it on, or starts its time again.
pub(crate) fn feed(clock_hz: u32) {
    // SAFETY: the registers of the watchdog, which only this function touches.
    unsafe {
        LOAD.write_volatile(clock_hz.saturating_mul(WATCHDOG_SECS));
        CLEAR.write_volatile(1);
        CONTROL.write_volatile(ON);
    }
}
