//! The same cases against every device.

fn main() {}
