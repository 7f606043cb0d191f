//! Single values by name.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError};

/// The names of all settings: a closed list, so that no input can name another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// What happened lately: JSON of [`crate::activity::Sample`]s.
    Activity,
    /// What clients are to watch: JSON of the monitoring table as administrators edit it.
    EventTable,
    /// The same as agents get it, with its version: a `VQLEventTable`.
    CompiledEventTable,
    /// What runs on the server from its start to its end: JSON of a `model::monitoring::ServerWatchList`.
    ServerEventTable,
    /// `GUI.initial_users` were made.
    InitialUsers,
    /// The last audit record that is in the log file: its number, big-endian.
    AuditCopied,
    /// The last audit record that `Logging.remote_syslog_server` has: its number, big-endian.
    AuditForwarded,
    /// The highest number of a deleted collection.
    RetiredFlow,
    /// What administrators note about the server: a JSON object.
    ServerMetadata,
    /// The organisation whose store this is.
    Org,
    /// Artifacts that are basic: a JSON list of names.
    BasicArtifacts,
    /// A wish to leave lockdown for a time: JSON of a `model::unlock::Exit`.
    LockdownExit,
}

impl Setting {
    const fn name(self) -> &'static str {
        match self {
            Self::Activity => "activity",
            Self::EventTable => "event_table",
            Self::CompiledEventTable => "compiled_event_table",
            Self::ServerEventTable => "server_event_table",
            Self::InitialUsers => "initial_users",
            Self::AuditCopied => "audit_copied",
            Self::AuditForwarded => "audit_forwarded",
            Self::RetiredFlow => "retired_flow",
            Self::ServerMetadata => "server_metadata",
            Self::Org => "org",
            Self::BasicArtifacts => "basic_artifacts",
            Self::LockdownExit => "lockdown_exit",
        }
    }
}

impl Store {
    /// The value, when it was ever set.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn setting(&self, setting: Setting) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|db| find(db, setting))
    }

    /// Sets the value.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn set_setting(&self, setting: Setting, value: Vec<u8>) -> Result<(), StoreError> {
        self.write(move |db| put(db, setting, &value))
    }
}

/// The value, within a transaction.
pub(crate) fn find(db: &Connection, setting: Setting) -> Result<Option<Vec<u8>>, StoreError> {
    let mut query = db.prepare_cached("SELECT value FROM setting WHERE name = ?1")?;
    Ok(query.query_row([setting.name()], |row| row.get(0)).optional()?)
}

/// Sets the value, within a transaction.
pub(crate) fn put(db: &Connection, setting: Setting, value: &[u8]) -> Result<(), StoreError> {
    let sql = "INSERT INTO setting (name, value) VALUES (?1, ?2) \
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    db.execute(sql, params![setting.name(), value])?;
    Ok(())
}

/// Forgets the value, within a transaction.
pub(crate) fn remove(db: &Connection, setting: Setting) -> Result<(), StoreError> {
    db.execute("DELETE FROM setting WHERE name = ?1", [setting.name()])?;
    Ok(())
}
