//! Floats as decimal text and back, by the standard library.

use alloc::format;
use alloc::string::{String, ToString};

/// The fewest digits that mean this number, without an exponent.
pub(crate) fn plain(number: f64) -> String {
    number.to_string()
}

/// One digit before the point and so many behind it, or the fewest that mean this number: `1.5e-7`.
pub(crate) fn exponential(number: f64, precision: Option<usize>) -> String {
    match precision {
        Some(precision) => format!("{number:.precision$e}"),
        None => format!("{number:e}"),
    }
}

/// So many digits behind the point.
pub(crate) fn fixed(number: f64, precision: usize) -> String {
    format!("{number:.precision$}")
}

/// Reads a number as people write it.
pub(crate) fn parse(text: &str) -> Option<f64> {
    text.parse().ok()
}
