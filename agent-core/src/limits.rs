//! Every limit of the agent core: a number, its unit and its reason.

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
/// Inbound sessions that a client keeps: it has one server, which may restart.
pub const CLIENT_SESSIONS: usize = 2;
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
