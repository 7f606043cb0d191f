//! The thread that writes: what waits at the same time is committed together.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;

use super::StoreError;
use crate::limits;

/// A change. It answers who is to be told after the commit.
pub(super) type Change = Box<dyn FnOnce(&mut Connection) -> Notice + Send>;
/// Told whether the commit succeeded.
pub(super) type Notice = Box<dyn FnOnce(Result<(), &str>)>;

pub(super) struct Writer {
    changes: Mutex<Option<SyncSender<Change>>>,
    thread: Option<JoinHandle<()>>,
    committed: Arc<Committed>,
}

/// Tells who waits for it that something was committed.
#[derive(Default)]
struct Committed {
    count: Mutex<u64>,
    changed: Condvar,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Self, StoreError> {
        let (sender, receiver) = sync_channel(limits::WAITING_WRITES);
        let committed = Arc::<Committed>::default();
        let announce = Arc::clone(&committed);
        let thread = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || run(connection, &receiver, &announce))?;
        Ok(Self { changes: Mutex::new(Some(sender)), thread: Some(thread), committed })
    }

    /// Waits until something is committed, or for so long.
    pub(super) fn wait_for_commit(&self, longest: Duration) {
        let count = self.committed.count.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *count;
        // Poisoned or not: the caller looks for itself what there is.
        let _ = self.committed.changed.wait_timeout_while(count, longest, |now| *now == before);
    }

    /// Queues a change. Blocks while the queue is full.
    pub(super) fn submit(&self, change: Change) -> Result<(), StoreError> {
        self.sender()?.send(change).map_err(|_| StoreError::Closed)
    }

    /// Queues a change, or gives it back when the queue is full.
    pub(super) fn try_submit(&self, change: Change) -> Result<Option<Change>, StoreError> {
        match self.sender()?.try_send(change) {
            Ok(()) => Ok(None),
            Err(TrySendError::Full(change)) => Ok(Some(change)),
            Err(TrySendError::Disconnected(_)) => Err(StoreError::Closed),
        }
    }

    fn sender(&self) -> Result<SyncSender<Change>, StoreError> {
        let sender = self.changes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        sender.ok_or(StoreError::Closed)
    }
}

impl Drop for Writer {
    /// Ends the thread after it has done what waits.
    fn drop(&mut self) {
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic of the thread has been reported by the panic hook.
            drop(thread.join());
        }
    }
}

/// A change that does `work`; `tell` hears of it after the commit.
pub(super) fn change<T: Send + 'static>(
    work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    tell: impl FnOnce(Result<T, StoreError>) + Send + 'static,
) -> Change {
    Box::new(move |connection| {
        let result = isolated(connection, work);
        Box::new(move |committed| {
            tell(match (committed, result) {
                (Ok(()), result) => result,
                // What went wrong here says more than that the transaction is gone.
                (Err(_), Err(own)) => Err(own),
                (Err(reason), Ok(_)) => Err(StoreError::Commit(reason.to_owned())),
            });
        })
    })
}

/// Runs a change inside a savepoint, so that its failure does not touch those that share the transaction.
fn isolated<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let savepoint = connection.savepoint()?;
    let value = work(&savepoint)?;
    savepoint.commit()?;
    Ok(value)
}

fn run(mut connection: Connection, changes: &Receiver<Change>, committed: &Committed) {
    while let Ok(first) = changes.recv() {
        let mut notices = Vec::new();
        let outcome = commit_together(&mut connection, first, changes, &mut notices);
        if let Err(error) = &outcome {
            tracing::error!(%error, "a transaction failed");
        }
        *committed.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        committed.changed.notify_all();
        let reason = outcome.err().map(|error| error.to_string());
        for notice in notices {
            notice(reason.as_deref().map_or(Ok(()), Err));
        }
    }
}

/// One transaction: the first change, and all that came meanwhile.
fn commit_together(
    connection: &mut Connection,
    first: Change,
    changes: &Receiver<Change>,
    notices: &mut Vec<Notice>,
) -> Result<(), rusqlite::Error> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    notices.push(first(connection));
    // A disk that is full undoes the whole transaction, and what came behind it would be kept by itself.
    while !connection.is_autocommit()
        && notices.len() < limits::WRITES_PER_COMMIT
        && let Ok(next) = changes.try_recv()
    {
        notices.push(next(connection));
    }
    let outcome = connection.execute_batch("COMMIT");
    if outcome.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    outcome
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn when_the_disk_is_full_what_is_there_is_what_was_acknowledged() {
        let mut connection = Connection::open_in_memory().unwrap();
        let setup = "PRAGMA max_page_count = 40; CREATE TABLE kept (n INTEGER, data BLOB)";
        connection.execute_batch(setup).unwrap();
        let (acknowledge, acknowledged) = channel();
        let (submit, submitted) = channel();
        for n in 0..60_i64 {
            // At first every fourth change is too large for what is left.
            let bytes = if n % 4 == 3 && n < 30 { 300_000 } else { 100 };
            let work = move |db: &Connection| {
                let sql = "INSERT INTO kept (n, data) VALUES (?1, zeroblob(?2))";
                db.execute(sql, [n, bytes])?;
                Ok(n)
            };
            let acknowledge = acknowledge.clone();
            submit.send(change(work, move |result| drop(acknowledge.send(result)))).unwrap();
        }
        drop((submit, acknowledge));
        let mut failures = 0;
        while let Ok(first) = submitted.recv() {
            let mut notices = Vec::new();
            let outcome = commit_together(&mut connection, first, &submitted, &mut notices);
            let reason = outcome.err().map(|error| error.to_string());
            failures += usize::from(reason.is_some());
            for notice in notices {
                notice(reason.as_deref().map_or(Ok(()), Err));
            }
        }
        let told: Vec<i64> = acknowledged.iter().filter_map(Result::ok).collect();
        let mut query = connection.prepare("SELECT n FROM kept ORDER BY n").unwrap();
        let kept: Vec<i64> =
            query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(told, kept);
        assert!(failures > 0 && !told.is_empty(), "{failures} transactions failed");
    }
}
