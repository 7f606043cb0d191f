//! Compiles the calls of programs; messages that agents use as well are those of `troodon-proto`.

use std::error::Error;

/// Messages of `proto/schema/query.proto`, and their names in Rust.
const SHARED: [(&str, &str); 9] = [
    ("VQLRequest", "VqlRequest"),
    ("VQLEnv", "VqlEnv"),
    ("VQLTypeMap", "VqlTypeMap"),
    ("VQLCollectorArgs", "VqlCollectorArgs"),
    ("VQLEventTable", "VqlEventTable"),
    ("VQLResponse", "VqlResponse"),
    ("Artifact", "Artifact"),
    ("ArtifactParameter", "ArtifactParameter"),
    ("ArtifactSource", "ArtifactSource"),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=schema");
    println!("cargo::rerun-if-changed=../proto/schema/query.proto");
    let descriptors = protox::compile(["api.proto"], ["schema", "../proto/schema"])?;
    let mut builder = tonic_prost_build::configure().build_transport(false);
    for (message, name) in SHARED {
        let path = format!("::troodon_proto::{name}");
        builder = builder.extern_path(format!(".proto.{message}"), path);
    }
    builder.compile_fds(descriptors)?;
    Ok(())
}
