//! Messages of a query that wait to be stored.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use troodon_vql::{Level, LogSink};

use crate::limits::EVENT_LOG_LINES;
use crate::store::now_us;

/// Messages of one query; clones share them. Lines are JSON, with the time of each in seconds since 1970.
#[derive(Clone, Default)]
pub struct Messages(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    lines: Vec<(u64, Level, String)>,
    /// Messages for which there was no room.
    lost: usize,
    /// The first error of all.
    error: Option<String>,
}

/// Messages as they are stored.
pub struct Lines {
    /// A JSON object on each line.
    pub text: Vec<u8>,
    /// How many of the messages they are, for [`Messages::forget`].
    pub count: usize,
}

impl Messages {
    /// Takes one message.
    pub fn note(&self, level: Level, message: &str) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if level == Level::Error && waiting.error.is_none() {
            waiting.error = Some(message.to_owned());
        }
        if waiting.lines.len() >= EVENT_LOG_LINES {
            waiting.lost = waiting.lost.saturating_add(1);
            return;
        }
        waiting.lines.push((now_us() / 1_000_000, level, message.to_owned()));
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).lines.is_empty()
    }

    /// The first error since this was asked last, whether it is stored or not.
    pub fn take_error(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).error.take()
    }

    /// All that waits.
    pub fn lines(&self) -> Lines {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = Lines { text: Vec::new(), count: waiting.lines.len() };
        for (time, level, message) in &waiting.lines {
            push(&mut lines.text, &line(*time, *level, message));
        }
        if waiting.lost > 0 {
            let message = format!("{} messages are not kept", waiting.lost);
            push(&mut lines.text, &line(now_us() / 1_000_000, Level::Warn, &message));
        }
        lines
    }

    /// Drops the first messages, which are stored.
    pub fn forget(&self, count: usize) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = count.min(waiting.lines.len());
        waiting.lines.drain(..count);
        waiting.lost = 0;
    }
}

impl LogSink for Messages {
    fn log(&mut self, level: Level, message: &str) {
        self.note(level, message);
    }
}

fn line(time: u64, level: Level, message: &str) -> Value {
    json!({"client_time": time, "level": level.name(), "message": message})
}

fn push(lines: &mut Vec<u8>, line: &Value) {
    lines.extend(line.to_string().into_bytes());
    lines.push(b'\n');
}
