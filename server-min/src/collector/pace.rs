//! How fast a collection of the server runs: by the same rules as on agents (docs/protocol.md section 6.3).

use std::time::Duration;

use troodon_proto::VqlCollectorArgs;

use crate::limits::{COLLECTION_SLICES, QUERY_FUEL};

/// How much of the time, or how many steps in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// As fast as it can.
    Free,
    /// Per cent of the time of one processor.
    Percent(u32),
    /// Steps in a second.
    Steps(u32),
}

impl Pace {
    /// What a request says. Fewer than 100 steps in a second are read as per cent, as agents do.
    pub(super) const fn of(action: &VqlCollectorArgs) -> Self {
        let (limit, steps) = (whole(action.cpu_limit), whole(action.ops_per_second));
        match (limit, steps) {
            (1..=99, _) => Self::Percent(limit),
            (_, 1..=99) => Self::Percent(steps),
            (_, 100..) => Self::Steps(steps),
            (0 | 100.., 0) => Self::Free,
        }
    }

    /// Steps that may be worked in one go.
    pub(super) fn fuel(self) -> u64 {
        match self {
            Self::Free | Self::Percent(_) => QUERY_FUEL,
            Self::Steps(rate) => u64::from(rate / COLLECTION_SLICES).min(QUERY_FUEL),
        }
    }

    /// How long to rest behind work that took so long and so many steps.
    pub(super) fn rest(self, worked: Duration, steps: u64) -> Duration {
        match self {
            Self::Free => Duration::ZERO,
            Self::Percent(percent) => {
                worked.saturating_mul(100_u32.saturating_sub(percent)) / percent
            }
            Self::Steps(rate) => {
                let micros = steps.saturating_mul(1_000_000) / u64::from(rate);
                Duration::from_micros(micros).saturating_sub(worked)
            }
        }
    }
}

/// The whole part of a number of the wire, which may be any float; 0 for what is not positive.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and there is no other conversion"
)]
const fn whole(number: f32) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(cpu_limit: f32, ops_per_second: f32) -> Pace {
        Pace::of(&VqlCollectorArgs { cpu_limit, ops_per_second, ..VqlCollectorArgs::default() })
    }

    #[test]
    fn a_limit_is_read_as_agents_read_it() {
        assert_eq!(pace(0.0, 0.0), Pace::Free);
        assert_eq!(pace(100.0, 0.0), Pace::Free);
        assert_eq!(pace(f32::NAN, -1.0), Pace::Free);
        assert_eq!(pace(25.0, 500.0), Pace::Percent(25));
        assert_eq!(pace(0.0, 99.0), Pace::Percent(99));
        assert_eq!(pace(0.0, 100.0), Pace::Steps(100));
    }

    #[test]
    fn rests_make_up_for_work() {
        let second = Duration::from_secs(1);
        assert_eq!(Pace::Free.rest(second, 9), Duration::ZERO);
        assert_eq!(Pace::Percent(25).rest(second, 9), second * 3);
        assert_eq!(Pace::Steps(500).rest(Duration::ZERO, 1000), second * 2);
        assert_eq!(Pace::Steps(500).rest(second, 1000), second);
        assert_eq!(Pace::Steps(500).rest(second * 3, 1000), Duration::ZERO);
        assert!(Pace::Steps(100).fuel() > 0);
    }
}
