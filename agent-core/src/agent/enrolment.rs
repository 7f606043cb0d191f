//! How far the server knows this client (docs/protocol.md section 5.1).

use super::{Agent, Event};
use crate::limits::{ENROL_PAUSE, UNKNOWN_PAUSE_MAX, UNKNOWN_PAUSE_MIN};
use crate::storage::Storage;
use crate::time::{Instant, Span};

/// What the server said last. Results leave only while it is `Accepted`: what is sent before is thrown away by the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Enrolment {
    /// Nothing yet: since the start, or since another server was chosen.
    Unknown,
    /// It does not know us (406) and is to be asked as soon as that is allowed.
    Wanted,
    /// It was asked. The answer is 406 in any case; the next poll tells.
    Requested,
    /// It knows us (200).
    Accepted,
}

impl<S: Storage> Agent<S> {
    /// 406: the server does not know us, or no longer does.
    pub(super) fn unknown_here(&mut self, now: Instant) {
        self.enrolment = Enrolment::Wanted;
        let factor = 1_u64.checked_shl(self.refusals).unwrap_or(u64::MAX);
        let pause: Span = UNKNOWN_PAUSE_MIN.saturating_mul(factor).min(UNKNOWN_PAUSE_MAX);
        self.refusals = self.refusals.saturating_add(1);
        self.poll_at = now.saturating_add(pause);
    }

    /// The request to be enrolled has arrived, whatever the status says (docs/protocol.md section 9, P12).
    pub(super) fn enrolment_requested(&mut self, now: Instant) {
        self.enrolment = Enrolment::Requested;
        self.enrol_at = now.saturating_add(ENROL_PAUSE);
        self.poll_at = now.saturating_add(UNKNOWN_PAUSE_MIN);
    }

    /// 200 to a sealed request: the server knows us.
    pub(super) fn accepted(&mut self) {
        if self.enrolment != Enrolment::Accepted {
            self.enrolment = Enrolment::Accepted;
            self.note(Event::Enrolled);
        }
        self.refusals = 0;
        self.is_proven = true;
    }
}
