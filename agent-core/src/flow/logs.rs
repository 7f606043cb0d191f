//! The log of a flow on its way to the server: JSON lines, shipped in batches (docs/protocol.md section 6.4).

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use bytes::Bytes;
use troodon_proto::LogMessage;
use troodon_vql::Level;

use super::json;
use super::stats::signed;
use crate::limits;
use crate::time::{Instant, Span, UnixTime};

/// Log lines that wait to be shipped, and the numbers of those that were.
#[derive(Debug)]
pub(crate) struct Logs {
    /// Name of the artifact, for monitoring queries; empty for flows.
    artifact: String,
    wait: Span,
    left: u64,
    shipped: u64,
    lines: Vec<u8>,
    count: u64,
    due_at: Instant,
    ready: VecDeque<LogMessage>,
}

impl Logs {
    /// A log of at most `max` lines, in batches that are `wait` apart.
    pub(crate) fn new(artifact: String, wait: Span, max: u64) -> Self {
        Self {
            artifact,
            wait: wait.max(limits::LOG_WAIT_MIN),
            left: max,
            shipped: 0,
            lines: Vec::new(),
            count: 0,
            due_at: Instant::NEVER,
            ready: VecDeque::new(),
        }
    }

    /// Adds a line; says whether it was taken. Beyond the limit one line says so, and the others are dropped.
    pub(crate) fn push(&mut self, now: Instant, wall: UnixTime, level: Level, text: &str) -> bool {
        match self.left {
            0 => return false,
            1 => self.line(now, wall, Level::Warn, "the log is full; what follows is dropped"),
            _ if level == Level::Alert => self.alert(now, wall, text),
            _ => self.line(now, wall, level, text),
        }
        self.left = self.left.saturating_sub(1);
        true
    }

    /// The next batch that should be shipped at `now`.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<LogMessage> {
        if now >= self.due_at || self.lines.len() >= limits::LOG_BATCH_BYTES {
            self.seal();
        }
        self.ready.pop_front()
    }

    /// The next batch, however young its lines are.
    pub(crate) fn take(&mut self) -> Option<LogMessage> {
        self.seal();
        self.ready.pop_front()
    }

    /// When the next batch has to be shipped at the latest.
    pub(crate) fn due_at(&self) -> Instant {
        if self.ready.is_empty() { self.due_at } else { Instant::ORIGIN }
    }

    fn line(&mut self, now: Instant, wall: UnixTime, level: Level, text: &str) {
        json::log_line(&mut self.lines, wall, level, text);
        self.count = self.count.saturating_add(1);
        if self.count == 1 {
            self.due_at = now.saturating_add(self.wait);
        }
    }

    /// An alert travels alone, so that the server finds it without reading the lines.
    fn alert(&mut self, now: Instant, wall: UnixTime, text: &str) {
        self.seal();
        self.line(now, wall, Level::Alert, text);
        self.seal();
        if let Some(message) = self.ready.back_mut() {
            message.level = Level::Alert.name().into();
        }
    }

    fn seal(&mut self) {
        if self.count == 0 {
            return;
        }
        self.ready.push_back(LogMessage {
            artifact: self.artifact.clone(),
            id: signed(self.shipped),
            number_of_rows: self.count,
            jsonl: Bytes::from(mem::take(&mut self.lines)),
            ..LogMessage::default()
        });
        self.shipped = self.shipped.saturating_add(self.count);
        self.count = 0;
        self.due_at = Instant::NEVER;
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn lines_wait_for_others_but_at_least_a_second() {
        let mut logs = Logs::new(String::new(), Span::from_millis(2), 9);
        logs.push(at(0), WALL, Level::Info, "one");
        logs.push(at(500), WALL, Level::Warn, "two");
        assert_eq!(logs.take_due(at(999)), None);
        let batch = logs.take_due(at(1000)).expect("a second has passed");
        assert_eq!((batch.id, batch.number_of_rows), (0, 2));
        assert_eq!(
            batch.jsonl,
            "{\"client_time\":1700000000,\"level\":\"INFO\",\"message\":\"one\"}\n\
             {\"client_time\":1700000000,\"level\":\"WARN\",\"message\":\"two\"}\n"
        );
        assert_eq!(logs.take(), None);
    }

    #[test]
    fn the_id_is_the_number_of_lines_before() {
        let mut logs = Logs::new("A".into(), Span::ZERO, 9);
        for id in 0..3 {
            logs.push(at(0), WALL, Level::Default, "x");
            let batch = logs.take().expect("a line waits");
            assert_eq!((batch.id, batch.artifact.as_str()), (id, "A"));
        }
    }

    #[test]
    fn an_alert_travels_alone_and_at_once() {
        let mut logs = Logs::new(String::new(), Span::ZERO, 9);
        logs.push(at(0), WALL, Level::Info, "before");
        logs.push(at(0), WALL, Level::Alert, "{\"name\":\"A\"}");
        logs.push(at(0), WALL, Level::Info, "after");
        let batches = [logs.take_due(at(0)), logs.take_due(at(0)), logs.take()].map(Option::unwrap);
        assert_eq!(batches.each_ref().map(|batch| batch.level.as_str()), ["", "ALERT", ""]);
        assert_eq!(batches.each_ref().map(|batch| batch.id), [0, 1, 2]);
    }

    #[test]
    fn a_full_log_says_so_once() {
        let mut logs = Logs::new(String::new(), Span::ZERO, 3);
        let taken = (0..5).filter(|n| logs.push(at(0), WALL, Level::Info, &format!("{n}"))).count();
        let batch = logs.take().expect("lines wait");
        assert_eq!((taken, batch.number_of_rows), (3, 3));
        let text = core::str::from_utf8(&batch.jsonl).expect("JSON is UTF-8");
        assert!(text.contains("the log is full") && !text.contains("\"2\""), "{text}");
    }

    #[test]
    fn many_lines_do_not_wait() {
        let mut logs = Logs::new(String::new(), Span::ZERO, u64::MAX);
        let long = "x".repeat(limits::LOG_BATCH_BYTES);
        logs.push(at(0), WALL, Level::Info, &long);
        assert!(logs.take_due(at(0)).is_some());
    }

    const WALL: UnixTime = UnixTime::from_secs(1_700_000_000);

    const fn at(millis: u64) -> Instant {
        Instant::ORIGIN.saturating_add(Span::from_millis(millis))
    }
}
