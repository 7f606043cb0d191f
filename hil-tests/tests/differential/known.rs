//! Differences that stay, each with its reason.

/// Why a query may have other rows here than there; `None` when it may not.
pub fn reason(
    query: &str,
    own: Option<&[String]>,
    real: Option<&[String]>,
) -> Option<&'static str> {
    let has = |part: &str| query.contains(part);
    if query.ends_with("LIMIT 0") && own.is_some_and(<[String]>::is_empty) {
        return Some("LIMIT 0 is no row here, one row there");
    }
    if has("timestamp(") && without_truth(own) == without_truth(real) {
        return Some(
            "a text that is no date is neither before nor after a time here, there from the second time on",
        );
    }
    if has("timestamp(epoch=0)") {
        return Some("epoch 0 is 1970 here, the year 1 there");
    }
    if has("%T") && has("len(") {
        return Some("len() is an int64 here, an int there");
    }
    if has("%q") {
        return Some("%q of a number is no character here");
    }
    if has("<") && real.is_some_and(|rows| rows.concat().contains(r"\\<")) {
        return Some("JSON within a text has its < and > as they are here");
    }
    if own.is_none() && has("* 9223372036854775807") {
        return Some("a text beyond the budget ends the query here");
    }
    if has("%x") && has("timestamp(") {
        return Some("%x of a time is refused here");
    }
    if has("%05d") {
        return Some("texts in place of numbers are padded with blanks here");
    }
    if has("str(str={") || has("array=({") || has("value={") {
        return Some("a query as text or element is its rows here, an address or its tree there");
    }
    if has("9223372036854775807") && (has("/") || has("1.5") || has("0.1") || has("2.0")) {
        return Some("fractions beyond 64 bits are whole numbers of another size there");
    }
    if has("len(list={") {
        return Some("len() of a query is the number of its rows here, 0 there");
    }
    if has("base64decode(string='YQ')") {
        return Some("text in base 64 that lost its padding is read here, NULL there");
    }
    None
}

/// Rows in which no value is true.
fn without_truth(rows: Option<&[String]>) -> Option<String> {
    rows.map(|rows| rows.concat().replace("true", "false"))
}
