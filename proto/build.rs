//! Compiles `schema/*.proto` with protox, so that no `protoc` needs to be installed.

use std::error::Error;

const SCHEMA: [&str; 5] =
    ["envelope.proto", "flow.proto", "message.proto", "query.proto", "upload.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=schema");
    let descriptors = protox::compile(SCHEMA, ["schema"])?;
    prost_build::Config::new()
        // Payloads stay slices of the buffer that they came in.
        .bytes(["."])
        .compile_fds(descriptors)?;
    Ok(())
}
