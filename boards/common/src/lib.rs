//! What every board shares: everything but pins, clocks and memory.
//!
//! A board crate implements [`System`], makes a network device and a storage, and hands them to [`Firmware::boot`]. The
//! loop is [`Firmware::run`]: network, agent, one slice of a query, sleep.

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod command;
mod comms;
mod ending;
mod facts;
mod firmware;
pub mod flash;
mod heap;
mod identity;
pub mod lan9118;
mod limits;
mod load;
mod network;
mod nic;
mod plugin;
mod region;
mod system;
pub mod tls;
#[cfg(feature = "virtio")]
pub mod virtio;

pub use ending::{Cause, Ending, EndingRecord, TEXT_LEN_MAX};
pub use firmware::{BootFault, Firmware, Parts};
pub use heap::Heap;
pub use identity::IdentityFault;
pub use limits::WATCHDOG_SECS;
pub use load::Load;
pub use nic::Nic;
pub use region::Region;
pub use system::{Memory, NoEntropy, System};
pub use troodon_core::time::{Instant, Span};
