//! Sessions and running queries: the interface of hosts.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt;

use crate::budget::{Held, Level, Limit, Stop};
use crate::context::{Context, Setup};
use crate::engine::{Binding, Globals, Scope, eval, guard, open_select, resolve};
use crate::registry::Found;
use crate::rows::{Rows, Step};
use crate::syntax::ast::{Body, Let, Statement};
use crate::syntax::{ParseError, parse_program};
use crate::value::{Instant, Now, Row, Text, Value};

/// Parsed statements; clones share them.
#[derive(Clone, Debug)]
pub struct Program(Arc<[Statement]>);

impl Program {
    /// Parses statements that follow each other.
    ///
    /// # Errors
    ///
    /// The first mistake with its line, column and a caret below the line.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse_program(text).map(|statements| Self(statements.into()))
    }

    /// The statements.
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &self.0
    }
}

/// What the statements of one request share: variables, services and budget.
///
/// One session serves the statements of one `VQLCollectorArgs` (protocol section 6.2), or one notebook
/// cell. It is `Send` but used by one caller at a time.
#[derive(Debug)]
pub struct Session {
    cx: Context,
    globals: Arc<Globals>,
    rows: u64,
}

impl Session {
    /// A session without variables.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self { cx: Context::new(setup), globals: Arc::default(), rows: 0 }
    }

    /// Sets a variable, such as an environment entry of the request.
    pub fn set(&mut self, name: impl Into<Text>, value: impl Into<Value>) {
        self.bind(name.into(), Binding::Value(value.into()));
    }

    /// Gives plugins something that they find with [`Context::extension`] under the type `T`.
    pub fn extend<T: Any + Send + Sync>(&mut self, extension: Arc<T>) {
        self.cx.extend(extension);
    }

    /// The services.
    pub const fn context(&mut self) -> &mut Context {
        &mut self.cx
    }

    /// The variables, for a host that evaluates something itself.
    pub fn scope(&mut self) -> Scope {
        Scope::root(&self.globals)
    }

    /// Evaluates one expression to its end.
    ///
    /// # Errors
    ///
    /// The evaluation must stop.
    pub fn evaluate(&mut self, now: Now, expression: &Expression) -> Result<Value, Stop> {
        self.cx.refuel(now, u64::MAX);
        let scope = self.scope();
        let value = eval(&mut self.cx, &scope, &expression.0)?;
        resolve(&mut self.cx, &scope, value)
    }

    fn bind(&mut self, name: Text, binding: Binding) {
        Arc::make_mut(&mut self.globals).insert(name, binding);
    }
}

/// A parsed expression.
#[derive(Clone, Debug)]
pub struct Expression(crate::syntax::ast::Expr);

impl Expression {
    /// Parses what could stand after WHERE.
    ///
    /// # Errors
    ///
    /// The first mistake.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        crate::syntax::parse_expression(text).map(Self)
    }
}

/// A running program.
///
/// ```text
/// let mut query = Query::new(Program::parse(text)?);
/// loop {
///     match query.step(&mut session, now(), 10_000)? {
///         Event::Row(row) => json::write_row(&row, &mut out),
///         Event::Pending(until) => wait(until),
///         Event::OutOfFuel => let_others_run(),
///         Event::End => break,
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Query {
    program: Program,
    next: usize,
    current: Current,
}

/// What happened in a [`Query::step`].
#[derive(Clone, Debug)]
pub enum Event {
    /// A row.
    Row(Row),
    /// Nothing to do before this instant.
    Pending(Instant),
    /// The fuel is spent; the query goes on with the next step.
    OutOfFuel,
    /// All statements are done.
    End,
}

enum Current {
    Nothing,
    Select(Box<dyn Rows>),
    /// `LET name <= SELECT …`: the rows so far.
    Collect {
        name: Text,
        source: Box<dyn Rows>,
        rows: Vec<Value>,
        held: Held,
    },
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Select(_) => "Select",
            Self::Collect { .. } => "Collect",
        })
    }
}

impl Query {
    /// A query that has not begun.
    #[must_use]
    pub const fn new(program: Program) -> Self {
        Self { program, next: 0, current: Current::Nothing }
    }

    /// Works until there is a row, `fuel` steps are spent, or the query has to wait.
    ///
    /// A sub-query inside an expression is not interrupted by lack of fuel, so a step can take
    /// longer; the budget limits it.
    ///
    /// # Errors
    ///
    /// The query stopped for good: its budget is exceeded or it was cancelled.
    pub fn step(&mut self, session: &mut Session, now: Now, fuel: u64) -> Result<Event, Stop> {
        session.cx.refuel(now, fuel.max(1));
        loop {
            let event = match &mut self.current {
                Current::Nothing => {
                    let Some(statement) = self.program.0.get(self.next) else {
                        return Ok(Event::End);
                    };
                    self.next = self.next.saturating_add(1);
                    self.current = begin(session, statement)?;
                    None
                }
                Current::Select(rows) => forward(session, &mut **rows)?,
                Current::Collect { source, rows, held, .. } => {
                    collect(session, &mut **source, rows, held)?
                }
            };
            match event {
                None => {}
                Some(Event::End) => self.finish(session),
                Some(event) => return Ok(event),
            }
        }
    }

    fn finish(&mut self, session: &mut Session) {
        let current = core::mem::replace(&mut self.current, Current::Nothing);
        if let Current::Collect { name, rows, held, .. } = current {
            held.keep();
            session.bind(name, Binding::Value(Value::from(rows)));
        }
    }
}

fn begin(session: &mut Session, statement: &Statement) -> Result<Current, Stop> {
    let scope = session.scope();
    match statement {
        Statement::Let(bound) => begin_let(session, &scope, bound),
        Statement::Select(select) => Ok(Current::Select(open_select(&scope, select))),
    }
}

fn begin_let(session: &mut Session, scope: &Scope, bound: &Arc<Let>) -> Result<Current, Stop> {
    let name = bound.name.clone();
    let is_function = session.cx.registry.function(&name.to_str_lossy());
    if matches!(is_function, Found::Entry(_)) {
        session.cx.log(
            Level::Warn,
            format_args!("LET {name} does not replace the function {name}() where it is called"),
        );
    }
    if !bound.is_eager {
        session.bind(name, Binding::Let(Arc::clone(bound)));
        return Ok(Current::Nothing);
    }
    match &bound.body {
        Body::Expr(expr) => {
            let value = eval(&mut session.cx, scope, expr)?;
            let value = resolve(&mut session.cx, scope, value)?;
            let mut held = session.cx.ledger.open();
            held.take(value.measure().bytes)?;
            held.keep();
            session.bind(name, Binding::Value(value));
            Ok(Current::Nothing)
        }
        Body::Select(select) => {
            let held = session.cx.ledger.open();
            let source = open_select(scope, select);
            Ok(Current::Collect { name, source, rows: Vec::new(), held })
        }
    }
}

fn forward(session: &mut Session, rows: &mut dyn Rows) -> Result<Option<Event>, Stop> {
    let event = pull(session, rows)?;
    if let Event::Row(_) = event {
        session.rows = session.rows.saturating_add(1);
        match session.cx.budget.rows {
            Some(max) if session.rows > max => return Err(Limit::Rows(max).into()),
            _ => {}
        }
    }
    Ok(Some(event))
}

fn collect(
    session: &mut Session,
    source: &mut dyn Rows,
    rows: &mut Vec<Value>,
    held: &mut Held,
) -> Result<Option<Event>, Stop> {
    match pull(session, source)? {
        Event::Row(row) => {
            held.take(row.measure().bytes)?;
            rows.push(Value::Dict(row));
            Ok(None)
        }
        event => Ok(Some(event)),
    }
}

fn pull(session: &mut Session, rows: &mut dyn Rows) -> Result<Event, Stop> {
    Ok(match guard(&mut session.cx, "query", |cx| rows.next(cx))? {
        Some(Step::Row(row)) => Event::Row(row),
        Some(Step::Pending(until)) => Event::Pending(until),
        Some(Step::Yield) => Event::OutOfFuel,
        Some(Step::End) | None => Event::End,
    })
}
