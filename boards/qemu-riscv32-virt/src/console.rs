//! The console: a 16550.

use core::fmt::{self, Write};
use core::ptr;

/// UART 0.
pub(crate) struct Uart;

impl Uart {
    const DATA: *mut u8 = ptr::without_provenance_mut(0x1000_0000);
    const LINE_STATUS: *mut u8 = ptr::without_provenance_mut(0x1000_0005);

    /// A byte that was received.
    pub(crate) fn typed() -> Option<u8> {
        const RECEIVED: u8 = 1;
        // SAFETY: the registers of the UART, which only this type touches; reading the data takes the byte.
        unsafe {
            (Self::LINE_STATUS.read_volatile() & RECEIVED != 0).then(|| Self::DATA.read_volatile())
        }
    }
}

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: as above. QEMU takes every byte at once.
        text.bytes().for_each(|byte| unsafe { Self::DATA.write_volatile(byte) });
        Ok(())
    }
}
