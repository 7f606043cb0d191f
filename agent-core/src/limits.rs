//! Every limit of the agent core: a number, its unit and its reason.

use crate::time::Span;

/// Bits of the smallest RSA modulus that is accepted. Everything in the field uses 2048.
pub const RSA_BITS_MIN: u32 = 2048;
/// Bits of the largest RSA modulus that is accepted: larger ones only buy the sender our time.
pub const RSA_BITS_MAX: u32 = 4096;
/// The one public exponent in use. Small ones weaken the padding, large ones cost verification time.
pub const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

/// Bytes of a server.pem, or of an embedded CA. A real one is 1.2 kB; other text may surround the block.
pub const PEM_BYTES: usize = 64 * 1024;
/// Bytes of a PEM certificate request; a real one is 0.9 kB.
pub const CSR_BYTES: usize = 8 * 1024;
/// Bytes of a PEM private key; 4096 bits take 3.3 kB.
pub const KEY_PEM_BYTES: usize = 8 * 1024;
/// Extensions of one certificate; a real one has six. Bounds the quadratic search for duplicates.
pub const CERTIFICATE_EXTENSIONS: usize = 32;

/// Bytes of a name: sender, server, query. The longest real ones are 40.
pub const NAME_BYTES: usize = 256;
/// Bytes of a nonce; real ones have 12.
pub const NONCE_BYTES: usize = 256;
/// Bytes of the decrypted CipherProperties; our encoding takes 69, RSA-4096 leaves room for 470.
pub const PROPERTIES_BYTES: usize = 512;
/// Bytes of encrypted CipherMetadata; a name and a signature take 288.
pub const METADATA_BYTES: usize = 2 * 1024;
/// Bytes of one inflated message list on a server, at most (docs/protocol.md section 2.6). A host passes a smaller one.
pub const INFLATED_BYTES: usize = 100 * 1024 * 1024;
/// Message lists in one packet. Real peers send up to ten; each may inflate to the limit above, one after another.
pub const LISTS_PER_PACKET: usize = 1024;
/// Fields at the top of one message plus fields at the top of its payloads. A two-byte field can become a structure of
/// hundreds of bytes; the largest real message is a monitoring table of some hundred event queries.
pub const FIELDS_PER_MESSAGE: usize = 16 * 1024;
/// Messages that [`crate::envelope::Messages::collect_all`] keeps at once; each takes about two kilobytes.
pub const MESSAGES_PER_PACKET: usize = 16 * 1024;
/// Sealed bytes of one packet. A 32-bit board reaches it last; servers read at most 200 MiB of a body.
pub const SEALED_BYTES: usize = 256 * 1024 * 1024;
/// Bytes of a message list from an unknown sender, inflated: all that may be in it is a certificate request.
pub const STRANGER_BYTES: usize = 1024 * 1024;

/// Bytes of one `MessageList` in a packet, before compression: a quarter of the original's POST (docs/protocol.md 2.9).
pub const LIST_BYTES: usize = 5 * 1024 * 1024 / 4;
/// Bytes that a record costs beside its content: a flash log keeps 8 to 16 for length and checksum.
pub const RECORD_OVERHEAD: u64 = 16;
/// Cancelled flows of which queued rows are still dropped. A server has four flows in flight for a client.
pub const FORGOTTEN_FLOWS: usize = 64;
/// Artifacts for which lost rows are counted apart. Each is an event query of the table; real ones have ten.
pub const LOSS_NAMES: usize = 64;

/// Bytes of a base URL. Longer ones are not typed by people, and some servers refuse them.
pub const URL_BYTES: usize = 2 * 1024;
/// Bytes of the head of an HTTP response. Ours has 120; proxies add some hundred.
pub const HTTP_HEAD_BYTES: usize = 8 * 1024;
/// Fields in the head of an HTTP response. Ours has four.
pub const HTTP_FIELDS: usize = 64;
/// Interim responses (1xx) before the real one. No server of this protocol sends any.
pub const HTTP_INTERIM: u32 = 4;
/// Bytes of the line before a chunk: 16 digits, and room for extensions that a proxy may add.
pub const HTTP_CHUNK_LINE_BYTES: usize = 256;
/// Bytes of the fields after the last chunk. No server of this protocol sends any.
pub const HTTP_TRAILER_BYTES: usize = 4 * 1024;

/// Attempts with one server when an error may pass: 408, 503, a lost connection (docs/protocol.md section 3.5).
pub const ATTEMPTS: u32 = 3;
/// Before the next server of the list, when it has not failed yet; a random part is added, because thousands of agents may
/// have lost the same server at the same moment.
pub const FAILOVER_PAUSE: Span = Span::from_secs(1);
/// See [`FAILOVER_PAUSE`].
pub const FAILOVER_PAUSE_JITTER: Span = Span::from_secs(4);
/// Between polls, and before the same server is tried again; up to as much again is added at random.
pub const POLL_PAUSE: Span = Span::from_secs(1);
/// A poll that was answered sooner than this with nothing to do is a quick one.
pub const QUICK_POLL: Span = Span::from_secs(5);
/// Quick polls in a row before they are slowed down to one in half a `max_poll` (docs/protocol.md section 3.6).
pub const QUICK_POLLS: u32 = 10;
/// After 409: a server that lost us without a sign notices after one or two pads (docs/protocol.md section 9, P14).
pub const CONFLICT_PAUSE: Span = Span::from_secs(15);
/// Between two requests to be enrolled (docs/protocol.md section 5.1).
pub const ENROL_PAUSE: Span = Span::from_secs(60);
/// Wait before the first poll after a request to be enrolled, doubled with each 406: a server that agrees does so at once.
pub const UNKNOWN_PAUSE_MIN: Span = Span::from_millis(100);
/// Longest wait between polls while the server does not know us.
pub const UNKNOWN_PAUSE_MAX: Span = Span::from_secs(30);
/// On a host with one link: how long a poll may hold back what is to be sent.
pub const POLL_SHARE: Span = Span::from_secs(10);
/// On a host with one link: posts in a row before the next poll.
pub const POSTS_IN_A_ROW: u32 = 8;
/// How long messages gather before they are sent (docs/protocol.md section 3.6).
pub const GATHER: Span = Span::from_secs(1);
/// How long what was queued may be lost by a power cut: one write to the medium serves all of it.
pub const SYNC_DELAY: Span = Span::from_secs(1);
/// Before a medium that failed is asked again.
pub const STORAGE_PAUSE: Span = Span::from_secs(10);
/// Without a byte in either direction a connection is dead; pads come every 10 s (docs/protocol.md section 3.4).
pub const LINK_SILENCE: Span = Span::from_secs(60);
/// How long a connection without work is kept. Servers close it after 150 s (docs/protocol.md section 3.6).
pub const LINK_IDLE: Span = Span::from_secs(60);
/// Bytes of a reply of the reader on Linux: tasks of up to 200 artifacts with their text. A board takes less.
pub const REPLY_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of a reply to results: an envelope with an empty list has 600, and a pad comes every 3 s.
pub const CONTROL_REPLY_BYTES: usize = 64 * 1024;
/// Messages of one reply that wait for the host.
pub const INBOX: usize = 4096;
/// Bytes of what a board is provisioned with; with three certificates and two keys it is some 8 kB. Boards set this much
/// flash apart.
pub const PROVISION_BYTES: usize = 16 * 1024 - 64;
/// Bytes of the client's description of itself, as JSON. A real one has 600.
pub const CLIENT_INFO_BYTES: usize = 64 * 1024;

const _: () = assert!(LINK_SILENCE.as_seconds() > 10, "a pad interval is no silence");
const _: () = assert!(LINK_IDLE.as_seconds() < 150, "the server would close first");

/// Rows of a part of a result when the request names no number (docs/protocol.md section 6.3).
pub const PART_ROWS: u64 = 10_000;
/// How long a row waits for others when the request names no time (docs/protocol.md section 6.3).
pub const PART_WAIT: Span = Span::from_secs(100);
/// How long a row of an event query waits for others when the table names no time (docs/protocol.md section 7.2).
pub const EVENT_PART_WAIT: Span = Span::from_secs(120);
/// Artifacts that call each other, as many as the original allows.
pub const ARTIFACT_CALLS: usize = 10;
/// Nested evaluations that the innermost artifact may still use.
pub const CALL_DEPTH_MIN: u16 = 20;
/// Steps of a called artifact before its caller looks at its own fuel.
pub const CALL_FUEL: u64 = FUEL_MIN;
/// Runs of data of a sparse file; each costs some 20 bytes in the last chunk.
pub const SPARSE_RUNS: usize = 10_000;
/// Rows that a query makes in one slice of work, so that others get their turn where rows cost little fuel.
pub const ROWS_PER_SLICE: usize = 100;
/// Least fuel of a slice, in steps. Each level of a query takes a step before its source gets any, so with less than the
/// levels of [`troodon_vql::Budget::depth`] a deep query would never get anywhere.
pub const FUEL_MIN: u64 = 500;
/// Longest time that counts as work in one slice. Beyond it the host was busy with something else.
pub const SLICE_TIME_MAX: Span = Span::from_secs(10);
/// How long a batch may run when the request names no time (docs/protocol.md section 6.3).
pub const FLOW_TIMEOUT: Span = Span::from_secs(600);
/// How often a batch logs that it lives when the request names no time (docs/protocol.md section 6.3).
pub const HEARTBEAT: Span = Span::from_secs(30);
/// How long a flow waits for its turn (docs/protocol.md section 6.3).
pub const FLOW_PATIENCE: Span = Span::from_secs(3_600);
/// How often a running flow tells its progress when the request names no time (docs/protocol.md section 6.4).
pub const STATS_WAIT: Span = Span::from_secs(5);
/// Finished flows of which the end is remembered, as many as the original does (docs/protocol.md section 6.8).
pub const FLOWS_REMEMBERED: usize = 20;
/// Flows that one question may name; a server has four in flight for a client.
pub const FLOWS_ASKED_AT_ONCE: usize = 1_024;
/// Log lines of a flow when the request names no number (docs/protocol.md section 1.3).
pub const FLOW_LOGS: u64 = 100_000;
/// Shortest time between two batches of log lines. The server asks for "2" and means seconds, the original reads
/// milliseconds (docs/protocol.md P20).
pub const LOG_WAIT_MIN: Span = Span::from_secs(1);
/// Time between two batches of log lines of an event query (docs/protocol.md section 7.4).
pub const EVENT_LOG_WAIT: Span = Span::from_secs(5);
/// Bytes of log lines that do not wait for others.
pub const LOG_BATCH_BYTES: usize = 64 * 1024;
/// What a log line of a failed collection matches when the request names no pattern.
pub const LOG_ERROR_PATTERN: &str = "(?i)(Error:|Symbol.+?not found|Expecting a path arg type, not|\
                                     Field.+?is required|Unexpected arg)";
/// Event queries of a table; real ones have ten.
pub const EVENT_QUERIES: usize = 1_024;
/// How long an event query runs before it is restarted (docs/protocol.md section 7.3).
pub const EVENT_RESTART: Span = Span::from_secs(12 * 3_600);
/// How much earlier some agents restart, so that a fleet does not do it at the same time.
pub const EVENT_RESTART_SPREAD: Span = Span::from_secs(3_600);
/// How soon a flow that waits for room in the outgoing queue is looked at again.
pub const ROOM_WAIT: Span = Span::from_millis(100);
