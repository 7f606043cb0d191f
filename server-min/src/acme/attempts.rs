//! When an authority may be asked again: on disk before each attempt, so that neither restart nor crash shortens a pause.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, write_private};
use crate::limits;

/// How long is waited.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// After the first failure; twice as long after each further one.
    pub first: Duration,
    /// At most, whatever the number of failures.
    pub longest: Duration,
    /// At most, when the authority names a time.
    pub longest_named: Duration,
    /// Between a certificate and the request for the next.
    pub between: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(limits::ACME_PAUSE_SECONDS),
            longest: Duration::from_secs(limits::ACME_LONGEST_PAUSE_SECONDS),
            longest_named: Duration::from_secs(limits::ACME_NAMED_PAUSE_SECONDS),
            between: Duration::from_secs(limits::ACME_LONGEST_PAUSE_SECONDS),
        }
    }
}

impl Pace {
    /// After this many failures in a row.
    fn after(&self, failures: u32) -> Duration {
        let doubled = self
            .first
            .saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        doubled.min(self.longest)
    }
}

/// What has been tried.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attempts {
    /// What was asked for: other names, or another authority, begin anew.
    pub wanted: String,
    /// Attempts that failed since the last success.
    pub failures: u32,
    /// Microseconds since 1970 before which there is no other attempt.
    pub not_before_us: u64,
    /// Why the last one failed; empty after a success.
    pub why: String,
}

impl Attempts {
    /// What the file says about this wish.
    ///
    /// # Errors
    /// The file is there and cannot be read: then nobody knows when the last attempt was.
    pub fn load(path: &Path, wanted: &str) -> Result<Self, ConfigError> {
        let anew = || Self { wanted: wanted.to_owned(), ..Self::default() };
        let failed = |cause| ConfigError::File { path: PathBuf::from(path), cause };
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(anew()),
            Err(error) => return Err(failed(error)),
        };
        let found: Self = serde_json::from_slice(&text).map_err(|error| failed(error.into()))?;
        Ok(if found.wanted == wanted { found } else { anew() })
    }

    /// Keeps it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ConfigError> {
        let text = serde_json::to_vec_pretty(self);
        let text = text.map_err(|error| ConfigError::invalid("autocert", error.to_string()))?;
        write_private(path, text)
    }

    /// An attempt begins: until it is known how it went, it has failed.
    #[must_use]
    pub fn begun(&self, pace: &Pace, now_us: u64) -> Self {
        let why = "the server ended during the attempt".to_owned();
        self.failed(pace, now_us, why, None)
    }

    /// An attempt has failed; the authority may have named a pause.
    #[must_use]
    pub fn failed(&self, pace: &Pace, now_us: u64, why: String, named: Option<Duration>) -> Self {
        let failures = self.failures.saturating_add(1);
        let named = named.unwrap_or_default().min(pace.longest_named);
        let pause = pace.after(failures).max(named);
        Self { wanted: self.wanted.clone(), failures, not_before_us: later(now_us, pause), why }
    }

    /// There is a certificate.
    #[must_use]
    pub fn succeeded(&self, pace: &Pace, now_us: u64) -> Self {
        let not_before_us = later(now_us, pace.between);
        Self { wanted: self.wanted.clone(), failures: 0, not_before_us, why: String::new() }
    }

    /// When to try next: a certificate is renewed when a third of its time is left, and one that is not there is due.
    #[must_use]
    pub fn due_us(&self, validity_us: Option<(u64, u64)>) -> u64 {
        let due =
            validity_us.map_or(0, |(begin, end)| end.saturating_sub(end.saturating_sub(begin) / 3));
        due.max(self.not_before_us)
    }
}

fn later(now_us: u64, pause: Duration) -> u64 {
    now_us.saturating_add(u64::try_from(pause.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: u64 = 3_600_000_000;
    const NOW_US: u64 = 1_800_000_000_000_000;

    #[test]
    fn pauses_double_up_to_a_day_and_are_longer_when_the_authority_says_so() {
        let pace = Pace::default();
        let mut attempts = Attempts::default();
        for hours in [1, 2, 4, 8, 16, 24, 24, 24] {
            attempts = attempts.failed(&pace, NOW_US, "no".into(), None);
            assert_eq!(attempts.not_before_us, NOW_US + hours * HOUR_US);
        }
        let named = |hours: u64| Some(Duration::from_secs(hours * 3600));
        let after = |hours| attempts.failed(&pace, NOW_US, "no".into(), named(hours)).not_before_us;
        assert_eq!(after(1), NOW_US + 24 * HOUR_US, "a short pause shortens nothing");
        assert_eq!(after(100), NOW_US + 100 * HOUR_US);
        assert_eq!(after(1_000_000), NOW_US + 7 * 24 * HOUR_US, "nobody waits for years");
        attempts.failures = u32::MAX;
        assert_eq!(
            attempts.failed(&pace, NOW_US, "no".into(), None).not_before_us,
            NOW_US + 24 * HOUR_US
        );
        let done = attempts.succeeded(&pace, NOW_US);
        assert_eq!((done.failures, done.not_before_us), (0, NOW_US + 24 * HOUR_US));
    }

    #[test]
    fn a_third_of_its_time_before_its_end_a_certificate_is_due() {
        let attempts = Attempts { not_before_us: 50, ..Attempts::default() };
        assert_eq!(attempts.due_us(Some((0, 90))), 60);
        assert_eq!(attempts.due_us(Some((0, 30))), 50, "not before the pause is over");
        assert_eq!(attempts.due_us(None), 50);
        assert_eq!(Attempts::default().due_us(None), 0);
    }

    #[test]
    fn what_is_on_disk_counts_for_the_same_wish_only_and_never_goes_unread() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attempts.json");
        let first = Attempts::load(&path, "a").unwrap();
        assert_eq!(first.due_us(None), 0);
        let begun = first.begun(&Pace::default(), NOW_US);
        begun.save(&path).unwrap();
        assert_eq!(Attempts::load(&path, "a").unwrap(), begun);
        assert_eq!(begun.due_us(None), NOW_US + HOUR_US, "a crash counts as a failure");
        assert_eq!(Attempts::load(&path, "b").unwrap().failures, 0);
        std::fs::write(&path, "{").unwrap();
        Attempts::load(&path, "a").unwrap_err();
    }
}
