//! A real Velociraptor as the other end of the wire: a black box, named by an environment variable.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::{Make, Programs};

/// The variable that names the program.
const VARIABLE: &str = "VELOCIRAPTOR_BIN";

/// A Velociraptor program, which is client and server in one.
#[derive(Clone, Debug)]
pub struct Peer(PathBuf);

impl Peer {
    /// The program that `VELOCIRAPTOR_BIN` names; `None`, said aloud, when it is unset.
    ///
    /// # Errors
    ///
    /// The variable names something that is not a file.
    pub fn find(what: &str) -> Result<Option<Self>> {
        let Some(path) = env::var_os(VARIABLE).map(PathBuf::from) else {
            eprintln!("SKIPPED: {what}: {VARIABLE} is unset");
            return Ok(None);
        };
        ensure!(path.is_file(), "{VARIABLE}: {} is not a file", path.display());
        Ok(Some(Self(path)))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Our agent in its server.
    pub fn serving(&self, ours: &Programs) -> Programs {
        let agent = ours.agent.clone();
        Programs { agent, server: self.0.clone(), served_by: Make::Velociraptor }
    }

    /// Its client in our server.
    pub fn visiting(&self, ours: &Programs) -> Programs {
        let server = ours.server.clone();
        Programs { agent: self.0.clone(), server, served_by: Make::Troodon }
    }

    /// Its client in its server: what passes here is a fair case.
    pub fn alone(&self) -> Programs {
        let program = self.0.clone();
        Programs { agent: program.clone(), server: program, served_by: Make::Velociraptor }
    }
}
