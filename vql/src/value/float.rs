//! Floats as decimal text and back, exactly: by the tables of the standard library, or on hosts that count code space
//! (without the feature `quick-floats`) by long arithmetic.

#[cfg(feature = "quick-floats")]
mod quick;
#[cfg(any(test, not(feature = "quick-floats")))]
mod small;

#[cfg(feature = "quick-floats")]
pub(crate) use quick::{exponential, fixed, parse, plain};
#[cfg(not(feature = "quick-floats"))]
pub(crate) use small::{exponential, fixed, parse, plain};
