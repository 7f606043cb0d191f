//! Parsers of file formats for VQL: what is large, and needs an operating system or much memory.
//!
//! Files come from machines under examination, so every format is hostile input: sizes, nesting and numbers of values are
//! bounded by [`limits`], and a damaged file is a message in the query's log. Files are read through accessors, whose
//! permissions apply; nothing here opens a path by itself.

mod gzip;
#[cfg(feature = "http")]
mod http;
pub mod limits;
mod pathspec;
pub mod pe;
pub mod plist;
mod remap;
#[cfg(feature = "sqlite")]
mod sqlite;
mod unpack;
mod whole;
pub mod x509;
pub mod xml;
pub mod yaml;
mod zip;

use std::sync::Arc;

use troodon_vql::Registry;

/// Adds everything.
pub fn add(registry: &mut Registry) {
    registry.add_functions(gzip::FUNCTIONS);
    registry.add_functions(pe::FUNCTIONS);
    registry.add_functions(plist::FUNCTIONS);
    registry.add_functions(remap::FUNCTIONS);
    registry.add_functions(x509::FUNCTIONS);
    registry.add_functions(xml::FUNCTIONS);
    registry.add_functions(yaml::FUNCTIONS);
    registry.add_plugins(plist::PLUGINS);
    #[cfg(feature = "http")]
    registry.add_plugins(http::PLUGINS);
    #[cfg(feature = "sqlite")]
    registry.add_plugins(sqlite::PLUGINS);
    // They need what the accessor of the outer file needs.
    registry.add_accessor("bzip2", &[], Arc::new(gzip::PackedAccessor::Bzip2));
    registry.add_accessor("gzip", &[], Arc::new(gzip::PackedAccessor::Gzip));
    registry.add_accessor("zip", &[], Arc::new(zip::ZipAccessor));
}

/// Adds what only a server has a use for: sending rows elsewhere.
#[cfg(feature = "http")]
pub fn add_forwarding(registry: &mut Registry) {
    registry.add_plugins(http::elastic::PLUGINS);
}
