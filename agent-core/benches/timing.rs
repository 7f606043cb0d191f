//! Whether time tells secrets: private-key operations and comparisons, measured as dudect does (Reparaz, Balasch and Verbauwhede,
//! "Dude, is my code constant time?").
//!
//! Two classes of inputs, in an order that chance decides; Welch's t-test tells whether their times differ. Below 4.5 nothing was
//! found; above 10 there is a leak, and the program fails. `cargo bench -p troodon-core --bench timing -- [SAMPLES]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a benchmark fails by panicking, and counts in floating point"
)]

#[path = "../tests/crypto/certificates.rs"]
#[allow(dead_code, clippy::indexing_slicing, reason = "shared with the tests")]
mod certificates;
#[path = "../tests/crypto/keys.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod keys;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use bytes::Bytes;
use rand_core::Rng;
use troodon_core::envelope::{FromClients, Lists};
use troodon_core::rsa::PrivateKey;
use troodon_proto::{ClientCommunication, Message};

use keys::{NONCE, NOW, client_key, rng, server_key, to_server};

/// Inputs of the varying class.
const VARIETY: usize = 256;
/// Where a leak is certain (dudect's own bound).
const CERTAIN: f64 = 10.0;

fn main() -> ExitCode {
    let samples = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(4_000);
    let mut worst = 0.0_f64;
    let mut report = |name: &str, t: f64| {
        println!("{name:56} |t| = {:6.2}", t.abs());
        worst = worst.max(t.abs());
    };
    for (back_end, key) in back_ends() {
        let t = decryption(&*key, samples);
        report(&format!("{back_end}: decrypt, one text or many"), t);
        let t = signature(&*key, samples);
        report(&format!("{back_end}: sign, one text or many"), t);
    }
    report("MAC of an envelope, wrong in its first or last byte", mac(samples * 10));
    println!("{samples} samples; a leak is certain above {CERTAIN}");
    if worst > CERTAIN { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn back_ends() -> Vec<(&'static str, Box<dyn PrivateKey>)> {
    use troodon_core::rsa::soft::SoftKey;
    let pem = server_key().to_pkcs1_pem().unwrap();
    vec![
        ("soft", Box::new(SoftKey::from_pkcs1_pem(pem.as_bytes()).unwrap())),
        #[cfg(feature = "aws-lc")]
        (
            "aws-lc",
            Box::new(troodon_core::rsa::aws::AwsKey::from_pkcs1_pem(pem.as_bytes()).unwrap()),
        ),
    ]
}

fn decryption(key: &dyn PrivateKey, samples: usize) -> f64 {
    let mut random = rng(1);
    let mut sealed = || {
        let mut text = [0; 69];
        random.fill_bytes(&mut text);
        key.public().encrypt_oaep_sha1(&mut random, &text).unwrap()
    };
    let (one, many) = (sealed(), (0..VARIETY).map(|_| sealed()).collect::<Vec<_>>());
    let mut random = rng(2);
    difference(samples, &one, &many, |input| {
        black_box(key.decrypt_oaep_sha1(&mut random, input).is_ok());
    })
}

fn signature(key: &dyn PrivateKey, samples: usize) -> f64 {
    let mut random = rng(3);
    let mut text = || {
        let mut text = vec![0; 69];
        random.fill_bytes(&mut text);
        text
    };
    let (one, many) = (text(), (0..VARIETY).map(|_| text()).collect::<Vec<_>>());
    let mut random = rng(4);
    difference(samples, &one, &many, |input| {
        black_box(key.sign_pkcs1_sha256(&mut random, input).is_ok());
    })
}

/// Envelopes of a known session, so that the MAC is what refuses them.
fn mac(samples: usize) -> f64 {
    let session = to_server(1);
    let lists = || Lists::Plain(vec![Bytes::from_static(&[0x0a, 0])]);
    let good = session.seal(&mut rng(5), NOW, NONCE, lists()).unwrap();
    let mut receiver = FromClients::new(1);
    let mut open = |body: &[u8]| {
        let find = |_| Some(client_key().public().clone());
        let body = Bytes::copy_from_slice(body);
        receiver.open(&mut rng(6), server_key(), body, |nonce| nonce == NONCE, find).is_ok()
    };
    assert!(open(&good));
    let damaged = |at: usize| {
        let mut message = ClientCommunication::decode(&good[..]).unwrap();
        let mut mac = message.full_hmac.to_vec();
        mac[at] ^= 1;
        message.full_hmac = mac.into();
        message.encode_to_vec()
    };
    difference(samples, &damaged(0), &[damaged(19)], |body| {
        assert!(!black_box(open(body)));
    })
}

/// Welch's t of the times of `run` on the one input and on the others, without the slowest tenth of all, which interrupts make.
fn difference(samples: usize, one: &[u8], many: &[Vec<u8>], mut run: impl FnMut(&[u8])) -> f64 {
    let mut chance = rng(7);
    let mut times = Vec::with_capacity(samples);
    for number in 0..samples {
        let is_one = chance.next_u32().is_multiple_of(2);
        // Copied, so that neither class is nearer to the processor.
        let input = if is_one { one } else { &many[number % many.len()] }.to_vec();
        let start = Instant::now();
        run(&input);
        times.push((is_one, start.elapsed().as_nanos() as f64));
    }
    let mut sorted: Vec<f64> = times.iter().map(|(_, time)| *time).collect();
    sorted.sort_by(f64::total_cmp);
    let limit = sorted[samples * 9 / 10];
    let class = |wanted: bool| -> (f64, f64, f64) {
        let kept = times.iter().filter(|(is_one, time)| *is_one == wanted && *time < limit);
        let kept: Vec<f64> = kept.map(|(_, time)| *time).collect();
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (count, mean, variance)
    };
    let ((n, mean, variance), (m, other, spread)) = (class(true), class(false));
    (mean - other) / (variance / n + spread / m).sqrt()
}
