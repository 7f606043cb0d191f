//! The proof that something came out of an envelope whose sender is known.

use super::Server;

/// A value that arrived in an envelope which verified; `P` says who sealed it: the pinned [`Server`], or a
/// [`ClientId`](crate::identity::ClientId) derived from the key that verified. Only the envelope makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified<T, P = Server> {
    value: T,
    source: P,
}

impl<T, P> Verified<T, P> {
    pub(super) fn new(value: T, source: P) -> Self {
        Self { value, source }
    }

    /// Who sealed it.
    #[must_use]
    pub fn source(&self) -> &P {
        &self.source
    }

    /// The value, to look at.
    #[must_use]
    pub fn get(&self) -> &T {
        &self.value
    }

    /// The value, without its proof.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }

    /// The value and who sealed it.
    #[must_use]
    pub fn into_parts(self) -> (T, P) {
        (self.value, self.source)
    }
}
