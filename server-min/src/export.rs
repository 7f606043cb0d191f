//! Evidence for elsewhere: a collection or a hunt as one zip file, with a list of what is in it and its hashes.
//!
//! | in the file | what |
//! |---|---|
//! | `client_info.json`, `collection_context.json` | the client and the collection, as queries show them |
//! | `requests.json` | what the agent was asked |
//! | `log.json`, `log.csv` | the query log |
//! | `results/NAME.json`, `.csv` | rows, a JSON object on each line |
//! | `uploads.json`, `uploads/NUMBER-NAME` | files: what the agent says about them, and their bytes |
//! | `hunt_info.json`, `clients/CLIENT/…` | of a hunt: itself, and the above for each client |
//! | `manifest.json` | name, size and SHA-256 of everything else |
//!
//! Names from agents never become paths: a file's name is its number and what is harmless of the agent's name for it.
//! Rows and bytes flow through; what is held is one row, one part of a file, and the manifest.

mod archive;
mod csv;
mod names;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde_json::{Value, json};

use crate::actor::{ActError, Actor};
use crate::hunts;
use crate::limits;
use crate::model::door::Door;
use crate::model::id::{ArtifactName, FlowId, HuntId};
use crate::model::site::Site;
use crate::store::result::RowReader;
use crate::store::{Store, StoreError};

use archive::Archive;
pub(crate) use csv::Columns;

pub use names::safe_name;

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The caller may not.
    #[error(transparent)]
    Act(#[from] ActError),
    /// There is no such thing, or the store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file cannot be written.
    #[error("the export cannot be written: {0}")]
    Io(#[from] io::Error),
    /// The format cannot hold it.
    #[error("the export cannot be written: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// A stored row is damaged.
    #[error("a stored row is damaged: {0}")]
    Row(#[from] serde_json::Error),
}

/// How somebody wants it.
#[derive(Clone, Default)]
pub struct Wishes {
    /// Encrypts everything with AES-256 (WinZip AE-2); names of entries stay readable, as in every such file.
    pub password: Option<zeroize::Zeroizing<String>>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Entries, the manifest included.
    pub entries: u64,
    /// Bytes of all entries before compression.
    pub bytes: u64,
}

/// Writes a collection. Whoever calls this has passed the door for the caller.
///
/// # Errors
/// There is no such collection, or `output` cannot be written: it is of no use then.
pub fn flow(
    store: &Store,
    site: impl Into<Site>,
    flow: &FlowId,
    wishes: &Wishes,
    output: impl Write + Seek,
) -> Result<Exported, ExportError> {
    let mut archive = Archive::new(output, wishes);
    put_flow(&mut archive, store, "", site.into(), flow)?;
    archive.finish()
}

/// Writes a hunt with all its collections, like [`flow`].
///
/// # Errors
/// Those of [`flow`].
pub fn hunt(
    store: &Store,
    hunt: &HuntId,
    wishes: &Wishes,
    output: impl Write + Seek,
) -> Result<Exported, ExportError> {
    let shown = hunts::shown(store, &store.hunt(hunt)?)?;
    let mut archive = Archive::new(output, wishes);
    archive.json("hunt_info.json", &shown)?;
    let mut after = None;
    loop {
        let page = store.participants(hunt, after.as_ref(), limits::QUERY_PARTICIPANTS)?;
        let Some(last) = page.last() else { return archive.finish() };
        after = Some(last.client);
        for one in page {
            let folder = format!("clients/{}/", one.client);
            match put_flow(&mut archive, store, &folder, one.client.into(), &one.flow) {
                // Somebody deleted it.
                Err(ExportError::Store(StoreError::NoFlow { .. })) => {}
                other => other?,
            }
        }
    }
}

/// Makes the download of a collection, over an earlier one; answers its name for [`crate::api`].
///
/// # Errors
/// The caller may not; those of [`flow`].
pub fn flow_download(
    actor: &Actor,
    site: impl Into<Site>,
    id: &FlowId,
    wishes: &Wishes,
) -> Result<Vec<String>, ExportError> {
    let client = site.into();
    let details = json!({"client_id": client.as_str(), "flow_id": id.as_str()});
    actor.store().audit(actor.enter(Door::Export, details)?)?;
    let path = actor.store().flow_download(client, id)?;
    replace(&path, |file| flow(actor.store(), client, id, wishes, file))?;
    let (client, id) = (client.as_str(), id.as_str());
    let file = format!("{client}-{}.zip", id.replace('/', "_"));
    Ok(["downloads", client, id, &file].map(str::to_owned).to_vec())
}

/// Makes the download of a hunt, over an earlier one; answers its name for [`crate::api`].
///
/// # Errors
/// The caller may not; those of [`flow`].
pub fn hunt_download(
    actor: &Actor,
    id: &HuntId,
    wishes: &Wishes,
) -> Result<Vec<String>, ExportError> {
    actor.store().audit(actor.enter(Door::Export, json!({"hunt_id": id.as_str()}))?)?;
    let path = actor.store().hunt_download(id)?;
    replace(&path, |file| hunt(actor.store(), id, wishes, file))?;
    let file = format!("{id}.zip");
    Ok(["downloads", "hunts", id.as_str(), &file].map(str::to_owned).to_vec())
}

/// Writes a file that is there as a whole or not at all, for its owner only.
pub fn replace(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<Exported, ExportError>,
) -> Result<Exported, ExportError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let part = folder.join(format!(".{}.part", hex::encode(random)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    let written = write(&mut file).and_then(|exported| {
        file.sync_all()?;
        fs::rename(&part, path)?;
        Ok(exported)
    });
    if written.is_err() {
        // The error that is told is the first one.
        drop(fs::remove_file(&part));
    }
    written
}

fn put_flow<W: Write + Seek>(
    archive: &mut Archive<W>,
    store: &Store,
    folder: &str,
    client: Site,
    id: &FlowId,
) -> Result<(), ExportError> {
    let found = store.flow(client, id)?;
    // The server has no record.
    let record = client.client().map_or(Ok(None), |client| store.client(&client))?;
    let host = record.as_ref().map(|record| json!(record.host)).unwrap_or_default();
    let labels = record.map(|record| record.labels).unwrap_or_default();
    let info = json!({"client_id": client.as_str(), "host": host, "labels": labels});
    archive.json(&format!("{folder}client_info.json"), &info)?;
    let artifacts: Vec<&str> = found.artifacts.iter().map(ArtifactName::as_str).collect();
    let context = json!({
        "client_id": client.as_str(),
        "session_id": id.as_str(),
        "creator": found.creator,
        "artifacts": artifacts,
        "create_time": found.created_us,
        "start_time": found.delivered_us,
        "active_time": found.active_us,
        "state": found.state(crate::store::now_us()).name(),
        "status": found.status(),
        "totals": found.totals(),
    });
    archive.json(&format!("{folder}collection_context.json"), &context)?;
    archive.json(&format!("{folder}requests.json"), &found.spec)?;
    put_rows(archive, &format!("{folder}log"), || store.logs(client, id, 0))?;
    for (number, set) in store.results(client, id)?.into_iter().enumerate() {
        let name = format!("{folder}results/{}", names::table(number, &set.name));
        put_rows(archive, &name, || store.rows(client, id, &set.name, 0))?;
    }
    put_uploads(archive, store, folder, client, id)
}

/// The rows of a table twice: as they came, and as CSV with every column that any of them has.
fn put_rows<W: Write + Seek>(
    archive: &mut Archive<W>,
    name: &str,
    rows: impl Fn() -> Result<RowReader, StoreError>,
) -> Result<(), ExportError> {
    let mut columns = Columns::default();
    archive.entry(&format!("{name}.json"), |entry| {
        for row in rows()? {
            let row = row?;
            columns.see(&row)?;
            entry.write_all(&row)?;
            entry.write_all(b"\n")?;
        }
        Ok(())
    })?;
    archive.entry(&format!("{name}.csv"), |entry| {
        columns.head(entry)?;
        for row in rows()? {
            columns.line(&row?, entry)?;
        }
        Ok(())
    })
}

fn put_uploads<W: Write + Seek>(
    archive: &mut Archive<W>,
    store: &Store,
    folder: &str,
    client: Site,
    id: &FlowId,
) -> Result<(), ExportError> {
    let uploads = store.uploads(client, id)?;
    let mut lines = String::new();
    for upload in &uploads {
        let name = format!("{folder}uploads/{}", safe_name(upload.number, &upload.path));
        let sparse: Value =
            upload.sparse.as_deref().map_or(Ok(Value::Null), serde_json::from_str)?;
        let told = json!({
            "file": name,
            "client_path": upload.path,
            "accessor": upload.accessor,
            "components": upload.components,
            "file_size": upload.size,
            "uploaded_size": upload.stored,
            "complete": upload.complete,
            "sparse": sparse,
            "mtime_ns": upload.mtime_ns,
        });
        lines.push_str(&format!("{told}\n"));
        let content: File = store.open_upload(client, id, upload.number)?;
        archive.entry(&name, |entry| {
            let copied = io::copy(&mut content.take(upload.stored), entry)?;
            if copied == upload.stored {
                return Ok(());
            }
            Err(StoreError::Damaged("a file of a collection").into())
        })?;
    }
    archive.entry(&format!("{folder}uploads.json"), |entry| Ok(entry.write_all(lines.as_bytes())?))
}
