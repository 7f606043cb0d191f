//! What an envelope costs: bulk sealing and opening, and the start of a session with each RSA back end.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a benchmark fails by panicking, and criterion's macros write undocumented items"
)]

#[path = "../tests/crypto/certificates.rs"]
#[allow(dead_code, clippy::indexing_slicing, reason = "shared with the tests")]
mod certificates;
#[path = "../tests/crypto/keys.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod keys;

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use troodon_core::envelope::{FromClients, Lists, Opened, Outbound, deflate};
use troodon_core::pin::Anchor;
use troodon_core::rsa::PrivateKey;

use keys::{NONCE, NOW, SERVER, client_key, pinned, rng, server_key, to_server};

/// A list as an agent sends it: rows of JSON, 64 kB each in a message of its own.
fn rows(bytes: usize) -> Bytes {
    let row = br#"{"Pid":4711,"Name":"sshd","Exe":"/usr/sbin/sshd","Username":"root","Started":1700000000}"#;
    let text: Vec<u8> = row.iter().chain(b"\n").copied().cycle().take(bytes).collect();
    // MessageList.job { session_id: text }: the codec does not look inside.
    let inner = [&[0x0a], length(text.len()).as_slice(), &text].concat();
    [&[0x0a], length(inner.len()).as_slice(), &inner].concat().into()
}

fn length(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
    out
}

fn open(receiver: &mut FromClients, key: &dyn PrivateKey, body: Bytes) -> usize {
    let find = |_| Some(client_key().public().clone());
    match receiver.open(&mut rng(1), key, body, |nonce| nonce == NONCE, find) {
        Ok(Opened::Messages(packet)) => packet.messages(usize::MAX).count(),
        other => panic!("{other:?}"),
    }
}

fn bulk(criterion: &mut Criterion) {
    let (session, mut random) = (to_server(1), rng(2));
    for (name, size) in [("row", 200), ("1MiB", 1024 * 1024)] {
        let list = rows(size);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(list.len().try_into().unwrap()));
        let mut seal = |lists| session.seal(&mut random, NOW, NONCE, lists).unwrap();
        group.bench_function("seal", |bench| {
            bench.iter(|| seal(Lists::Plain(vec![list.clone()])));
        });
        group.bench_function("deflate and seal", |bench| {
            bench.iter(|| seal(Lists::Zlib(vec![deflate(&list)])));
        });
        for (name, lists) in [
            ("open", Lists::Plain(vec![list.clone()])),
            ("open and inflate", Lists::Zlib(vec![deflate(&list)])),
        ] {
            let body = seal(lists);
            let mut receiver = FromClients::new(10);
            group.bench_function(name, |bench| {
                bench.iter_batched(
                    || Bytes::from(body.clone()),
                    |body| black_box(open(&mut receiver, server_key(), body)),
                    BatchSize::LargeInput,
                );
            });
        }
        group.finish();
    }
}

fn session(
    criterion: &mut Criterion,
    name: &str,
    client: &dyn PrivateKey,
    server: &dyn PrivateKey,
) {
    let mut group = criterion.benchmark_group(name);
    let (pinned, mut random) = (pinned(), rng(3));
    group.bench_function("make a session", |bench| {
        bench.iter(|| Outbound::to_server(&mut random, client, &pinned).unwrap());
    });
    let session = Outbound::to_server(&mut random, client, &pinned).unwrap();
    let body = session.seal(&mut random, NOW, NONCE, Lists::Plain(Vec::new())).unwrap();
    group.bench_function("meet a session", |bench| {
        bench.iter(|| open(&mut FromClients::new(1), server, body.clone().into()));
    });
    group.finish();
}

fn soft(criterion: &mut Criterion) {
    session(criterion, "soft", client_key(), server_key());
}

#[cfg(feature = "aws-lc")]
fn aws(criterion: &mut Criterion) {
    use troodon_core::rsa::aws::AwsKey;
    let same = |key: &troodon_core::rsa::soft::SoftKey| {
        AwsKey::from_pkcs1_der(&key.to_pkcs1_der().unwrap()).unwrap()
    };
    session(criterion, "aws-lc", &same(client_key()), &same(server_key()));
}

#[cfg(not(feature = "aws-lc"))]
fn aws(_criterion: &mut Criterion) {}

fn pin(criterion: &mut Criterion) {
    let ca = certificates::pem(&certificates::ca().sign(keys::ca_key()));
    let leaf = certificates::leaf(SERVER, server_key().public()).sign(keys::ca_key());
    let (anchor, leaf) = (Anchor::from_pem(ca.as_bytes()).unwrap(), certificates::pem(&leaf));
    criterion.bench_function("pin server.pem", |bench| {
        bench.iter(|| anchor.check(leaf.as_bytes(), SERVER, Some(NOW)).unwrap());
    });
}

criterion_group!(benches, bulk, soft, aws, pin);
criterion_main!(benches);
