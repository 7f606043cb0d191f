//! The standard library: plugins, functions and accessors that need no operating system.
//!
//! They read files only through accessors, so the same `hash()` works on a file system and on flash. A host that is
//! short of code space adds the groups it wants.

mod batch;
mod binary;
mod collection;
mod command_line;
mod csv;
mod encode;
mod file;
mod glob;
mod grok;
mod hash;
mod host;
mod humanize;
mod isolated;
mod json;
mod lines;
mod log;
mod memory;
mod net;
mod number;
mod path;
mod query;
mod regex;
mod stream;
mod template;
mod text;
mod watch;

use alloc::sync::Arc;

pub use host::Entropy;
pub use isolated::Elsewhere;
pub use memory::{DataAccessor, TextReader};
pub use stream::{path as path_of, read_span};

use crate::registry::Registry;

/// Adds everything.
pub fn add(registry: &mut Registry) {
    add_values(registry);
    add_files(registry);
    add_large(registry);
}

/// Adds what queries on a board need most: text, numbers, lists and dicts, patterns, and the clock.
pub fn add_board(registry: &mut Registry) {
    for functions in [
        collection::FUNCTIONS,
        host::FUNCTIONS,
        number::FUNCTIONS,
        regex::FUNCTIONS,
        text::FUNCTIONS,
    ] {
        registry.add_functions(functions);
    }
    registry.add_functions(&[&log::LOG]);
    registry.add_plugins(host::PLUGINS);
}

/// Adds what works on values alone, and [`DataAccessor`].
pub fn add_values(registry: &mut Registry) {
    for functions in [
        collection::FUNCTIONS,
        encode::FUNCTIONS,
        host::FUNCTIONS,
        json::FUNCTIONS,
        net::FUNCTIONS,
        number::FUNCTIONS,
        path::FUNCTIONS,
        regex::FUNCTIONS,
        text::FUNCTIONS,
    ] {
        registry.add_functions(functions);
    }
    registry.add_functions(&[
        &command_line::COMMANDLINE_SPLIT,
        &humanize::HUMANIZE,
        &log::ALERT,
        &log::LOG,
    ]);
    registry.add_plugins(host::PLUGINS);
    registry.add_plugins(query::PLUGINS);
    registry.paths = Some(&path::RULES);
    registry.add_accessor("data", &[], Arc::new(DataAccessor));
}

/// Adds the functions for one file: `hash()`, `read_file()`, `stat()` and `upload()`.
pub fn add_file_functions(registry: &mut Registry) {
    registry.add_functions(file::FUNCTIONS);
}

/// Adds what reads files through accessors.
pub fn add_files(registry: &mut Registry) {
    add_file_functions(registry);
    for plugins in [csv::PLUGINS, file::PLUGINS, glob::PLUGINS, json::PLUGINS, lines::PLUGINS] {
        registry.add_plugins(plugins);
    }
}

/// Adds what takes more code or memory than a board likes to give.
pub fn add_large(registry: &mut Registry) {
    registry.add_functions(binary::FUNCTIONS);
    registry.add_functions(grok::FUNCTIONS);
    registry.add_functions(template::FUNCTIONS);
    registry.add_plugins(batch::PLUGINS);
    registry.add_plugins(isolated::PLUGINS);
    registry.add_plugins(watch::PLUGINS);
}
