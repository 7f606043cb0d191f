//! Which agents hold a poll open, and how to wake them (docs/protocol.md section 3.10).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::model::id::ClientId;

/// All open polls, at most one for each client.
#[derive(Clone, Default)]
pub(super) struct Polls {
    open: Arc<Mutex<HashMap<ClientId, Arc<Signal>>>>,
}

/// Reaches one open poll.
#[derive(Default)]
pub(super) struct Signal {
    /// Something may be queued, or somebody doubts that the agent is there.
    woken: Notify,
    doubted: AtomicBool,
    gone: Notify,
}

/// Why a poll was woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woken {
    /// Something may be queued.
    Task,
    /// Another connection claims to be this agent: writing something shows whether this one is alive.
    Doubt,
}

impl Polls {
    /// Registers the poll of a client.
    ///
    /// # Errors
    /// The signal of the poll that is there already.
    pub(super) fn register(&self, client: ClientId) -> Result<Registration, Arc<Signal>> {
        match self.lock().entry(client) {
            Entry::Occupied(other) => Err(Arc::clone(other.get())),
            Entry::Vacant(slot) => {
                let signal = Arc::clone(slot.insert(Arc::default()));
                Ok(Registration { polls: self.clone(), client, signal })
            }
        }
    }

    /// Makes the agent's poll look at its queue, when one is open.
    pub(super) fn wake(&self, client: &ClientId) {
        if let Some(signal) = self.lock().get(client) {
            signal.woken.notify_one();
        }
    }

    /// Makes every poll look whether there is something for its agent.
    pub(super) fn wake_all(&self) {
        self.lock().values().for_each(|signal| signal.woken.notify_one());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientId, Arc<Signal>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signal {
    /// Asks the poll to prove that its agent is there; answers when it has gone.
    pub(super) async fn doubt(&self) {
        let gone = self.gone.notified();
        self.doubted.store(true, Ordering::Release);
        self.woken.notify_one();
        gone.await;
    }
}

/// An open poll; dropping it closes it.
pub(super) struct Registration {
    polls: Polls,
    client: ClientId,
    signal: Arc<Signal>,
}

impl Registration {
    /// Whose poll it is.
    pub(super) const fn client(&self) -> ClientId {
        self.client
    }

    /// Waits until somebody wakes this poll. A call while nobody waits is not lost.
    pub(super) async fn woken(&self) -> Woken {
        self.signal.woken.notified().await;
        match self.signal.doubted.swap(false, Ordering::AcqRel) {
            true => Woken::Doubt,
            false => Woken::Task,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.polls.lock().remove(&self.client);
        self.signal.gone.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> ClientId {
        "C.0123456789abcdef".parse().unwrap()
    }

    #[test]
    fn a_client_has_one_poll_at_a_time() {
        let polls = Polls::default();
        let first = polls.register(client()).ok().unwrap();
        assert!(polls.register(client()).is_err());
        drop(first);
        assert!(polls.register(client()).is_ok());
    }

    #[tokio::test]
    async fn a_wake_before_the_wait_is_not_lost() {
        let polls = Polls::default();
        let poll = polls.register(client()).ok().unwrap();
        polls.wake(&client());
        assert_eq!(poll.woken().await, Woken::Task);
    }

    #[tokio::test]
    async fn who_doubts_a_poll_hears_when_it_is_gone() {
        let polls = Polls::default();
        let poll = polls.register(client()).ok().unwrap();
        let signal = polls.register(client()).err().unwrap();
        let doubt = tokio::spawn(async move { signal.doubt().await });
        assert_eq!(poll.woken().await, Woken::Doubt);
        drop(poll);
        doubt.await.unwrap();
    }
}
