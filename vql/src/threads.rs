//! Threads that a host lends to queries.
//!
//! A host that has them puts them into its [`Registry`](crate::Registry). Without them, queries that ask for workers
//! run one row after the other, with the same rows in the order of the source.

#[cfg(feature = "threads")]
mod host;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

#[cfg(feature = "threads")]
pub use host::HostThreads;

/// Work for another thread.
pub type Work = Box<dyn FnOnce() + Send>;

/// Starts threads.
pub trait Threads: Send + Sync {
    /// Runs `work` on another thread; `false` if there is none to spare, and `work` is dropped.
    fn start(&self, work: Work) -> bool;

    /// A bell that nobody has rung yet.
    fn bell(&self) -> Arc<dyn Bell>;
}

impl fmt::Debug for dyn Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Threads(..)")
    }
}

/// What threads ring when something has changed, and wait for.
///
/// Whoever waits reads [`Bell::rings`] before it looks whether there is something to wait for, so no ring is lost.
pub trait Bell: Send + Sync {
    /// How often it was rung; wraps around.
    fn rings(&self) -> usize;

    /// Wakes all that wait.
    fn ring(&self);

    /// Waits until the bell was rung more than `rings` times, or for `at_most`.
    fn wait(&self, rings: usize, at_most: Duration);
}
