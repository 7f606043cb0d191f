//! Messages of a query that wait to be stored.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use troodon_vql::{Case, Level, LogSink, Pattern};

use crate::limits::EVENT_LOG_LINES;
use crate::store::now_us;

/// Messages of one query; clones share them. Lines are JSON, with the time of each in seconds since 1970.
#[derive(Clone, Default)]
pub struct Messages {
    waiting: Arc<Mutex<Waiting>>,
    /// What marks a message of any level as an error.
    errors: Option<Arc<Pattern>>,
}

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
    /// Messages that fit a pattern are errors as well; an empty one says nothing.
    pub(crate) fn with_errors(pattern: &str) -> Self {
        let mut messages = Self::default();
        match Pattern::new(pattern.as_bytes(), Case::Exact) {
            _ if pattern.is_empty() => {}
            Ok(pattern) => messages.errors = Some(Arc::new(pattern)),
            Err(_) => messages.note(Level::Warn, "collection_error_regex does not compile"),
        }
        messages
    }

    /// Takes one message.
    pub fn note(&self, level: Level, message: &str) {
        let is_error = level == Level::Error
            || self.errors.as_ref().is_some_and(|errors| errors.is_match(message.as_bytes()));
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if is_error && waiting.error.is_none() {
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
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).lines.is_empty()
    }

    /// The first error since this was asked last, whether it is stored or not.
    pub fn take_error(&self) -> Option<String> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).error.take()
    }

    /// All that waits.
    pub fn lines(&self) -> Lines {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
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
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
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
