//! Whole deployments, run as programs: a server, agents, and what a person types to use them.
//!
//! Nothing of the product is linked here. A [`Deployment`] makes a throw-away configuration, starts the programs on
//! loopback, and stops them when it is dropped. What every pair of server and agent has to do stands in [`cases`], the
//! rest in `tests/`, one file per behaviour. `cargo xtask demo` and `cargo xtask sizes` use the same deployment.

mod board;
pub mod cases;
mod chance;
mod deployment;
mod device;
mod flow;
mod make;
mod options;
mod pair;
mod peer;
mod process;
mod programs;
mod sources;
mod swarm;
mod wire;

pub use board::{Board, BoardKey, Firmware};
pub use chance::Chance;
pub use deployment::Deployment;
pub use device::Device;
pub use flow::Flow;
pub use make::Make;
pub use options::Options;
pub use pair::Pair;
pub use peer::Peer;
pub use process::{Process, wait_until};
pub use programs::Programs;
pub use sources::without_folders;
pub use swarm::{Swarm, SwarmReport};
pub use wire::{Faults, Wire};
