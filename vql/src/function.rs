//! The functions that belong to the language.

mod aggregates;
mod encode;
mod format;
mod get;
mod logic;
mod split;
pub(crate) mod timestamp;

use crate::registry::Function;

pub(crate) use encode::hex;
pub(crate) use format::{alone, filled, printed};

/// Functions that every registry has.
pub static CORE: &[&Function] = &[
    &aggregates::COUNT,
    &aggregates::ENUMERATE,
    &aggregates::MAX,
    &aggregates::MIN,
    &aggregates::SUM,
    &encode::ENCODE,
    &format::FORMAT,
    &get::GET,
    &get::LEN,
    &logic::DICT,
    &logic::IF,
    &logic::SCOPE,
    &split::SPLIT,
    &timestamp::TIMESTAMP,
];
