//! The states of aggregates.
//!
//! An aggregate has one state for each place where it is called, within a context. A statement, a
//! group and each call of a stored function or query has its own context.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use spin::Mutex;

use crate::registry::FoldState;
use crate::syntax::ast::Call;

/// A context; clones share its states.
#[derive(Clone, Default)]
pub(crate) struct Aggregates(Arc<Mutex<Vec<Site>>>);

/// A place where an aggregate is called.
struct Site {
    /// The tree outlives the contexts of its statement, so an address means one call.
    address: usize,
    state: FoldState,
}

impl Aggregates {
    /// Takes the state of a call out, so that nothing is locked while the body works.
    pub(super) fn take(&self, call: &Call) -> FoldState {
        let mut sites = self.0.lock();
        sites.iter_mut().find(|site| site.address == address(call))?.state.take()
    }

    pub(super) fn put(&self, call: &Call, state: FoldState) {
        let mut sites = self.0.lock();
        let address = address(call);
        match sites.iter_mut().find(|site| site.address == address) {
            Some(site) => site.state = state,
            None => {
                sites.reserve_exact(1);
                sites.push(Site { address, state });
            }
        }
    }

    /// Places seen so far; they keep their order.
    pub(super) fn count(&self) -> usize {
        self.0.lock().len()
    }

    /// Exchanges the states of the places with others, in the order of the places. Those that `states` lacks become
    /// empty.
    pub(super) fn exchange(&self, states: &mut [FoldState]) {
        let mut others = states.iter_mut();
        for site in self.0.lock().iter_mut() {
            match others.next() {
                Some(other) => core::mem::swap(&mut site.state, other),
                None => site.state = None,
            }
        }
    }
}

fn address(call: &Call) -> usize {
    core::ptr::from_ref(call).addr()
}

impl fmt::Debug for Aggregates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aggregates").field("sites", &self.count()).finish()
    }
}
