//! Images that do not tell where the machine that built them keeps its sources.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// What cargo is told so that panic messages name a source by its crate and its place in it: the folders before that are sixty
/// bytes of each message, differ between machines, and are nobody's business. `target` is the triple that is built for.
///
/// # Errors
///
/// Nobody knows where cargo keeps its sources.
pub fn without_folders(target: &str) -> Result<[String; 2]> {
    let home = home::cargo_home().context("where cargo keeps its sources")?;
    let registries = home.join("registry/src");
    let project = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).canonicalize()?;
    let mut folders = vec![project];
    // Before cargo has fetched anything there are none.
    for entry in fs::read_dir(registries).into_iter().flatten() {
        folders.push(entry?.path());
    }
    folders.sort();
    let flag = |folder: &Path| format!("'--remap-path-prefix={}/='", folder.display());
    let flags: Vec<String> = folders.iter().map(|folder| flag(folder)).collect();
    Ok(["--config".into(), format!("target.{target}.rustflags=[{}]", flags.join(","))])
}
