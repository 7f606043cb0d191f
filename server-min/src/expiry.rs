//! Says which certificates end soon, while there is time to do something.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;

use crate::certificates::Certificates;
use crate::limits;
use crate::store::now_us;

const DAY_US: u64 = 86_400_000_000;

/// A certificate that ends, or has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// What it is for.
    pub what: &'static str,
    /// Its end, in microseconds since 1970.
    pub end_us: u64,
    /// The least number of days, of those at which this is said, that it is within; 0 when it is over.
    pub stage: u64,
}

/// Those of which it is time to speak.
#[must_use]
pub fn endings(certificates: &Certificates, now_us: u64) -> Vec<Ending> {
    let fixed =
        certificates.fixed.iter().map(|(what, end_us)| (*what, *end_us, &limits::EXPIRY_DAYS[..]));
    let shown = certificates
        .shown
        .iter()
        .map(|(what, shown)| (*what, shown.end_us(), &limits::RENEWED_EXPIRY_DAYS[..]));
    // One without an end is none yet.
    let all = fixed.chain(shown).filter(|(_, end_us, _)| *end_us > 0);
    all.filter_map(|(what, end_us, days)| {
        let stage = stage(end_us, now_us, days)?;
        Some(Ending { what, end_us, stage })
    })
    .collect()
}

fn stage(end_us: u64, now_us: u64, days: &[u64]) -> Option<u64> {
    match end_us.checked_sub(now_us) {
        None => Some(0),
        Some(left) => days.iter().copied().filter(|days| left < days.saturating_mul(DAY_US)).min(),
    }
}

/// What was said of each certificate: its end, and how near it was.
#[derive(Default)]
struct Said(BTreeMap<&'static str, (u64, u64)>);

impl Said {
    /// Those that came nearer than was said. A certificate that took another's place is another.
    fn news(&mut self, endings: Vec<Ending>) -> Vec<Ending> {
        let is_new = |ending: &Ending| {
            let now = (ending.end_us, ending.stage);
            self.0.insert(ending.what, now) != Some(now)
        };
        endings.into_iter().filter(is_new).collect()
    }
}

/// Writes it into the log, when the server starts and when an end comes nearer, until the server stops.
pub async fn follow(certificates: Certificates, mut stop: watch::Receiver<bool>) {
    let pause = Duration::from_secs(limits::EXPIRY_LOOK_SECONDS);
    let mut said = Said::default();
    loop {
        let now = now_us();
        for Ending { what, end_us, .. } in said.news(endings(&certificates, now)) {
            match end_us.checked_sub(now) {
                None => tracing::error!(certificate = what, "a certificate is over"),
                Some(left) => tracing::warn!(
                    certificate = what,
                    days = left / DAY_US,
                    "a certificate ends soon"
                ),
            }
        }
        // Ended by `stop`, or by the end of its sender.
        if tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(end_us: u64) -> Certificates {
        Certificates { fixed: vec![("authority", end_us)], shown: None }
    }

    #[test]
    fn an_end_is_announced_ninety_thirty_and_seven_days_ahead_and_when_it_has_come() {
        let end = 1000 * DAY_US;
        let mut said = Said::default();
        let mut heard = Vec::new();
        for hour in (800 * 24)..=(1001 * 24) {
            let now = hour * 3_600_000_000;
            for ending in said.news(endings(&of(end), now)) {
                heard.push(((end.saturating_sub(now)).div_ceil(DAY_US), ending.stage));
            }
        }
        assert_eq!(heard, [(90, 90), (30, 30), (7, 7), (0, 0)]);
    }

    #[test]
    fn a_certificate_in_the_place_of_another_is_announced_by_itself() {
        let mut said = Said::default();
        assert_eq!(said.news(endings(&of(5 * DAY_US), 0)).len(), 1);
        assert!(said.news(endings(&of(5 * DAY_US), 0)).is_empty());
        assert_eq!(said.news(endings(&of(6 * DAY_US), 0)).len(), 1);
        assert!(said.news(endings(&of(400 * DAY_US), 0)).is_empty());
    }
}
