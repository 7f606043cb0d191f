//! Whole deployments, run as programs: a server, agents, and what a person types to use them.
//!
//! Nothing of the product is linked here. A [`Deployment`] makes a throw-away configuration, starts the programs on
//! loopback, and stops them when it is dropped. The cases stand in `tests/`, one file per behaviour;
//! `cargo xtask demo` and `cargo xtask sizes` use the same deployment.

mod deployment;
mod process;
mod programs;

pub use deployment::Deployment;
pub use process::Process;
pub use programs::Programs;
