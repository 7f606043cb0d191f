//! Moments, as pages show them: UTC in the text, and the reader's own zone where scripts run.

use std::fmt;

use askama::filters::HtmlSafe;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, PrimitiveDateTime};

/// Microseconds since 1970; 0 is never.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(pub(super) u64);

impl Moment {
    /// UTC to the second; empty for never.
    pub(super) fn text(self) -> String {
        let nanos = i128::from(self.0).saturating_mul(1_000);
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok().filter(|_| self.0 > 0);
        let text = time.and_then(|time| time.replace_nanosecond(0).ok()?.format(&Rfc3339).ok());
        text.unwrap_or_default()
    }
}

/// Digits, letters and our own tags only.
impl HtmlSafe for Moment {}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text().as_str() {
            "" => f.write_str("<span class=\"quiet\">never</span>"),
            text => write!(f, "<time datetime=\"{text}\" title=\"{text}\">{text}</time>"),
        }
    }
}

/// The microseconds since 1970 of a time in UTC as forms send it: `2026-05-31T23:00`, with seconds or without.
pub(super) fn instant(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let whole = if text.len() == "2026-05-31T23:00".len() { ":00Z" } else { "Z" };
    let time = PrimitiveDateTime::parse(&format!("{text}{whole}"), &Rfc3339).ok()?;
    u64::try_from(time.assume_utc().unix_timestamp_nanos() / 1_000).ok()
}

#[cfg(test)]
mod tests {
    use super::{Moment, instant};

    #[test]
    fn a_moment_is_utc_to_the_second_and_nothing_is_never() {
        let text = Moment(1_700_000_000_123_456).to_string();
        assert!(text.contains(">2023-11-14T22:13:20Z</time>"), "{text}");
        assert!(Moment(0).to_string().contains("never"));
        assert!(Moment(u64::MAX).to_string().contains("never"));
    }

    #[test]
    fn times_of_forms_are_read_with_seconds_and_without() {
        assert_eq!(instant("1970-01-01T00:01"), Some(60_000_000));
        assert_eq!(instant("1970-01-01T00:00:05Z"), Some(5_000_000));
        for bad in ["", "yesterday", "2026-13-01T00:00", "1969-01-01T00:00", "é26-05-31T23:00"] {
            assert_eq!(instant(bad), None, "{bad}");
        }
    }
}
