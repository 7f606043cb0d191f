//! Compressed content as a file: read from its beginning on, in constant memory.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use rawzip::ReaderAt;
use troodon_vql::{Failure, Fault, Reader};

use crate::limits::{UNPACK_PIECE_LEN, UNPACK_REWINDS_MAX, UNPACKED_LEN_MAX};

/// A file that several readers share.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Box<dyn Reader>>>);

impl Shared {
    pub(crate) fn new(reader: Box<dyn Reader>) -> Self {
        Self(Arc::new(Mutex::new(reader)))
    }

    /// The bytes from `start` up to `end`.
    pub(crate) fn span(&self, start: u64, end: u64) -> io::BufReader<Span> {
        let span = Span { file: self.clone(), at: start, end };
        io::BufReader::with_capacity(UNPACK_PIECE_LEN, span)
    }
}

impl ReaderAt for Shared {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        // A reader has no state that a panic of another could have broken.
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.read_at(offset, buffer).map_err(|fault| io::Error::other(text(&fault)))
    }
}

/// A part of a file, read in order.
pub(crate) struct Span {
    file: Shared,
    at: u64,
    end: u64,
}

impl Read for Span {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let room = left.min(buffer.len());
        let count = self.file.read_at(buffer.get_mut(..room).unwrap_or_default(), self.at)?;
        self.at = self.at.saturating_add(u64::try_from(count).unwrap_or(0));
        Ok(count)
    }
}

/// Begins to unpack at the start of the content.
pub(crate) type Start = Box<dyn Fn() -> io::Result<Box<dyn Read + Send>> + Send>;

/// Unpacked content. Going back begins anew, which is bounded, since each time may cost the whole file.
pub(crate) struct Unpacked {
    start: Start,
    running: Option<Box<dyn Read + Send>>,
    position: u64,
    starts: u32,
}

impl Unpacked {
    pub(crate) const fn new(start: Start) -> Self {
        Self { start, running: None, position: 0, starts: 0 }
    }

    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset < self.position {
            self.running = None;
        }
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.restart()?,
        };
        let skipped = offset.saturating_sub(self.position);
        let passed = io::copy(&mut running.by_ref().take(skipped), &mut io::sink())?;
        self.position = self.position.saturating_add(passed);
        let count = if passed < skipped { 0 } else { running.read(buffer)? };
        self.position = self.position.saturating_add(u64::try_from(count).unwrap_or(0));
        self.running = Some(running);
        Ok(count)
    }

    fn restart(&mut self) -> io::Result<Box<dyn Read + Send>> {
        if self.starts > UNPACK_REWINDS_MAX {
            let text = format!("unpacked from the start more than {UNPACK_REWINDS_MAX} times");
            return Err(io::Error::other(text));
        }
        self.starts = self.starts.saturating_add(1);
        self.position = 0;
        (self.start)()
    }
}

impl Reader for Unpacked {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        if offset >= UNPACKED_LEN_MAX {
            return Err(Fault::note(format!("unpacks to more than {UNPACKED_LEN_MAX} bytes")));
        }
        self.read(offset, buffer).map_err(|why| Fault::note(format!("cannot be unpacked: {why}")))
    }
}

/// What a fault says, for a library that only knows errors of input.
fn text(fault: &Fault) -> String {
    match fault.failure() {
        Failure::Log(_, text) => text.clone(),
        Failure::Stop(stop) => stop.to_string(),
    }
}
