//! The agent for Linux.

fn main() {}
