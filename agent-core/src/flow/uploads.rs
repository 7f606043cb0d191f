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
use troodon_proto::{FileBuffer, PathSpec, VeloMessage};
use troodon_vql::{Context, Fault, RowBuilder, Text, Time, Upload, Uploader, Value};

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
        let head = head(&file, size, self.flow.number());
        {
            let mut counts = self.counts.lock();
            counts.files = counts.files.saturating_add(1);
            counts.expected_bytes = counts.expected_bytes.saturating_add(size);
        }
        let mut sum = (Sha256::new(), Md5::new());
        let mut sent = 0;
        let end = self.send_data(cx, &mut file, &head, &mut sum, &mut sent);
        // Also after an error: what is stored would be invisible without it (docs/protocol.md P26).
        self.flow.send(FileBuffer {
            offset: sent,
            stored_size: sent,
            eof: true,
            ..head.clone()
        })?;
        end?;
        Ok(shown(&head, &file, sent, sum))
    }
}

impl BatchUploads {
    fn send_data(
        &self,
        cx: &mut Context,
        file: &mut Upload<'_>,
        head: &FileBuffer,
        sum: &mut (Sha256, Md5),
        sent: &mut u64,
    ) -> Result<(), Fault> {
        loop {
            cx.charge(1)?;
            let data = read_chunk(file, *sent, self.flow.chunk_bytes)?;
            if data.is_empty() {
                return Ok(());
            }
            let len = u64::try_from(data.len()).unwrap_or(u64::MAX);
            self.flow.spend(len)?;
            sum.0.update(&data);
            sum.1.update(&data);
            let after = sent.saturating_add(len);
            self.flow.send(FileBuffer {
                offset: *sent,
                stored_size: after,
                data: Bytes::from(data),
                data_length: len,
                ..head.clone()
            })?;
            *sent = after;
            let mut counts = self.counts.lock();
            counts.bytes = counts.bytes.saturating_add(len);
        }
    }
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
fn shown(head: &FileBuffer, file: &Upload<'_>, sent: u64, sum: (Sha256, Md5)) -> Value {
    let mut row = RowBuilder::new();
    row.set("Path", file.info.path.clone())
        .set("Size", head.size)
        .set("UploadId", head.upload_number)
        .set("StoredSize", sent)
        .set("sha256", hex(&sum.0.finalize()))
        .set("md5", hex(&sum.1.finalize()))
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
