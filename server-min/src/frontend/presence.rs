//! What was last noted about each agent, so that a poll that brings nothing new writes nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ingest::{Fact, Origin, Sorted};
use crate::limits;
use crate::model::id::ClientId;

#[derive(Default)]
pub(super) struct Presence {
    seen: Mutex<HashMap<ClientId, Seen>>,
}

struct Seen {
    noted_us: u64,
    address: IpAddr,
    event_table: u64,
    /// Version of the table that was sent last, and when.
    table_sent: (u64, u64),
    interrogation_asked_us: u64,
}

impl Presence {
    /// Whether what an agent said is worth a transaction.
    pub(super) fn is_news(&self, client: ClientId, origin: Origin, sorted: &Sorted) -> bool {
        let mut seen = self.lock();
        let Some(seen) = seen.get_mut(&client) else { return true };
        let known = sorted.refused.is_empty()
            && sorted.facts.iter().all(|fact| match fact {
                Fact::EventTable(version) => *version == seen.event_table,
                _ => false,
            });
        let fresh = origin.now_us.saturating_sub(seen.noted_us) < limits::SEEN_EVERY_US;
        !(known && fresh && seen.address == origin.address.ip())
    }

    /// Notes what a transaction has kept.
    pub(super) fn noted(&self, client: ClientId, origin: Origin, event_table: Option<u64>) {
        let mut all = self.lock();
        let seen = all.entry(client).or_insert(Seen {
            noted_us: 0,
            address: origin.address.ip(),
            event_table: 0,
            table_sent: (0, 0),
            interrogation_asked_us: 0,
        });
        seen.noted_us = origin.now_us;
        seen.address = origin.address.ip();
        seen.event_table = event_table.unwrap_or(seen.event_table);
    }

    /// Whether to send this version of the event table: not when it has just been sent, since an agent that does not take
    /// it would poll again at once.
    pub(super) fn may_send_table(&self, client: &ClientId, version: u64, now_us: u64) -> bool {
        let mut all = self.lock();
        let Some(seen) = all.get_mut(client) else { return true };
        let (sent, at_us) = seen.table_sent;
        let again = sent == version && now_us.saturating_sub(at_us) < limits::TABLE_AGAIN_US;
        if !again {
            seen.table_sent = (version, now_us);
        }
        !again
    }

    /// Whether to ask for the interrogation of a client that has none.
    pub(super) fn may_interrogate(&self, client: &ClientId, now_us: u64) -> bool {
        let mut all = self.lock();
        let Some(seen) = all.get_mut(client) else { return true };
        let wait = seen.interrogation_asked_us > 0
            && now_us.saturating_sub(seen.interrogation_asked_us) < limits::INTERROGATE_AGAIN_US;
        if !wait {
            seen.interrogation_asked_us = now_us;
        }
        !wait
    }

    /// Forgets a client that was deleted.
    pub(super) fn forget(&self, client: &ClientId) {
        self.lock().remove(client);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientId, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(now_us: u64) -> Origin {
        Origin { address: "127.0.0.1:5".parse().unwrap(), now_us }
    }

    #[test]
    fn a_poll_without_news_is_noted_once_a_minute() {
        let presence = Presence::default();
        let client: ClientId = "C.0123456789abcdef".parse().unwrap();
        let table = |version| Sorted { facts: vec![Fact::EventTable(version)], refused: vec![] };
        let facts = table(7);
        assert!(presence.is_news(client, at(1), &facts));
        presence.noted(client, at(1), Some(7));
        assert!(!presence.is_news(client, at(2), &facts));
        assert!(presence.is_news(client, at(2), &table(8)));
        assert!(presence.is_news(client, at(2 + limits::SEEN_EVERY_US), &facts));
    }

    #[test]
    fn a_table_that_an_agent_does_not_take_is_not_pressed_on_it() {
        let presence = Presence::default();
        let client: ClientId = "C.0123456789abcdef".parse().unwrap();
        presence.noted(client, at(1), None);
        assert!(presence.may_send_table(&client, 7, 10));
        assert!(!presence.may_send_table(&client, 7, 11));
        assert!(presence.may_send_table(&client, 8, 12));
        assert!(presence.may_send_table(&client, 8, 12 + limits::TABLE_AGAIN_US));
    }
}
