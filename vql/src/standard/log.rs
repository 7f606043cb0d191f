//! `log()`: a line in the log of the query.

use alloc::string::String;
use core::time::Duration;

use super::text::shown;
use crate::args::Args;
use crate::budget::{Fault, Level};
use crate::context::Context;
use crate::engine::Scope;
use crate::function::filled;
use crate::limits::LOG_TEMPLATES_MAX;
use crate::registry::{Arg, Function, Kind};
use crate::sorted::SortedMap;
use crate::value::{Instant, Text, Value};

/// Seconds for which a message is not repeated when the call names none.
const DEDUP_DEFAULT: i64 = 60;

/// The function of this file.
pub(super) static LOG: Function = Function::new(
    "log",
    "Logs a message and answers TRUE. The same message, before it is filled, is logged once a minute.",
    &[
        Arg::required("message", Kind::Resolved, "The message, a template as format() takes it."),
        Arg::optional("args", Kind::Resolved, "Values for the template, a list or a single one."),
        Arg::optional("level", Kind::String, "DEFAULT, DEBUG, INFO, WARN, ERROR or ALERT (INFO)."),
        Arg::optional(
            "dedup",
            Kind::Int,
            "Seconds for which it is not repeated (60); below 0 it always is.",
        ),
    ],
    log,
);

/// When which template was logged last.
#[derive(Default)]
struct Logged(SortedMap<Text, Instant>);

impl Logged {
    /// Whether a template is due; it counts as logged then.
    fn is_due(&mut self, template: &Text, now: Instant, pause: Duration) -> bool {
        if self.0.get(template).is_some_and(|last| last.after(pause) > now) {
            return false;
        }
        if self.0.len() >= LOG_TEMPLATES_MAX {
            // Forgetting logs a message once too often; remembering all would not be bounded.
            self.0.clear();
        }
        self.0.insert(template.clone(), now);
        true
    }
}

fn log(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let template = args
        .value("message")
        .map_or_else(Text::default, |value| Text::from(shown(value).into_owned()));
    let pause = u64::try_from(args.int("dedup").unwrap_or(DEDUP_DEFAULT)).ok();
    if let Some(seconds) = pause {
        let now = cx.instant();
        let mut logged = cx.take_state::<Logged>();
        let is_due = logged.is_due(&template, now, Duration::from_secs(seconds));
        cx.keep_state(logged);
        if !is_due {
            return Ok(Value::Bool(true));
        }
    }
    let message = filled(cx, &template, args.value("args"))?;
    cx.log(level(args.text("level")), format_args!("{}", String::from_utf8_lossy(&message)));
    Ok(Value::Bool(true))
}

/// A level by its name; what is none counts as INFO.
fn level(name: Option<&Text>) -> Level {
    let is = |level: &Level| {
        name.is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(level.name().as_bytes()))
    };
    [Level::Default, Level::Debug, Level::Warn, Level::Error, Level::Alert]
        .into_iter()
        .find(is)
        .unwrap_or(Level::Info)
}
