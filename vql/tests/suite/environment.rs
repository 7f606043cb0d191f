//! The functions, plugins and variables that the conformance suite expects (server
//! specification section 10.5).

use std::sync::Arc;

use troodon_vql::{
    Arg, Args, Columns, Context, Fault, Function, Kind, LogSink, Now, Plugin, Program, Query,
    Ready, Registry, Row, RowBuilder, Rows, Scope, Session, Setup, Value,
};

/// A session with everything in it.
pub fn session() -> Session {
    let mut registry = Registry::core();
    registry.add_functions(&[&COUNTER, &FUNC_FOO, &PANIC, &ROOT_ENV, &SET_ENV]);
    registry.add_plugins(&[&DICT, &GROUPBYTEST, &RANGE, &TEST]);
    let mut setup = Setup::agent(Arc::new(registry));
    setup.log = Box::new(Print);
    let mut session = Session::new(setup);
    session.set("const_foo", 1_i64);
    session.set("three_int64", 3_i64);
    session.set("env_var", "EnvironmentData");
    session.set("ArrayValue", vec![Value::Int(1), Value::Int(2), Value::Int(3)]);
    let last = row(&[("Foo", "Bar".into())]);
    let list = vec![Value::Int(1), Value::Int(2), Value::Int(3), last.into()];
    session.set("my_list_obj", row(&[("my_list", list.into())]));
    let bar = row(&[("baz", Value::Int(5))]);
    session.set("foo", row(&[("bar", bar.into()), ("bar2", Value::Int(7))]));
    // A Go struct answers to its field's name and to that of its JSON tag.
    let address = || Value::from("127.0.0.1");
    session.set("StructValue", row(&[("SrcIP", address()), ("src_ip", address())]));
    let program = Program::parse("LET RootEnv = root_env()").expect("a statement");
    Query::new(program).step(&mut session, Now::default(), 1).expect("a binding");
    session
}

struct Print;

impl LogSink for Print {
    fn log(&mut self, level: troodon_vql::Level, message: &str) {
        println!("{}: {message}", level.name());
    }
}

fn row(members: &[(&str, Value)]) -> Row {
    let mut row = RowBuilder::new();
    for (name, value) in members {
        row.set(*name, value.clone());
    }
    row.build()
}

#[derive(Default)]
struct Count(i64);

static COUNTER: Function = Function::new("counter", "Counts its calls.", &[], |cx, _, _| {
    let mut count: Box<Count> = cx.take_state();
    count.0 += 1;
    let value = Value::Int(count.0);
    cx.keep_state(count);
    Ok(value)
});

static FUNC_FOO: Function = Function::new(
    "func_foo",
    "Answers its argument.",
    &[Arg::optional("return", Kind::Any, "The value; 1 if not given.")],
    |_, _, args| Ok(args.value("return").cloned().unwrap_or(Value::Int(1))),
);

static PANIC: Function = Function::new(
    "panic",
    "Fails the test if both arguments are equal.",
    &[Arg::required("column", Kind::Any, ""), Arg::required("value", Kind::Any, "")],
    |_, _, args| {
        let text = |name| args.value(name).map(troodon_vql::json::to_string);
        assert_ne!(text("column"), text("value"), "this must not be evaluated");
        Ok(Value::Bool(true))
    },
);

static SET_ENV: Function = Function::new(
    "set_env",
    "Sets a member of RootEnv.",
    &[Arg::required("column", Kind::String, ""), Arg::required("value", Kind::Resolved, "")],
    |cx, _, args| {
        let mut env: Box<RowBuilder> = cx.take_state();
        let name = args.text("column").cloned().unwrap_or_default();
        env.set(name, args.value("value").cloned().unwrap_or_default());
        cx.keep_state(env);
        Ok(Value::Bool(true))
    },
);

static ROOT_ENV: Function = Function::new("root_env", "RootEnv itself.", &[], |cx, _, _| {
    let env: Box<RowBuilder> = cx.take_state();
    let row = env.build();
    let mut env = RowBuilder::new();
    for (name, value) in row.iter() {
        env.set(name.clone(), value.clone());
    }
    cx.keep_state(Box::new(env));
    Ok(row.into())
});

static DICT: Plugin = Plugin::new("dict", "One row of the arguments.", &[], dict).keeps_others();

fn dict(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let mut row = RowBuilder::new();
    for (name, value) in args.others() {
        row.set(name.clone(), value.value(cx)?);
    }
    Ok(Ready::boxed(vec![row.build()]))
}

static TEST: Plugin = Plugin::new("test", "Three rows.", &[], |_, _, _| {
    let columns = Columns::fixed(&["foo", "bar"]);
    let row = |n| Row::new(&columns, vec![Value::Int(2 * n), Value::Int(n)]);
    Ok(Ready::boxed((0..3).map(row).collect()))
});

static GROUPBYTEST: Plugin = Plugin::new("groupbytest", "Four rows.", &[], |_, _, _| {
    let columns = Columns::fixed(&["foo", "bar", "baz"]);
    let rows = [(1, 5, "a"), (2, 5, "b"), (3, 2, "c"), (4, 2, "d")];
    let row = |(first, second, third)| {
        Row::new(&columns, vec![Value::Int(first), Value::Int(second), Value::from(third)])
    };
    Ok(Ready::boxed(rows.into_iter().map(row).collect()))
});

static RANGE: Plugin = Plugin::new(
    "range",
    "Numbers, the last one included.",
    &[
        Arg::required("start", Kind::Int, ""),
        Arg::required("end", Kind::Int, ""),
        Arg::optional("step", Kind::Int, ""),
    ],
    |_, _, args| {
        let columns = Columns::fixed(&["value"]);
        let (start, end) = (args.int("start").unwrap_or(0), args.int("end").unwrap_or(0));
        let row = |n| Row::new(&columns, vec![Value::Int(n)]);
        Ok(Ready::boxed((start..=end).map(row).collect()))
    },
);
