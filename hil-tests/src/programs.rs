//! Where the programs under test are.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::Make;

/// The two programs of the product.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `troodon-agent`.
    pub agent: PathBuf,
    /// `troodon`.
    pub server: PathBuf,
    /// Whose program `server` is.
    pub served_by: Make,
}

impl Programs {
    /// Finds the programs in the folder that `TROODON_BIN_DIR` names, else beside the running test.
    ///
    /// # Errors
    ///
    /// A program that is not there is named, with the command that builds it.
    pub fn find() -> Result<Self> {
        match env::var_os("TROODON_BIN_DIR") {
            Some(folder) => Self::within(Path::new(&folder)),
            None => {
                let test = env::current_exe()?;
                // A test runs from target/PROFILE/deps, a program from target/PROFILE.
                let folders = test.ancestors().skip(1).take(2);
                let found = folders.map(Self::within).find_map(Result::ok);
                match found {
                    Some(programs) => Ok(programs),
                    None => Self::within(test.parent().unwrap_or(Path::new("."))),
                }
            }
        }
    }

    /// The programs in a folder.
    ///
    /// # Errors
    ///
    /// A program that is not there is named, with the command that builds it.
    pub fn within(folder: &Path) -> Result<Self> {
        let programs = Self {
            agent: folder.join("troodon-agent"),
            server: folder.join("troodon"),
            served_by: Make::Troodon,
        };
        for program in [&programs.agent, &programs.server] {
            if !program.is_file() {
                bail!(
                    "{} is not there; build it with `cargo build -p troodon-server -p troodon-agent`",
                    program.display()
                );
            }
        }
        Ok(programs)
    }
}
