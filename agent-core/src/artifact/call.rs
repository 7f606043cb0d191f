//! Running what a called artifact consists of, on whatever host.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;

use troodon_vql::{
    Context, Event, Fault, Now, Program, Query, Row, RowBuilder, Rows, Session, Step,
};

/// A running call: its scenes, one after the other.
pub struct Call {
    scenes: VecDeque<Scene>,
    /// Steps before the caller looks at its own fuel.
    fuel: u64,
}

/// Statements that share variables, which are the artifact's own.
pub struct Scene {
    session: Session,
    parts: VecDeque<Part>,
    current: Option<(Query, Role)>,
}

/// Statements that are run together.
pub struct Part {
    program: Program,
    role: Role,
}

/// What becomes of the rows of a part.
#[derive(Clone)]
pub enum Role {
    /// Parameters and exports; rows are not wanted.
    Preamble,
    /// Without a row this many of the next parts are left out.
    Precondition {
        /// How many; more than there are mean all.
        guards: usize,
    },
    /// Rows go to the caller with this `_Source`.
    Source(String),
}

impl Part {
    /// The part with this text, of this artifact.
    ///
    /// # Errors
    /// The text does not parse.
    pub fn parse(artifact: &str, text: &str, role: Role) -> Result<Self, Fault> {
        let program = Program::parse(text)
            .map_err(|error| Fault::error(format!("{artifact} does not parse: {error}")))?;
        Ok(Self { program, role })
    }
}

impl Scene {
    /// Parts that run in this session, in their order.
    #[must_use]
    pub const fn new(session: Session, parts: VecDeque<Part>) -> Self {
        Self { session, parts, current: None }
    }

    /// The next step; `None` at the end.
    fn next(&mut self, cx: &mut Context, fuel: u64) -> Result<Option<Step>, Fault> {
        loop {
            let Some((query, role)) = &mut self.current else {
                let Some(Part { program, role }) = self.parts.pop_front() else { return Ok(None) };
                self.current = Some((Query::new(program), role));
                continue;
            };
            let now = Now { instant: cx.instant(), time: cx.now() };
            let event = query.step(&mut self.session, now, fuel).map_err(Fault::from)?;
            match (event, &*role) {
                (Event::Row(row), Role::Source(source)) => {
                    cx.charge(1)?;
                    return Ok(Some(Step::Row(with_source(&row, source))));
                }
                (Event::Row(_), Role::Precondition { .. }) => self.current = None,
                (Event::Row(_), Role::Preamble) => cx.charge(1)?,
                (Event::Pending(until), _) => return Ok(Some(Step::Pending(until))),
                (Event::OutOfFuel, _) => {
                    cx.charge(fuel)?;
                    if cx.is_out_of_fuel() {
                        return Ok(Some(Step::Yield));
                    }
                }
                (Event::End, Role::Precondition { guards }) => {
                    let guards = (*guards).min(self.parts.len());
                    self.parts.drain(..guards);
                    self.current = None;
                }
                (Event::End, Role::Source(_) | Role::Preamble) => self.current = None,
            }
        }
    }
}

impl Call {
    /// A call of these scenes, which charges its caller each time after so many steps.
    #[must_use]
    pub const fn new(scenes: VecDeque<Scene>, fuel: u64) -> Self {
        Self { scenes, fuel }
    }
}

impl Rows for Call {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        while let Some(scene) = self.scenes.front_mut() {
            match scene.next(cx, self.fuel)? {
                None => drop(self.scenes.pop_front()),
                Some(step) => return Ok(step),
            }
        }
        Ok(Step::End)
    }
}

/// The row with the name of its source, as `_Source`.
fn with_source(row: &Row, source: &str) -> Row {
    let mut named = RowBuilder::new();
    for (name, value) in row.iter() {
        named.set(name.clone(), value.clone());
    }
    named.set("_Source", source);
    named.build()
}
