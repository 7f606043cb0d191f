//! The states of aggregates.
//!
//! An aggregate has one state for each place where it is called, within a context. A statement, a
//! group and each call of a stored function or query has its own context. A context lives as
//! long as something refers to its key.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::fmt;

use crate::limits::AGGREGATES_SWEEP_FROM;
use crate::registry::FoldState;
use crate::syntax::ast::Call;

/// Refers to a context.
#[derive(Clone, Debug)]
pub(crate) struct AggregateKey(Arc<u64>);

#[derive(Default)]
pub(super) struct Aggregates {
    contexts: BTreeMap<u64, Group>,
    next: u64,
    sweep_at: usize,
}

struct Group {
    alive: Weak<u64>,
    states: BTreeMap<usize, FoldState>,
}

impl Aggregates {
    pub(super) fn open(&mut self) -> AggregateKey {
        if self.contexts.len() >= self.sweep_at.max(AGGREGATES_SWEEP_FROM) {
            self.contexts.retain(|_, group| group.alive.strong_count() > 0);
            self.sweep_at = self.contexts.len().saturating_mul(2);
        }
        let id = self.next;
        self.next = id.saturating_add(1);
        AggregateKey(Arc::new(id))
    }

    /// Takes the state of a call out. The tree outlives the contexts of its statement, so an address
    /// means one call.
    pub(super) fn take(&mut self, key: &AggregateKey, call: &Call) -> FoldState {
        let group = self.contexts.get_mut(&*key.0)?;
        group.states.get_mut(&site(call))?.take()
    }

    pub(super) fn put(&mut self, key: &AggregateKey, call: &Call, state: FoldState) {
        let group = self
            .contexts
            .entry(*key.0)
            .or_insert_with(|| Group { alive: Arc::downgrade(&key.0), states: BTreeMap::new() });
        group.states.insert(site(call), state);
    }
}

fn site(call: &Call) -> usize {
    core::ptr::from_ref(call).addr()
}

impl fmt::Debug for Aggregates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aggregates").field("contexts", &self.contexts.len()).finish()
    }
}
