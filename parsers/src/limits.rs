//! Every limit of the parsers: number, unit, reason.

/// Largest file that is read whole, in bytes. Documents of these formats are configurations and exports; a value made
/// of one takes several times its size.
pub const WHOLE_LEN_MAX: usize = 32 << 20;

/// Elements and attributes of one XML file. Each becomes a value of some hundred bytes.
pub const XML_NODES_MAX: usize = 1_000_000;

/// Elements within elements of an XML file. Values may have 64 levels, and an element takes up to two.
pub const XML_DEPTH_MAX: usize = 30;

/// Lists and mappings within each other in a YAML file, as [`XML_DEPTH_MAX`].
pub const YAML_DEPTH_MAX: usize = 30;

/// Values of a YAML file, aliases written out: a text of a hundred bytes can stand for billions.
pub const YAML_NODES_MAX: usize = 250_000;

/// Largest database that `sqlite()` copies, in bytes. Histories of browsers have tens of megabytes.
pub const SQLITE_LEN_MAX: u64 = 2 << 30;

/// Bytes of one value of a database.
pub const SQLITE_VALUE_LEN_MAX: i32 = 16 << 20;

/// Rows that a database's thread has ready.
pub const SQLITE_ROWS_WAITING_MAX: usize = 64;

/// Instructions of SQLite's machine between two looks at whether the query was cancelled.
pub const SQLITE_LOOK_EVERY: i32 = 10_000;

/// How long one look waits for a row. Cancellation is noticed between two looks.
pub const SQLITE_WAIT: std::time::Duration = std::time::Duration::from_millis(50);

/// Bytes of one answer of the network.
pub const HTTP_LEN_MAX: u64 = 4 << 30;

/// Bytes of a piece of an answer when the call sets none.
pub const HTTP_CHUNK_DEFAULT: usize = 4 << 20;

/// Bytes of a piece of an answer; it is one value.
pub const HTTP_CHUNK_MAX: usize = 16 << 20;

/// Redirects that are followed; the answer of one more is shown as it is.
pub const HTTP_REDIRECTS_MAX: u32 = 5;

/// How long a server may take to accept a connection, or to begin its answer. Other queries wait meanwhile.
pub const HTTP_SILENCE_MAX: std::time::Duration = std::time::Duration::from_secs(30);

/// How long a whole answer may take.
pub const HTTP_WHOLE_MAX: std::time::Duration = std::time::Duration::from_secs(600);

/// Rows of one request of `elastic_upload()` when the call sets none.
pub const BULK_ROWS_DEFAULT: usize = 1_000;

/// Rows of one request of `elastic_upload()`.
pub const BULK_ROWS_MAX: usize = 100_000;

/// Bytes of rows after which a request is sent: servers refuse requests above 100 MB, and many proxies far smaller ones.
pub const BULK_LEN_MAX: usize = 8 << 20;

/// Seconds that a row waits for others when the call sets none.
pub const BULK_WAIT_DEFAULT: u64 = 10;

/// Tries of one request: the pauses between them are one second, two, four and eight.
pub const BULK_TRIES: u32 = 5;

/// Bytes of an answer to such a request: a line of some hundred bytes for each row.
pub const BULK_ANSWER_LEN_MAX: u64 = 64 << 20;

/// Files in files of one pathspec. Each holds its outer one open and has a buffer.
pub const DELEGATES_MAX: usize = 8;

/// Bytes of compressed content that are read at a time.
pub const UNPACK_PIECE_LEN: usize = 16 * 1024;

/// Bytes that one file unpacks to. Memory does not grow with it, but a kilobyte can stand for a megabyte.
pub const UNPACKED_LEN_MAX: u64 = 16 << 30;

/// How often unpacking begins anew because a query goes back in a file.
pub const UNPACK_REWINDS_MAX: u32 = 64;

/// Files of one archive. Each costs some hundred bytes while a query uses the archive.
pub const ZIP_ENTRIES_MAX: usize = 200_000;

/// Bytes of all names of one archive; the format allows 64 KiB for each.
pub const ZIP_NAMES_LEN_MAX: usize = 32 << 20;

/// Bytes that `gunzip()` makes; they are one value.
pub const GUNZIP_LEN_MAX: u64 = 16 << 20;

/// Bytes of a property list. Its reader needs up to thirty times as much for a hostile one.
pub const PLIST_LEN_MAX: usize = 4 << 20;

/// Values of a property list, those that stand in several places counted in each.
pub const PLIST_NODES_MAX: usize = 250_000;

/// Lists and dictionaries within each other in a property list, as [`XML_DEPTH_MAX`].
pub const PLIST_DEPTH_MAX: usize = 30;

/// Bytes of all texts of a property list, those that stand in several places counted in each.
pub const PLIST_EXPANDED_LEN_MAX: usize = 32 << 20;

/// Bytes of a program for Windows. Its hash needs them all; most have less, browsers and installers have more.
pub const PE_LEN_MAX: usize = 64 << 20;

/// Entries of each table of a program: imports, exports, resources. Large libraries have some ten thousand.
pub const PE_ENTRIES_MAX: usize = 65_536;

/// Bytes of the names in a table of a program, which may stand one in another: a few bytes can stand for each.
pub const PE_NAMES_LEN_MAX: usize = 8 << 20;

/// Certificates of one text.
pub const X509_MAX: usize = 1_000;

/// Mounts of one accessor. Each path is compared with all.
pub const REMAP_MOUNTS_MAX: usize = 64;

/// Symbolic links on the way to a file, as Linux allows.
pub const REMAP_LINKS_MAX: usize = 40;
