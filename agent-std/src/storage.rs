//! The core's storage in a folder of its own: a log of segment files for each lane, a file for each blob.
//!
//! ```text
//! flows.00000007      entries, each: length u32 | CRC-32 u32 | position u64 | record       (little endian)
//! flows.ack           two slots of: position u64 | CRC-32 u32; the valid one with the higher position counts
//! event-table.blob    the bytes; replaced by write, sync, rename
//! lock                held while an agent uses the folder
//! ```
//!
//! A power cut may leave a torn entry at the end of the last segment; it is cut off when the folder is opened. Segments are
//! deleted when all of their records are acknowledged, so the folder shrinks again.

mod acknowledged;
mod lane;
mod segment;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use thiserror::Error;
use troodon_core::storage::{Blob, Lane, Position, Storage, StorageFault};

use lane::LaneLog;

/// Only the agent's own account may read what it keeps: rows and a private key.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Why a folder cannot be used.
#[derive(Debug, Error)]
pub enum OpenFault {
    /// Another agent holds the folder.
    #[error("{0}: another agent uses this folder; stop it, or set another Client.writeback_linux")]
    Locked(PathBuf),
    /// The system refuses.
    #[error("{path}: {error}")]
    System {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// Storage in a folder. Dropping it releases the folder.
#[derive(Debug)]
pub struct FileStorage {
    folder: PathBuf,
    lanes: [LaneLog; 3],
    _lock: File,
}

impl FileStorage {
    /// Opens the folder, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// [`OpenFault`] names the path.
    pub fn open(folder: &Path) -> Result<Self, OpenFault> {
        let at = |path: &Path, error: io::Error| OpenFault::System { path: path.to_owned(), error };
        DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(folder)
            .map_err(|error| at(folder, error))?;
        let lock_path = folder.join("lock");
        let lock = open_for_writing(&lock_path).map_err(|error| at(&lock_path, error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| OpenFault::Locked(folder.to_owned()))?;
        let open = |lane| LaneLog::open(folder, lane).map_err(|error| at(folder, error));
        let lanes = [open(Lane::Urgent)?, open(Lane::Flows)?, open(Lane::Monitoring)?];
        Ok(Self { folder: folder.to_owned(), lanes, _lock: lock })
    }

    fn lane(&mut self, lane: Lane) -> &mut LaneLog {
        let [urgent, flows, monitoring] = &mut self.lanes;
        match lane {
            Lane::Urgent => urgent,
            Lane::Flows => flows,
            Lane::Monitoring => monitoring,
        }
    }

    fn blob_path(&self, blob: Blob) -> PathBuf {
        self.folder.join(format!("{}.blob", blob.name()))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let fresh = path.with_extension("fresh");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(FILE_MODE)
            .open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        File::open(&self.folder)?.sync_all()
    }
}

impl Storage for FileStorage {
    fn append(&mut self, lane: Lane, record: &[u8]) -> Result<Position, StorageFault> {
        self.lane(lane).append(record).map_err(fault)
    }

    fn read(
        &mut self,
        lane: Lane,
        from: Position,
        into: &mut Vec<u8>,
    ) -> Result<Option<Position>, StorageFault> {
        self.lane(lane).read(from, into)
    }

    fn acknowledge(&mut self, lane: Lane, through: Position) -> Result<(), StorageFault> {
        self.lane(lane).acknowledge(through).map_err(fault)
    }

    fn sync(&mut self) -> Result<(), StorageFault> {
        for lane in &mut self.lanes {
            lane.sync().map_err(fault)?;
        }
        Ok(())
    }

    fn load(&mut self, blob: Blob) -> Result<Option<Vec<u8>>, StorageFault> {
        match fs::read(self.blob_path(blob)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault(error)),
        }
    }

    fn store(&mut self, blob: Blob, bytes: &[u8]) -> Result<(), StorageFault> {
        self.replace(&self.blob_path(blob), bytes).map_err(fault)
    }
}

fn fault(error: io::Error) -> StorageFault {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            StorageFault::Full
        }
        _ => StorageFault::Broken,
    }
}

fn open_for_writing(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(FILE_MODE)
        .open(path)
}
