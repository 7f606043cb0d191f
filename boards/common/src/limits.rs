//! Every limit of the firmware that boards share: a number, its unit and its reason.

/// Bytes of TCP's receive buffer of a connection: more than one segment, so that the server is not stopped after each.
pub const RECEIVE_LEN: usize = 3 * 1024;
/// Bytes of TCP's send buffer of a connection.
pub const SEND_LEN: usize = 3 * 1024;
/// Bytes that are sealed into one record of TLS: with its head and tag it fits into the send buffer.
pub const SEALED_LEN: usize = 2 * 1024;
/// Bytes of what a sealed record of TLS holds at most (RFC 8446 section 5.2).
#[cfg(feature = "tls")]
pub const TLS_RECORD_LEN_MAX: usize = 16 * 1024 + 256;
/// Bytes that came and are not used yet: of the longest record of TLS, and of one more that has begun.
#[cfg(feature = "tls")]
pub const TLS_INCOMING_LEN_MAX: usize = 5 + TLS_RECORD_LEN_MAX + 4 * 1024;
/// Bytes of the buffer in which `embedded-tls` seals: the board's certificate and [`SEALED_LEN`] fit, with 128 to spare.
#[cfg(feature = "tls-embedded")]
pub const TLS_WRITE_LEN: usize = 3 * 1024;
/// Bytes of a client certificate that fits into it.
#[cfg(feature = "tls-embedded")]
pub const TLS_CLIENT_CERTIFICATE_LEN_MAX: usize = TLS_WRITE_LEN - 512;
/// Records in a row without data, from a server that is trusted or not: a handshake has six messages and there are a few
/// tickets.
#[cfg(feature = "tls-embedded")]
pub const TLS_BARREN_RECORDS_MAX: u8 = 32;
/// Records that are sealed with one key of AES-GCM (RFC 8446 section 5.5).
#[cfg(feature = "tls-embedded")]
pub const TLS_RECORDS_MAX: u32 = 1 << 24;
/// Seconds after which a peer that acknowledges nothing counts as gone.
pub const TCP_SILENCE_SECS: u64 = 30;
/// How often a board looks at its cable, in milliseconds: nobody plugs faster. It sleeps no longer.
pub const LINK_LOOK_MS: u64 = 200;
/// Bytes of a reply of the server: a request for a large artifact has 20 kB. What it asks for is in RAM up to five times, so
/// that this and the size of the heap go together.
pub const REPLY_LEN_MAX: usize = 24 * 1024;
/// Bytes of one message list in a reply after inflation.
pub const INFLATED_LEN_MAX: usize = 24 * 1024;
/// How long an upload waits for room in the queue, in seconds: as long as a server may be restarted.
pub const UPLOAD_PATIENCE_SECS: u64 = 120;
/// Bytes of the longest message in the queue: it is in RAM a few times while it is sealed and sent.
pub const MESSAGE_LEN_MAX: usize = 8 << 10;
/// Bytes that one POST carries: they are in RAM as often.
pub const BATCH_LEN: usize = 6 << 10;
/// Seconds without a turn of the loop after which the watchdog ends the firmware: ten times the longest computation, that
/// of RSA.
pub const WATCHDOG_SECS: u32 = 10;
/// Bytes of flash for the provisioning: certificates of some roots, a client certificate, and keys.
#[cfg(target_os = "none")]
pub const PROVISION_LEN: usize = 16 * 1024;
