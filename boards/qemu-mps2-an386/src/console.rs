//! The console: CMSDK UART 0.

use core::fmt::{self, Write};
use core::ptr;

/// CMSDK UART 0.
pub(crate) struct Uart;

impl Uart {
    const DATA: *mut u32 = ptr::without_provenance_mut(0x4000_4000);
    const STATE: *mut u32 = ptr::without_provenance_mut(0x4000_4004);
    const CONTROL: *mut u32 = ptr::without_provenance_mut(0x4000_4008);
    const BAUD_DIVIDER: *mut u32 = ptr::without_provenance_mut(0x4000_4010);

    /// Switches transmitter and receiver on.
    pub(crate) fn start() {
        // SAFETY: the registers of the UART, which only this type touches.
        unsafe {
            Self::BAUD_DIVIDER.write_volatile(16);
            Self::CONTROL.write_volatile(1 | 1 << 1);
        }
    }

    /// A byte that was received.
    pub(crate) fn typed() -> Option<u8> {
        const RECEIVED: u32 = 1 << 1;
        // SAFETY: as above; reading the data takes the byte.
        let word = unsafe {
            (Self::STATE.read_volatile() & RECEIVED != 0).then(|| Self::DATA.read_volatile())
        };
        word.map(|word| word.to_le_bytes()[0])
    }
}

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: as above. QEMU takes every byte at once.
        text.bytes().for_each(|byte| unsafe { Self::DATA.write_volatile(u32::from(byte)) });
        Ok(())
    }
}
