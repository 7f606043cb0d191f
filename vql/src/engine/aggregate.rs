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
    /// Hands out the state of a call. Other threads wait meanwhile; the bodies of aggregates evaluate nothing.
    pub(super) fn with<T>(&self, call: &Call, body: impl FnOnce(&mut FoldState) -> T) -> T {
        let mut sites = self.0.lock();
        let address = core::ptr::from_ref(call).addr();
        if let Some(site) = sites.iter_mut().find(|site| site.address == address) {
            return body(&mut site.state);
        }
        let mut state = None;
        let result = body(&mut state);
        sites.reserve_exact(1);
        sites.push(Site { address, state });
        result
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

impl fmt::Debug for Aggregates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aggregates").field("sites", &self.count()).finish()
    }
}
