//! Every limit of the server: number, unit, reason.

/// Bytes of a collection id; real ones have 15 to 25.
pub const FLOW_ID_BYTES: usize = 128;
/// Bytes of an artifact name with its source; the longest in public packs has below 100.
pub const ARTIFACT_NAME_BYTES: usize = 256;
/// Characters of a refused name that an error message quotes.
pub const QUOTED_NAME_CHARS: usize = 64;

/// Connections to the store for reading that are kept open; more are opened under load and closed after use.
pub const IDLE_READERS: usize = 4;
/// KiB of page cache of a reading connection: rows are read in order, so that a larger one only costs memory.
pub const READER_CACHE_KIB: u32 = 256;
/// KiB of page cache of the writing connection.
pub const WRITER_CACHE_KIB: u32 = 2048;
/// Changes that may wait for the writer; more wait in their senders, which slows down who causes them.
pub const WAITING_WRITES: usize = 256;
/// Changes that one transaction commits together; a bound for the time that the first of them waits.
pub const WRITES_PER_COMMIT: usize = 128;
/// Milliseconds that a change waits for another process (a command) that writes to the same store.
pub const STORE_BUSY_MS: u64 = 10_000;
/// Bytes that the write-ahead log keeps on disk after a large transaction.
pub const WAL_KEPT_BYTES: u32 = 16 << 20;

/// Clients, flows or uploads that one page of a listing may have.
pub const PAGE: usize = 10_000;
/// Labels that one client may have, from the operator and from the agent together.
pub const LABELS: usize = 64;
/// Bytes of one text that an agent says about its host.
pub const HOST_TEXT_BYTES: usize = 256;

/// Bytes of JSON lines in one message after inflating: real clients send up to 5 MiB.
pub const MESSAGE_ROW_BYTES: usize = 16 << 20;
/// Rows in one message.
pub const MESSAGE_ROWS: u64 = 1_000_000;
/// Bytes of one row; such a line is held as a whole when results are read.
pub const ROW_BYTES: usize = 8 << 20;
/// Chunks of rows below this size (bytes) are kept as they are, since compressing them gains nothing. Nesting of a row
/// is limited by the JSON parser (128 levels).
pub const COMPRESS_FROM_BYTES: usize = 512;

/// Tasks that may wait for one client.
pub const QUEUED_TASKS: u64 = 1000;
/// Bytes of tasks after which a reply is closed; the rest waits for the next poll.
pub const REPLY_BYTES: usize = 4 << 20;
/// Microseconds of silence after which the agent is asked about a collection (docs/protocol.md section 6.8).
pub const SILENT_FLOW_US: u64 = 60_000_000;
