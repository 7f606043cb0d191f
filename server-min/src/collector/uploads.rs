//! `upload()` in a collection of the server: the file goes to the others of the collection.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use troodon_proto::{FileBuffer, PathSpec};
use troodon_vql::{Context, Fault, RowBuilder, Time, Upload, Uploader, Value};

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
    fn upload(&self, cx: &mut Context, file: Upload<'_>) -> Result<Value, Fault> {
        let Self(files) = self;
        let number = files.next.fetch_add(1, Ordering::Relaxed);
        if number >= FLOW_UPLOADS {
            return Err(Fault::error(format!("a collection has {FLOW_UPLOADS} files at most")));
        }
        {
            let mut counts = files.counts.lock().unwrap_or_else(PoisonError::into_inner);
            counts.files = counts.files.saturating_add(1);
        }
        let head = head(&file, number);
        let (mut offset, mut sum) = (0_u64, Sha256::new());
        loop {
            let mut data = vec![0; PIECE_BYTES];
            let count = file.reader.read_at(offset, &mut data)?;
            data.truncate(count);
            let bytes = u64::try_from(count).unwrap_or(u64::MAX);
            cx.charge((bytes / 1024).max(1))?;
            files.spend(bytes)?;
            sum.update(&data);
            let (data, eof) = (Bytes::from(data), count == 0);
            files.keep(FileBuffer { offset, data, eof, ..head.clone() })?;
            offset = offset.saturating_add(bytes);
            if eof {
                break;
            }
        }
        let mut row = RowBuilder::new();
        row.set("Path", file.info.path.clone())
            .set("Size", head.size.max(offset))
            .set("UploadId", number)
            .set("StoredSize", offset)
            .set("sha256", hex::encode(sum.finalize()))
            .set("StoredName", file.name.clone())
            .set("Accessor", file.accessor.as_str());
        Ok(Value::from(row.build()))
    }
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
