//! The plugins that belong to the language.

mod chain;
mod flatten;
mod foreach;
mod items;
mod range;
mod scope;
mod when;

use crate::registry::Plugin;

/// Plugins that every registry has.
pub static CORE: &[&Plugin] = &[
    &chain::CHAIN,
    &flatten::FLATTEN,
    &foreach::FOREACH,
    &items::ITEMS,
    &range::RANGE,
    &scope::SCOPE,
    &when::IF,
];
