//! The arguments of a call, checked and converted before the body runs.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::slice;

use crate::budget::{Fault, Stop};
use crate::context::Context;
use crate::engine::{Closure, Lazy, Scope, resolve, truth};
use crate::registry::{Entry, Kind, Others};
use crate::rows::RowSource;
use crate::syntax::parse_lambda;
use crate::value::{Dict, List, Text, Value};

/// The arguments of one call.
///
/// Readers answer `None` for an argument that the call does not give. They also answer `None` when
/// the table declares another [`Kind`]; the tests of a plugin notice that at once.
#[derive(Clone, Debug)]
pub struct Args {
    entry: &'static Entry,
    given: Vec<(Text, Given)>,
    path: Option<Text>,
    wildcard: bool,
}

#[derive(Clone, Debug)]
enum Given {
    Value(Value),
    Lazy(Lazy),
    Rows(RowSource),
    Lambda(Arc<Closure>),
}

impl Args {
    /// No arguments yet, and room for some.
    pub(crate) fn new(entry: &'static Entry, room: usize) -> Self {
        Self { entry, given: Vec::with_capacity(room), path: None, wildcard: true }
    }

    /// Checks and converts one argument against the table.
    pub(crate) fn add(
        &mut self,
        cx: &mut Context,
        scope: &Scope,
        name: Text,
        lazy: Lazy,
    ) -> Result<(), Fault> {
        let declared = self.entry.args.iter().find(|arg| *name == *arg.name.as_bytes());
        let one = match declared {
            Some(arg) => convert(cx, scope, arg.name, arg.kind, lazy)?,
            None if self.entry.others == Others::Kept => Given::Lazy(lazy),
            None => return Err(Fault::error(format!("Unexpected arg {name}"))),
        };
        self.given.push((name, one));
        Ok(())
    }

    /// The arguments, if none is missing.
    pub(crate) fn complete(self) -> Result<Self, Fault> {
        let missing = |name: &str| !self.given.iter().any(|(given, _)| *given == name);
        match self.entry.args.iter().find(|arg| arg.required && missing(arg.name)) {
            Some(arg) => Err(Fault::error(format!("Field {} is required", arg.name))),
            None => Ok(self),
        }
    }

    /// The same arguments, with what only a plugin is told.
    pub(crate) fn of_plugin(mut self, path: Option<Text>, wildcard: bool) -> Self {
        self.path = path;
        self.wildcard = wildcard;
        self
    }

    /// What follows the plugin's name: `Linux.Sys` when `Artifact.Linux.Sys()` reaches the
    /// plugin `Artifact`.
    #[must_use]
    pub const fn path(&self) -> Option<&Text> {
        self.path.as_ref()
    }

    /// Whether the query asks for all columns (`*`), so that none may be left out.
    #[must_use]
    pub const fn wants_all_columns(&self) -> bool {
        self.wildcard
    }

    /// The name under which the plugin or function was called.
    #[must_use]
    pub const fn callee(&self) -> &'static str {
        self.entry.name
    }

    /// Whether the call gives this argument.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    /// The converted value; for every kind but rows, lazy and lambda.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        if let Given::Value(value) = self.given(name)? { Some(value) } else { None }
    }

    /// A string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&Text> {
        self.value(name)?.as_text()
    }

    /// A string as UTF-8, repaired.
    #[must_use]
    pub fn string(&self, name: &str) -> Option<String> {
        self.text(name).map(|text| text.to_str_lossy().into_owned())
    }

    /// A whole number.
    #[must_use]
    pub fn int(&self, name: &str) -> Option<i64> {
        if let Value::Int(number) = self.value(name)? { Some(*number) } else { None }
    }

    /// A number.
    #[must_use]
    pub fn float(&self, name: &str) -> Option<f64> {
        if let Value::Float(number) = self.value(name)? { Some(*number) } else { None }
    }

    /// A flag; false if not given.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Bool(true)))
    }

    /// A list.
    #[must_use]
    pub fn list(&self, name: &str) -> Option<&List> {
        self.value(name)?.as_list()
    }

    /// A dict.
    #[must_use]
    pub fn dict(&self, name: &str) -> Option<&Dict> {
        self.value(name)?.as_dict()
    }

    /// A query or list to read rows from.
    #[must_use]
    pub fn rows(&self, name: &str) -> Option<&RowSource> {
        if let Given::Rows(source) = self.given(name)? { Some(source) } else { None }
    }

    /// A lambda.
    #[must_use]
    pub fn lambda(&self, name: &str) -> Option<&Arc<Closure>> {
        if let Given::Lambda(lambda) = self.given(name)? { Some(lambda) } else { None }
    }

    /// Evaluates a lazy argument; NULL if not given.
    ///
    /// # Errors
    ///
    /// The query must stop.
    pub fn lazy(&self, cx: &mut Context, name: &str) -> Result<Value, Stop> {
        match self.given(name) {
            Some(Given::Lazy(lazy)) => lazy.value(cx),
            _ => Ok(Value::Null),
        }
    }

    /// Arguments that are not in the table, in the order of the call; see [`Others::Kept`].
    pub fn others(&self) -> OtherArgs<'_> {
        OtherArgs { entry: self.entry, given: self.given.iter() }
    }

    fn given(&self, name: &str) -> Option<&Given> {
        self.given.iter().rev().find(|(given, _)| *given == name).map(|(_, one)| one)
    }
}

/// Iterates over the arguments that are not in the table.
#[derive(Debug)]
pub struct OtherArgs<'a> {
    entry: &'static Entry,
    given: slice::Iter<'a, (Text, Given)>,
}

impl<'a> Iterator for OtherArgs<'a> {
    type Item = (&'a Text, &'a Lazy);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (name, given) = self.given.next()?;
            let is_declared = self.entry.args.iter().any(|arg| *name == arg.name);
            if let (Given::Lazy(lazy), false) = (given, is_declared) {
                return Some((name, lazy));
            }
        }
    }
}

fn convert(
    cx: &mut Context,
    scope: &Scope,
    name: &str,
    kind: Kind,
    lazy: Lazy,
) -> Result<Given, Fault> {
    if kind == Kind::Lazy {
        return Ok(Given::Lazy(lazy));
    }
    let value = lazy.value(cx)?;
    Ok(Given::Value(match kind {
        Kind::Any | Kind::Lazy => value,
        Kind::Resolved => resolve(cx, scope, value)?,
        Kind::Bool => Value::Bool(truth(cx, scope, &value)?),
        Kind::Int => to_int(name, &value)?,
        Kind::Float => to_float(name, &value)?,
        Kind::String | Kind::Path => {
            let text = to_text(name, &resolve(cx, scope, value)?)?;
            Value::Str(if kind == Kind::Path { text } else { text.into_plain() })
        }
        Kind::List => to_list(resolve(cx, scope, value)?),
        Kind::Dict => to_dict(cx, name, value)?,
        Kind::Rows => return Ok(Given::Rows(RowSource::from(value))),
        Kind::Lambda => return Ok(Given::Lambda(to_lambda(name, &value)?)),
    }))
}

fn to_int(name: &str, value: &Value) -> Result<Value, Fault> {
    Ok(Value::Int(match value {
        Value::Int(number) => *number,
        Value::Bool(flag) => i64::from(*flag),
        Value::Float(number) => crate::value::operators::truncated(*number),
        Value::Null => return Ok(Value::Null),
        other => return Err(wrong(name, "an int", other)),
    }))
}

fn to_float(name: &str, value: &Value) -> Result<Value, Fault> {
    match value {
        Value::Null => Ok(Value::Null),
        other => crate::value::operators::number(other)
            .map(Value::Float)
            .ok_or_else(|| wrong(name, "a float", other)),
    }
}

fn to_text(name: &str, value: &Value) -> Result<Text, Fault> {
    Ok(match value {
        Value::Str(text) => text.clone(),
        Value::Null => Text::default(),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Time(_) => {
            Text::from(crate::value::json::scalar_text(value))
        }
        Value::List(list) => match &**list {
            [Value::Str(text)] => text.clone(),
            _ => return Err(wrong(name, "a string", value)),
        },
        other => return Err(wrong(name, "a string", other)),
    })
}

fn to_list(value: Value) -> Value {
    match value {
        Value::List(_) | Value::Null => value,
        scalar => Value::from(alloc::vec![scalar]),
    }
}

fn to_dict(cx: &mut Context, name: &str, value: Value) -> Result<Value, Fault> {
    match value {
        Value::Dict(_) | Value::Null => Ok(value),
        Value::Scope(scope) => Ok(Value::Dict(scope.to_row(cx)?)),
        other => {
            Err(Fault::error(format!("Field {name} should be a dict not {}.", other.type_name())))
        }
    }
}

fn to_lambda(name: &str, value: &Value) -> Result<Arc<Closure>, Fault> {
    let Value::Str(text) = value else { return Err(wrong(name, "a lambda", value)) };
    let lambda = parse_lambda(text).map_err(|error| Fault::error(format!("{name}: {error}")))?;
    Ok(Arc::new(Closure::new(lambda)))
}

fn wrong(name: &str, wanted: &str, value: &Value) -> Fault {
    Fault::error(format!("Field {name} should be {wanted} not {}.", value.type_name()))
}
