//! Paths as values: their members, sums and parts, and which texts are none.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use troodon_vql::{Expression, Now, Registry, Session, Setup, json, standard};

#[track_caller]
fn check(table: &[(&str, &str)]) {
    let mut registry = Registry::core();
    standard::add(&mut registry);
    let mut session = Session::new(Setup::agent(Arc::new(registry)));
    for (text, expected) in table {
        let expression = Expression::parse(text).unwrap();
        let value = session.evaluate(Now::default(), &expression).unwrap();
        assert_eq!(json::to_string(&value), *expected, "{text}");
    }
}

#[test]
fn a_path_grows_by_components_and_is_cut_into_them() {
    check(&[
        ("pathspec(Path='/a/b') + 'c'", r#""/a/b/c""#),
        ("pathspec(Path='/a/b') + '/c//d/'", r#""/a/b/c/d""#),
        ("pathspec(Path='/a/b') + '../c'", r#""/a/b/c""#),
        ("pathspec(Path='/a') + ('b', 'c')", r#""/a/b/c""#),
        ("pathspec(Path='/a') + pathspec(Path='/b')", r#""/a/b""#),
        ("pathspec(Path='/a') + 1", "null"),
        ("pathspec(Path='/a') + NULL", "null"),
        ("'x' + pathspec(Path='/a')", r#""x/a""#),
        ("pathspec(Path='/a/b')[0]", r#""a""#),
        ("pathspec(Path='/a/b')[-1]", r#""b""#),
        ("pathspec(Path='/a/b')[7]", "null"),
        ("pathspec(Path='/a/b')[-7]", "null"),
        ("pathspec(Path='/a/b/c')[1:]", r#""/b/c""#),
        ("pathspec(Path='/a/b/c')[:-1]", r#""/a/b""#),
        ("dirname(path='/a/b') + 'c'", r#""/a/c""#),
        ("path_join(components=('/a', 'b')) + 'c'", r#""/a/b/c""#),
        ("(dirname(path='/a/b'), 1)[0] + 'c'", r#""/a/c""#),
        ("str(str=pathspec(Path='/a')) + 'b'", r#""/ab""#),
        ("basename(path='/a/b') + 'c'", r#""bc""#),
    ]);
}

#[test]
fn a_path_has_members_and_other_texts_have_none() {
    check(&[
        ("pathspec(Path='a//b/./c/').Path", r#""/a/b/c""#),
        ("pathspec(Path='/a/b').Basename", r#""b""#),
        ("pathspec(Path='/a/b').Dirname.Dirname", r#""/""#),
        ("pathspec(Path='/a/b').Components", r#"["a","b"]"#),
        ("pathspec(Path='/').Components", "null"),
        ("pathspec(Path='/a/b').PathSpec", r#"{"Path":"/a/b"}"#),
        ("pathspec(Path='/a/b').DelegatePath", r#""""#),
        ("pathspec(Path='/a/b').Nothing", "null"),
        ("'/a/b'.Basename", "null"),
        ("upcase(string=pathspec(Path='/a/b')).Basename", "null"),
        (
            "format(format='%T %T', args=(pathspec(Path='/a'), '/a'))",
            r#""*accessors.OSPath string""#,
        ),
    ]);
}

#[test]
fn a_path_with_backslashes_keeps_them() {
    check(&[
        (r"pathspec(Path='C:\\a/b', path_type='windows').Components", r#"["C:","a","b"]"#),
        (r"pathspec(Path='C:\\a\\b', path_type='windows').Dirname", r#""C:\\a""#),
        (r"pathspec(Path='C:\\a', path_type='windows') + 'b/c'", r#""C:\\a\\b\\c""#),
    ]);
}

#[test]
fn a_path_inside_of_another_file_keeps_that_file() {
    let inner = "pathspec(Path='/a/b', DelegateAccessor='file', DelegatePath='/z.zip')";
    let twice = format!("pathspec(Path='x', DelegateAccessor='zip', Delegate={inner})");
    let table = [
        (format!("{inner}.Path"), r#""/a/b""#),
        (format!("{inner}.Basename"), r#""b""#),
        (format!("{inner}.DelegatePath"), r#""/z.zip""#),
        (format!("{inner}.DelegateAccessor"), r#""file""#),
        (format!("{inner}.HumanString"), r#""/z.zip -> /a/b""#),
        (
            format!("parse_json(data={inner}.Dirname + 'c')"),
            r#"{"DelegateAccessor":"file","DelegatePath":"/z.zip","Path":"/a/c"}"#,
        ),
        (format!("{inner}[0]"), r#""a""#),
        (format!("basename(path={inner})"), r#""b""#),
        (format!("pathspec(parse=serialize(item={inner}.PathSpec)).Path"), r#""/a/b""#),
        (format!("{twice}.HumanString"), r#""/z.zip -> /a/b -> /x""#),
        (
            format!("parse_json(data={twice}).Delegate"),
            r#"{"DelegateAccessor":"file","DelegatePath":"/z.zip","Path":"/a/b"}"#,
        ),
        (
            format!("parse_json(data={twice}.DelegatePath)"),
            r#"{"DelegateAccessor":"file","DelegatePath":"/z.zip","Path":"/a/b"}"#,
        ),
        ("pathspec(DelegatePath='/z').HumanString".to_owned(), r#""/z -> ""#),
        ("pathspec(parse='{broken') + 'a'".to_owned(), r#""{\"Path\":\"/a\"}""#),
    ];
    let table: Vec<(&str, &str)> =
        table.iter().map(|(text, value)| (text.as_str(), *value)).collect();
    check(&table);
}
