//! Charts and timelines of what a cell yielded: drawn here as SVG, so that they need no script.
//!
//! The first line of a query says what is wanted: `-- chart: bars x=Name y=Count`, `-- chart: line x=Time y=Bytes` or
//! `-- chart: timeline time=Mtime label=OSPath`. A time is a timestamp or seconds since 1970. What the rows hold goes into
//! the drawing as escaped text and as numbers only.

use bytes::Bytes;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::export::escaped;
use crate::limits::{DRAWN_BARS, DRAWN_LABEL_CHARS, DRAWN_LANES, DRAWN_ROWS};
use crate::store::StoreError;

/// What marks the line.
const MARK: &str = "-- chart:";
/// Units of the drawing's width, of the labels at its left, and of the height of one bar or lane.
const WIDTH: f64 = 800.0;
const LEFT: f64 = 200.0;
const STEP: usize = 22;
/// Units of the height of a line chart.
const HEIGHT: f64 = 240.0;

/// What a cell wants drawn.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    /// A bar for each row.
    Bars { x: String, y: String },
    /// A line through the rows in their order.
    Line { x: String, y: String },
    /// A mark for each row at its time; a lane for each label.
    Timeline { time: String, label: Option<String> },
}

/// The drawing that a query asks for, as SVG; `None` when it asks for none.
///
/// # Errors
/// The rows cannot be read. What is wrong with the wish is said in place of the drawing.
pub fn drawing(
    input: &str,
    rows: impl Iterator<Item = Result<Bytes, StoreError>>,
) -> Result<Option<String>, StoreError> {
    let wish = match Wish::of(input) {
        None => return Ok(None),
        Some(Err(problem)) => return Ok(Some(problem_text(&problem))),
        Some(Ok(wish)) => wish,
    };
    let mut kept = Vec::new();
    for row in rows.take(DRAWN_ROWS) {
        kept.push(serde_json::from_slice::<Map<String, Value>>(&row?)?);
    }
    let drawn = match &wish {
        Wish::Bars { x, y } => bars(&kept, x, y),
        Wish::Line { x, y } => line(&kept, x, y),
        Wish::Timeline { time, label } => timeline(&kept, time, label.as_deref()),
    };
    Ok(Some(drawn.unwrap_or_else(|problem| problem_text(&problem))))
}

fn problem_text(problem: &str) -> String {
    format!("<p class=\"problem\">{}</p>", escaped(problem))
}

impl Wish {
    fn of(input: &str) -> Option<Result<Self, String>> {
        let line = input.trim_start().lines().next()?.strip_prefix(MARK)?;
        let mut words = line.split_whitespace();
        let kind = words.next().unwrap_or_default();
        let pairs: Option<Vec<(&str, &str)>> = words.map(|word| word.split_once('=')).collect();
        let Some(pairs) = pairs else {
            return Some(Err("a chart's columns are written as x=Name y=Count".to_owned()));
        };
        let find = |name: &str| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, column)| (*column).to_owned())
        };
        let both = |make: fn(String, String) -> Self| match (find("x"), find("y")) {
            (Some(x), Some(y)) => Ok(make(x, y)),
            _ => Err(format!("{kind} takes x= and y=")),
        };
        Some(match kind {
            "bars" => both(|x, y| Self::Bars { x, y }),
            "line" => both(|x, y| Self::Line { x, y }),
            "timeline" => match find("time") {
                Some(time) => Ok(Self::Timeline { time, label: find("label") }),
                None => Err("timeline takes time=, and label= when there are several".to_owned()),
            },
            other => Err(format!("there are bars, line and timeline, and no `{other}`")),
        })
    }
}

/// Rows with their places in the drawing.
type Rows = [Map<String, Value>];

fn bars(rows: &Rows, x: &str, y: &str) -> Result<String, String> {
    let mut values = Vec::new();
    for row in rows.iter().take(DRAWN_BARS) {
        values.push((label(row.get(x)), number(row, y)?.max(0.0)));
    }
    let most = values.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let mut body = String::new();
    for (at, (name, value)) in values.iter().enumerate() {
        let (top, width) = (at * STEP, scaled(*value, (0.0, most), (0.0, WIDTH - LEFT - 90.0)));
        let (base, end) = (top + 15, LEFT + width + 6.0);
        body.push_str(&format!(
            "<text x=\"{:.0}\" y=\"{base}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT:.0}\" y=\"{}\" width=\"{width:.1}\" height=\"{}\"/>\
             <text x=\"{end:.1}\" y=\"{base}\">{value}</text>\n",
            LEFT - 6.0,
            escaped(name),
            top + 3,
            STEP - 6,
        ));
    }
    Ok(svg(&format!("{y} by {x}"), values.len() * STEP, &body, rows.len() > DRAWN_BARS))
}

fn line(rows: &Rows, x: &str, y: &str) -> Result<String, String> {
    let mut points = Vec::new();
    for row in rows {
        points.push((number(row, x)?, number(row, y)?));
    }
    let across = range(points.iter().map(|(x, _)| *x));
    let up = range(points.iter().map(|(_, y)| *y));
    let mut path = String::new();
    for (px, py) in &points {
        let letter = if path.is_empty() { 'M' } else { 'L' };
        let (px, py) =
            (scaled(*px, across, (80.0, WIDTH - 10.0)), scaled(*py, up, (HEIGHT - 30.0, 10.0)));
        path.push_str(&format!("{letter}{px:.1} {py:.1}"));
    }
    let ends =
        [0, rows.len().saturating_sub(1)].map(|at| rows.get(at).map(|row| label(row.get(x))));
    let [first, last] = ends.map(|end| escaped(&end.unwrap_or_default()));
    let body = format!(
        "<path class=\"axis\" d=\"M80 10V{0}H{WIDTH}\"/><path class=\"line\" d=\"{path}\"/>\
         <text x=\"74\" y=\"20\" text-anchor=\"end\">{1}</text><text x=\"74\" y=\"{0}\" text-anchor=\"end\">{2}</text>\
         <text x=\"80\" y=\"{3}\">{first}</text><text x=\"{WIDTH}\" y=\"{3}\" text-anchor=\"end\">{last}</text>\n",
        HEIGHT - 30.0,
        up.1,
        up.0,
        HEIGHT - 10.0,
    );
    Ok(svg(&format!("{y} over {x}"), 240, &body, rows.len() >= DRAWN_ROWS))
}

fn timeline(rows: &Rows, time: &str, by: Option<&str>) -> Result<String, String> {
    let mut lanes: Vec<String> = Vec::new();
    let mut marks = Vec::new();
    for row in rows {
        let name = by.map(|by| label(row.get(by))).unwrap_or_default();
        let lane = lanes.iter().position(|known| *known == name).unwrap_or_else(|| {
            if lanes.len() < DRAWN_LANES {
                lanes.push(name.clone());
            }
            lanes.len().saturating_sub(1)
        });
        marks.push((number(row, time)?, lane, format!("{} {name}", label(row.get(time)))));
    }
    let across = range(marks.iter().map(|(at, ..)| *at));
    let mut body = String::new();
    for (at, name) in lanes.iter().enumerate() {
        let y = at * STEP + 11;
        body.push_str(&format!(
            "<text x=\"{:.0}\" y=\"{}\" text-anchor=\"end\">{}</text><path class=\"axis\" d=\"M{LEFT} {y}H{WIDTH}\"/>\n",
            LEFT - 6.0,
            y + 4,
            escaped(name)
        ));
    }
    for (at, lane, about) in &marks {
        let x = scaled(*at, across, (LEFT + 6.0, WIDTH - 6.0));
        body.push_str(&format!(
            "<circle cx=\"{x:.1}\" cy=\"{}\" r=\"5\"><title>{}</title></circle>\n",
            lane * STEP + 11,
            escaped(about)
        ));
    }
    let (height, [from, until]) = (lanes.len() * STEP + 20, [across.0, across.1].map(moment));
    body.push_str(&format!(
        "<text x=\"{LEFT:.0}\" y=\"{0}\">{from}</text><text x=\"{WIDTH:.0}\" y=\"{0}\" text-anchor=\"end\">{until}</text>\n",
        height - 4
    ));
    Ok(svg(&format!("{time} of the rows"), height, &body, rows.len() >= DRAWN_ROWS))
}

/// The drawing around its parts. With `is_cut` it says that there is more.
fn svg(title: &str, height: usize, body: &str, is_cut: bool) -> String {
    let title = escaped(title);
    let more = if is_cut { " (the first rows)" } else { "" };
    format!(
        "<figure class=\"drawing\"><figcaption>{title}{more}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"{title}\">\n{body}</svg></figure>\n"
    )
}

/// A number, or a time in seconds since 1970.
fn number(row: &Map<String, Value>, column: &str) -> Result<f64, String> {
    let found = row.get(column).ok_or_else(|| format!("a row has no column {column}"))?;
    let value = match found {
        Value::String(text) => text.parse().ok().or_else(|| {
            let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
            Some(time.unix_timestamp() as f64 + f64::from(time.millisecond()) / 1000.0)
        }),
        other => other.as_f64(),
    };
    value.filter(|number| number.is_finite()).ok_or_else(|| {
        let shown: String = label(Some(found));
        format!("{column} is no number and no time: {shown}")
    })
}

/// A value as people read it, cut off.
fn label(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    match text.char_indices().nth(DRAWN_LABEL_CHARS) {
        None => text,
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// The smallest and the largest.
fn range(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let least = values.clone().fold(f64::INFINITY, f64::min);
    let most = values.fold(f64::NEG_INFINITY, f64::max);
    if least > most { (0.0, 0.0) } else { (least, most) }
}

/// A value of one range in another one; in its middle when the first has no length.
fn scaled(value: f64, from: (f64, f64), to: (f64, f64)) -> f64 {
    let length = from.1 - from.0;
    let part = if length > 0.0 { (value - from.0) / length } else { 0.5 };
    to.0 + part * (to.1 - to.0)
}

/// Seconds since 1970 for people.
fn moment(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, and what is no time is not shown"
    )]
    let time = OffsetDateTime::from_unix_timestamp(seconds as i64);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(input: &str, rows: &[&'static str]) -> Option<String> {
        let rows = rows.iter().map(|row| Ok(Bytes::from_static(row.as_bytes())));
        drawing(input, rows).unwrap()
    }

    #[test]
    fn bars_are_as_long_as_their_numbers() {
        let svg = drawn(
            "-- chart: bars x=Name y=Count\nSELECT * FROM x()",
            &[r#"{"Name":"sshd","Count":40}"#, r#"{"Name":"cron","Count":"10"}"#],
        );
        let svg = svg.unwrap();
        assert!(svg.contains("width=\"510.0\"") && svg.contains("width=\"127.5\""), "{svg}");
        assert!(svg.contains(">sshd</text>") && svg.contains("Count by Name"), "{svg}");
    }

    #[test]
    fn a_line_goes_through_its_points_and_times_are_numbers() {
        let svg = drawn(
            "-- chart: line x=T y=N",
            &[
                r#"{"T":"2026-01-01T00:00:00Z","N":0}"#,
                r#"{"T":"2026-01-01T00:00:05Z","N":5}"#,
                r#"{"T":"2026-01-01T00:00:10Z","N":10}"#,
            ],
        );
        let svg = svg.unwrap();
        assert!(svg.contains("d=\"M80.0 210.0L435.0 110.0L790.0 10.0\""), "{svg}");
    }

    #[test]
    fn a_timeline_has_a_lane_for_each_label_and_a_mark_for_each_row() {
        let rows = [r#"{"T":1000,"L":"a"}"#, r#"{"T":2000,"L":"b"}"#, r#"{"T":3000,"L":"a"}"#];
        let svg = drawn("  -- chart: timeline time=T label=L\nSELECT 1", &rows).unwrap();
        assert_eq!((svg.matches("<circle").count(), svg.matches("class=\"axis\"").count()), (3, 2));
        assert!(
            svg.contains("1970-01-01T00:16:40Z") && svg.contains("cx=\"500.0\" cy=\"33\""),
            "{svg}"
        );
    }

    #[test]
    fn what_rows_hold_is_text_in_the_drawing() {
        let rows = [r#"{"<script>":"\"><script>alert(1)</script>","N":1}"#];
        for wish in ["bars x=<script> y=N", "timeline time=N label=<script>", "line x=N y=<script>"]
        {
            let svg = drawn(&format!("-- chart: {wish}"), &rows).unwrap();
            assert!(!svg.contains("<script") && !svg.contains("=\"\">"), "{svg}");
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_said_and_nothing_is_drawn_unasked() {
        assert_eq!(drawn("SELECT 1 -- chart: bars x=A y=B", &[]), None);
        for (wish, why) in [
            ("pie x=A y=B", "no `pie`"),
            ("bars x=A", "bars takes x= and y="),
            ("bars A B", "written as x=Name"),
            ("timeline", "timeline takes time="),
            ("bars x=A y=C", "a row has no column C"),
            ("bars x=B y=A", "A is no number and no time: word"),
        ] {
            let said = drawn(&format!("-- chart: {wish}"), &[r#"{"A":"word","B":1}"#]).unwrap();
            assert!(said.contains(why) && said.starts_with("<p"), "{wish}: {said}");
        }
        let empty = drawn("-- chart: line x=A y=B", &[]).unwrap();
        assert!(empty.contains("<svg"), "{empty}");
    }
}
