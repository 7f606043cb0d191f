//! Reading a file piece by piece, within a bounded buffer.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use crate::accessor::{Accessor, Reader};
use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::limits::READ_LEN;
use crate::value::{Text, Value};

use super::text::shown;

/// A file that is read from its beginning to its end.
pub(super) struct Stream {
    reader: Box<dyn Reader>,
    offset: u64,
    buffer: Vec<u8>,
    used: usize,
    ended: bool,
}

impl Stream {
    /// Starts at the beginning of the file.
    pub(super) const fn new(reader: Box<dyn Reader>) -> Self {
        Self { reader, offset: 0, buffer: Vec::new(), used: 0, ended: false }
    }

    /// What was read and not yet consumed.
    pub(super) fn ready(&self) -> &[u8] {
        self.buffer.get(self.used..).unwrap_or_default()
    }

    /// Whether everything was read; there may still be something to consume.
    pub(super) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Reads the next piece behind what is ready; nothing at the end of the file.
    pub(super) fn more(&mut self, cx: &mut Context) -> Result<(), Fault> {
        self.buffer.drain(..self.used.min(self.buffer.len()));
        self.used = 0;
        let len = self.buffer.len();
        self.buffer.resize(len.saturating_add(READ_LEN), 0);
        let free = self.buffer.get_mut(len..).unwrap_or_default();
        let read = self.reader.read_at(self.offset, free);
        let count = *read.as_ref().unwrap_or(&0);
        self.buffer.truncate(len.saturating_add(count));
        self.offset = self.offset.saturating_add(u64::try_from(count).unwrap_or(0));
        self.ended |= read? == 0;
        // One step for each KiB.
        cx.charge(u64::try_from(count.div_euclid(1024)).unwrap_or(0).saturating_add(1))?;
        Ok(())
    }

    /// Marks bytes of what is ready as done.
    pub(super) fn consume(&mut self, count: usize) {
        self.used = self.used.saturating_add(count).min(self.buffer.len());
    }

    /// The next line without its end; nothing after the last one. What is beyond `len_max` is skipped.
    pub(super) fn line(
        &mut self,
        cx: &mut Context,
        len_max: usize,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let mut line = Vec::new();
        let mut any = false;
        loop {
            let ready = self.ready();
            any |= !ready.is_empty();
            let end = ready.iter().position(|byte| *byte == b'\n');
            let text = ready.get(..end.unwrap_or(ready.len())).unwrap_or_default();
            let room = len_max.saturating_sub(line.len()).min(text.len());
            line.extend_from_slice(text.get(..room).unwrap_or_default());
            let used = text.len().saturating_add(usize::from(end.is_some()));
            self.consume(used);
            if end.is_some() || self.ended {
                return Ok(any.then(|| {
                    if line.last() == Some(&b'\r') {
                        line.pop();
                    }
                    line
                }));
            }
            self.more(cx)?;
        }
    }
}

/// Files that are read one after the other; those that cannot be opened are logged and left out.
pub(super) struct Files {
    name: &'static str,
    accessor: Arc<dyn Accessor>,
    waiting: VecDeque<Text>,
    current: Option<(Text, Stream)>,
}

impl Files {
    /// The files that the argument `name` lists, through the accessor that `accessor` names.
    pub(super) fn of(cx: &mut Context, args: &Args, name: &str) -> Result<Self, Fault> {
        let accessor = cx.accessor(&args.string("accessor").unwrap_or_default())?;
        let waiting = args.list(name).map_or(&[][..], |list| list).iter().map(path).collect();
        Ok(Self { name: args.callee(), accessor, waiting, current: None })
    }

    /// The file that is being read with its path; nothing after the last one.
    pub(super) fn current(
        &mut self,
        cx: &mut Context,
    ) -> Result<Option<(&Text, &mut Stream)>, Fault> {
        while self.current.is_none() {
            let Some(path) = self.waiting.pop_front() else { return Ok(None) };
            match self.accessor.open(cx, &path) {
                Ok(reader) => self.current = Some((path, Stream::new(reader))),
                Err(fault) => cx.report(self.name, fault)?,
            }
        }
        Ok(self.current.as_mut().map(|(path, stream)| (&*path, stream)))
    }

    /// Goes on to the next file, because this one is read or `fault` came in between.
    pub(super) fn leave(&mut self, cx: &mut Context, fault: Option<Fault>) -> Result<(), Fault> {
        self.current = None;
        if let Some(fault) = fault {
            cx.report(self.name, fault)?;
        }
        Ok(())
    }
}

/// A path given as text or as a list of components.
#[must_use]
pub fn path(value: &Value) -> Text {
    match value {
        Value::Str(text) => text.clone(),
        other => Text::from(shown(other).into_owned()),
    }
}

/// Reads at most `len_max` bytes from `offset` on.
///
/// # Errors
///
/// The reader's, or the query must stop.
pub fn read_span(
    cx: &mut Context,
    reader: &mut dyn Reader,
    offset: u64,
    len_max: usize,
) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    let mut piece = vec![0; READ_LEN.min(len_max)];
    while out.len() < len_max {
        let room = len_max.saturating_sub(out.len()).min(piece.len());
        let at = offset.saturating_add(u64::try_from(out.len()).unwrap_or(u64::MAX));
        let count = reader.read_at(at, piece.get_mut(..room).unwrap_or_default())?;
        if count == 0 {
            break;
        }
        out.extend_from_slice(piece.get(..count).unwrap_or_default());
        cx.charge(u64::try_from(count.div_euclid(1024)).unwrap_or(0).saturating_add(1))?;
    }
    Ok(out)
}
