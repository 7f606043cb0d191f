//! VQL, the query language of Velociraptor: one engine for microcontroller, Linux and server.
//!
//! The crate reads no clock, file, socket or random source. A host calls it with the time and some
//! fuel, and gets rows; whatever a query learns about the world comes from the plugins,
//! functions and accessors that the host puts into its [`Registry`].
//!
//! # Running a query
//!
//! ```
//! use std::sync::Arc;
//! use troodon_vql::{Event, Now, Program, Query, Registry, Session, Setup, json};
//!
//! let registry = Arc::new(Registry::core());
//! let mut session = Session::new(Setup::agent(registry));
//! session.set("Least", 3_i64);
//! let program = Program::parse("SELECT _value AS N FROM foreach(row=(1, 2, 3)) WHERE N >= Least")?;
//! let mut query = Query::new(program);
//! let mut out = Vec::new();
//! loop {
//!     match query.step(&mut session, Now::default(), 10_000)? {
//!         Event::Row(row) => json::write_line(&row, &mut out),
//!         Event::Pending(_until) => break, // wait until then, and call again
//!         Event::OutOfFuel => {}           // let something else run, and call again
//!         Event::End => break,
//!     }
//! }
//! assert_eq!(out, b"{\"N\":3}\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Statements that share variables run in one [`Session`]. Its [`Setup`] names the registry, the
//! [`Access`] that decides about permissions, the [`Budget`], the [`LogSink`] and the [`Interrupt`].
//!
//! # Writing a function
//!
//! ```
//! use troodon_vql::{Arg, Args, Context, Fault, Function, Kind, Scope, Value};
//!
//! static UPCASE: Function = Function::new(
//!     "upcase",
//!     "Turns ASCII letters into capital ones.",
//!     &[Arg::required("string", Kind::String, "The text.")],
//!     upcase,
//! );
//!
//! fn upcase(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
//!     let text = args.text("string").cloned().unwrap_or_default();
//!     Ok(Value::Str(text.to_ascii_uppercase().into()))
//! }
//! let mut registry = troodon_vql::Registry::core();
//! registry.add_functions(&[&UPCASE]);
//! ```
//!
//! Arguments arrive checked and converted; permissions (`.needs(&[Permission::…])`) are checked before the
//! body runs. `Err(Fault::note(…))` logs the text after the function's name and yields NULL.
//!
//! # Writing a plugin
//!
//! ```
//! use troodon_vql::{Arg, Args, Columns, Context, Fault, Kind, Permission, Plugin, Pull, Row, Rows, Scope};
//!
//! static TICKS: Plugin = Plugin::new(
//!     "ticks",
//!     "Counts up to a number.",
//!     &[Arg::optional("to", Kind::Int, "The last number; 3 if not given.")],
//!     ticks,
//! )
//! .needs(&[Permission::MachineState]);
//!
//! fn ticks(_: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
//!     let columns = Columns::fixed(&["Tick"]);
//!     let mut numbers = 1..=args.int("to").unwrap_or(3);
//!     Ok(Box::new(Pull::new(move |_cx| {
//!         Ok(numbers.next().map(|tick| Row::new(&columns, vec![tick.into()])))
//!     })))
//! }
//! ```
//!
//! A source that waits (an event plugin) implements [`Rows`] itself and answers [`Step::Pending`]. One that
//! loops for long between rows calls [`Context::charge`] in the loop.

#![no_std]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::string_slice
)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "a test fails by panicking"))]

extern crate alloc;

mod access;
mod accessor;
mod args;
mod budget;
mod context;
mod engine;
pub mod function;
pub mod glob;
pub mod limits;
mod pattern;
pub mod plugin;
pub mod reference;
mod registry;
mod rows;
mod run;
mod sorted;
pub mod standard;
pub mod syntax;
pub mod threads;
pub mod value;

pub use access::{Access, DangerAllowAll, Denied, Permission};
pub use accessor::{
    Accessor, DataRun, Entries, EntriesItem, FileInfo, FileKind, Reader, Upload, Uploader,
};
pub use args::{Args, OtherArgs};
pub use budget::{Budget, Failure, Fault, Interrupt, Level, Limit, Stop};
pub use context::{Context, LogSink, NoLog, Setup};
pub use engine::{Closure, Lazy, Scope, StoredQuery};
pub use pattern::{Case, Pattern};
pub use registry::{
    AllowList, Arg, Availability, Doc, Entry, FoldState, Function, FunctionBody, Kind, Others,
    Plugin, PluginBody, Registry, UnknownAccessor,
};
pub use rows::{Pull, Ready, RowSource, Rows, Step};
pub use run::{Event, Expression, Program, Query, Session};
pub use standard::{Elsewhere, Entropy};
pub use syntax::ParseError;
pub use value::{
    Columns, Dict, Instant, List, Measure, Now, PathForm, Row, RowBuilder, Text, Time, Value, json,
};
