//! Conversions between numbers that the standard library has as casts only.

/// The nearest float; whole numbers beyond 2^53 lose digits.
#[expect(clippy::as_conversions, reason = "there is no other conversion; it rounds to nearest")]
#[expect(clippy::cast_precision_loss, reason = "that is what a mixed comparison asks for")]
pub(crate) const fn to_float(number: i64) -> f64 {
    number as f64
}

/// The whole part; what has none within 64 bits, NaN too, is the least number, as in the original.
#[expect(clippy::as_conversions, reason = "there is no other conversion; it saturates")]
#[expect(clippy::cast_possible_truncation, reason = "truncation is the purpose")]
#[inline(never)] // Without hardware for it this is a hundred bytes.
pub(crate) const fn truncated(number: f64) -> i64 {
    let whole = number as i64;
    if whole == i64::MAX || number.is_nan() { i64::MIN } else { whole }
}
