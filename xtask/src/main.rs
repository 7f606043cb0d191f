//! Set-up, demo, test, sizes, tidy.

fn main() {}
