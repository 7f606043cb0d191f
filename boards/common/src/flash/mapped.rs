//! Memory that keeps its bytes without power, used as NOR flash.
//!
//! For emulated boards, whose flash is memory that a file of the host backs. It behaves as NOR does: a page is erased to
//! ones, and writing can only make zeros of them.
#![allow(unsafe_code, reason = "the memory is reached by its address")]

use core::ptr;

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase,
    check_read, check_write,
};

const PAGE: usize = 4096;
const WORD: usize = 4;

/// A window of memory.
#[derive(Debug)]
pub struct MappedNor {
    base: usize,
    len: usize,
}

impl MappedNor {
    /// Takes a window over.
    ///
    /// # Safety
    ///
    /// `len` bytes of readable and writable memory are at `base`, and nothing else writes to what this flash writes.
    pub const unsafe fn new(base: usize, len: usize) -> Self {
        Self { base, len }
    }

    /// The place of a byte. The callers have checked that it lies in the window.
    fn place(&self, offset: usize) -> *mut u8 {
        ptr::with_exposed_provenance_mut::<u8>(self.base).wrapping_add(offset)
    }
}

impl ErrorType for MappedNor {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for MappedNor {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        let offset = usize::try_from(offset).map_err(|_| NorFlashErrorKind::OutOfBounds)?;
        // SAFETY: `check_read` found that the bytes lie in the window, and `bytes` is not in it.
        unsafe { ptr::copy_nonoverlapping(self.place(offset), bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.len
    }
}

impl NorFlash for MappedNor {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        let (from, to) = (usize::try_from(from), usize::try_from(to));
        let (Ok(from), Ok(to)) = (from, to) else { return Err(NorFlashErrorKind::OutOfBounds) };
        // SAFETY: `check_erase` found that the bytes lie in the window.
        unsafe { ptr::write_bytes(self.place(from), 0xff, to - from) };
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        let offset = usize::try_from(offset).map_err(|_| NorFlashErrorKind::OutOfBounds)?;
        for (distance, byte) in bytes.iter().enumerate() {
            let place = self.place(offset + distance);
            // SAFETY: `check_write` found that the bytes lie in the window. Volatile: the order of words is what a power
            // cut shows.
            unsafe { place.write_volatile(place.read_volatile() & byte) };
        }
        Ok(())
    }
}

impl MultiwriteNorFlash for MappedNor {}
