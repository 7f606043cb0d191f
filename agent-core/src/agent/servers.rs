//! Which server is tried next, and after what pause (docs/protocol.md sections 3.6 and 3.7).

use super::channel::Link;
use crate::http::url::BaseUrl;
use crate::limits::{ATTEMPTS, FAILOVER_PAUSE, FAILOVER_PAUSE_JITTER};
use crate::time::Span;
use alloc::vec::Vec;
use rand_core::CryptoRng;

/// The servers in an order of our own, and how things went with them.
#[derive(Debug)]
pub(super) struct Servers {
    urls: Vec<BaseUrl>,
    current: usize,
    reader: Luck,
    control: Luck,
}

/// What went wrong on one link since it last worked.
#[derive(Clone, Copy, Debug, Default)]
struct Luck {
    /// Failures with the current server.
    attempts: u32,
    /// Servers given up.
    given_up: usize,
}

impl Servers {
    /// Shuffles, so that the agents of a deployment spread over its servers.
    pub(super) fn new(mut urls: Vec<BaseUrl>, rng: &mut dyn CryptoRng) -> Self {
        for last in (1..urls.len()).rev() {
            let other = below(rng, u64::try_from(last).unwrap_or(0).saturating_add(1));
            urls.swap(last, usize::try_from(other).unwrap_or(0));
        }
        Self { urls, current: 0, reader: Luck::default(), control: Luck::default() }
    }

    /// The server in use. There is one: an agent without any does not start.
    pub(super) fn current(&self) -> Option<&BaseUrl> {
        self.urls.get(self.current)
    }

    /// Notes that the link works.
    pub(super) fn succeed(&mut self, link: Link) {
        *self.luck(link) = Luck::default();
    }

    /// Notes a failure that may pass, and says whether this server deserves another attempt.
    pub(super) fn may_retry(&mut self, link: Link) -> bool {
        let luck = self.luck(link);
        luck.attempts = luck.attempts.saturating_add(1);
        luck.attempts < ATTEMPTS
    }

    /// Goes to the next server. The pause before it is short while there are servers that have not failed yet, and
    /// `max_poll` with up to `jitter` more when all of them have.
    pub(super) fn advance(
        &mut self,
        link: Link,
        rng: &mut dyn CryptoRng,
        max_poll: Span,
        jitter: Span,
    ) -> Span {
        let count = self.urls.len();
        self.current = self.current.saturating_add(1).checked_rem(count).unwrap_or(0);
        self.reader.attempts = 0;
        self.control.attempts = 0;
        let luck = self.luck(link);
        luck.given_up = luck.given_up.saturating_add(1);
        if luck.given_up < count {
            FAILOVER_PAUSE.saturating_add(random_span(rng, FAILOVER_PAUSE_JITTER))
        } else {
            max_poll.saturating_add(random_span(rng, jitter))
        }
    }

    fn luck(&mut self, link: Link) -> &mut Luck {
        match link {
            Link::Reader => &mut self.reader,
            Link::Control => &mut self.control,
        }
    }
}

/// A span from zero up to `max`.
pub(super) fn random_span(rng: &mut dyn CryptoRng, max: Span) -> Span {
    Span::from_micros(below(rng, max.as_micros().saturating_add(1)))
}

/// A number below `bound`; zero when there is none. The bias of the remainder is far below what a pause could show.
fn below(rng: &mut dyn CryptoRng, bound: u64) -> u64 {
    rng.next_u64().checked_rem(bound).unwrap_or(0)
}
