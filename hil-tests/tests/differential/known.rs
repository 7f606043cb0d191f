//! Differences that stay, each with its reason. Where it can be said what makes one answer of the other, that is what is
//! checked, so that a second difference in the same query is not hidden.

/// What has another meaning here than there, something like it that has the same, and why: such a difference is explained if
/// it is gone when the one stands for the other.
pub const CAUSES: [(&str, &str, &str); 1] =
    [("timestamp(epoch=0)", "timestamp(epoch=5)", "epoch 0 is 1970 here, the year 1 there")];

type Rows<'a> = Option<&'a [String]>;

const MOST: &str = "9223372036854775807";
const NO_DATE: &str =
    "a text that is no date is neither before nor after a time here, there from the second time on";

/// Why a query may have other rows here than there; `None` when it may not.
pub fn reason(query: &str, own: Rows<'_>, real: Rows<'_>) -> Option<&'static str> {
    rewritten(query, own, real).or_else(|| of_another_kind(query, own, real))
}

/// Differences that vanish when one answer is written as the other one is.
fn rewritten(query: &str, own: Rows<'_>, real: Rows<'_>) -> Option<&'static str> {
    let has = |part: &str| query.contains(part);
    let (own, real) = (own?.concat(), real?.concat());
    let with = |text: &str, changes: &[(&str, &str)]| {
        changes.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    };
    let differ_in_bools = without_bools(&own) == without_bools(&real);
    if compares_time_with_text(query) && differ_in_bools {
        return Some(NO_DATE);
    }
    if is_compared_with_time(query, |word| word == MOST) && differ_in_bools {
        return Some(
            "a time is before the greatest number of seconds here, which wraps around there",
        );
    }
    if has("timestamp(cocoatime=") && with(&own, &[(".5Z", "Z"), (".25Z", "Z")]) == real {
        return Some("the fraction of a second of Apple's times is kept here, cut off there");
    }
    let kinds = [("int64", "int"), ("[]types.Any", "[]string")];
    if has("%T") && with(&own, &kinds) == with(&real, &kinds) {
        return Some(
            "whole numbers are int64 here, some int there; lists of texts have a kind there",
        );
    }
    if has("[") && with(&own, &[("(int64=", "(uint8=")]) == real {
        return Some("a byte of a text is int64 here, uint8 there");
    }
    if has("%") && own == real.replace("<&{}", "<{}") {
        return Some("NULL in place of a number is {} here, there also &{}");
    }
    let html = [(r"\\u003c", "<"), (r"\\u003e", ">"), (r"\\u0026", "&")];
    if has("<") && own == with(&real, &html) {
        return Some("JSON within a text has its < and > as they are here");
    }
    if (has("dirname(") || has("pathspec(")) && own.replace("\"/\"", "\"\"") == real {
        return Some("the root is / here, an empty text there");
    }
    if has("'%v %T', args=(pathspec(Path='/')") && own.replace("\"/ *", "\" *") == real {
        return Some("the root is / here, an empty text there");
    }
    None
}

fn compares_time_with_text(query: &str) -> bool {
    is_compared_with_time(query, |word| {
        word.starts_with(['\'', '"']) || word.ends_with(['\'', '"'])
    })
}

/// Whether such a word, which may be the nearest part of a text, stands across a sign from a time.
fn is_compared_with_time(query: &str, is_such: fn(&str) -> bool) -> bool {
    let signs = [" < ", " <= ", " > ", " >= "];
    query.match_indices("timestamp(").any(|(at, _)| {
        let (before, call) = query.split_at(at);
        let after = call.split_once(')').map_or("", |(_, after)| after);
        signs.iter().any(|sign| {
            let left = before.strip_suffix(sign).and_then(|left| left.rsplit([' ', '(']).next());
            let right = after.strip_prefix(sign).and_then(|right| right.split([' ', ')']).next());
            left.is_some_and(is_such) || right.is_some_and(is_such)
        })
    })
}

/// Differences of which the answers show the cause.
fn of_another_kind(query: &str, own: Rows<'_>, real: Rows<'_>) -> Option<&'static str> {
    let has = |part: &str| query.contains(part);
    let here = |part: &str| own.is_some_and(|rows| rows.concat().contains(part));
    let there = |part: &str| real.is_some_and(|rows| rows.concat().contains(part));
    // What comes through only one of the filters is the whole difference.
    if query.split_once(" WHERE ").is_some_and(|(_, filter)| compares_time_with_text(filter))
        && (is_within(own, real) || is_within(real, own))
    {
        return Some(NO_DATE);
    }
    if query.ends_with("LIMIT 0") && own == Some(&[]) && real.is_some_and(|rows| rows.len() == 1) {
        return Some("LIMIT 0 is no row here, one row there");
    }
    // The greatest number is as a fraction beyond 64 bits, and then the least.
    if real.is_none() && (has("-3") || has(MOST)) && has("* ") {
        return Some(
            "a text repeated less than no times is NULL here, the end of the program there",
        );
    }
    if has("%q") && here("%!q(int64=") {
        return Some("%q of a number is no character here");
    }
    if has("%x") && here("%!x(float64=") && there("0x1.") {
        return Some("%x of a fraction is not understood here, binary digits there");
    }
    if own.is_none() && has(MOST) && has("* ") {
        return Some("a text beyond the budget ends the query here");
    }
    if here("(*ordereddict.Dict=") && there("&{{{") {
        return Some("a dict in place of a number is JSON here, its insides in memory there");
    }
    if ["str(str={ SELECT", "array=({ SELECT", "value={ SELECT"].iter().any(|part| has(part)) {
        return Some("a query as text or element is its rows here, an address or its tree there");
    }
    if has("len(list={ SELECT") {
        return Some("len() of a query is the number of its rows here, 0 there");
    }
    if has("base64decode(string='YQ')") && there(":null") {
        return Some("text in base 64 that lost its padding is read here, NULL there");
    }
    None
}

/// Whether the rows of one answer are among those of the other, in the same order.
fn is_within(few: Rows<'_>, many: Rows<'_>) -> bool {
    let (Some(few), Some(many)) = (few, many) else { return false };
    let mut many = many.iter();
    few.iter().all(|row| many.any(|one| one == row))
}

/// Rows in which both truths are written the same.
fn without_bools(rows: &str) -> String {
    rows.replace("true", "false")
}
