//! One query, from its text to its rows.

use alloc::sync::Arc;
use core::hint::black_box;

use troodon_vql::{Budget, Event, Now, Program, Query, Registry, Session, Setup};

/// Runs a query to its end.
pub fn run(text: &str) {
    #[allow(unused_mut, reason = "the smaller feature sets add nothing")]
    let mut registry = Registry::core();
    #[cfg(feature = "board")]
    troodon_vql::standard::add_board(&mut registry);
    #[cfg(feature = "files")]
    troodon_vql::standard::add_values(&mut registry);
    #[cfg(feature = "files")]
    troodon_vql::standard::add_files(&mut registry);
    #[cfg(feature = "run")]
    let registry_takes = crate::heap::held().0;
    let mut setup = Setup::agent(Arc::new(registry));
    setup.budget = Budget::board();
    let mut session = Session::new(setup);
    let Ok(program) = Program::parse(text) else { return };
    let mut query = Query::new(program);
    let mut rows = 0_u32;
    let mut line = alloc::vec::Vec::new();
    while let Ok(event) = query.step(&mut session, Now::default(), 1_000) {
        match event {
            Event::Row(row) => {
                rows += 1;
                line.clear();
                troodon_vql::json::write_line(&row, &mut line);
                black_box(&line);
            }
            Event::Pending(_) | Event::OutOfFuel => {}
            Event::End => break,
        }
    }
    black_box(rows);
    #[cfg(feature = "run")]
    {
        let (_, most) = crate::heap::held();
        let last = core::str::from_utf8(&line).unwrap_or_default();
        semihosting::println!("rows {rows} registry {registry_takes} most {most} last {last}");
    }
}
