//! What comes over a connection, and what lies on a medium.

use crc::{CRC_32_ISO_HDLC, Crc};
use troodon_core::http::HttpFault;
use troodon_core::http::response::{Response, Status};
use troodon_core::http::url::BaseUrl;
use troodon_core::provision::Provision;
use troodon_core::queue::{Queue, QueueLimits};
use troodon_core::state::{self, Lasting, StoredIdentity, StoredLosses, StoredServer, StoredTable};
use troodon_core::storage::memory::MemoryStorage;
use troodon_core::storage::{Lane, Storage};

const BODY_MAX: usize = 512;

/// A stream, after a byte that says how it is cut: the answer must not depend on that.
pub fn http_response(data: &[u8]) {
    let Some((portion, stream)) = data.split_first() else { return };
    let whole = receive(stream, stream.len().max(1));
    assert_eq!(receive(stream, usize::from(*portion).max(1)), whole);
    assert_eq!(receive(stream, 1), whole);
}

/// Status, body and how much was taken, or the fault.
fn receive(stream: &[u8], portion: usize) -> Result<(Option<Status>, Vec<u8>, usize), HttpFault> {
    let mut response = Response::new(BODY_MAX);
    let mut taken = 0;
    for bytes in stream.chunks(portion) {
        let count = response.receive(bytes)?;
        taken += count;
        if count < bytes.len() {
            break;
        }
    }
    assert!(response.is_complete() || taken == stream.len());
    response.end()?;
    let status = response.status();
    let body = response.into_body();
    assert!(status.is_some() && body.len() <= BODY_MAX);
    Ok((status, body, taken))
}

/// Answers of a real server.
pub fn streams() -> Vec<Vec<u8>> {
    let with_portion = |stream: &[u8]| [b"\x07", stream].concat();
    vec![
        with_portion(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"),
        with_portion(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n\
              3\r\n\x5a\x01\x00\r\nA;x=y\r\n0123456789\r\n0\r\nX: y\r\n\r\nHTTP/1.1",
        ),
        with_portion(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.0 406 No\r\n\r\nPlease Enrol"),
        with_portion(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
    ]
}

/// A text as a base URL: what is accepted can be written down and is the same again.
pub fn base_url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(url) = BaseUrl::parse(text) else { return };
    assert!(!url.host().is_empty() && url.path().starts_with('/') && url.path().ends_with('/'));
    assert!(!url.to_string().contains(|c: char| c.is_whitespace() || c.is_control()));
    assert_eq!(BaseUrl::parse(&url.to_string()), Ok(url));
}

/// URLs of every form.
pub fn urls() -> Vec<Vec<u8>> {
    ["https://server.example:8000/base/", "ws://[2001:db8::1]/", "HTTP://10.0.0.1:1/%20/"]
        .map(|text| text.as_bytes().to_vec())
        .into()
}

/// A stored value, as it is and with the checksum that it should have.
pub fn state_blob(data: &[u8]) {
    let checksum = Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(data);
    for blob in [data.to_vec(), [data, &checksum.to_le_bytes()].concat()] {
        stays_equal::<StoredIdentity>(&blob);
        stays_equal::<StoredLosses>(&blob);
        stays_equal::<StoredServer>(&blob);
        stays_equal::<StoredTable>(&blob);
    }
}

/// What can be read is written the same way every time.
fn stays_equal<T: Lasting>(blob: &[u8]) {
    let Ok(value) = state::parse::<T>(blob) else { return };
    let bytes = state::emit(&value);
    let again = state::parse::<T>(&bytes).expect("what was emitted");
    assert_eq!(state::emit(&again), bytes);
}

/// Values without their checksum.
pub fn blobs() -> Vec<Vec<u8>> {
    let table = StoredTable { version: 77, table: vec![1, 2, 3] };
    let losses = StoredLosses { rows: [("Custom.A".into(), 5), ("Custom.B".into(), 1)].into() };
    let server = StoredServer { pem: b"-----BEGIN".to_vec() };
    let without_checksum = |blob: &[u8]| blob[..blob.len() - 4].to_vec();
    vec![
        without_checksum(&state::emit(&table)),
        without_checksum(&state::emit(&losses)),
        without_checksum(&state::emit(&server)),
    ]
}

/// The flash of a board, as it is and as the body of a blob whose length and checksum are right: what can be read is
/// written the same way every time, or is longer than boards read.
pub fn provision(data: &[u8]) {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes();
    let summed = [b"TROODON\0\x01\x00", &length[..], data].concat();
    let checksum = Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(&summed);
    for flash in [data.to_vec(), [&summed[..], &checksum.to_le_bytes()].concat()] {
        let Ok(read) = Provision::parse(&flash) else { continue };
        // Whatever it says, making a configuration of it ends.
        let _usable = read.agent_config();
        let Ok(bytes) = read.emit() else { continue };
        let again = Provision::parse(&bytes).expect("what was emitted");
        assert_eq!(again.emit().expect("as long as before"), bytes);
    }
}

/// What a board is given, without the frame around it.
pub fn provisions() -> Vec<Vec<u8>> {
    let given = Provision {
        name: "pump-7".into(),
        server_urls: vec!["https://server.example:8000/".into()],
        ca_certificate: include_str!("../seeds/ca.pem").into(),
        nonce: "nonce".into(),
        ..Provision::default()
    };
    let blob = given.emit().expect("short");
    // Mark, version and length stand before the body, the checksum behind it.
    vec![blob[14..blob.len() - 4].to_vec()]
}

/// Records that another program may have left on the medium, each behind its lane and length: the queue drains.
pub fn queue_records(data: &[u8]) {
    let mut storage = MemoryStorage::new();
    let mut rest = data;
    while let [lane, length, tail @ ..] = rest {
        let (record, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = tail;
        let lane = Lane::ALL[usize::from(*lane) % Lane::ALL.len()];
        storage.append(lane, record).expect("memory");
    }
    let limits = QueueLimits { batch: 64, ..QueueLimits::default() };
    let mut queue = Queue::open(storage, limits).expect("memory");
    let mut batches = 0;
    while let Some(batch) = queue.lease(None).expect("memory") {
        assert!(batch.messages > 0 && !batch.lists.is_empty());
        queue.acknowledge().expect("memory");
        batches += 1;
        assert!(batches <= data.len());
    }
    assert!(queue.is_empty() && queue.bytes() == 0);
}

/// A message, and the note that its flow was cancelled.
pub fn records() -> Vec<Vec<u8>> {
    let message = b"\x01\x0e\x01\x0a\x0b\x0a\x03F.1\x8a\x02\x03\x3a\x01x";
    let forget = b"\x01\x04\x02F.1";
    vec![message.to_vec(), [&message[..], forget, b"\x02\x02\x01\x0a"].concat()]
}
