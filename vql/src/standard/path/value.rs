//! What paths know that other texts do not: their members, and how they are added to and cut.
//!
//! A path is a text that a host or a function has marked as one ([`Text::into_path`]); a text that only looks like one has
//! no members, as in Velociraptor.

use alloc::vec::Vec;

use crate::budget::Fault;
use crate::engine::PathRules;
use crate::limits::PATH_LEN_MAX;
use crate::value::json::to_string;
use crate::value::operators::{is_true, position, slice};
use crate::value::{List, PathForm, Row, RowBuilder, Text, Value};

/// What the operators do with paths.
pub(crate) static RULES: PathRules = PathRules { member, add, index, cut };

/// What may be said about the outer file, in the order in which it is written.
const OUTER: [&str; 3] = ["DelegateAccessor", "DelegatePath", "Delegate"];

/// A path in its parts.
pub(super) struct Path {
    form: PathForm,
    /// What is said about the outer file, without what is empty.
    outer: Vec<(&'static str, Value)>,
    /// Texts.
    components: Vec<Value>,
}

impl Path {
    /// Takes a path apart; nothing if the text is none, or too long to be one.
    pub(super) fn of(text: &Text) -> Option<Self> {
        let form = text.path_form()?;
        Self::parse(form, text).ok()
    }

    /// Takes any text apart as a path.
    ///
    /// # Errors
    ///
    /// It is too long to be one.
    pub(super) fn parse(form: PathForm, text: &Text) -> Result<Self, Fault> {
        if text.len() > PATH_LEN_MAX {
            return Err(Fault::error("the path is too long"));
        }
        let fields = match form {
            PathForm::Inside => read_inside(text),
            PathForm::Slashes | PathForm::Backslashes => None,
        };
        let path = match (fields, form) {
            (Some(fields), _) => Self::inside(&fields),
            (None, PathForm::Inside) => Self { form, outer: Vec::new(), components: Vec::new() },
            (None, _) => Self { form, outer: Vec::new(), components: split(form, text) },
        };
        Ok(path)
    }

    /// A path inside of another file.
    pub(super) fn inside(fields: &Row) -> Self {
        let said = |name: &'static str| Some((name, fields.get(name.as_bytes())?.clone()));
        let outer =
            OUTER.into_iter().filter_map(said).filter(|(_, value)| is_true(value)).collect();
        let path = fields.get(b"Path").and_then(Value::as_text);
        let components = path.map_or_else(Vec::new, |path| split(PathForm::Slashes, path));
        Self { form: PathForm::Inside, outer, components }
    }

    /// The whole path.
    pub(super) fn into_text(self) -> Text {
        let text = match self.form {
            PathForm::Inside => Text::from(to_string(&self.spec().into())),
            PathForm::Slashes | PathForm::Backslashes => self.local(),
        };
        text.into_path(self.form)
    }

    /// The path above.
    pub(super) fn above(mut self) -> Self {
        self.components.pop();
        self
    }

    /// Texts.
    pub(super) fn into_components(self) -> Vec<Value> {
        self.components
    }

    /// The last component.
    pub(super) fn basename(&self) -> Value {
        self.components.last().cloned().unwrap_or_else(|| Value::Str(Text::default()))
    }

    /// The path within the file that it is inside of.
    fn local(&self) -> Text {
        let (separator, is_absolute) = match self.form {
            PathForm::Backslashes => (b'\\', false),
            PathForm::Slashes => (b'/', true),
            PathForm::Inside => (b'/', !self.components.is_empty()),
        };
        let parts: Vec<&[u8]> =
            self.components.iter().filter_map(Value::as_text).map(Text::as_bytes).collect();
        let root: &[u8] = if is_absolute { b"/" } else { b"" };
        Text::from([root, parts.join(&separator).as_slice()].concat())
    }

    /// The path as a dict.
    fn spec(&self) -> Row {
        let mut spec = RowBuilder::new();
        for (name, value) in &self.outer {
            spec.set(*name, value.clone());
        }
        if self.form != PathForm::Inside || !self.components.is_empty() {
            spec.set("Path", self.local());
        }
        spec.build()
    }

    /// The same place with other components; what is no text is left out.
    fn with<'a>(self, components: impl IntoIterator<Item = &'a Value>) -> Value {
        let texts = components.into_iter().filter(|one| one.as_text().is_some());
        Value::Str(Self { components: texts.cloned().collect(), ..self }.into_text())
    }

    /// The outer file as its accessor takes it.
    fn outer_path(&self) -> Text {
        match self.outer.last() {
            Some(("DelegatePath" | "Delegate", Value::Str(text))) => text.clone(),
            Some(("Delegate", inner)) => Text::from(to_string(inner)),
            _ => Text::default(),
        }
    }

    /// The accessor of the outer file.
    fn outer_accessor(&self) -> Value {
        match self.outer.first() {
            Some(("DelegateAccessor", accessor)) => accessor.clone(),
            _ => "".into(),
        }
    }
}

/// The components of a path. Names of this and the upper directory are left out, as in the original.
fn split(form: PathForm, path: &[u8]) -> Vec<Value> {
    let is_end = |byte: &u8| *byte == b'/' || (*byte == b'\\' && form == PathForm::Backslashes);
    let parts = path.split(is_end).filter(|part| !matches!(*part, b"" | b"." | b".."));
    parts.map(Value::from).collect()
}

/// The part of a path that a member names; nothing for other names and other texts.
fn member(text: &Text, name: &Text) -> Option<Value> {
    let path = Path::of(text)?;
    Some(match name.as_bytes() {
        b"Basename" => path.basename(),
        b"Components" if path.components.is_empty() => Value::Null,
        b"Components" => Value::from(path.components),
        b"DelegateAccessor" => path.outer_accessor(),
        b"DelegatePath" => Value::Str(path.outer_path()),
        b"Dirname" => Value::Str(path.above().into_text()),
        b"HumanString" => Value::Str(human(path)),
        b"Path" => Value::Str(path.local()),
        b"PathSpec" => path.spec().into(),
        b"String" => Value::Str(text.clone().into_plain()),
        _ => return None,
    })
}

/// From the outermost file inwards: `/a.zip -> /b`.
fn human(mut path: Path) -> Text {
    let mut names = alloc::vec![path.local()];
    // Texts within texts grow shorter, and dicts within dicts are as deep as a value may be.
    while !path.outer.is_empty() {
        let outer = path.outer_path();
        path = match read_inside(&outer) {
            Some(fields) => Path::inside(&fields),
            None => {
                names.push(outer);
                break;
            }
        };
        names.push(path.local());
    }
    let names: Vec<&[u8]> = names.iter().rev().map(Text::as_bytes).collect();
    Text::from(names.join(&b" -> "[..]))
}

/// `path + 'a/b'` and `path + ('a', 'b')`; nothing if the left one is no path or the right one none of these.
fn add(left: &Value, right: &Value) -> Option<Value> {
    let path = Path::of(left.as_text()?)?;
    let below = match right {
        Value::Str(text) => match Path::of(text) {
            Some(below) => below.components,
            None => split(path.form, text),
        },
        Value::List(list) => list.to_vec(),
        _ => return None,
    };
    let components = path.components.clone();
    Some(path.with(components.iter().chain(&below)))
}

/// `path[at]`, a component.
fn index(value: &Value, at: &Value) -> Option<Value> {
    let path = Path::of(value.as_text()?)?;
    let Value::Int(at) = at else { return None };
    let at = position(*at, path.components.len());
    Some(at.and_then(|at| path.components.get(at)).cloned().into())
}

/// `path[from:to]`, the path of some of the components; an outer file is forgotten, as in the original.
fn cut(value: &Value, from: Option<i64>, to: Option<i64>) -> Option<Value> {
    let Path { form, components, .. } = Path::of(value.as_text()?)?;
    let components = slice(&Value::List(List::from(components)), from, to);
    let form = if form == PathForm::Inside { PathForm::Slashes } else { form };
    let path = Path { form, outer: Vec::new(), components: Vec::new() };
    Some(path.with(components.as_list().map_or(&[][..], |list| list)))
}

/// The fields of the text of a path inside of another file.
pub(super) fn read_inside(text: &[u8]) -> Option<Row> {
    if text.first() != Some(&b'{') {
        return None;
    }
    match crate::standard::json::parse(text).ok()? {
        Value::Dict(fields) => Some(fields),
        _ => None,
    }
}
