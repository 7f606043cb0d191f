//! Keys that the tests share; each is made once for a run, from a seed.

use std::sync::OnceLock;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use troodon_core::envelope::Outbound;
use troodon_core::pin::{Anchor, Pinned, ServerKey};
use troodon_core::rsa::PrivateKey;
use troodon_core::rsa::soft::SoftKey;
use troodon_core::time::UnixTime;

use crate::certificates::{ca, leaf, pem};

/// The name that clients pin.
pub const SERVER: &str = "VelociraptorServer";
/// Names the deployment.
pub const NONCE: &str = "bm9uY2U=";
/// Within the validity of every certificate that is meant to be valid.
pub const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

macro_rules! key {
    ($name:ident, $seed:literal) => {
        pub fn $name() -> &'static SoftKey {
            static KEY: OnceLock<SoftKey> = OnceLock::new();
            KEY.get_or_init(|| SoftKey::generate(&mut rng($seed), 2048).unwrap())
        }
    };
}

key!(client_key, 1);
key!(server_key, 2);
key!(ca_key, 3);
key!(other_key, 4);

/// The deployment's CA, as the agent holds it.
pub fn anchor() -> Anchor {
    Anchor::from_pem(pem(&ca().sign(ca_key())).as_bytes()).unwrap()
}

/// The deployment's server, as the agent trusts it.
pub fn pinned() -> Pinned<ServerKey> {
    let leaf = leaf(SERVER, server_key().public()).sign(ca_key());
    anchor().check(pem(&leaf).as_bytes(), SERVER, Some(NOW)).unwrap()
}

/// A session of the client towards the server.
pub fn to_server(seed: u64) -> Outbound {
    Outbound::to_server(&mut rng(seed), client_key(), &pinned()).unwrap()
}

/// A session of the server towards the client.
pub fn to_client(seed: u64) -> Outbound {
    Outbound::to_client(&mut rng(seed), server_key(), SERVER, client_key().public()).unwrap()
}
