//! Tells the linker where memory is.

fn main() {
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo:rustc-link-search={here}");
    println!("cargo:rustc-link-arg=-Tlink.x");
    // The stack lies at the lowest address; see memory.x.
    println!("cargo:rustc-link-arg=--nmagic");
    // Equal functions are stored once; nothing compares their addresses.
    println!("cargo:rustc-link-arg=--icf=all");
    println!("cargo:rerun-if-changed=memory.x");
}
