//! What every board shares: everything but pins, clocks and memory.
//!
//! A board crate implements `Chip`, makes a network device and a flash, and hands them to `Board::run`. The loop is
//! [`Firmware::run`]: network, agent, one slice of a query, sleep.

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(target_os = "none")]
mod board;
#[cfg(feature = "riscv")]
pub mod clint;
pub mod cmsdk;
mod command;
mod comms;
#[cfg(feature = "embassy")]
pub mod embassy;
mod ending;
mod facts;
mod firmware;
pub mod flash;
mod heap;
mod identity;
pub mod lan9118;
mod limits;
mod load;
#[cfg(target_os = "none")]
mod memory;
mod network;
mod nic;
mod plugin;
mod region;
mod system;
#[cfg(feature = "cortex-m")]
pub mod systick;
pub mod tls;
pub mod uart16550;
#[cfg(feature = "virtio")]
pub mod virtio;

#[cfg(target_os = "none")]
pub use board::{Board, Chip, Hardware, Shared, provision_at};
pub use ending::{Cause, Ending, EndingRecord, TEXT_LEN_MAX};
pub use firmware::{BootFault, Firmware, Parts};
pub use heap::Heap;
pub use identity::IdentityFault;
pub use limits::WATCHDOG_SECS;
pub use load::Load;
pub use nic::{Nic, local_address};
pub use region::Region;
pub use system::{Memory, NoEntropy, System};
pub use troodon_core::time::{Instant, Span};
