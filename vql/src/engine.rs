//! The evaluator.

mod aggregate;
mod call;
mod eval;
mod lambda;
mod lazy;
mod path;
mod scope;
mod select;
mod source;
mod stored;

pub use lambda::Closure;
pub use lazy::Lazy;
pub use scope::Scope;
pub use stored::StoredQuery;

pub(crate) use eval::{eval, member, resolve, truth};
pub(crate) use path::PathRules;
pub(crate) use scope::{Binding, Globals};
pub(crate) use select::{guard, open as open_select};

use alloc::vec::Vec;

use select::{Layouts, LazyRow};

/// What the evaluator keeps in the [`Context`](crate::Context) of a session.
#[derive(Default)]
pub(crate) struct State {
    depth: u16,
    /// Rows whose columns are being evaluated, innermost last.
    lazy_rows: Vec<LazyRow>,
    next_serial: u64,
    layouts: Layouts,
    #[cfg(feature = "threads")]
    forks: u64,
}

/// How far apart the serial numbers of rows of two threads are: a reference to a row of one is none to a row of the other.
#[cfg(feature = "threads")]
const SERIALS_APART: u64 = 1 << 48;

impl State {
    /// The state of another thread, as deep as this one.
    #[cfg(feature = "threads")]
    pub(crate) fn fork(&mut self) -> Self {
        self.forks = self.forks.wrapping_add(1);
        let next_serial = self.next_serial.wrapping_add(self.forks.wrapping_mul(SERIALS_APART));
        Self { depth: self.depth, next_serial, ..Self::default() }
    }

    /// Goes one level deeper into nested evaluation; `false` at the limit. Everything that can
    /// recurse through a query passes here, because levels use the thread's stack.
    const fn descend(&mut self, max: u16) -> bool {
        let is_allowed = self.depth < max;
        if is_allowed {
            self.depth = self.depth.saturating_add(1);
        }
        is_allowed
    }

    const fn ascend(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}
