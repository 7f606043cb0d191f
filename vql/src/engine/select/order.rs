//! ORDER BY and LIMIT.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::budget::{Fault, Held};
use crate::context::Context;
use crate::rows::{Rows, Step};
use crate::sorted::sort_by;
use crate::syntax::ast;
use crate::value::{Row, Value, operators};

/// Holds all rows, then gives them in order; equal ones keep theirs.
pub(super) struct Ordered {
    rows: Box<dyn Rows>,
    order: ast::Order,
    stage: Stage,
}

enum Stage {
    Empty,
    Filling(Vec<Row>, Held),
    Draining(
        vec::IntoIter<Row>,
        #[expect(dead_code, reason = "released when the rows are gone")] Held,
    ),
}

impl Ordered {
    pub(super) fn new(rows: Box<dyn Rows>, order: ast::Order) -> Self {
        Self { rows, order, stage: Stage::Empty }
    }

    fn sort(&self, rows: &mut Vec<Row>) {
        let key = |row: &Row| row.get(&self.order.column).cloned().unwrap_or(Value::Null);
        sort_by(rows, |left, right| operators::order(&key(left), &key(right)));
        // Rows with the same key change places too, as in the original; those without any stay as they are.
        if self.order.descending && rows.iter().any(|row| row.get(&self.order.column).is_some()) {
            rows.reverse();
        }
    }
}

impl Rows for Ordered {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        loop {
            match &mut self.stage {
                Stage::Empty => self.stage = Stage::Filling(Vec::new(), cx.ledger.open()),
                Stage::Draining(rows, _) => {
                    return Ok(rows.next().map_or(Step::End, Step::Row));
                }
                Stage::Filling(rows, held) => match self.rows.next(cx)? {
                    Step::Row(row) => {
                        held.take(row.measure().bytes)?;
                        rows.push(row);
                    }
                    Step::End => {
                        let mut rows = core::mem::take(rows);
                        let held = core::mem::replace(held, cx.ledger.open());
                        self.sort(&mut rows);
                        self.stage = Stage::Draining(rows.into_iter(), held);
                    }
                    waiting => return Ok(waiting),
                },
            }
        }
    }
}

/// The first rows; the source is dropped, and so cancelled, with the last of them.
pub(super) struct Limited {
    rows: Option<Box<dyn Rows>>,
    left: u64,
}

impl Limited {
    pub(super) fn new(rows: Box<dyn Rows>, limit: u64) -> Self {
        Self { rows: (limit > 0).then_some(rows), left: limit }
    }
}

impl Rows for Limited {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        let Some(rows) = &mut self.rows else { return Ok(Step::End) };
        let step = rows.next(cx)?;
        if let Step::Row(_) = step {
            self.left = self.left.saturating_sub(1);
            if self.left == 0 {
                self.rows = None;
            }
        }
        Ok(step)
    }
}
