//! Definitions that are not quite YAML: a query that follows its key on the same line, without a `|`.
//!
//! VQL is full of characters that mean something in YAML (`: `, `#`, `{`, `'`), so such a query becomes a quoted text.
//! Every line keeps its number, so that errors point to what the author wrote.

use std::fmt::Write;

/// Keys whose value is VQL.
const QUERY_KEYS: [&str; 2] = ["query:", "precondition:"];
/// Beginnings of VQL among the items of `queries`.
const QUERY_STARTS: [&str; 3] = ["SELECT ", "LET ", "//"];

/// Quotes bare queries, and turns CRLF into LF.
pub(super) fn normalise(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let lines: Vec<&str> = text.lines().collect();
    let mut output = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let rest = lines.get(at + 1..).unwrap_or_default();
        let inner = if opens_block(line) || bare_query(line).is_some() {
            continuation(rest, key_indent(line))
        } else {
            0
        };
        let body = rest.get(..inner).unwrap_or_default();
        match bare_query(line) {
            Some((key, query)) => quote(&mut output, key, query, body),
            None => {
                for line in [line].into_iter().chain(body) {
                    output.push_str(line);
                    output.push('\n');
                }
            }
        }
        at += 1 + inner;
    }
    output
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The column of the key, behind the `- ` of list items: deeper lines belong to its value.
fn key_indent(line: &str) -> usize {
    let mut column = indent(line);
    while let Some(item) = line.get(column..).and_then(|rest| rest.strip_prefix("- ")) {
        // A list item without a key ends where the next line is not deeper than its dash.
        if !item.contains(": ") && !item.trim_end().ends_with(':') && !opens_block(item) {
            return column;
        }
        if is_query_start(item.trim_start()) {
            return column;
        }
        column = line.len() - item.trim_start_matches(' ').len();
    }
    column
}

/// How many of the lines belong to a value whose key stands in this column.
fn continuation(lines: &[&str], column: usize) -> usize {
    let belongs = |line: &&&str| line.trim().is_empty() || indent(line) > column;
    let count = lines.iter().take_while(belongs).count();
    let blank = lines.get(..count).unwrap_or_default().iter().rev();
    count - blank.take_while(|line| line.trim().is_empty()).count()
}

/// Whether the value is a literal or folded block: its lines are the author's business.
fn opens_block(line: &str) -> bool {
    let line = line.trim_end();
    let tail = line.trim_end_matches(|c: char| c.is_ascii_digit() || c == '+' || c == '-');
    [": |", ": >", "- |", "- >"].iter().any(|mark| tail.ends_with(mark))
        || tail == "|"
        || tail == ">"
}

fn is_query_start(text: &str) -> bool {
    QUERY_STARTS
        .iter()
        .any(|start| text.get(..start.len()).is_some_and(|s| s.eq_ignore_ascii_case(start)))
}

/// The part before a bare query, and the query.
fn bare_query(line: &str) -> Option<(&str, &str)> {
    let text = line.trim_start();
    let item = text.strip_prefix("- ").map(str::trim_start);
    let query = match item {
        Some(item) if is_query_start(item) => item,
        _ => {
            let text = item.unwrap_or(text);
            QUERY_KEYS
                .iter()
                .find_map(|key| text.strip_prefix(key)?.strip_prefix(' '))?
                .trim_start()
        }
    };
    let is_bare = !query.is_empty() && !query.starts_with(['|', '>', '"', '\'', '&', '*', '!']);
    let key = line.get(..line.len() - query.len())?;
    is_bare.then_some((key, query))
}

/// Writes the query as one quoted text over as many lines as it had.
fn quote(output: &mut String, key: &str, first: &str, rest: &[&str]) {
    output.push_str(key);
    output.push('"');
    escape(output, first);
    for line in rest {
        // The line end is part of the text, and the break is not.
        output.push_str("\\n\\\n  ");
        if line.starts_with(' ') {
            // Leading blanks of a continued line would vanish.
            output.push('\\');
        }
        escape(output, line);
    }
    output.push_str("\"\n");
}

fn escape(output: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => output.push_str("\\\""),
            '\\' => output.push_str("\\\\"),
            '\t' => output.push_str("\\t"),
            c if c.is_control() => {
                // Writing to a String does not fail.
                let _ = write!(output, "\\u{:04x}", u32::from(c));
            }
            c => output.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::normalise;

    fn read(text: &str) -> Value {
        let lenient = normalise(text);
        assert_eq!(lenient.lines().count(), text.lines().count(), "{lenient}");
        serde_saphyr::from_str(&lenient).unwrap_or_else(|e| panic!("{e}\n{lenient}"))
    }

    #[test]
    fn a_bare_query_may_hold_what_means_something_in_yaml() {
        let text = "precondition: SELECT * FROM info() where OS = 'linux' # x: {y}\nname: a\n";
        let read = read(text);
        assert_eq!(read["precondition"], "SELECT * FROM info() where OS = 'linux' # x: {y}");
        assert_eq!(read["name"], "a");
    }

    #[test]
    fn a_bare_query_may_go_on_for_several_lines() {
        let text = "sources:\n  - query: SELECT \"a: b\"\n      FROM scope()\n  - name: B\n    query: |\n      SELECT 1\n";
        let read = read(text);
        assert_eq!(read["sources"][0]["query"], "SELECT \"a: b\"\n      FROM scope()");
        assert_eq!(read["sources"][1]["query"], "SELECT 1\n");
    }

    #[test]
    fn bare_items_of_queries_are_quoted() {
        let text = "queries:\n  - LET X = 'a: b'\n  - SELECT * FROM X\n    WHERE 1 # no comment\n  - |\n    SELECT 2\n";
        let read = read(text);
        assert_eq!(read["queries"][0], "LET X = 'a: b'");
        assert_eq!(read["queries"][1], "SELECT * FROM X\n    WHERE 1 # no comment");
        assert_eq!(read["queries"][2], "SELECT 2\n");
    }

    #[test]
    fn blocks_are_left_alone() {
        let text = "description: |\n  query: SELECT \"x\"\n\n  more\nquery: |\n  SELECT 'a: b'\n";
        let read = read(text);
        assert_eq!(read["description"], "query: SELECT \"x\"\n\nmore\n");
        assert_eq!(read["query"], "SELECT 'a: b'\n");
    }

    #[test]
    fn quoted_queries_are_left_alone() {
        assert_eq!(read("query: \"SELECT 1\"\r\nname: a\r\n")["query"], "SELECT 1");
    }
}
