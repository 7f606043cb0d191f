//! Parts of a board's memory that queries may read, as files of the accessor `flash`.
#![allow(unsafe_code, reason = "memory is reached by its address")]

use core::ptr;

/// A part of memory and its name.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    name: &'static str,
    begin: usize,
    len: usize,
}

impl Region {
    /// Names a part of memory.
    ///
    /// # Safety
    ///
    /// The memory can be read, and holds no secret: the server may ask for all of it.
    #[must_use]
    pub const unsafe fn new(name: &'static str, begin: usize, len: usize) -> Self {
        Self { name, begin, len }
    }

    /// The name of the file.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies bytes from `offset` on; how many, 0 at the end.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> usize {
        let left = self.len.saturating_sub(offset);
        let places = (self.begin.saturating_add(offset)..).take(left);
        // SAFETY: whoever made the region promised that it can be read. Volatile, because flash may begin at address 0.
        let bytes = places
            .map(|place| unsafe { ptr::with_exposed_provenance::<u8>(place).read_volatile() });
        into.iter_mut().zip(bytes).map(|(slot, byte)| *slot = byte).count()
    }
}
