//! The agent's identity in Velociraptor's writeback file.
//!
//! A device that ran Velociraptor's client keeps its identity: the file is read as that client left it, and only the key in
//! it is used. A file that the agent makes has the same keys. It is never replaced: another key is another client.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use troodon_core::config::Secret;
use troodon_core::error::KeyFault;
use troodon_core::identity::ClientId;
use troodon_core::rsa::PrivateKey;
use troodon_core::rsa::soft::SoftKey;

use crate::config::{self, ConfigFault};

/// Bits of a fresh key: what the original makes (docs/protocol.md section 2.1).
const KEY_BITS: u32 = 2048;

/// The keys that matter here; the others of the real client are passed over and left as they are.
#[derive(Debug, Deserialize, Serialize)]
struct Writeback {
    #[serde(default)]
    private_key: Secret,
    #[serde(default)]
    client_id: String,
    /// Seconds since 1970.
    #[serde(default)]
    install_time: u64,
}

/// Who this agent is.
pub struct Identity {
    /// Its key.
    pub key: SoftKey,
    /// When it was made, in seconds since 1970; 0 when not known.
    pub install_time: u64,
}

/// Why there is no identity.
#[derive(Debug, Error)]
pub enum WritebackFault {
    /// The file is no YAML.
    #[error(transparent)]
    Malformed(#[from] ConfigFault),
    /// The file is there, but has no usable key.
    #[error(
        "{path}: private_key: {fault}; restore the file, or delete it to enrol as another client"
    )]
    BadKey {
        /// Which file.
        path: PathBuf,
        /// What is wrong with the key.
        fault: KeyFault,
    },
    /// A key could not be made.
    #[error("cannot make a key: {0}")]
    Generation(KeyFault),
    /// The system refuses.
    #[error("{path}: {error}")]
    System {
        /// Which file.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
}

/// Reads the identity; makes one if there is no file.
///
/// `now` is in seconds since 1970.
///
/// # Errors
///
/// [`WritebackFault`] says which file and what to do.
pub fn identity(
    path: &Path,
    now: u64,
    rng: &mut dyn CryptoRng,
) -> Result<Identity, WritebackFault> {
    match fs::read_to_string(path) {
        Ok(text) => read(path, &Secret::new(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => make(path, now, rng),
        Err(error) => Err(WritebackFault::System { path: path.to_owned(), error }),
    }
}

fn read(path: &Path, text: &Secret) -> Result<Identity, WritebackFault> {
    let writeback: Writeback = config::parse(path, text.expose())?;
    let key = SoftKey::from_pkcs1_pem(writeback.private_key.expose().as_bytes())
        .map_err(|fault| WritebackFault::BadKey { path: path.to_owned(), fault })?;
    Ok(Identity { key, install_time: writeback.install_time })
}

fn make(path: &Path, now: u64, rng: &mut dyn CryptoRng) -> Result<Identity, WritebackFault> {
    let key = SoftKey::generate(rng, KEY_BITS).map_err(WritebackFault::Generation)?;
    let pem = key.to_pkcs1_pem().map_err(WritebackFault::Generation)?;
    let writeback = Writeback {
        private_key: Secret::new(pem.to_string()),
        client_id: ClientId::of(key.public()).to_string(),
        install_time: now,
    };
    write(path, &writeback)
        .map_err(|error| WritebackFault::System { path: path.to_owned(), error })?;
    Ok(Identity { key, install_time: now })
}

/// Written beside and linked into place: the file is there whole or not at all, and none that is there is replaced.
fn write(path: &Path, writeback: &Writeback) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // JSON is YAML, and the original's programs read it as such.
    let text = Secret::new(serde_json::to_string(writeback).map_err(io::Error::other)?);
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".fresh");
    // What an earlier run left behind when it was cut off was never in use.
    let _left_behind = fs::remove_file(&fresh);
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh)?;
    file.write_all(text.expose().as_bytes())?;
    file.sync_all()?;
    fs::hard_link(&fresh, path)?;
    fs::remove_file(&fresh)?;
    File::open(folder)?.sync_all()
}
