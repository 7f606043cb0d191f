//! Moments, as pages show them: UTC in the text, and the reader's own zone where scripts run.

use askama::filters::HtmlSafe;
use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Microseconds since 1970; 0 is never.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(pub(super) u64);

/// Digits, letters and our own tags only.
impl HtmlSafe for Moment {}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0).saturating_mul(1_000);
        let text = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
        let text = text.and_then(|time| time.replace_nanosecond(0).ok()?.format(&Rfc3339).ok());
        match text.filter(|_| self.0 > 0) {
            Some(text) => write!(f, "<time datetime=\"{text}\" title=\"{text}\">{text}</time>"),
            None => f.write_str("<span class=\"quiet\">never</span>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Moment;

    #[test]
    fn a_moment_is_utc_to_the_second_and_nothing_is_never() {
        let text = Moment(1_700_000_000_123_456).to_string();
        assert!(text.contains(">2023-11-14T22:13:20Z</time>"), "{text}");
        assert!(Moment(0).to_string().contains("never"));
        assert!(Moment(u64::MAX).to_string().contains("never"));
    }
}
