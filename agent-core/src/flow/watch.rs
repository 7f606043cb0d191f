//! The clocks of one running batch: timeout, silence, heartbeat, throttle (docs/protocol.md section 6.3).

use alloc::format;
use alloc::string::String;

use troodon_proto::VqlCollectorArgs;

use crate::limits;
use crate::time::{Instant, Span};

/// When a batch is given up, when it says that it lives, and when it may run again.
#[derive(Debug)]
pub(crate) struct Watch {
    timeout: Span,
    ends_at: Instant,
    /// How long the query may do nothing.
    silence: Option<Span>,
    active_at: Instant,
    beat: Span,
    beat_at: Instant,
    pace: Pace,
    running_since: Option<(Instant, u64)>,
    may_run_at: Instant,
}

/// How fast a batch may run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pace {
    Free,
    /// Per cent of the time.
    Percent(u64),
    /// Steps in a second.
    Steps(u64),
}

impl Watch {
    pub(crate) fn start(args: &VqlCollectorArgs, now: Instant) -> Self {
        let timeout = or(args.timeout, limits::FLOW_TIMEOUT);
        let beat = or(args.heartbeat, limits::HEARTBEAT);
        Self {
            timeout,
            ends_at: now.saturating_add(timeout),
            silence: seconds(args.progress_timeout),
            active_at: now,
            beat,
            beat_at: now.saturating_add(beat),
            pace: Pace::of(args.cpu_limit, args.ops_per_second),
            running_since: None,
            may_run_at: now,
        }
    }

    /// Why the batch is given up, if it is.
    pub(crate) fn verdict(&self, now: Instant) -> Option<String> {
        if now >= self.ends_at {
            return Some(format!("timeout: not done after {} s", self.timeout.as_seconds()));
        }
        let silence = self.silence?;
        (now >= self.active_at.saturating_add(silence))
            .then(|| format!("timeout: no progress for {} s", silence.as_seconds()))
    }

    /// Whether it is time to say that the batch lives.
    pub(crate) fn beats(&mut self, now: Instant) -> bool {
        let is_due = now >= self.beat_at;
        if is_due {
            self.beat_at = now.saturating_add(self.beat);
        }
        is_due
    }

    /// Notes that a slice of `steps` begins.
    pub(crate) const fn run(&mut self, now: Instant, steps: u64) {
        self.active_at = now;
        self.running_since = Some((now, steps));
    }

    /// Notes that the slice that began last is over, and says how long the batch has to rest.
    ///
    /// The core reads no clock, so the slice counts as over when the host calls again.
    pub(crate) fn settle(&mut self, now: Instant) {
        let Some((since, steps)) = self.running_since.take() else { return };
        let rest = match self.pace {
            Pace::Free => Span::ZERO,
            Pace::Percent(percent) => {
                let worked = now.since(since).as_micros().min(limits::SLICE_TIME_MAX.as_micros());
                let others = 100_u64.saturating_sub(percent);
                Span::from_micros(worked.saturating_mul(others).checked_div(percent).unwrap_or(0))
            }
            Pace::Steps(rate) => {
                let micros = Span::from_secs(steps).as_micros();
                Span::from_micros(micros.checked_div(rate).unwrap_or(0))
            }
        };
        self.may_run_at = now.saturating_add(rest);
    }

    /// When the batch may run again.
    pub(crate) const fn may_run_at(&self) -> Instant {
        self.may_run_at
    }

    /// When something is due, whether or not the batch runs.
    pub(crate) fn due_at(&self) -> Instant {
        let silent =
            self.silence.map_or(Instant::NEVER, |span| self.active_at.saturating_add(span));
        self.ends_at.min(self.beat_at).min(silent)
    }
}

impl Pace {
    /// Fewer than 100 operations in a second are read as per cent of the time, as the original does.
    fn of(cpu_limit: f32, ops_per_second: f32) -> Self {
        let (limit, ops) = (whole(cpu_limit), whole(ops_per_second));
        match (limit, ops) {
            (1..=99, _) => Self::Percent(limit),
            (_, 1..=99) => Self::Percent(ops),
            (_, 100..) => Self::Steps(ops),
            (0 | 100.., 0) => Self::Free,
        }
    }
}

fn or(given: u64, usual: Span) -> Span {
    if given == 0 { usual } else { Span::from_secs(given) }
}

fn seconds(given: f32) -> Option<Span> {
    (given > 0.0).then(|| Span::from_secs(whole(given).max(1)))
}

/// The whole part of a number of the wire, which may be any float; 0 for what is not positive.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and there is no other conversion"
)]
const fn whole(number: f32) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_after_its_timeout() {
        let watch = Watch::start(&VqlCollectorArgs { timeout: 3, ..Default::default() }, at(10));
        assert_eq!(watch.verdict(at(12)), None);
        assert_eq!(watch.verdict(at(13)).as_deref(), Some("timeout: not done after 3 s"));
    }

    #[test]
    fn ten_minutes_are_enough_unless_the_request_says_otherwise() {
        let watch = Watch::start(&VqlCollectorArgs::default(), at(0));
        assert_eq!(watch.verdict(at(599)), None);
        assert!(watch.verdict(at(600)).is_some());
    }

    #[test]
    fn a_batch_without_progress_is_given_up_earlier() {
        let args = VqlCollectorArgs { progress_timeout: 5.0, ..Default::default() };
        let mut watch = Watch::start(&args, at(0));
        watch.run(at(4), 1);
        assert_eq!(watch.verdict(at(8)), None);
        assert!(watch.verdict(at(9)).is_some_and(|why| why.contains("no progress")));
        assert_eq!(watch.due_at(), at(9));
    }

    #[test]
    fn it_beats_at_equal_distances() {
        let args = VqlCollectorArgs { heartbeat: 10, ..Default::default() };
        let mut watch = Watch::start(&args, at(0));
        let beats: u32 = (0..35).map(|second| u32::from(watch.beats(at(second)))).sum();
        assert_eq!(beats, 3);
    }

    #[test]
    fn a_batch_that_may_use_a_quarter_of_the_time_rests_three() {
        let args = VqlCollectorArgs { cpu_limit: 25.0, ..Default::default() };
        let mut watch = Watch::start(&args, at(0));
        watch.run(at(1), 9);
        watch.settle(at(2));
        assert_eq!(watch.may_run_at(), at(5));
    }

    #[test]
    fn a_batch_with_a_rate_rests_for_the_steps_it_took() {
        let args = VqlCollectorArgs { ops_per_second: 100.0, ..Default::default() };
        let mut watch = Watch::start(&args, at(0));
        watch.run(at(1), 500);
        watch.settle(at(1));
        assert_eq!(watch.may_run_at(), at(6));
    }

    #[test]
    fn odd_numbers_mean_no_throttle() {
        for odd in [f32::NAN, -1.0, f32::NEG_INFINITY, 0.0] {
            assert_eq!(Pace::of(odd, odd), Pace::Free, "{odd}");
            assert_eq!(seconds(odd), None, "{odd}");
        }
        assert_eq!(Pace::of(100.0, 50.0), Pace::Percent(50));
        assert_eq!(Pace::of(0.0, f32::INFINITY), Pace::Steps(u64::MAX));
    }

    const fn at(seconds: u64) -> Instant {
        Instant::ORIGIN.saturating_add(Span::from_secs(seconds))
    }
}
