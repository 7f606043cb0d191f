//! Every target on stable: its kept corpus, its seeds, and some thousand changes of them that are the same in every run.

use std::path::Path;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use troodon_fuzz::{TARGETS, Target};

const CHANGES: u64 = 2_000;

fn smoke(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let mut inputs = (target.seeds)();
    inputs.extend(corpus(target));
    assert!(!inputs.is_empty());
    inputs.iter().for_each(|input| (target.run)(input));
    let end = Instant::now() + seconds();
    for seed in (0_u64..).take_while(|seed| *seed < CHANGES || Instant::now() < end) {
        let mut random = ChaCha20Rng::seed_from_u64(seed);
        let input = &inputs[below(&mut random, inputs.len())];
        (target.run)(&change(&mut random, input.clone()));
    }
}

/// For how long each target runs at least: `TROODON_FUZZ_SECONDS`, as `cargo xtask fuzz` sets it.
fn seconds() -> Duration {
    let text = std::env::var("TROODON_FUZZ_SECONDS").unwrap_or_default();
    Duration::from_secs(text.parse().unwrap_or(0))
}

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| std::fs::read(entry.expect("an entry").path()).expect("a file")).collect()
}

fn change(random: &mut ChaCha20Rng, mut input: Vec<u8>) -> Vec<u8> {
    for _ in 0..=below(random, 4) {
        let place = below(random, input.len() + 1);
        let end = place + below(random, input.len() - place + 1).min(32);
        match below(random, 5) {
            0 => input.truncate(place),
            1 => input.insert(place, random.next_u32().to_le_bytes()[0]),
            2 => drop(input.drain(place..end)),
            3 => {
                let part = input[place..end].to_vec();
                input.splice(place..place, part);
            }
            _ => {
                if let Some(byte) = input.get_mut(place) {
                    *byte ^= 1 << below(random, 8);
                }
            }
        }
    }
    input
}

fn below(random: &mut ChaCha20Rng, bound: usize) -> usize {
    usize::try_from(random.next_u32()).expect("32 bits") % bound
}

macro_rules! smoke {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            smoke(stringify!($name));
        })*

        #[test]
        fn every_target_is_here() {
            let here = [$(stringify!($name)),*];
            assert!(TARGETS.iter().map(|target| target.name).eq(here));
        }
    };
}

smoke! {
    body packet damage round_trip server_pem request names query_text query_run pattern
    http_response base_url state_blob provision queue_records flash agent_inputs
    profile grok document archive plist x509 program
}
