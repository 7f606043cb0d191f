//! A page of rows: sorted, filtered, with the columns that somebody wants, and the links that keep all of that.
//!
//! Rows come in their own order from wherever `start` is. Sorting and filtering need rows that are not on the page: they
//! look at the first [`limits::TABLE_SCAN_ROWS`] and say so when there are more.

use std::cmp::Ordering;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use bytes::Bytes;
use form_urlencoded::Serializer;
use serde_json::{Map, Value};

use crate::limits;
use crate::store::StoreError;

const LINES: u64 = limits::LINES_PER_PAGE as u64;

/// How somebody wants a table: the fields of its address.
#[derive(Debug, Default, Clone)]
pub(super) struct View {
    pub(super) name: Option<String>,
    start: u64,
    sort: String,
    filter: String,
    columns: Vec<String>,
    /// Fields that belong to the page and not to the table.
    rest: Vec<(String, String)>,
}

impl<S: Sync> FromRequestParts<S> for View {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl View {
    fn parse(query: &str) -> Self {
        let mut view = Self::default();
        for (field, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match field.as_ref() {
                "name" => view.name = Some(value),
                "start" => view.start = value.parse().unwrap_or_default(),
                "sort" => view.sort = value,
                "filter" => view.filter = value.trim().to_owned(),
                "column" => view.columns.push(value),
                other => view.rest.push((other.to_owned(), value)),
            }
        }
        view
    }

    /// The same of the rows of this name.
    pub(super) fn named(&self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self.clone() }
    }

    /// A field of the page.
    pub(super) fn field(&self, name: &str) -> &str {
        let found = self.rest.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    fn link(&self, sort: &str, start: u64) -> String {
        let mut query = Serializer::for_suffix(String::from("?"), 1);
        query.extend_pairs(self.rest.iter());
        query.extend_pairs(self.name.iter().map(|name| ("name", name)));
        query.extend_pairs(self.columns.iter().map(|column| ("column", column)));
        if !self.filter.is_empty() {
            query.append_pair("filter", &self.filter);
        }
        if !sort.is_empty() {
            query.append_pair("sort", sort);
        }
        if start > 0 {
            query.append_pair("start", &start.to_string());
        }
        query.finish()
    }

    /// The column by which it is sorted, and whether the largest comes first.
    fn order(&self) -> Option<(&str, bool)> {
        match self.sort.strip_prefix('-') {
            Some(column) => Some((column, true)),
            None => (!self.sort.is_empty()).then_some((self.sort.as_str(), false)),
        }
    }
}

/// A column of a table.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) shown: bool,
    /// The address of the page sorted by it, the other way round when it is sorted by it already.
    pub(super) link: String,
    /// For `aria-sort`.
    pub(super) order: &'static str,
}

/// A page of rows.
pub(super) struct Table {
    pub(super) name: String,
    pub(super) filter: String,
    pub(super) sort: String,
    /// Fields that the form has to keep.
    pub(super) kept: Vec<(String, String)>,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<String>>,
    pub(super) start: u64,
    /// `None`: nobody has counted.
    pub(super) total: Option<u64>,
    /// Rows behind the ones that were looked at for sorting and filtering are left out.
    pub(super) is_cut: bool,
    pub(super) back: Option<String>,
    pub(super) on: Option<String>,
    /// The address without sorting, filter and choice of columns.
    pub(super) plain: String,
    /// Where the download is, ready for `format=`; empty: there is none.
    pub(super) download: String,
}

type Object = Map<String, Value>;

impl Table {
    /// Reads what a view shows. `open` begins at a row; `total` counts all rows if somebody knows.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn read<I: Iterator<Item = Result<Bytes, StoreError>>>(
        view: &View,
        total: Option<u64>,
        open: impl FnOnce(u64) -> Result<I, StoreError>,
    ) -> Result<Self, StoreError> {
        let start = total.map_or(view.start, |total| view.start.min(total));
        let skip = usize::try_from(start).unwrap_or(usize::MAX);
        let is_plain = view.filter.is_empty() && view.order().is_none();
        let (objects, total, start, is_cut) = if is_plain {
            let lines = limits::LINES_PER_PAGE.saturating_add(1);
            (read(open(start)?, lines, |_| true)?.0, total, start, false)
        } else {
            let sought = view.filter.to_lowercase();
            let fits = |line: &str| sought.is_empty() || line.to_lowercase().contains(&sought);
            let (mut found, is_cut) = read(open(0)?, limits::TABLE_SCAN_ROWS, fits)?;
            if let Some((column, is_descending)) = view.order() {
                found.sort_by(|a, b| {
                    let order = compare(a.get(column), b.get(column));
                    if is_descending { order.reverse() } else { order }
                });
            }
            let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
            let lines = limits::LINES_PER_PAGE.saturating_add(1);
            let page: Vec<Object> = found.into_iter().skip(skip).take(lines).collect();
            (page, Some(count), start.min(count), is_cut)
        };
        Ok(Self::of(view, objects, start, total, is_cut))
    }

    fn of(
        view: &View,
        mut objects: Vec<Object>,
        start: u64,
        total: Option<u64>,
        is_cut: bool,
    ) -> Self {
        let has_more = objects.len() > limits::LINES_PER_PAGE;
        objects.truncate(limits::LINES_PER_PAGE);
        let mut names: Vec<&String> = Vec::new();
        for name in objects.iter().flat_map(Map::keys) {
            if names.len() < limits::COLUMNS_PER_PAGE && !names.contains(&name) {
                names.push(name);
            }
        }
        let columns: Vec<Column> = names.into_iter().map(|name| column(view, name)).collect();
        let cells = |row: &Object| {
            let shown = columns.iter().filter(|column| column.shown);
            shown.map(|column| cell(row.get(&column.name))).collect()
        };
        let bare = View { name: view.name.clone(), rest: view.rest.clone(), ..View::default() };
        Self {
            name: view.name.clone().unwrap_or_default(),
            filter: view.filter.clone(),
            sort: view.sort.clone(),
            kept: view.rest.clone(),
            rows: objects.iter().map(cells).collect(),
            columns,
            start,
            total,
            is_cut,
            back: (start > 0).then(|| view.link(&view.sort, start.saturating_sub(LINES))),
            on: has_more.then(|| view.link(&view.sort, start.saturating_add(LINES))),
            plain: bare.link("", 0),
            download: String::new(),
        }
    }

    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(u64::try_from(self.rows.len()).unwrap_or(u64::MAX))
    }

    /// Whether it shows something else than all rows in their own order.
    pub(super) fn is_changed(&self) -> bool {
        !self.filter.is_empty() || !self.sort.is_empty() || self.columns.iter().any(|c| !c.shown)
    }
}

fn column(view: &View, name: &str) -> Column {
    let (order, next) = match view.order() {
        Some((sorted, false)) if sorted == name => ("ascending", format!("-{name}")),
        Some((sorted, true)) if sorted == name => ("descending", name.to_owned()),
        _ => ("none", name.to_owned()),
    };
    let shown = view.columns.is_empty() || view.columns.iter().any(|wanted| wanted == name);
    Column { name: name.to_owned(), shown, link: view.link(&next, 0), order }
}

/// Rows that fit, and whether there are more than were looked at.
fn read(
    rows: impl Iterator<Item = Result<Bytes, StoreError>>,
    most: usize,
    fits: impl Fn(&str) -> bool,
) -> Result<(Vec<Object>, bool), StoreError> {
    let (mut found, mut looked, mut bytes) = (Vec::new(), 0_usize, 0_usize);
    for line in rows {
        let line = line?;
        if looked == most || bytes > limits::TABLE_SCAN_BYTES {
            return Ok((found, true));
        }
        (looked, bytes) = (looked.saturating_add(1), bytes.saturating_add(line.len()));
        let text = String::from_utf8_lossy(&line);
        if fits(&text) {
            // What is no object is shown as it is.
            let row = serde_json::from_slice(&line)
                .unwrap_or_else(|_| Map::from_iter([("row".to_owned(), text.into_owned().into())]));
            found.push(row);
        }
    }
    Ok((found, false))
}

/// Numbers by their size before everything else by its text; what is not there comes first.
fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a.and_then(Value::as_f64), b.and_then(Value::as_f64)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (Some(_), None) if b.is_some_and(|b| !b.is_null()) => Ordering::Less,
        (None, Some(_)) if a.is_some_and(|a| !a.is_null()) => Ordering::Greater,
        _ => cell(a).cmp(&cell(b)),
    }
}

/// A value as people read it: text without quotes, the rest as JSON, and nothing endless.
pub(super) fn cell(value: Option<&Value>) -> String {
    let mut text = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    if let Some((end, _)) = text.char_indices().nth(limits::CELL_CHARACTERS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn table(query: &str, rows: u64) -> Table {
        let lines =
            (0..rows).map(|n| Ok(Bytes::from(json!({"N": n, "T": format!("t{n}")}).to_string())));
        let open = |start| Ok(lines.skip(usize::try_from(start).unwrap()));
        Table::read(&View::parse(query), Some(rows), open).unwrap()
    }

    #[test]
    fn cells_are_texts_or_json_and_never_endless() {
        assert_eq!(cell(Some(&json!("<b>"))), "<b>");
        assert_eq!(cell(Some(&json!({"a": [1]}))), r#"{"a":[1]}"#);
        assert_eq!(cell(None), "");
        let long = "ä".repeat(limits::CELL_CHARACTERS + 1);
        assert_eq!(cell(Some(&json!(long))).chars().count(), limits::CELL_CHARACTERS + 1);
    }

    #[test]
    fn rows_come_in_pages_sorted_and_filtered() {
        let plain = table("name=X&from=1", 120);
        assert_eq!((plain.start, plain.end(), plain.total), (0, 50, Some(120)));
        assert_eq!(plain.on.as_deref(), Some("?from=1&name=X&start=50"));
        assert_eq!(table("start=100", 120).on, None);
        let largest = table("sort=-N", 120);
        assert_eq!(largest.rows[0], ["119", "t119"]);
        assert_eq!(largest.columns[0].order, "descending");
        let found = table("filter=T11&column=T", 120);
        assert_eq!((found.total, found.rows.len()), (Some(11), 11));
        assert_eq!(found.rows[1], ["t110"]);
        assert!(found.is_changed() && !found.is_cut);
        assert!(table("filter=none", limits::TABLE_SCAN_ROWS as u64 + 1).is_cut);
    }

    #[test]
    fn numbers_are_sorted_by_size_before_texts() {
        let mut values = [json!("b"), json!(10), json!("a"), json!(9), json!(null)];
        values.sort_by(|a, b| compare(Some(a), Some(b)));
        assert_eq!(values, [json!(null), json!(9), json!(10), json!("a"), json!("b")]);
    }
}
