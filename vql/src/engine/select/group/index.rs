//! From the name of a group to its number.
//!
//! Names lie one behind the other; a table of slots finds them by their hash. Whoever writes names that collide makes
//! look-ups long, and each comparison is a step of the query's budget.

use alloc::vec;
use alloc::vec::Vec;

use crate::budget::{Limit, Stop};
use crate::context::Context;

/// Slots of the first table; there are always at least four for three names.
const SLOTS_MIN: usize = 16;

#[derive(Default)]
pub(super) struct Index {
    names: Vec<u8>,
    /// Where each name ends.
    ends: Vec<u32>,
    /// One more than the number of a name; zero is free. A power of two of them.
    slots: Vec<u32>,
}

impl Index {
    /// Names so far.
    pub(super) const fn len(&self) -> usize {
        self.ends.len()
    }

    /// The number of a name, which is the next one if the name was not seen before.
    pub(super) fn place(&mut self, cx: &mut Context, name: &[u8]) -> Result<usize, Stop> {
        if self.ends.len().saturating_mul(4) >= self.slots.len().saturating_mul(3) {
            self.grow(cx)?;
        }
        let (slot, found) = self.find(cx, name)?;
        if let Some(number) = found {
            return Ok(number);
        }
        let full = || Stop::from(Limit::HeldBytes(cx.budget.held_bytes));
        let number = self.ends.len();
        self.names.extend_from_slice(name);
        self.ends.push(u32::try_from(self.names.len()).map_err(|_| full())?);
        let next = u32::try_from(self.ends.len()).map_err(|_| full())?;
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = next;
        }
        Ok(number)
    }

    /// The slot of a name, and its number if it has one.
    fn find(&self, cx: &mut Context, name: &[u8]) -> Result<(usize, Option<usize>), Stop> {
        let mask = self.slots.len().saturating_sub(1);
        let mut slot = hash(name) & mask;
        loop {
            let number = self.slots.get(slot).copied().unwrap_or(0);
            let Some(number) = usize::try_from(number).ok().and_then(|one| one.checked_sub(1))
            else {
                return Ok((slot, None));
            };
            if self.name(number) == name {
                return Ok((slot, Some(number)));
            }
            cx.charge(1)?;
            slot = slot.wrapping_add(1) & mask;
        }
    }

    fn name(&self, number: usize) -> &[u8] {
        let end = |number: usize| {
            self.ends.get(number).map_or(0, |end| usize::try_from(*end).unwrap_or(usize::MAX))
        };
        let start = number.checked_sub(1).map_or(0, end);
        self.names.get(start..end(number)).unwrap_or_default()
    }

    fn grow(&mut self, cx: &mut Context) -> Result<(), Stop> {
        let len = self.slots.len().saturating_mul(2).max(SLOTS_MIN);
        self.slots = Vec::new();
        let mut grown = Self { slots: vec![0; len], ..core::mem::take(self) };
        for number in 0..grown.ends.len() {
            let name = grown.name(number);
            let mut slot = hash(name) & len.saturating_sub(1);
            while grown.slots.get(slot).is_some_and(|number| *number > 0) {
                cx.charge(1)?;
                slot = slot.wrapping_add(1) & len.saturating_sub(1);
            }
            let next = u32::try_from(number.saturating_add(1)).unwrap_or(0);
            if let Some(slot) = grown.slots.get_mut(slot) {
                *slot = next;
            }
        }
        *self = grown;
        Ok(())
    }
}

/// FNV-1a, and its upper bits folded into the lower ones, which choose the slot.
fn hash(name: &[u8]) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let folded = (hash ^ (hash >> 32)) & u64::from(u32::MAX);
    usize::try_from(folded).unwrap_or(0)
}
