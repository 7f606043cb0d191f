//! Files on their way to the server, one chunk at a time (docs/protocol.md section 6.7).
//!
//! `upload()` runs in the middle of an expression, which cannot be put aside. So chunks do not wait in the executor: they
//! go to the host's [`Outlet`], which blocks, or drives its comms, until there is room. One chunk is all that is held.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use md5::Md5;
use sha2::{Digest, Sha256};
use spin::Mutex;
use troodon_proto::{FileBuffer, Index, PathSpec, Range, VeloMessage};
use troodon_vql::{Context, DataRun, Fault, RowBuilder, Text, Time, Upload, Uploader, Value};

use super::stats::signed;
use crate::limits;

/// `request_id` of upload messages (docs/protocol.md section 1.4).
const REQUEST_ID: u64 = 5;

/// Where chunks of files go while a query is in the middle of a step.
pub trait Outlet: Send + Sync {
    /// Queues a message behind those that were sent before. Waits while there is no room, so it must not be called where
    /// the caller itself has to make that room.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] when the message cannot be taken, not even later; the upload ends with an error.
    fn send(&self, message: Box<VeloMessage>) -> Result<(), NoRoom>;
}

/// The agent cannot take an upload: it has no room, or is about to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoRoom;

impl core::fmt::Display for NoRoom {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("no room for uploads")
    }
}

impl core::error::Error for NoRoom {}

/// The uploads of one flow, whichever of its batches makes them.
pub(crate) struct FlowUploads {
    session_id: String,
    outlet: Arc<dyn Outlet>,
    chunk_bytes: usize,
    /// Bytes that may be sent, 0 for any number.
    max_bytes: u64,
    sums: Mutex<Sums>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    files: i64,
    bytes: u64,
    is_exceeded: bool,
}

impl FlowUploads {
    pub(crate) fn new(
        session_id: String,
        outlet: Arc<dyn Outlet>,
        chunk_bytes: usize,
        max_bytes: u64,
    ) -> Self {
        Self { session_id, outlet, chunk_bytes, max_bytes, sums: Mutex::default() }
    }

    /// The limit, if a file passed it.
    pub(crate) fn exceeded(&self) -> Option<u64> {
        self.sums.lock().is_exceeded.then_some(self.max_bytes)
    }

    /// Numbers uploads from 0.
    fn number(&self) -> i64 {
        let mut sums = self.sums.lock();
        let number = sums.files;
        sums.files = number.saturating_add(1);
        number
    }

    /// Takes `bytes` from what the flow may send.
    fn spend(&self, bytes: u64) -> Result<(), Fault> {
        let mut sums = self.sums.lock();
        let after = sums.bytes.saturating_add(bytes);
        if self.max_bytes > 0 && after > self.max_bytes {
            sums.is_exceeded = true;
            let max = self.max_bytes;
            return Err(Fault::error(format!("uploads exceed the limit of {max} bytes")));
        }
        sums.bytes = after;
        Ok(())
    }

    fn send(&self, chunk: FileBuffer) -> Result<(), Fault> {
        let message = VeloMessage {
            session_id: self.session_id.clone(),
            request_id: REQUEST_ID,
            file_buffer: Some(chunk),
            ..VeloMessage::default()
        };
        self.outlet.send(Box::new(message)).map_err(|fault| Fault::error(format!("{fault}")))
    }
}

/// The uploads of one batch: what its `upload()` calls find in their context.
pub(crate) struct BatchUploads {
    flow: Arc<FlowUploads>,
    counts: Arc<Mutex<Counts>>,
}

/// What one batch uploaded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) expected_bytes: u64,
}

impl BatchUploads {
    pub(crate) fn new(flow: &Arc<FlowUploads>, counts: &Arc<Mutex<Counts>>) -> Self {
        Self { flow: Arc::clone(flow), counts: Arc::clone(counts) }
    }
}

impl Uploader for BatchUploads {
    fn upload(&self, cx: &mut Context, mut file: Upload<'_>) -> Result<Value, Fault> {
        let size = file.reader.size().unwrap_or(file.info.size);
        // A file in very many pieces is sent with its holes: their list would be longer than they are.
        let runs = file.reader.runs().filter(|runs| runs.len() <= limits::SPARSE_RUNS);
        let head =
            FileBuffer { is_sparse: runs.is_some(), ..head(&file, size, self.flow.number()) };
        {
            let mut counts = self.counts.lock();
            counts.files = counts.files.saturating_add(1);
            counts.expected_bytes = counts.expected_bytes.saturating_add(size);
        }
        let mut sending =
            Sending { head, sent: 0, held: Vec::new(), sum: (Sha256::new(), Md5::new()) };
        let mut end = Ok(());
        for run in runs.as_deref().unwrap_or(&[DataRun { offset: 0, len: u64::MAX }]) {
            end = end.and_then(|()| self.send_run(cx, &mut file, *run, &mut sending));
        }
        // Also after an error: what is stored would be invisible without it (docs/protocol.md P26).
        self.flow.send(FileBuffer {
            offset: sending.sent,
            stored_size: sending.sent,
            eof: true,
            index: runs.map(|_| index(&sending.held, size)),
            ..sending.head.clone()
        })?;
        end?;
        Ok(shown(&sending, &file))
    }
}

/// A file on its way.
struct Sending {
    /// What all chunks say.
    head: FileBuffer,
    /// Bytes that were sent.
    sent: u64,
    /// Where they were in the file.
    held: Vec<DataRun>,
    sum: (Sha256, Md5),
}

impl Sending {
    /// Notes that `len` bytes from `offset` were sent.
    fn note(&mut self, offset: u64, len: u64) {
        self.sent = self.sent.saturating_add(len);
        match self.held.last_mut() {
            Some(run) if run.offset.saturating_add(run.len) == offset => {
                run.len = run.len.saturating_add(len);
            }
            _ => self.held.push(DataRun { offset, len }),
        }
    }
}

impl BatchUploads {
    /// Sends the bytes of a run, until its end or that of the file.
    fn send_run(
        &self,
        cx: &mut Context,
        file: &mut Upload<'_>,
        run: DataRun,
        sending: &mut Sending,
    ) -> Result<(), Fault> {
        let mut done = 0;
        while done < run.len {
            let left = usize::try_from(run.len.saturating_sub(done)).unwrap_or(usize::MAX);
            let max = self.flow.chunk_bytes.min(left);
            let data = read_chunk(file, run.offset.saturating_add(done), max)?;
            if data.is_empty() {
                break;
            }
            let len = u64::try_from(data.len()).unwrap_or(u64::MAX);
            cx.charge(len.div_euclid(1024).max(1))?;
            self.flow.spend(len)?;
            sending.sum.0.update(&data);
            sending.sum.1.update(&data);
            let after = sending.sent.saturating_add(len);
            self.flow.send(FileBuffer {
                offset: sending.sent,
                stored_size: after,
                data: Bytes::from(data),
                data_length: len,
                ..sending.head.clone()
            })?;
            sending.note(run.offset.saturating_add(done), len);
            done = done.saturating_add(len);
            let mut counts = self.counts.lock();
            counts.bytes = counts.bytes.saturating_add(len);
        }
        Ok(())
    }
}

/// How the server puts a sparse file together again: runs of data, and of holes, which have no length in the stored file.
fn index(runs: &[DataRun], size: u64) -> Index {
    let mut ranges = Vec::new();
    let (mut stored, mut original) = (0_u64, 0_u64);
    let mut add = |stored: u64, original: u64, held: u64, len: u64| {
        if len > 0 {
            ranges.push(Range {
                file_offset: signed(stored),
                original_offset: signed(original),
                file_length: signed(held),
                length: signed(len),
            });
        }
    };
    for run in runs {
        add(stored, original, 0, run.offset.saturating_sub(original));
        add(stored, run.offset, run.len, run.len);
        stored = stored.saturating_add(run.len);
        original = run.offset.saturating_add(run.len);
    }
    add(stored, original, 0, size.saturating_sub(original));
    Index { ranges }
}

/// What all chunks of a file say.
fn head(file: &Upload<'_>, size: u64, number: i64) -> FileBuffer {
    let info = &file.info;
    FileBuffer {
        pathspec: Some(PathSpec {
            path: file.name.to_str_lossy().into_owned(),
            accessor: file.accessor.clone(),
            components: components(&file.name),
        }),
        size,
        mtime: nanos(info.modified),
        atime: nanos(info.accessed),
        ctime: nanos(info.changed),
        btime: nanos(info.born),
        upload_number: number,
        ..FileBuffer::default()
    }
}

/// The row that `upload()` shows.
fn shown(sending: &Sending, file: &Upload<'_>) -> Value {
    let Sending { head, sent, sum, .. } = sending;
    let mut row = RowBuilder::new();
    row.set("Path", file.info.path.clone())
        .set("Size", head.size)
        .set("UploadId", head.upload_number)
        .set("StoredSize", *sent)
        .set("sha256", hex(&sum.0.clone().finalize()))
        .set("md5", hex(&sum.1.clone().finalize()))
        .set("StoredName", file.name.clone())
        .set("Components", components(&file.name).into_iter().map(Value::from).collect::<Vec<_>>())
        .set("Accessor", file.accessor.clone());
    Value::from(row.build())
}

/// Reads until the chunk is full or the file ends.
fn read_chunk(file: &mut Upload<'_>, offset: u64, max: usize) -> Result<Vec<u8>, Fault> {
    let mut chunk = vec![0; max];
    let mut filled = 0_usize;
    while let Some(rest) = chunk.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let at = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
        match file.reader.read_at(at, rest)? {
            0 => break,
            count => filled = filled.saturating_add(count),
        }
    }
    chunk.truncate(filled);
    Ok(chunk)
}

fn components(name: &Text) -> Vec<String> {
    let name = name.to_str_lossy();
    name.split('/').filter(|part| !part.is_empty()).map(String::from).collect()
}

fn nanos(time: Option<Time>) -> i64 {
    time.map_or(0, Time::nanos)
}

fn hex(digest: &[u8]) -> String {
    let mut text = String::with_capacity(digest.len().saturating_mul(2));
    for byte in digest {
        text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
    }
    text
}
