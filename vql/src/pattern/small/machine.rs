//! Pike's machine: all ways through the program at once, one unit of text at a time. Time is bounded by the length of
//! the text times that of the program, memory by that of the program.

use alloc::vec;
use alloc::vec::Vec;

use super::super::Unit;
use super::program::{Look, Program, Step};

/// The slots of the first match at or after `from`, preferring what the pattern prefers; without slots, any match.
pub(super) fn search(
    program: &Program,
    text: &[u8],
    from: usize,
    slots: usize,
) -> Option<Vec<Option<usize>>> {
    let (mut now, mut next) = (Threads::new(program, slots), Threads::new(program, slots));
    // The first step notes where the match starts.
    let is_anchored = matches!(program.steps.get(1), Some(Step::Look(Look::TextStart)));
    let mut found = None;
    let mut saved = vec![];
    let mut at = from;
    loop {
        if found.is_none() && (at == 0 || !is_anchored) {
            saved.clear();
            saved.resize(slots, None);
            now.follow(program, text, 0, at, &mut saved);
        }
        if now.places.is_empty() && (found.is_some() || is_anchored) {
            return found;
        }
        let unit = Taken::at(text, at, program.unit);
        for (thread, place) in now.places.iter().enumerate() {
            saved.clear();
            saved.extend_from_slice(now.saved_of(thread));
            match program.steps.get(*place) {
                // Threads behind this one are preferred less.
                None => {
                    found = Some(saved.clone());
                    break;
                }
                Some(step) => {
                    if let Some(unit) = &unit
                        && unit.is_taken_by(*step, program)
                    {
                        next.follow(program, text, place.saturating_add(1), unit.end, &mut saved);
                    }
                }
            }
        }
        let Some(unit) = unit.filter(|_| slots > 0 || found.is_none()) else { return found };
        at = unit.end;
        core::mem::swap(&mut now, &mut next);
        next.clear();
    }
}

/// A byte or character of the text.
struct Taken {
    /// Nothing where there is no character.
    value: Option<u32>,
    end: usize,
}

impl Taken {
    fn at(text: &[u8], at: usize, unit: Unit) -> Option<Self> {
        let byte = *text.get(at)?;
        if unit == Unit::Byte || byte.is_ascii() {
            return Some(Self { value: Some(byte.into()), end: at.saturating_add(1) });
        }
        let end = at.saturating_add(4).min(text.len());
        let letter = text.get(at..end)?.utf8_chunks().next()?.valid().chars().next();
        let len = letter.map_or(1, char::len_utf8);
        Some(Self { value: letter.map(u32::from), end: at.saturating_add(len) })
    }

    fn is_taken_by(&self, step: Step, program: &Program) -> bool {
        let Some(value) = self.value else { return false };
        match step {
            Step::One(one) => one == value,
            Step::Letter(letter) => u32::from(letter) == value | 0x20,
            Step::Any => true,
            Step::NotNewline => value != u32::from(b'\n'),
            Step::Class { first, len } => {
                let ranges = program.ranges.iter().skip(first.into()).take(len.into());
                ranges.into_iter().any(|(low, high)| (*low..=*high).contains(&value))
            }
            _ => false,
        }
    }
}

/// Places in the program, preferred ones first, each with what it saved.
struct Threads {
    places: Vec<usize>,
    saved: Vec<Option<usize>>,
    slots: usize,
    /// A bit for each step that was reached at this place of the text.
    reached: Vec<u32>,
    /// What is still to be done to follow the steps that take no text.
    todo: Vec<Todo>,
}

enum Todo {
    Go(usize),
    Restore(usize, Option<usize>),
}

impl Threads {
    fn new(program: &Program, slots: usize) -> Self {
        // One more than there are steps: the match.
        let words = program.steps.len() / 32;
        let reached = vec![0; words.saturating_add(1)];
        Self { places: vec![], saved: vec![], slots, reached, todo: vec![] }
    }

    fn clear(&mut self) {
        self.places.clear();
        self.saved.clear();
        self.reached.fill(0);
    }

    fn saved_of(&self, thread: usize) -> &[Option<usize>] {
        let first = thread.saturating_mul(self.slots);
        self.saved.get(first..first.saturating_add(self.slots)).unwrap_or_default()
    }

    /// Follows the steps that take no text, to each that takes some.
    fn follow(
        &mut self,
        program: &Program,
        text: &[u8],
        place: usize,
        at: usize,
        saved: &mut [Option<usize>],
    ) {
        self.todo.push(Todo::Go(place));
        while let Some(todo) = self.todo.pop() {
            let mut place = match todo {
                Todo::Go(place) => place,
                Todo::Restore(slot, value) => {
                    if let Some(slot) = saved.get_mut(slot) {
                        *slot = value;
                    }
                    continue;
                }
            };
            while self.reach(place) {
                let after = place.saturating_add(1);
                place = match program.steps.get(place) {
                    Some(Step::Jump(by)) => moved(place, *by),
                    Some(Step::Near(by)) => {
                        self.todo.push(Todo::Go(moved(place, *by)));
                        after
                    }
                    Some(Step::Far(by)) => {
                        self.todo.push(Todo::Go(after));
                        moved(place, *by)
                    }
                    Some(Step::Save(slot)) => {
                        let slot = usize::from(*slot);
                        if let Some(value) = saved.get_mut(slot) {
                            self.todo.push(Todo::Restore(slot, value.replace(at)));
                        }
                        after
                    }
                    Some(Step::Look(look)) if look.holds(text, at) => after,
                    Some(Step::Look(_)) => break,
                    _ => {
                        self.places.push(place);
                        self.saved.extend_from_slice(saved);
                        break;
                    }
                };
            }
        }
    }

    /// Marks a step; false if it was marked before.
    fn reach(&mut self, place: usize) -> bool {
        let bit = 1_u32.rotate_left(u32::try_from(place % 32).unwrap_or(0));
        let Some(word) = self.reached.get_mut(place / 32) else { return false };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

fn moved(place: usize, by: i32) -> usize {
    place.saturating_add_signed(isize::try_from(by).unwrap_or(0))
}
