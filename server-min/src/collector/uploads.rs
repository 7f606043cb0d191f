//! `upload()` in a collection of the server: the file goes to the others of the collection.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use troodon_proto::{FileBuffer, Index, PathSpec, Range};
use troodon_vql::{Context, DataRun, Fault, RowBuilder, Time, Upload, Uploader, Value};

use crate::limits::{FLOW_UPLOADS, PIECE_BYTES};
use crate::store::Store;

/// The files of one collection.
pub(super) struct FlowFiles {
    store: Store,
    /// Of the collection.
    number: i64,
    /// Of the next file.
    next: AtomicU64,
    counts: Mutex<Counts>,
    /// Bytes that all files together may have.
    limit: u64,
}

/// What the files come to.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl FlowFiles {
    pub(super) fn new(store: Store, number: i64, limit: u64) -> Self {
        Self { store, number, next: AtomicU64::new(0), counts: Mutex::default(), limit }
    }

    /// What there is so far.
    pub(super) fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes room for bytes.
    fn spend(&self, bytes: u64) -> Result<(), Fault> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.bytes = counts.bytes.saturating_add(bytes);
        if counts.bytes <= self.limit {
            return Ok(());
        }
        Err(Fault::error(format!("uploads exceed the limit of {} bytes", self.limit)))
    }

    fn keep(&self, part: FileBuffer) -> Result<(), Fault> {
        let kept = self.store.keep_part(self.number, part);
        match kept.map_err(|error| Fault::error(error.to_string()))? {
            true => Ok(()),
            false => Err(Fault::error("the collection was ended")),
        }
    }
}

/// The same for queries.
pub(super) struct Uploads(pub(super) Arc<FlowFiles>);

impl Uploader for Uploads {
    fn upload(&self, cx: &mut Context, mut file: Upload<'_>) -> Result<Value, Fault> {
        let Self(files) = self;
        let number = files.next.fetch_add(1, Ordering::Relaxed);
        if number >= FLOW_UPLOADS {
            return Err(Fault::error(format!("a collection has {FLOW_UPLOADS} files at most")));
        }
        {
            let mut counts = files.counts.lock().unwrap_or_else(PoisonError::into_inner);
            counts.files = counts.files.saturating_add(1);
        }
        let runs = file.reader.runs();
        let head = FileBuffer { is_sparse: runs.is_some(), ..head(&file, number) };
        let mut kept = Kept { stored: 0, held: Vec::new(), sum: Sha256::new() };
        for run in runs.as_deref().unwrap_or(&[DataRun { offset: 0, len: u64::MAX }]) {
            self.keep_run(cx, &mut file, *run, &head, &mut kept)?;
        }
        let index = runs.map(|_| index(&kept.held, head.size));
        files.keep(FileBuffer { offset: kept.stored, eof: true, index, ..head.clone() })?;
        let mut row = RowBuilder::new();
        row.set("Path", file.info.path.clone())
            .set("Size", head.size.max(kept.stored))
            .set("UploadId", number)
            .set("StoredSize", kept.stored)
            .set("sha256", hex::encode(kept.sum.finalize()))
            .set("StoredName", file.name.clone())
            .set("Accessor", file.accessor.as_str());
        Ok(Value::from(row.build()))
    }
}

/// What of a file is kept.
struct Kept {
    /// Bytes, without holes.
    stored: u64,
    /// Where they were in the file.
    held: Vec<DataRun>,
    sum: Sha256,
}

impl Uploads {
    /// Keeps the bytes of a run, until its end or that of the file.
    fn keep_run(
        &self,
        cx: &mut Context,
        file: &mut Upload<'_>,
        run: DataRun,
        head: &FileBuffer,
        kept: &mut Kept,
    ) -> Result<(), Fault> {
        let (Self(files), mut done) = (self, 0_u64);
        while done < run.len {
            let left = usize::try_from(run.len.saturating_sub(done)).unwrap_or(usize::MAX);
            let mut data = vec![0; PIECE_BYTES.min(left)];
            let count = file.reader.read_at(run.offset.saturating_add(done), &mut data)?;
            data.truncate(count);
            let bytes = u64::try_from(count).unwrap_or(u64::MAX);
            cx.charge((bytes / 1024).max(1))?;
            if count == 0 {
                break;
            }
            files.spend(bytes)?;
            kept.sum.update(&data);
            let data = Bytes::from(data);
            files.keep(FileBuffer { offset: kept.stored, data, ..head.clone() })?;
            kept.stored = kept.stored.saturating_add(bytes);
            done = done.saturating_add(bytes);
        }
        kept.held.push(DataRun { offset: run.offset, len: done });
        Ok(())
    }
}

/// How a sparse file is put together again: runs of data, and of holes, which have no length in the stored file.
fn index(held: &[DataRun], size: u64) -> Index {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let (mut ranges, mut stored, mut original) = (Vec::new(), 0_u64, 0_u64);
    let end = DataRun { offset: size, len: 0 };
    for run in held.iter().chain([&end]) {
        let hole = run.offset.saturating_sub(original);
        for (at, len, file_length) in [(original, hole, 0), (run.offset, run.len, run.len)] {
            if len > 0 {
                ranges.push(Range {
                    file_offset: signed(stored),
                    original_offset: signed(at),
                    file_length: signed(file_length),
                    length: signed(len),
                });
            }
            stored = stored.saturating_add(file_length);
        }
        original = run.offset.saturating_add(run.len);
    }
    Index { ranges }
}

/// What all parts say of the file.
fn head(file: &Upload<'_>, number: u64) -> FileBuffer {
    let name = file.name.to_str_lossy();
    let nanos = |time: Option<Time>| time.map_or(0, Time::nanos);
    let components = name.split('/').filter(|part| !part.is_empty()).map(str::to_owned);
    FileBuffer {
        pathspec: Some(PathSpec {
            path: name.clone().into_owned(),
            accessor: file.accessor.clone(),
            components: components.collect(),
        }),
        size: file.reader.size().unwrap_or(file.info.size),
        mtime: nanos(file.info.modified),
        atime: nanos(file.info.accessed),
        ctime: nanos(file.info.changed),
        btime: nanos(file.info.born),
        upload_number: i64::try_from(number).unwrap_or(i64::MAX),
        ..FileBuffer::default()
    }
}
