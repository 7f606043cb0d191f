//! The path of a file inside another file, as `pathspec()` writes it: a JSON object with `DelegateAccessor`,
//! `DelegatePath` or `Delegate`, and `Path`.

use serde_json::{Map, Value};
use troodon_vql::{Context, Fault, FileInfo, Reader, Text};

use crate::limits::DELEGATES_MAX;

/// An outer file, and a path within it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pathspec {
    /// The accessor of the outer file; empty for the usual one.
    pub(crate) accessor: String,
    /// The outer file, as that accessor takes it.
    pub(crate) outer: Text,
    /// The path inside.
    pub(crate) path: String,
    fields: Map<String, Value>,
}

impl Pathspec {
    /// Reads the text of a pathspec; nothing if the text is a plain path.
    ///
    /// What follows the object belongs to the path inside: `glob()` appends names to a path without knowing its form.
    ///
    /// # Errors
    ///
    /// The text begins like an object and is none, or nests too many files.
    pub(crate) fn parse(text: &Text) -> Result<Option<Self>, Fault> {
        if text.first() != Some(&b'{') {
            return Ok(None);
        }
        let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
        let fields = match values.next() {
            Some(Ok(Value::Object(fields))) => fields,
            Some(Err(why)) => return Err(Fault::note(format!("pathspec: {why}"))),
            Some(Ok(_)) | None => return Err(Fault::note("pathspec: not an object")),
        };
        let appended = text.get(values.byte_offset()..).unwrap_or_default();
        if depth(&fields) > DELEGATES_MAX {
            return Err(Fault::note(format!("pathspec: more than {DELEGATES_MAX} files in files")));
        }
        let word = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let outer = match fields.get("Delegate") {
            Some(Value::Object(inner)) => Value::Object(inner.clone()).to_string(),
            Some(Value::String(inner)) => inner.clone(),
            _ => word("DelegatePath").to_owned(),
        };
        let path = format!("{}{}", word("Path"), String::from_utf8_lossy(appended));
        Ok(Some(Self {
            accessor: word("DelegateAccessor").to_owned(),
            outer: Text::from(outer),
            path,
            fields,
        }))
    }

    /// The pathspec of a file that is packed as a whole: a plain path, or a pathspec that may leave the outer file out.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`].
    pub(crate) fn of_packed(text: &Text) -> Result<Self, Fault> {
        let plain = |path: Text| Self {
            accessor: String::new(),
            outer: path,
            path: String::new(),
            fields: Map::new(),
        };
        Ok(match Self::parse(text)? {
            None => plain(text.clone()),
            Some(spec) if spec.outer.is_empty() => plain(Text::from(spec.path)),
            Some(spec) => spec,
        })
    }

    /// The same outer file with another path inside, as text.
    pub(crate) fn with_path(&self, path: &str) -> Text {
        let mut fields = self.fields.clone();
        fields.insert("Path".to_owned(), Value::from(path));
        Text::from(Value::Object(fields).to_string())
    }

    /// Whether both are in the same outer file.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.accessor == other.accessor && self.outer == other.outer
    }

    /// Opens the outer file. The permissions of its accessor are checked.
    ///
    /// # Errors
    ///
    /// What the accessor says.
    pub(crate) fn open(&self, cx: &mut Context) -> Result<Box<dyn Reader>, Fault> {
        let accessor = cx.accessor(&self.accessor)?;
        accessor.open(cx, &self.outer)
    }

    /// Describes the outer file. The permissions of its accessor are checked.
    ///
    /// # Errors
    ///
    /// What the accessor says.
    pub(crate) fn stat(&self, cx: &mut Context) -> Result<FileInfo, Fault> {
        let accessor = cx.accessor(&self.accessor)?;
        accessor.follow(cx, &self.outer)
    }
}

fn depth(fields: &Map<String, Value>) -> usize {
    std::iter::successors(Some(fields), |fields| fields.get("Delegate")?.as_object()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Pathspec {
        Pathspec::parse(&Text::from(text)).unwrap().unwrap()
    }

    #[test]
    fn names_that_a_walk_appends_belong_to_the_path_inside() {
        let text = r#"{"DelegateAccessor":"file","DelegatePath":"/a.zip","Path":"/dir"}"#;
        let spec = parsed(&format!("{text}/name"));
        assert_eq!((spec.accessor.as_str(), spec.path.as_str()), ("file", "/dir/name"));
        assert_eq!(spec.outer, Text::from("/a.zip"));
        assert_eq!(parsed(&spec.with_path("/q\"").to_str_lossy()).path, "/q\"");
    }

    #[test]
    fn a_plain_path_is_no_pathspec_and_a_broken_one_is_an_error() {
        assert_eq!(Pathspec::parse(&Text::from("/a")).unwrap(), None);
        assert!(Pathspec::parse(&Text::from("{\"Path\":")).is_err());
        assert_eq!(Pathspec::of_packed(&Text::from("/a")).unwrap().outer, Text::from("/a"));
    }

    #[test]
    fn files_in_files_are_counted() {
        let nested = |levels: usize| {
            let mut text = String::from(r#"{"DelegatePath":"/a"}"#);
            for _ in 0..levels {
                text = format!(r#"{{"Delegate":{text}}}"#);
            }
            Pathspec::parse(&Text::from(text))
        };
        assert!(nested(DELEGATES_MAX - 1).is_ok());
        assert!(nested(DELEGATES_MAX).is_err());
    }
}
