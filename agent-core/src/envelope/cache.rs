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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::cipher::Fresh;
    use zeroize::Zeroizing;

    fn session(id: u32, source: u32) -> Arc<Session<u32>> {
        let keys = Fresh::from_secret(Zeroizing::new([0; 48])).keys;
        Arc::new(Session { id: SessionId::of(&id.to_le_bytes()), keys, source })
    }

    fn holds(cache: &mut Sessions<u32>, id: u32) -> bool {
        cache.get(SessionId::of(&id.to_le_bytes())).is_some()
    }

    fn is_consistent(cache: &Sessions<u32>) -> bool {
        let kept = cache.len();
        (cache.by_source.len(), cache.by_use.len()) == (kept, kept) && kept <= cache.capacity
    }

    #[test]
    fn the_longest_unused_goes_first() {
        let mut cache = Sessions::new(3);
        for id in 0..3 {
            cache.put(session(id, id));
        }
        assert!(holds(&mut cache, 0), "used again, so 1 is the longest unused");
        cache.put(session(3, 3));
        assert!(!holds(&mut cache, 1));
        assert!([0, 2, 3].into_iter().all(|id| holds(&mut cache, id)));
        assert!(is_consistent(&cache));
    }

    #[test]
    fn a_source_has_one_session() {
        let mut cache = Sessions::new(10);
        cache.put(session(1, 7));
        cache.put(session(2, 7));
        assert_eq!((cache.len(), holds(&mut cache, 1), holds(&mut cache, 2)), (1, false, true));
        cache.forget(&7);
        assert!(cache.is_empty() && is_consistent(&cache));
    }

    #[test]
    fn the_same_session_put_twice_is_one() {
        let mut cache = Sessions::new(2);
        cache.put(session(1, 7));
        cache.put(session(1, 8));
        assert!(holds(&mut cache, 1));
        assert_eq!(cache.len(), 1);
        assert!(is_consistent(&cache));
    }

    #[test]
    fn a_capacity_of_nothing_still_holds_the_last() {
        let mut cache = Sessions::new(0);
        cache.put(session(1, 1));
        cache.put(session(2, 2));
        assert_eq!((cache.len(), holds(&mut cache, 2)), (1, true));
    }

    #[test]
    fn thirty_thousand_clients_stay_within_their_number() {
        const CLIENTS: u32 = 30_000;
        let mut cache = Sessions::new(CLIENTS.try_into().unwrap());
        for round in 0..3_u32 {
            for client in 0..CLIENTS {
                cache.put(session(round.wrapping_mul(CLIENTS).wrapping_add(client), client));
            }
        }
        for stranger in 0..1_000 {
            cache.put(session(u32::MAX.wrapping_sub(stranger), CLIENTS.wrapping_add(stranger)));
        }
        assert_eq!(cache.len(), usize::try_from(CLIENTS).unwrap());
        assert!(is_consistent(&cache));
    }
}
