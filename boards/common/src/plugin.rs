//! What VQL can ask of a board.

mod firmware;
mod flash;
mod machine;
mod network;

use alloc::boxed::Box;
use alloc::sync::Arc;

use troodon_vql::{
    Columns, Context, Fault, Permission, Ready, Registry, Row, Rows, Value, standard,
};

use crate::facts::Facts;

/// Everything that a query on a board can use.
#[must_use]
pub fn registry() -> Registry {
    let mut registry = Registry::core();
    standard::add_board(&mut registry);
    standard::add_file_functions(&mut registry);
    // What has to reach a file and is told no accessor means this one.
    for name in ["auto", "flash"] {
        registry.add_accessor(name, &[Permission::FilesystemRead], Arc::new(flash::FlashAccessor));
    }
    registry.add_plugins(firmware::PLUGINS);
    registry.add_plugins(machine::PLUGINS);
    registry.add_plugins(network::PLUGINS);
    registry
}

/// The facts that the firmware gave to the session.
fn facts(cx: &Context) -> Result<Arc<Facts>, Fault> {
    cx.extension().ok_or_else(|| Fault::note("the firmware knows nothing of its board"))
}

/// One row.
fn one_row<const N: usize>(columns: [(&'static str, Value); N]) -> Box<dyn Rows> {
    let names = columns.each_ref().map(|(name, _)| *name);
    let values = columns.into_iter().map(|(_, value)| value).collect();
    Ready::boxed([Row::new(&Columns::fixed(&names), values)].into())
}
