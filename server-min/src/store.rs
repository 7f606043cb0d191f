//! The model on disk: one SQLite file, and a folder with the bytes of uploaded files.
//!
//! Each organisation has a store of its own, which knows whose it is; users, their rights and the list of organisations
//! are in that of the root. What is decided about content of a store is decided for [`Store::org`].
//!
//! One thread writes. Changes that wait at the same time share a transaction and its one disk flush, and whoever asked
//! for a change hears of it after that flush: what is acknowledged is durable. Readers have connections of their own and
//! never wait for the writer. Commands open the same store while the server runs.
//!
//! All calls block; asynchronous callers use [`Store::write_async`] and [`Store::read_async`].

pub mod api_key;
pub(crate) mod artifact;
pub mod audit;
pub mod chunk;
pub mod client;
pub mod event;
pub mod flow;
pub mod hunt;
pub mod identity;
mod ingest;
pub mod metadata;
pub mod notebook;
pub mod org;
pub mod result;
mod schema;
pub mod search;
pub(crate) mod second_factor;
pub mod server_event;
mod server_flow;
pub mod session;
pub mod setting;
pub mod statistics;
pub mod task;
pub mod upload;
pub mod user;
mod writer;

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OpenFlags};

use crate::limits;
use crate::model::id::{NameFault, OrgId};
use crate::model::quota::Quotas;
use crate::seal::Seal;
pub(crate) use server_flow::Brought;
use setting::Setting;
use writer::Writer;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite says so.
    #[error("store: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The file system says so.
    #[error("store: {0}")]
    Io(#[from] std::io::Error),
    /// The transaction could not be made durable; nothing of it is kept.
    #[error("store: commit failed: {0}")]
    Commit(String),
    /// The writer has ended, or another process kept it from writing for too long.
    #[error("store: closed, or kept busy by another process")]
    Closed,
    /// A later version of the program wrote this store.
    #[error("store: its version is {found}, this program knows {current}: use the newer program")]
    TooNew {
        /// Version of the file.
        found: u32,
        /// Version of this program.
        current: u32,
    },
    /// The server's key does not sign.
    #[error("store: the audit log cannot be signed")]
    Signature,
    /// The system gives no random bytes for a secret.
    #[error("store: a secret cannot be sealed")]
    Seal,
    /// The file of one organisation lies where another's should be.
    #[error("store: it is that of organisation {found}, and not of {expected}")]
    OtherOrg {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: OrgId,
    },
    /// What is on disk is not what was written.
    #[error("store: {0} is damaged")]
    Damaged(&'static str),
    /// There is no such client.
    #[error("there is no client {0}")]
    NoClient(String),
    /// There is no such collection.
    #[error("client {client} has no collection {flow}")]
    NoFlow {
        /// Where it was looked for.
        client: String,
        /// What was looked for.
        flow: String,
    },
    /// There is no such hunt.
    #[error("there is no hunt {0}; `hunt list` shows all")]
    NoHunt(String),
    /// There is no such notebook.
    #[error("there is no notebook {0}; `notebook list` shows yours")]
    NoNotebook(String),
    /// There is no such cell.
    #[error("notebook {0} has no cell {1}")]
    NoCell(String, i64),
    /// A limit of [`limits`] is reached.
    #[error("{0} is at its limit of {1}")]
    Limit(&'static str, u64),
}

impl From<NameFault> for StoreError {
    fn from(_: NameFault) -> Self {
        Self::Damaged("a name")
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(_: serde_json::Error) -> Self {
        Self::Damaged("a JSON value")
    }
}

impl From<troodon_proto::DecodeError> for StoreError {
    fn from(_: troodon_proto::DecodeError) -> Self {
        Self::Damaged("a message")
    }
}

/// A handle; clones share the writer and the connections.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    org: OrgId,
    quotas: OnceLock<Quotas>,
    seal: OnceLock<Arc<Seal>>,
    writer: Writer,
    readers: Mutex<Vec<Connection>>,
}

impl Store {
    /// Opens or creates the root's store in this folder.
    ///
    /// # Errors
    /// Those of [`Store::open_of`].
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_of(folder, OrgId::root())
    }

    /// Opens or creates the store of an organisation in this folder.
    ///
    /// # Errors
    /// The folder cannot be made or used, or the store is of a later version or of another organisation.
    pub fn open_of(folder: &Path, org: OrgId) -> Result<Self, StoreError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut connection = Connection::open(database(folder))?;
        connection.busy_timeout(Duration::from_millis(limits::STORE_BUSY_MS))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "journal_size_limit", limits::WAL_KEPT_BYTES)?;
        connection.pragma_update(None, "cache_size", -i64::from(limits::WRITER_CACHE_KIB))?;
        schema::migrate(&mut connection)?;
        claim(&connection, &org)?;
        connection.set_prepared_statement_cache_capacity(limits::STATEMENTS_KEPT);
        let writer = Writer::start(connection)?;
        let shared = Shared {
            folder: folder.to_owned(),
            org,
            quotas: OnceLock::new(),
            seal: OnceLock::new(),
            writer,
            readers: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Whose store it is.
    #[must_use]
    pub fn org(&self) -> &OrgId {
        &self.shared.org
    }

    /// How much clients may store here.
    #[must_use]
    pub fn quotas(&self) -> Quotas {
        self.shared.quotas.get().copied().unwrap_or_default()
    }

    /// Says how much clients may store here, once, before the first of them comes.
    pub fn limit(&self, quotas: Quotas) {
        // Who said it first has said it for all.
        let _ = self.shared.quotas.set(quotas);
    }

    /// Makes a change and waits until it is durable. The change is undone when `work` fails.
    ///
    /// # Errors
    /// Those of `work`, and [`StoreError::Commit`].
    pub fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        // The receiver is there until the answer came.
        let change = writer::change(work, move |result| drop(sender.send(result)));
        self.shared.writer.submit(change)?;
        receiver.recv().map_err(|_| StoreError::Closed)?
    }

    /// [`Store::write`] without blocking the thread.
    ///
    /// # Errors
    /// Those of [`Store::write`].
    pub async fn write_async<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let change = writer::change(work, move |result| drop(sender.send(result)));
        if let Some(change) = self.shared.writer.try_submit(change)? {
            // The queue is full: waiting for room is work for a thread that may block.
            let store = self.clone();
            let submit = move || store.shared.writer.submit(change);
            tokio::task::spawn_blocking(submit).await.map_err(|_| StoreError::Closed)??;
        }
        receiver.await.map_err(|_| StoreError::Closed)?
    }

    /// Looks something up in one consistent view.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.reader()?;
        let transaction = connection.transaction()?;
        let result = work(&transaction);
        drop(transaction);
        self.give_back(connection);
        result
    }

    /// [`Store::read`] on a thread that may block.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn read_async<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || store.read(work))
            .await
            .map_err(|_| StoreError::Closed)?
    }

    /// A number that changes with each commit of another connection, in this process or another.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn commits(&self, watcher: &Connection) -> Result<i64, StoreError> {
        Ok(watcher.query_row("PRAGMA data_version", [], |row| row.get(0))?)
    }

    /// Waits until this process commits something, or for so long.
    pub fn wait_for_commit(&self, longest: Duration) {
        self.shared.writer.wait_for_commit(longest);
    }

    /// A connection for reading that is not shared.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn reader(&self) -> Result<Connection, StoreError> {
        if let Some(connection) = self.idle_readers().pop() {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(database(&self.shared.folder), flags)?;
        connection.busy_timeout(Duration::from_millis(limits::STORE_BUSY_MS))?;
        connection.pragma_update(None, "cache_size", -i64::from(limits::READER_CACHE_KIB))?;
        connection.set_prepared_statement_cache_capacity(limits::STATEMENTS_KEPT);
        Ok(connection)
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle_readers();
        if idle.len() < limits::IDLE_READERS {
            idle.push(connection);
        }
    }

    fn idle_readers(&self) -> MutexGuard<'_, Vec<Connection>> {
        // A panic elsewhere cannot leave a list of connections half changed.
        self.shared.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a new store that of an organisation; an older one has to be.
fn claim(connection: &Connection, org: &OrgId) -> Result<(), StoreError> {
    match setting::find(connection, Setting::Org)? {
        None => setting::put(connection, Setting::Org, org.as_str().as_bytes()),
        Some(found) if found == org.as_str().as_bytes() => Ok(()),
        Some(found) => Err(StoreError::OtherOrg {
            found: String::from_utf8_lossy(&found).into_owned(),
            expected: org.clone(),
        }),
    }
}

fn database(folder: &Path) -> PathBuf {
    folder.join("troodon.sqlite")
}

/// The wall clock in microseconds since 1970.
#[must_use]
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// SQLite has signed integers only; what does not fit is cut at the end of the range.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The other way: nothing negative is ever written.
fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}
