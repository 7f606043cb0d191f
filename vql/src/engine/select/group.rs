//! GROUP BY: the last row of each group, with aggregates over all its rows.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use super::{Source, lazy_row};
use crate::budget::{Fault, Held, Stop};
use crate::context::Context;
use crate::engine::aggregate::AggregateKey;
use crate::rows::{Rows, Step};
use crate::value::{Row, Text, json};

pub(super) struct Grouped {
    source: Source,
    stage: Stage,
}

enum Stage {
    Empty,
    Filling(Groups),
    Draining(vec::IntoIter<Group>),
}

/// Groups in the order in which they were first seen.
struct Groups {
    places: BTreeMap<Text, usize>,
    groups: Vec<Group>,
    held: Held,
}

struct Group {
    aggregates: AggregateKey,
    row: Option<Row>,
}

impl Grouped {
    pub(super) const fn new(source: Source) -> Self {
        Self { source, stage: Stage::Empty }
    }
}

impl Rows for Grouped {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        loop {
            match &mut self.stage {
                Stage::Empty => {
                    let held = cx.ledger.open();
                    let (places, groups) = (BTreeMap::new(), Vec::new());
                    self.stage = Stage::Filling(Groups { places, groups, held });
                }
                Stage::Filling(groups) => match groups.fill(cx, &mut self.source)? {
                    Step::Row(_) => {}
                    Step::End => {
                        let groups = core::mem::take(&mut groups.groups);
                        self.stage = Stage::Draining(groups.into_iter());
                    }
                    waiting => return Ok(waiting),
                },
                Stage::Draining(groups) => {
                    return Ok(groups.find_map(|group| group.row).map_or(Step::End, Step::Row));
                }
            }
        }
    }
}

impl Groups {
    /// Takes one row of the source into its group.
    fn fill(&mut self, cx: &mut Context, source: &mut Source) -> Result<Step, Fault> {
        source.next(cx, |source, cx, key, raw| {
            let name = match &source.select.group {
                Some(group) => {
                    let value = source.evaluate(cx, key, group)?;
                    let scope = source.row_scope(cx, key);
                    let value = super::resolve(cx, &scope, value)?;
                    Text::from(json::scalar_text(&value))
                }
                None => Text::default(),
            };
            let place = self.place(cx, name)?;
            let Some(group) = self.groups.get_mut(place) else { return Ok(Row::empty()) };
            if let Some(row) = lazy_row(cx, key) {
                row.scope = row.scope.with_aggregates(group.aggregates.clone());
            }
            // Dropped first, so that an aggregate that is a list grows in place.
            if let Some(before) = group.row.take() {
                self.held.give(before.measure().bytes);
            }
            let row = source.project(cx, key, raw)?;
            self.held.take(row.measure().bytes)?;
            group.row = Some(row);
            Ok(Row::empty())
        })
    }

    fn place(&mut self, cx: &mut Context, name: Text) -> Result<usize, Stop> {
        if let Some(place) = self.places.get(&name) {
            return Ok(*place);
        }
        let place = self.groups.len();
        self.held.take(name.len().saturating_add(size_of::<(Text, usize, Group)>()))?;
        self.places.insert(name, place);
        self.groups.push(Group { aggregates: cx.engine.aggregates.open(), row: None });
        Ok(place)
    }
}
