//! `log()` and `alert()`: a line in the log of the query.

use alloc::format;
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
use crate::value::{Instant, RowBuilder, Text, Value, json};

/// Seconds for which a message is not repeated when the call names none.
const DEDUP_DEFAULT: i64 = 60;

/// The same for alerts: two hours.
const ALERT_DEDUP_DEFAULT: i64 = 7_200;

/// A line for whoever reads the log.
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

/// A line that the server keeps as an alert beside the log.
pub(super) static ALERT: Function = Function::new(
    "alert",
    "Raises an alert and answers TRUE: all further arguments are its event_data. An alert of the same name is raised once \
     in two hours.",
    &[
        Arg::required("name", Kind::String, "What the alert is called."),
        Arg::optional(
            "dedup",
            Kind::Int,
            "Seconds for which it is not repeated (7200); below 0 it always is.",
        ),
        Arg::optional("condition", Kind::Bool, "Unless it is true nothing happens and the answer is NULL (TRUE)."),
    ],
    alert,
)
.keeps_others();

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
    if !is_due(cx, &template, args.int("dedup").unwrap_or(DEDUP_DEFAULT)) {
        return Ok(Value::Bool(true));
    }
    let message = filled(cx, &template, args.value("args"))?;
    cx.log(level(args.text("level")), format_args!("{}", String::from_utf8_lossy(&message)));
    Ok(Value::Bool(true))
}

/// Whether something of this name was not logged for so many seconds; below 0 it always is due.
fn is_due(cx: &mut Context, name: &Text, seconds: i64) -> bool {
    let Ok(seconds) = u64::try_from(seconds) else { return true };
    let now = cx.instant();
    let mut logged = cx.take_state::<Logged>();
    let is_due = logged.is_due(name, now, Duration::from_secs(seconds));
    cx.keep_state(logged);
    is_due
}

fn alert(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    if args.has("condition") && !args.flag("condition") {
        return Ok(Value::Null);
    }
    let name = args.text("name").cloned().unwrap_or_default();
    // No template of log() begins so.
    let key = Text::from(format!("\0alert {name}"));
    if !is_due(cx, &key, args.int("dedup").unwrap_or(ALERT_DEDUP_DEFAULT)) {
        return Ok(Value::Bool(true));
    }
    let mut data = RowBuilder::new();
    for (key, given) in args.others() {
        data.set(key.clone(), given.value(cx)?);
    }
    let mut alert = RowBuilder::new();
    alert.set("name", name);
    alert.set("timestamp", cx.now());
    alert.set("event_data", Value::Dict(data.build()));
    let alert = json::to_string(&Value::Dict(alert.build()));
    cx.log(Level::Alert, format_args!("{alert}"));
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
