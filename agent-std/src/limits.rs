//! Every limit of the Linux agent: number, unit, reason.

/// Longest small kernel or system file that is read whole, in bytes (`/proc/PID/stat`, `/etc/os-release`).
pub const SMALL_FILE_LEN_MAX: usize = 64 * 1024;

/// Longest command line or environment that is kept of a process, in bytes. The kernel allows megabytes; one row
/// must not need them.
pub const COMMAND_LINE_LEN_MAX: usize = 128 * 1024;

/// Longest line of a table in `/proc/net` or `/etc/passwd`, in bytes; what is longer is no entry.
pub const TABLE_LINE_LEN_MAX: usize = 4 * 1024;

/// Most socket owners that are remembered while `netstat()` runs. An entry takes 16 bytes, so a busy
/// host costs 4 MiB for as long as the query runs.
pub const SOCKET_OWNERS_MAX: usize = 256 * 1024;

/// Most bytes that one look takes from each output of a program that runs for a query. As large as the
/// kernel's pipe, so that a talkative program cannot keep a look from ending.
pub const CHILD_READ_LEN: usize = 64 * 1024;

/// Longest record in the queue, in bytes. A corrupt length must not make the agent reserve memory for it.
pub const RECORD_LEN_MAX: u32 = 16 * 1024 * 1024;

/// Length of a segment of the queue after which the next one begins, in bytes. Acknowledged data is deleted by
/// the segment, so this is also what a mostly delivered queue may keep on disk.
pub const SEGMENT_LEN_MAX: u64 = 1024 * 1024;

/// Longest client configuration, in bytes: certificates and lists take some tens of kilobytes.
pub const CONFIG_LEN_MAX: u64 = 1024 * 1024;

/// Lists and mappings around a value in a YAML file. Configurations have 5; the reader calls itself for each.
pub const YAML_DEPTH_MAX: usize = 32;

/// How long one look waits for output of a program. Cancellation is noticed between two looks.
pub const CHILD_WAIT: std::time::Duration = std::time::Duration::from_millis(50);

/// Bytes of a program's output in one row when the query sets no length.
pub const CHILD_OUTPUT_LEN_DEFAULT: usize = 4 << 20;

/// Bytes of a program's output in one row at most: what a query may hold in one value many times over.
pub const CHILD_OUTPUT_LEN_MAX: usize = 16 << 20;

/// Rows of a printed table that are held back to find the widths of its columns: two screens full.
pub const TABLE_ROWS_TOGETHER: usize = 100;

/// Letters of one cell of a printed table; whole values are for the other formats.
pub const TABLE_CELL_LEN_MAX: usize = 200;

/// Steps that a local query does between two looks at the clock.
pub const LOCAL_FUEL: u64 = 10_000;

/// Longest sleep of a local query that waits; a signal is noticed after it.
pub const LOCAL_NAP: std::time::Duration = std::time::Duration::from_millis(100);

/// Largest file with an artifact, in bytes. The largest that are published have some 100 KB.
pub const ARTIFACT_LEN_MAX: u64 = 1 << 20;

/// Bytes that a local upload copies at a time.
pub const UPLOAD_READ_LEN: usize = 64 * 1024;

/// Bytes that are read from a connection at once. Small: an idle agent holds one such buffer, and polls are short.
pub const READ_LEN_MAX: usize = 16 * 1024;

/// Bytes that a connection takes before they are sent.
pub const UNSENT_LEN_MAX: usize = 64 * 1024;

/// Reports of the queries' thread that wait for the comms. Each may hold a part of rows, so this times
/// [`ROWS_PART_LEN`] is memory.
pub const REPORTS_WAITING_MAX: usize = 2;

/// Bytes of rows that are gathered before they go to the queue.
pub const ROWS_PART_LEN: usize = 512 * 1024;

/// Bytes of one POST before compression. It is in memory several times while it is sealed.
pub const BATCH_LEN: usize = 1024 * 1024;

/// Temporary files and directories that one query may have at a time.
pub const TEMPORARY_FILES_MAX: usize = 1_000;

/// Bytes that `copy()` writes: a source without end, such as a growing file, must not fill the disk.
pub const COPY_LEN_MAX: u64 = 16 << 30;

/// Threads of all queries that ask for workers. Each may wait for something slow, so they are more than processors.
pub const QUERY_THREADS_MAX: usize = 32;

/// Longest `sleep()` of a query.
pub const SLEEP_MAX: std::time::Duration = std::time::Duration::from_secs(3600);

/// Processes that the tracker remembers. Each takes one or two kilobytes.
pub const TRACKED_PROCESSES_MAX: usize = 10_000;

/// Processes that one answer of the tracker holds when the call sets no number.
pub const TRACKED_CHAIN_MAX: usize = 1_000;

/// Generations of processes in one answer of the tracker. Values may have 64 levels, and a generation takes two.
pub const TRACKED_DEPTH_MAX: usize = 28;

/// Bytes of the list of a process's mappings that are read. Each line has some hundred; browsers have some thousand lines.
#[cfg(feature = "parsers")]
pub const MEMORY_MAPS_LEN_MAX: usize = 8 << 20;
