//! What VQL can ask of this machine.

mod account;
mod execve;
mod machine;
mod mount;
mod network;
mod process;
mod resolve;
mod sink;
mod socket;
mod tracker;
mod wait;
mod write;

use std::sync::Arc;

use troodon_vql::threads::HostThreads;
use troodon_vql::{Entropy, Fault, Permission, Registry, standard};

use crate::accessor::FileAccessor;
#[cfg(feature = "parsers")]
use crate::accessor::memory::MemoryAccessor;
use crate::limits::QUERY_THREADS_MAX;

/// Everything that a query on Linux can use.
#[must_use]
pub fn registry() -> Registry {
    let mut registry = Registry::core();
    registry.lend_threads(Arc::new(HostThreads::new(QUERY_THREADS_MAX)));
    standard::add(&mut registry);
    #[cfg(feature = "parsers")]
    troodon_parsers::add(&mut registry);
    for plugins in [
        account::PLUGINS,
        execve::PLUGINS,
        machine::PLUGINS,
        mount::PLUGINS,
        network::PLUGINS,
        process::PLUGINS,
        sink::PLUGINS,
        socket::PLUGINS,
        tracker::PLUGINS,
    ] {
        registry.add_plugins(plugins);
    }
    for functions in [
        machine::FUNCTIONS,
        process::FUNCTIONS,
        resolve::FUNCTIONS,
        tracker::FUNCTIONS,
        wait::FUNCTIONS,
        write::FUNCTIONS,
    ] {
        registry.add_functions(functions);
    }
    for name in ["auto", "file"] {
        registry.add_accessor(name, &[Permission::FilesystemRead], Arc::new(FileAccessor));
    }
    #[cfg(feature = "parsers")]
    registry.add_accessor("process", &[Permission::MachineState], Arc::new(MemoryAccessor));
    registry
}

/// Random numbers of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Fault> {
        getrandom::fill(buffer).map_err(|why| Fault::note(why.to_string()))
    }
}
