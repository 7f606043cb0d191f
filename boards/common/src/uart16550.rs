//! Console of emulated boards: a 16550.
#![allow(unsafe_code, reason = "registers are reached by address")]

use core::ptr;

/// The UART whose registers, a byte each, begin at `BASE`.
#[derive(Clone, Copy, Debug)]
pub struct Uart16550<const BASE: usize>(());

impl<const BASE: usize> Uart16550<BASE> {
    const DATA: *mut u8 = ptr::without_provenance_mut(BASE);
    const LINE_STATUS: *mut u8 = ptr::without_provenance_mut(BASE + 5);

    /// Takes a UART over.
    ///
    /// # Safety
    ///
    /// A 16550 is there, and nothing else touches it.
    #[must_use]
    pub const unsafe fn new() -> Self {
        Self(())
    }

    /// A byte that was received.
    pub fn typed(self) -> Option<u8> {
        const RECEIVED: u8 = 1;
        // SAFETY: the registers of the UART, as whoever made this promised; reading the data takes the byte.
        unsafe {
            (Self::LINE_STATUS.read_volatile() & RECEIVED != 0).then(|| Self::DATA.read_volatile())
        }
    }

    /// Sends a text. QEMU takes every byte at once.
    pub fn write(self, text: &str) {
        // SAFETY: as above.
        text.bytes().for_each(|byte| unsafe { Self::DATA.write_volatile(byte) });
    }
}
