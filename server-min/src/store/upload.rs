//! Files that agents sent. Their bytes lie in files that are named by numbers; what the agent calls them is only noted.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::PathBuf;

use rusqlite::Row;

use super::{Store, StoreError, flow, hunt, unsigned};
use crate::model::id::{FlowId, HuntId};
use crate::model::site::Site;

/// One file of a collection, as the agent describes it. Times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its number in the collection, from 0.
    pub number: u64,
    /// Where it lay on the host.
    pub path: String,
    /// How it was read there.
    pub accessor: String,
    /// Its path in parts.
    pub components: Vec<String>,
    /// Expected bytes.
    pub size: u64,
    /// Bytes that are here, without gaps.
    pub stored: u64,
    /// The agent has sent all that it wants to send.
    pub complete: bool,
    /// For a sparse file: JSON list of ranges (`file_offset`, `original_offset`, `file_length`, `length`).
    pub sparse: Option<String>,
    /// Last change of the content.
    pub mtime_ns: i64,
    /// Last access.
    pub atime_ns: i64,
    /// Last change of the metadata.
    pub ctime_ns: i64,
    /// Creation.
    pub btime_ns: i64,
    /// When its first part came, in microseconds since 1970.
    pub started_us: u64,
}

impl Store {
    /// The files of a collection.
    ///
    /// # Errors
    /// [`StoreError::NoFlow`], or the store cannot be read.
    pub fn uploads(&self, site: impl Into<Site>, id: &FlowId) -> Result<Vec<Upload>, StoreError> {
        let site = site.into();
        self.read(|db| {
            let (number, _) = flow::existing(db, site, id)?;
            let sql = "SELECT upload, path, accessor, components, size, stored, complete, sparse, \
                       mtime_ns, atime_ns, ctime_ns, btime_ns, started_us FROM upload \
                       WHERE flow = ?1 ORDER BY upload";
            let mut query = db.prepare_cached(sql)?;
            let rows = query.query_and_then([number], from_row)?;
            rows.collect()
        })
    }

    /// The bytes of a file. Only its first [`Upload::stored`] bytes count.
    ///
    /// # Errors
    /// [`StoreError::NoFlow`], or there is no such file.
    pub fn open_upload(
        &self,
        site: impl Into<Site>,
        id: &FlowId,
        upload: u64,
    ) -> Result<File, StoreError> {
        let site = site.into();
        let (number, _) = self.read(|db| flow::existing(db, site, id))?;
        Ok(File::open(self.upload_folder(number).join(upload.to_string()))?)
    }

    /// Writes a part of a file and waits until it is on disk. Writing the same part again changes nothing.
    pub(super) fn write_upload(
        &self,
        flow: i64,
        upload: u64,
        offset: u64,
        data: &[u8],
    ) -> Result<(), StoreError> {
        let folder = self.upload_folder(flow);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let path = folder.join(upload.to_string());
        let fresh = !path.exists();
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        file.write_all_at(data, offset)?;
        file.sync_data()?;
        if fresh {
            // The entries of the folders must survive a power cut as well.
            File::open(&folder)?.sync_all()?;
            File::open(self.shared.folder.join(UPLOADS))?.sync_all()?;
        }
        Ok(())
    }

    /// Removes the files of collections that are gone.
    pub(crate) fn remove_upload_folders(&self, flows: &[i64]) -> Result<(), StoreError> {
        flows.iter().try_for_each(|flow| self.remove_upload_folder(*flow))
    }

    /// Where the download of a collection lies, once it is made.
    ///
    /// # Errors
    /// [`StoreError::NoFlow`], or the store cannot be read.
    pub fn flow_download(&self, site: impl Into<Site>, id: &FlowId) -> Result<PathBuf, StoreError> {
        let site = site.into();
        let (number, _) = self.read(|db| flow::existing(db, site, id))?;
        Ok(self.download(&format!("flow-{number}")))
    }

    /// Where the download of a hunt lies, once it is made.
    ///
    /// # Errors
    /// [`StoreError::NoHunt`], or the store cannot be read.
    pub fn hunt_download(&self, id: &HuntId) -> Result<PathBuf, StoreError> {
        let number = self.read(|db| hunt::number_of(db, id))?;
        Ok(self.download(&format!("hunt-{number}")))
    }

    fn download(&self, name: &str) -> PathBuf {
        self.shared.folder.join("downloads").join(format!("{name}.zip"))
    }

    /// Removes the download of a hunt that is gone.
    pub(crate) fn remove_hunt_download(&self, hunt: i64) -> Result<(), StoreError> {
        absent(fs::remove_file(self.download(&format!("hunt-{hunt}"))))
    }

    pub(super) fn remove_upload_folder(&self, flow: i64) -> Result<(), StoreError> {
        absent(fs::remove_file(self.download(&format!("flow-{flow}"))))?;
        absent(fs::remove_dir_all(self.upload_folder(flow)))
    }

    fn upload_folder(&self, flow: i64) -> PathBuf {
        self.shared.folder.join(UPLOADS).join(flow.to_string())
    }
}

/// What was not there is gone as well.
fn absent(removed: io::Result<()>) -> Result<(), StoreError> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

const UPLOADS: &str = "uploads";

fn from_row(row: &Row<'_>) -> Result<Upload, StoreError> {
    Ok(Upload {
        number: unsigned(row.get(0)?),
        path: row.get(1)?,
        accessor: row.get(2)?,
        components: serde_json::from_str(&row.get::<_, String>(3)?)?,
        size: unsigned(row.get(4)?),
        stored: unsigned(row.get(5)?),
        complete: row.get(6)?,
        sparse: row.get(7)?,
        mtime_ns: row.get(8)?,
        atime_ns: row.get(9)?,
        ctime_ns: row.get(10)?,
        btime_ns: row.get(11)?,
        started_us: unsigned(row.get(12)?),
    })
}
