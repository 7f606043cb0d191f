//! Inbound sessions that were proven, so that RSA is needed once for each; bounded, the longest unused goes first.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::fmt;

use super::{Session, SessionId};

/// At most `capacity` sessions, at most one of each sender (docs/protocol.md section 2.7). Every operation takes
/// logarithmic time; trees rather than hash tables, because their cost cannot be driven up by choosing keys.
pub struct Sessions<P> {
    capacity: usize,
    by_id: BTreeMap<SessionId, Slot<P>>,
    by_source: BTreeMap<P, SessionId>,
    by_use: BTreeMap<u64, SessionId>,
    uses: u64,
}

struct Slot<P> {
    session: Arc<Session<P>>,
    last_use: u64,
}

impl<P: Ord + Clone> Sessions<P> {
    /// An empty cache; at least one session fits.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            by_id: BTreeMap::new(),
            by_source: BTreeMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
        }
    }

    /// The session that an envelope names, if it is here; counts as a use.
    pub fn get(&mut self, id: SessionId) -> Option<Arc<Session<P>>> {
        let now = self.tick();
        let slot = self.by_id.get_mut(&id)?;
        self.by_use.remove(&slot.last_use);
        self.by_use.insert(now, id);
        slot.last_use = now;
        Some(Arc::clone(&slot.session))
    }

    /// Keeps a session. It takes the place of its sender's earlier one, or of the longest unused one of all.
    pub fn put(&mut self, session: Arc<Session<P>>) {
        self.forget(&session.source);
        self.remove(session.id);
        while self.by_id.len() >= self.capacity {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.remove(oldest);
        }
        let last_use = self.tick();
        self.by_use.insert(last_use, session.id);
        self.by_source.insert(session.source.clone(), session.id);
        self.by_id.insert(session.id, Slot { session, last_use });
    }

    /// Drops the session of a sender: it was deleted, or its key changed.
    pub fn forget(&mut self, source: &P) {
        if let Some(id) = self.by_source.get(source).copied() {
            self.remove(id);
        }
    }

    /// How many sessions are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether no session is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    fn remove(&mut self, id: SessionId) {
        if let Some(slot) = self.by_id.remove(&id) {
            self.by_use.remove(&slot.last_use);
            self.by_source.remove(&slot.session.source);
        }
    }

    fn tick(&mut self) -> u64 {
        self.uses = self.uses.saturating_add(1);
        self.uses
    }
}

impl<P> fmt::Debug for Sessions<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("capacity", &self.capacity)
            .field("kept", &self.by_id.len())
            .finish_non_exhaustive()
    }
}
