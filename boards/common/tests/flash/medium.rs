//! NOR flash in memory, whose power can be cut at every word that is written and at every eighth of a page that is erased.

use std::cell::RefCell;
use std::rc::Rc;

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
    check_erase, check_read, check_write,
};

pub const WORD: usize = 4;
const ERASE_STEPS: usize = 8;

/// What becomes of the word or the part of a page that was in work when power failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Torn {
    /// It is as before.
    Not,
    /// Its first half is done.
    Half,
    /// Some of its bits are done.
    Bits,
}

impl Torn {
    pub const ALL: [Self; 3] = [Self::Not, Self::Half, Self::Bits];
}

/// The chip lost its power, or was asked for nonsense.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    Off,
    Asked(NorFlashErrorKind),
}

impl NorFlashError for Fault {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

#[derive(Debug)]
struct Chip {
    bytes: Vec<u8>,
    /// Steps until power fails.
    steps_left: Option<u64>,
    torn: Torn,
    is_off: bool,
    steps: u64,
    erased: Vec<u64>,
}

/// A handle to a chip; the bytes stay when it is dropped.
#[derive(Clone, Debug)]
pub struct Nor<const PAGE: usize>(Rc<RefCell<Chip>>);

impl<const PAGE: usize> Nor<PAGE> {
    pub fn holding(bytes: Vec<u8>) -> Self {
        let erased = vec![0; bytes.len() / PAGE];
        let (steps_left, torn, is_off, steps) = (None, Torn::Not, false, 0);
        Self(Rc::new(RefCell::new(Chip { bytes, steps_left, torn, is_off, steps, erased })))
    }

    pub fn blank(len: u32) -> Self {
        Self::holding(vec![0xff; usize::try_from(len).unwrap()])
    }

    /// Lets power fail in the middle of the step after `steps` more.
    pub fn cut_after(&self, steps: u64, torn: Torn) {
        let mut chip = self.0.borrow_mut();
        chip.steps_left = Some(steps);
        chip.torn = torn;
    }

    /// Power is back.
    pub fn power_on(&self) {
        let mut chip = self.0.borrow_mut();
        chip.steps_left = None;
        chip.is_off = false;
    }

    pub fn is_off(&self) -> bool {
        self.0.borrow().is_off
    }

    /// Steps since it was made.
    pub fn steps(&self) -> u64 {
        self.0.borrow().steps
    }

    /// How often the page that was erased most was erased.
    pub fn erased_most(&self) -> u64 {
        self.0.borrow().erased.iter().copied().max().unwrap_or(0)
    }

    /// Changes a bit, as time does.
    pub fn flip(&self, byte: usize, bit: u8) {
        self.0.borrow_mut().bytes[byte] ^= 1 << bit;
    }

    /// Where these bytes lie for the first time.
    pub fn find(&self, wanted: &[u8]) -> Option<usize> {
        let chip = self.0.borrow();
        chip.bytes.windows(wanted.len()).position(|bytes| bytes == wanted)
    }
}

impl Chip {
    /// One step that makes `done` of `place`; `Err` when power fails in it.
    fn step(&mut self, place: usize, done: &[u8]) -> Result<(), Fault> {
        self.steps += 1;
        let target = &mut self.bytes[place..place + done.len()];
        match &mut self.steps_left {
            Some(0) => {
                match self.torn {
                    Torn::Not => {}
                    Torn::Half => target[..done.len() / 2].copy_from_slice(&done[..done.len() / 2]),
                    Torn::Bits => target.iter_mut().zip(done).for_each(|(byte, done)| {
                        *byte = *byte & !0x5a | done & 0x5a;
                    }),
                }
                self.is_off = true;
                return Err(Fault::Off);
            }
            Some(left) => *left -= 1,
            None => {}
        }
        target.copy_from_slice(done);
        Ok(())
    }
}

impl<const PAGE: usize> ErrorType for Nor<PAGE> {
    type Error = Fault;
}

impl<const PAGE: usize> ReadNorFlash for Nor<PAGE> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        check_read(self, offset, bytes.len()).map_err(Fault::Asked)?;
        let chip = self.0.borrow();
        if chip.is_off {
            return Err(Fault::Off);
        }
        let offset = usize::try_from(offset).unwrap();
        bytes.copy_from_slice(&chip.bytes[offset..offset + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.borrow().bytes.len()
    }
}

impl<const PAGE: usize> NorFlash for Nor<PAGE> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        check_erase(self, from, to).map_err(Fault::Asked)?;
        let chip = &mut *self.0.borrow_mut();
        if chip.is_off {
            return Err(Fault::Off);
        }
        let (from, to) = (usize::try_from(from).unwrap(), usize::try_from(to).unwrap());
        for page in (from..to).step_by(PAGE) {
            chip.erased[page / PAGE] += 1;
            if chip.torn == Torn::Bits && chip.steps_left.is_some_and(|left| left < 8) {
                // Cells turn one by one, all over the page.
                chip.bytes[page..page + PAGE].iter_mut().for_each(|byte| *byte |= 0xf7);
            }
            for part in (page..page + PAGE).step_by(PAGE / ERASE_STEPS) {
                chip.step(part, &[0xff; PAGE][..PAGE / ERASE_STEPS])?;
            }
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        check_write(self, offset, bytes.len()).map_err(Fault::Asked)?;
        let chip = &mut *self.0.borrow_mut();
        if chip.is_off {
            return Err(Fault::Off);
        }
        let offset = usize::try_from(offset).unwrap();
        for (index, word) in bytes.chunks(WORD).enumerate() {
            let place = offset + index * WORD;
            let done: Vec<u8> =
                word.iter().zip(&chip.bytes[place..]).map(|(new, old)| new & old).collect();
            chip.step(place, &done)?;
        }
        Ok(())
    }
}

impl<const PAGE: usize> MultiwriteNorFlash for Nor<PAGE> {}
