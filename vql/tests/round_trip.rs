//! Printing and parsing are inverse, for queries that nobody would write too.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use troodon_vql::Program;
use troodon_vql::syntax::reformat;

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z_][a-zA-Z0-9_]{0,6}", "[a-z $.-]{1,6}", Just("limit".into())]
        .prop_map(|name| format!("`{name}`"))
}

fn leaf() -> impl Strategy<Value = String> {
    prop_oneof![
        name(),
        (name(), name()).prop_map(|(a, b)| format!("{a}.{b}")),
        "-?(0x[0-9a-f]{1,4}|[1-9][0-9]{0,3}|0[0-7]{1,3}|[0-9]\\.[0-9]{1,3}(e-?[0-9])?)",
        "'[a-zé ]{0,8}(\\\\n|\\\\x41|\\\\')?'",
        "\"[a-z']{0,8}\"",
        "'''[a-z\"\\\\]{0,8}'''",
        prop_oneof![Just("TRUE"), Just("false"), Just("Null")].prop_map(String::from),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    leaf().prop_recursive(4, 40, 4, |inner| {
        let operator = prop_oneof![
            Just("AND"),
            Just("or"),
            Just("&&"),
            Just("||"),
            Just("+"),
            Just("-"),
            Just("="),
            Just("!="),
            Just("<="),
            Just("=~"),
            Just("in"),
            Just("<>")
        ];
        let paren = inner.clone().prop_map(|inner| format!("({inner})"));
        prop_oneof![
            (paren.clone(), operator, paren.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            (leaf(), leaf()).prop_map(|(a, b)| format!("{a} * {b} / 2")),
            inner.clone().prop_map(|inner| format!("NOT {inner}")),
            paren.clone().prop_map(|inner| format!("{inner}[1:].x[-1]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}, {b},)")),
            (name(), inner.clone(), inner.clone()).prop_map(|(f, a, b)| format!(
                "{f}(a={a}, b=[{b},], **=x, c={{ SELECT {a} FROM y }})"
            )),
        ]
    })
}

fn query() -> impl Strategy<Value = String> {
    let tail = prop_oneof![
        Just(String::new()),
        Just(" LIMIT 5".to_string()),
        name().prop_map(|name| format!(" ORDER BY {name} DESC LIMIT 1")),
        expression().prop_map(|group| format!(" group  by {group}")),
    ];
    let select = (expression(), name(), expression(), expression(), tail).prop_map(
        |(column, alias, argument, filter, tail)| {
            format!(
                "SELECT *, {column} AS {alias}, {{ select * from a.b() }}, {filter} \
                     FROM {alias}(x={argument}) /* blank */ WHERE {filter}{tail}"
            )
        },
    );
    (select, name(), expression()).prop_map(|(select, name, value)| {
        format!("LET {name}(a, b={value}) <= {value} // to the end\nLET {name} = EXPLAIN {select} {select}")
    })
}

/// Whatever may stand between two tokens in place of a blank.
fn gap() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        4 => Just(" "),
        1 => Just("  \n"),
        1 => Just("\n\n\n"),
        1 => Just(" /* a */ "),
        1 => Just("/* b\n c*/"),
        1 => Just(" -- d \n"),
        1 => Just("\n// e\n"),
    ]
}

/// A query with gaps in place of blanks. Blanks within texts stay: the query has none that begin with a letter.
fn commented() -> impl Strategy<Value = String> {
    (query(), proptest::collection::vec(gap(), 1..20)).prop_map(|(query, gaps)| {
        let mut gaps = gaps.iter().cycle();
        let mut text = String::new();
        let mut quote = None;
        let mut last = ' ';
        for letter in query.chars() {
            match quote {
                Some(open) if letter == open && last != '\\' => quote = None,
                None if matches!(letter, '\'' | '"' | '`') => quote = Some(letter),
                _ => {}
            }
            if letter == ' ' && quote.is_none() {
                text.push_str(gaps.next().unwrap_or(&" "));
            } else {
                text.push(letter);
            }
            last = letter;
        }
        text
    })
}

/// The comments of a text without strings that look like some.
fn comments(text: &str) -> usize {
    ["/* a */", "/* b\n c*/", "-- d", "// e"].iter().map(|one| text.matches(one).count()).sum()
}

fn printed(text: &str) -> (Program, String) {
    let program = Program::parse(text).expect("a valid query");
    let statements: Vec<_> = program.statements().iter().map(ToString::to_string).collect();
    (program, statements.join("\n"))
}

proptest! {
    #[test]
    fn what_is_printed_is_parsed_as_the_same(text in query()) {
        let (program, text) = printed(&text);
        let (again, text_again) = printed(&text);
        prop_assert_eq!(program.statements(), again.statements());
        prop_assert_eq!(text, text_again);
    }

    #[test]
    fn what_is_laid_out_is_parsed_as_the_same(text in commented()) {
        let Ok(program) = Program::parse(&text) else { return Ok(()) };
        let lines = reformat(&text).expect("a layout");
        let again = Program::parse(&lines).expect(&lines);
        prop_assert_eq!(program.statements(), again.statements());
        prop_assert_eq!(comments(&text), comments(&lines), "{}\n{}", text, lines);
        prop_assert_eq!(&reformat(&lines).expect("a layout"), &lines);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[ -~é\n]{0,60}") {
        if let Err(error) = Program::parse(&text) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn no_row_of_tokens_makes_the_parser_panic(
        words in proptest::collection::vec(
            prop_oneof!["SELECT|FROM|WHERE|LET|LIMIT|AS|NOT|IN|[(){}\\[\\],.=*-]|'|`|x|1", "[ \n]"], 0..40)
    ) {
        let _ = Program::parse(&words.concat());
        let _ = Program::parse(&words.join(" "));
    }
}
