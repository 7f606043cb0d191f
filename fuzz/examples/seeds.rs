//! Writes the seeds of every target into a folder, which libFuzzer then begins with: `seeds FOLDER`.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use troodon_fuzz::TARGETS;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("which folder?")?);
    for target in TARGETS {
        let folder = folder.join(target.name);
        fs::create_dir_all(&folder)?;
        for (at, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(at.to_string()), seed)?;
        }
    }
    Ok(())
}
