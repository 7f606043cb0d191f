//! Differences that stay, each with its reason. Where it can be said what makes one answer of the other, that is what is
//! checked, so that a second difference in the same query is not hidden.

type Rows<'a> = Option<&'a [String]>;

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
    if has("timestamp(")
        && ["<", ">"].iter().any(|sign| has(sign))
        && with(&own, &[("true", "false")]) == with(&real, &[("true", "false")])
    {
        return Some(
            "a text that is no date is neither before nor after a time here, there from the second time on",
        );
    }
    let epoch = [("1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z"), (":0}", ":-62135596800}")];
    if has("timestamp(epoch=0)") && with(&own, &epoch) == with(&real, &epoch) {
        return Some("epoch 0 is 1970 here, the year 1 there");
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
    if has("%") && own == real.replace("<&{}", "<{}") {
        return Some("NULL in place of a number is {} here, there also &{}");
    }
    let html = [(r"\\<", "<"), (r"\\>", ">"), (r"\\&", "&")];
    if has("<") && own == with(&real, &html) {
        return Some("JSON within a text has its < and > as they are here");
    }
    if (has("dirname(") || has("pathspec(")) && own.replace("\"/\"", "\"\"") == real {
        return Some("the root is / here, an empty text there");
    }
    None
}

/// Differences of which the answers show the cause.
fn of_another_kind(query: &str, own: Rows<'_>, real: Rows<'_>) -> Option<&'static str> {
    let has = |part: &str| query.contains(part);
    let here = |part: &str| own.is_some_and(|rows| rows.concat().contains(part));
    let there = |part: &str| real.is_some_and(|rows| rows.concat().contains(part));
    if query.ends_with("LIMIT 0") && own == Some(&[]) && real.is_some_and(|rows| rows.len() == 1) {
        return Some("LIMIT 0 is no row here, one row there");
    }
    if real.is_none() && has("-3") && has("* ") {
        return Some(
            "a text repeated less than no times is NULL here, the end of the program there",
        );
    }
    if ["condition=", "WHERE "].iter().any(|word| has(&format!("{word}timestamp(epoch=0)"))) {
        return Some("1970 is true here, the year 1 false there");
    }
    if has("%q") && here("%!q(int64=") {
        return Some("%q of a number is no character here");
    }
    if own.is_none() && has("9223372036854775807") && has("* ") {
        return Some("a text beyond the budget ends the query here");
    }
    if here("(*ordereddict.Dict=") && there("&{{{") {
        return Some("a dict in place of a number is JSON here, its insides in memory there");
    }
    if ["str(str={ SELECT", "array=({ SELECT", "value={ SELECT"].iter().any(|part| has(part)) {
        return Some("a query as text or element is its rows here, an address or its tree there");
    }
    let is_large = |rows: &dyn Fn(&str) -> bool| rows("e+") || rows("922337203685477");
    if has("9223372036854775807")
        && ["/", "1.5", "0.1", "2.0"].iter().any(|part| has(part))
        && (is_large(&here) || is_large(&there) || here("true") || there("true"))
    {
        return Some("fractions beyond 64 bits are whole numbers of another size there");
    }
    if has("len(list={ SELECT") {
        return Some("len() of a query is the number of its rows here, 0 there");
    }
    if has("base64decode(string='YQ')") && there(":null") {
        return Some("text in base 64 that lost its padding is read here, NULL there");
    }
    None
}
