//! Every limit of the engine that is not part of a query's [`Budget`](crate::Budget).

/// Levels of parentheses, calls, sub-selects and NOT in a query's text. The parser recurses
/// on them, so this bounds its stack; queries that people write stay below ten.
pub const NESTING_MAX: u16 = 64;

/// Bytes of one program. The largest shipped artifacts have some 100 KB.
pub const PROGRAM_BYTES_MAX: usize = 1 << 20;

/// Levels of lists and dicts in one value. JSON writing, comparison and dropping recurse on them.
pub const VALUE_DEPTH_MAX: u16 = 64;

/// Bytes of one log message; longer ones are cut. A page is enough to say what is wrong.
pub const LOG_BYTES_MAX: usize = 4_096;

/// Messages that one session logs. What a query logs for each row would otherwise be unbounded.
pub const LOG_MESSAGES_MAX: u32 = 10_000;

/// Names listed by "Current Scope is" and "Did you mean".
pub const NAMES_SHOWN_MAX: usize = 40;

/// Suggestions after "Did you mean".
pub const SUGGESTIONS_MAX: usize = 5;

/// Compiled patterns that one session keeps.
pub const PATTERNS_KEPT_MAX: usize = 64;

/// Bytes of a compiled pattern. Counted repetitions multiply: `(a{1000}){1000}` asks for 30 MB.
pub const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Steps of a compiled pattern on hosts that count memory (without the feature `quick-patterns`). A step takes eight
/// bytes, and a search at most 48 more for each; what people write has some hundred.
pub const PATTERN_STEPS_MAX: usize = 2_048;

/// Levels of groups in a pattern, whose compiler recurses on them.
pub const PATTERN_NESTING_MAX: u32 = 64;

/// Lambdas that one session keeps parsed.
pub const LAMBDAS_KEPT_MAX: usize = 64;

/// Rows that one `foreach()` works on at a time, whatever it is asked for.
pub const WORKERS_MAX: usize = 64;

/// Rows and messages of workers that wait to be taken, for each worker.
pub const WORKER_RESULTS_MAX: usize = 32;

/// Queries of which one session remembers how their columns are laid out.
pub const LAYOUTS_KEPT_MAX: usize = 64;

/// Bytes that are read of a file at a time. A flash page or a disk's read-ahead is well used by it, and a
/// board has room for it.
pub const READ_LEN: usize = 16 * 1024;

/// Bytes of a file that `hash()` reads when the call sets no `max_size`, as in Velociraptor.
pub const HASH_LEN_DEFAULT: u64 = 100 << 20;

/// Bytes of a block of `hash()`: of a file that is too long, whole blocks are hashed.
pub const HASH_BLOCK: u64 = 64 << 10;

/// Bytes from which `hash()` uses a second thread; below, starting one takes longer than it saves.
#[cfg(feature = "threads")]
pub const HASH_ASIDE_LEN_MIN: u64 = 1 << 20;

/// Bytes that `hash()` hands to its second thread at a time, at least; so many that waking it costs little.
#[cfg(feature = "threads")]
pub const HASH_ASIDE_BLOCK_LEN: usize = 64 << 10;

/// Blocks that wait for the second thread of `hash()`, at most.
#[cfg(feature = "threads")]
pub const HASH_ASIDE_BLOCKS_MAX: usize = 4;

/// Bytes that `read_file()` answers when the call sets no length.
pub const READ_FILE_LEN_DEFAULT: usize = 4 << 20;

/// Longest line in bytes when the call sets no other length; the rest of a longer one is cut off.
pub const LINE_LEN_DEFAULT: usize = 64 * 1024;

/// Longest match in bytes that `parse_records_with_regex()` finds wherever it stands.
pub const OVERLAP_DEFAULT: usize = 4_096;

/// Longest line of a JSONL file in bytes; what is longer is cut off and then no JSON.
pub const JSON_LINE_LEN_MAX: usize = 1 << 20;

/// Longest record of a CSV file in bytes. A quote that is never closed makes the rest of the file one.
pub const CSV_RECORD_LEN_MAX: usize = 1 << 20;

/// Fields of one record of a text file.
pub const COLUMNS_MAX: usize = 1_024;

/// Rows or keys that `dedup()`, `delay()` and `diff()` each keep.
pub const ROWS_REMEMBERED_MAX: usize = 10_000;

/// Messages that `log()` remembers so as not to repeat them. A query has as many as its text has calls.
pub const LOG_TEMPLATES_MAX: usize = 1_000;

/// Bytes of a path that is taken apart, since each component takes memory of its own. Linux opens paths of 4 KB.
pub const PATH_LEN_MAX: usize = 64 << 10;

/// Components of one path pattern. Patterns that people write stay below ten.
pub const GLOB_COMPONENTS_MAX: usize = 64;

/// Directories that `**` goes down when the pattern gives no number.
pub const GLOB_DEPTH_DEFAULT: u32 = 30;

/// Directories that `**NUMBER` may go down.
pub const GLOB_DEPTH_MAX: u32 = 100;

/// Levels of directories that a walk is inside of. Each holds an open directory.
pub const GLOB_NESTING_MAX: usize = 128;

/// Patterns of one `glob()` after braces are written out; each costs a comparison for each file.
pub const GLOB_PATTERNS_MAX: usize = 1_000;

/// Entries of a directory that are read and sorted at a time.
pub const GLOB_BATCH: usize = 512;

/// Queues of `fifo()` in one session. Each is a running query that holds rows.
pub const FIFOS_MAX: usize = 16;

/// Elements of an array of `parse_binary()` when the profile sets no `max_count`.
pub const BINARY_ARRAY_LEN_DEFAULT: usize = 1_000;

/// Bytes of a text of `parse_binary()` when the profile sets no length.
pub const BINARY_STRING_LEN_DEFAULT: i64 = 1_024;

/// Bytes of one text of `parse_binary()`: a length in a damaged file must not reserve memory.
pub const BINARY_STRING_LEN_MAX: usize = 16 << 20;

/// Structures within structures of `parse_binary()`; deeper ones are NULL, since chained structures may form a circle.
pub const BINARY_DEPTH_MAX: u16 = 24;

/// Types within the type of one field of a profile.
pub const BINARY_TYPE_NESTING_MAX: u16 = 8;

/// Values that one `parse_binary()` decodes.
pub const BINARY_VALUES_MAX: u32 = 1_000_000;

/// Patterns of `grok()` within each other. Those that people write stay below ten; one that names itself has no end.
pub const GROK_NESTING_MAX: u16 = 16;

/// Bytes of the regular expression that a grok pattern stands for. The longest common one has 3 KB.
pub const GROK_TEXT_LEN_MAX: usize = 64 << 10;

/// Files that one `watch_syslog()` follows; each is looked at in every round.
pub const WATCHED_FILES_MAX: usize = 1_000;

/// Between two looks at followed files: a second is soon enough for people, and a look is two system calls for each.
pub const WATCH_PERIOD: core::time::Duration = core::time::Duration::from_secs(1);

/// Actions of `template()` within each other; its parser and writer recurse on them.
pub const TEMPLATE_NESTING_MAX: u16 = 32;
