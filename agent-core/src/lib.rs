//! The agent without I/O: identity, pinning, envelope, comms, queue, flows, monitoring.

#![no_std]

extern crate alloc;
