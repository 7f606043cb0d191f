//! Console and watchdog of Arm's emulated boards: CMSDK UART and CMSDK APB watchdog (Arm DDI 0479).
#![allow(unsafe_code, reason = "registers are reached by address")]

use core::ptr;

use crate::limits::WATCHDOG_SECS;

/// The UART whose registers begin at `BASE`.
#[derive(Clone, Copy, Debug)]
pub struct CmsdkUart<const BASE: usize>(());

impl<const BASE: usize> CmsdkUart<BASE> {
    const DATA: *mut u32 = ptr::without_provenance_mut(BASE);
    const STATE: *mut u32 = ptr::without_provenance_mut(BASE + 4);
    const CONTROL: *mut u32 = ptr::without_provenance_mut(BASE + 8);
    const BAUD_DIVIDER: *mut u32 = ptr::without_provenance_mut(BASE + 16);

    /// Takes a UART over.
    ///
    /// # Safety
    ///
    /// A CMSDK UART is there, and nothing else touches it.
    #[must_use]
    pub const unsafe fn new() -> Self {
        Self(())
    }

    /// Switches transmitter and receiver on.
    pub fn start(self) {
        // SAFETY: the registers of the UART, as whoever made this promised.
        unsafe {
            Self::BAUD_DIVIDER.write_volatile(16);
            Self::CONTROL.write_volatile(1 | 1 << 1);
        }
    }

    /// A byte that was received.
    pub fn typed(self) -> Option<u8> {
        const RECEIVED: u32 = 1 << 1;
        // SAFETY: as above; reading the data takes the byte.
        let word = unsafe {
            (Self::STATE.read_volatile() & RECEIVED != 0).then(|| Self::DATA.read_volatile())
        };
        word.map(|word| word.to_le_bytes()[0])
    }

    /// Sends a text. QEMU takes every byte at once.
    pub fn write(self, text: &str) {
        // SAFETY: as above.
        text.bytes().for_each(|byte| unsafe { Self::DATA.write_volatile(u32::from(byte)) });
    }
}

/// The watchdog whose registers begin at `BASE`, counting at `HZ`. Its first expiry is an NMI, its second a reset.
#[derive(Clone, Copy, Debug)]
pub struct CmsdkWatchdog<const BASE: usize, const HZ: u32>(());

impl<const BASE: usize, const HZ: u32> CmsdkWatchdog<BASE, HZ> {
    const LOAD: *mut u32 = ptr::without_provenance_mut(BASE);
    const CONTROL: *mut u32 = ptr::without_provenance_mut(BASE + 8);
    const CLEAR: *mut u32 = ptr::without_provenance_mut(BASE + 12);
    /// The interrupt and the reset.
    const ON: u32 = 1 | 1 << 1;

    /// Takes a watchdog over.
    ///
    /// # Safety
    ///
    /// A CMSDK APB watchdog is there, and nothing else touches it.
    #[must_use]
    pub const unsafe fn new() -> Self {
        Self(())
    }

    /// Switches it on, or starts its time again.
    pub fn feed(self) {
        // SAFETY: the registers of the watchdog, as whoever made this promised.
        unsafe {
            Self::LOAD.write_volatile(HZ.saturating_mul(WATCHDOG_SECS));
            Self::CLEAR.write_volatile(1);
            Self::CONTROL.write_volatile(Self::ON);
        }
    }
}
