//! Keys of a client, a server and a CA, made once from seeds.

use std::sync::OnceLock;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use troodon_core::rsa::soft::SoftKey;

/// Names the deployment.
pub const NONCE: &str = "bm9uY2U=";

/// The same numbers every time.
pub fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

/// The client's key.
pub fn client() -> &'static SoftKey {
    static KEY: OnceLock<SoftKey> = OnceLock::new();
    KEY.get_or_init(|| make(1))
}

/// The server's key.
pub fn server() -> &'static SoftKey {
    static KEY: OnceLock<SoftKey> = OnceLock::new();
    KEY.get_or_init(|| make(2))
}

fn make(seed: u64) -> SoftKey {
    SoftKey::generate(&mut ChaCha20Rng::seed_from_u64(seed), 2048).expect("2048 bits are accepted")
}
