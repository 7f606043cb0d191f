//! The board's key: kept, provisioned, or made at the first boot.

use alloc::boxed::Box;
use core::fmt;

use rand_core::CryptoRng;
use troodon_core::error::KeyFault;
use troodon_core::limits::RSA_BITS_MIN;
use troodon_core::provision::Provision;
use troodon_core::rsa::soft::SoftKey;
use troodon_core::state::{self, StateFault, StoredIdentity};
use troodon_core::storage::{Storage, StorageFault};
use zeroize::Zeroizing;

use crate::system::System;

/// Why a board has no identity.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IdentityFault {
    /// A key that was kept, provisioned or made is not usable.
    Key(KeyFault),
    /// The key that was kept cannot be read. It is never replaced silently: to the server another key is another client.
    Kept(StateFault),
    /// The key cannot be kept.
    Storage(StorageFault),
}

impl fmt::Display for IdentityFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(fault) => write!(f, "the board's key: {fault}"),
            Self::Kept(fault) => write!(f, "the board's key: {fault}; provision the board again"),
            Self::Storage(fault) => write!(f, "the board's key cannot be kept: {fault}"),
        }
    }
}

/// The key of this board. Making one takes ten seconds to a minute; a reset meanwhile only means to begin again.
///
/// # Errors
///
/// [`IdentityFault`]; without an identity there is no agent.
pub fn identity(
    provision: &Provision,
    storage: &mut impl Storage,
    rng: &mut dyn CryptoRng,
    system: &dyn System,
) -> Result<Box<SoftKey>, IdentityFault> {
    let kept = state::load::<StoredIdentity>(storage).map_err(IdentityFault::Kept)?;
    if let Some(kept) = kept {
        return SoftKey::from_pkcs1_pem(&kept.private_key_pem)
            .map(Box::new)
            .map_err(IdentityFault::Key);
    }
    let key = if provision.private_key.is_empty() {
        system.say(format_args!("making a key; this takes up to a minute"));
        SoftKey::generate(rng, RSA_BITS_MIN)
    } else {
        SoftKey::from_pkcs1_pem(provision.private_key.expose().as_bytes())
    };
    let key = key.map_err(IdentityFault::Key)?;
    let pem = key.to_pkcs1_pem().map_err(IdentityFault::Key)?;
    let identity = StoredIdentity { private_key_pem: Zeroizing::new(pem.as_bytes().to_vec()) };
    state::store(storage, &identity).map_err(IdentityFault::Storage)?;
    storage.sync().map_err(IdentityFault::Storage)?;
    Ok(Box::new(key))
}
