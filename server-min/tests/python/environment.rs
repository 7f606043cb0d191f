//! Programs of PyPI's packages, each in an environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder with the programs of a package, named with its version; `None`, said aloud, when Python or the package index
/// is not there.
pub fn programs(package: &str) -> Option<PathBuf> {
    let (name, _) = package.split_once("==").unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let ready = folder.join("ready");
    if !ready.exists() {
        // Another run may have been stopped in the middle.
        let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder).output();
        if !made.is_ok_and(|made| made.status.success()) {
            println!("SKIPPED: no python3 that makes environments");
            return None;
        }
        let pip = folder.join("bin/pip");
        let done = Command::new(pip).args(["install", "--quiet", package]).output().unwrap();
        if !done.status.success() {
            let why = String::from_utf8_lossy(&done.stderr).into_owned();
            println!("SKIPPED: {package} cannot be installed: {why}");
            return None;
        }
        std::fs::write(ready, package).unwrap();
    }
    Some(folder.join("bin"))
}
