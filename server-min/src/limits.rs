//! Every limit of the server: number, unit, reason.

use std::time::Duration;

/// Bytes of a collection id; real ones have 15 to 25.
pub const FLOW_ID_BYTES: usize = 128;
/// Bytes of a hunt id; real ones have 15. Its collections' ids, two longer, fit into [`FLOW_ID_BYTES`].
pub const HUNT_ID_BYTES: usize = 64;
/// Bytes of the description of a hunt, and labels in its condition.
pub const HUNT_TEXT_BYTES: usize = 4096;
/// Labels in the condition of a hunt.
pub const HUNT_LABELS: usize = 1000;
/// Bytes of an artifact name with its source; the longest in public packs has below 100.
pub const ARTIFACT_NAME_BYTES: usize = 256;
/// Bytes of a user name: an e-mail address fits.
pub const USER_NAME_BYTES: usize = 128;
/// Bytes of an organisation's id; usual ones have 5.
pub const ORG_ID_BYTES: usize = 32;
/// Bytes of an organisation's name, and of its nonce.
pub const ORG_NAME_BYTES: usize = 128;
/// Characters of a refused name that an error message quotes.
pub const QUOTED_NAME_CHARS: usize = 64;

/// Minutes that an exit from lockdown lasts at most, whatever the configuration says: a day is long enough to edit a file.
pub const EXIT_MINUTES: u64 = 1_440;
/// Microseconds for which a wish to leave lockdown waits for approval: both people know what it is about.
pub const EXIT_WAITS_US: u64 = 3_600_000_000;
/// Characters of the reason for leaving lockdown.
pub const EXIT_REASON_CHARS: usize = 500;
/// Parts of a second in which a collection of the server makes the steps that it may make in one.
pub const COLLECTION_SLICES: u32 = 20;
/// Milliseconds of rest that a collection of the server has to have before it rests.
pub const COLLECTION_REST_MS: u64 = 5;
/// Seconds between two looks whether collections have expired that nobody has begun. Nobody can begin one meanwhile.
pub const BEGIN_LOOK_SECONDS: u64 = 10;
/// Seconds between two looks whether an exit from lockdown is over, to put that on record. It is over without.
pub const EXIT_LOOK_SECONDS: u64 = 1;

/// Characters of a password; how good it is cannot be counted, but an empty one is none.
pub const PASSWORD_CHARS: usize = 4;
/// Bytes of a password: hashing more would only cost time.
pub const PASSWORD_BYTES: usize = 1024;
/// Wrong passwords for one user before each further one has to wait.
pub const FREE_FAILURES: u64 = 5;
/// Seconds that a user waits at most for the next try, so that a guesser cannot lock people out for long.
pub const SIGN_IN_WAIT_SECONDS: u64 = 300;
/// Wrong passwords and codes from one address within [`ADDRESS_SECONDS`]: more are not looked at.
pub const ADDRESS_FAILURES: u32 = 50;
/// Seconds for which failures of an address count.
pub const ADDRESS_SECONDS: u64 = 600;
/// Addresses whose failures are remembered.
pub const ADDRESSES_WATCHED: usize = 2_000;
/// Passwords that the web pages check at a time; each check takes 19 MiB and a processor.
pub const SIGN_INS_AT_A_TIME: usize = 2;
/// Recovery codes for whoever has lost a second factor.
pub const RECOVERY_CODES: usize = 10;
/// Sign-ins that wait for their codes at a time.
pub const WAITING_SIGN_INS: usize = 1_000;
/// Seconds for which a provider may take to sign somebody in: people look for their second factor meanwhile.
pub const SIGN_ON_SECONDS: u64 = 600;
/// Sign-ins that are at a provider at a time.
pub const SIGN_ONS_AWAY: usize = 2_000;
/// The same, begun from one address: who begins more loses the first of them.
pub const SIGN_ONS_AWAY_OF_ONE: usize = 50;
/// Conversations with providers at a time.
pub const PROVIDER_CALLS: usize = 8;
/// Seconds for one request to a provider, from its connection to the last byte of its answer.
pub const PROVIDER_SECONDS: u64 = 10;
/// Bytes of a provider's answer; documents with keys have some thousand.
pub const PROVIDER_BYTES: usize = 256 << 10;
/// Seconds for which a provider's description of itself is used without asking again.
pub const PROVIDER_CACHE_SECONDS: u64 = 600;
/// Seconds by which the clock of a provider may be ahead of ours.
pub const PROVIDER_SLACK_SECONDS: i64 = 60;
/// Bytes of a subject: OpenID Connect Core 1.0 section 2.
pub const SUBJECT_BYTES: usize = 255;
/// Characters of what a provider says that are shown and put on record.
pub const PROVIDER_WORDS: usize = 200;
/// Seconds between two looks at the files of a certificate, which another program replaces every few weeks.
pub const CERTIFICATE_LOOK_SECONDS: u64 = 30;
/// Seconds until an authority is asked again for a certificate after a first failure; Let's Encrypt allows five an hour.
pub const ACME_PAUSE_SECONDS: u64 = 3600;
/// Seconds until it is asked again at most, and at least between two certificates: Let's Encrypt gives five a week.
pub const ACME_LONGEST_PAUSE_SECONDS: u64 = 24 * 3600;
/// Seconds of a pause that it names and that is kept: its longest limits are those of a week.
pub const ACME_NAMED_PAUSE_SECONDS: u64 = 7 * 24 * 3600;
/// Seconds between two looks whether an attempt is due.
pub const ACME_LOOK_SECONDS: u64 = 60;
/// Seconds for one attempt, hooks included.
pub const ACME_ORDER_SECONDS: u64 = 1800;
/// Seconds for each step that the authority works on.
pub const ACME_WAIT_SECONDS: u64 = 120;
/// Seconds for a program that writes into DNS and waits until others see it.
pub const ACME_HOOK_SECONDS: u64 = 600;
/// Keys for programs that one user has.
pub const KEYS: u64 = 20;
/// Days that such a key lasts at most: whoever forgets one has it for a year.
pub const KEY_DAYS: u64 = 366;
/// Characters of what a key is for.
pub const KEY_LABEL_CHARS: usize = 100;
/// Seconds for a code behind a right password.
pub const CODE_SECONDS: u64 = 300;
/// Codes that may be tried behind one password.
pub const CODE_TRIES: u32 = 3;
/// Microseconds between two notes that a session is used.
pub const SESSION_NOTED_US: u64 = 60_000_000;
/// Characters of what a browser says about itself that are kept.
pub const BROWSER_CHARS: usize = 256;
/// Sessions of the web pages; the one that was used longest ago gives way.
pub const SESSIONS: usize = 1_000;
/// Seconds without a page after which a session ends.
pub const SESSION_IDLE_SECONDS: u64 = 3_600;
/// Minutes after which a session ends, unless the configuration says otherwise.
pub const SESSION_MINUTES: u64 = 1_440;
/// Bytes of a form: parameters of a collection may be lists.
pub const FORM_BYTES: usize = 1 << 20;
/// Clients, collections, rows or records on a page.
pub const LINES_PER_PAGE: usize = 50;
/// Seconds between two looks for what open pages are told of.
pub const LIVE_SECONDS: u64 = 1;
/// Seconds after which a page connects anew to be told, so that who was signed out is told no longer.
pub const LIVE_STREAM_SECONDS: u64 = 600;
/// Rows that are looked at to sort or filter a table on a page.
pub const TABLE_SCAN_ROWS: usize = 10_000;
/// Bytes of such rows: they are held at once.
pub const TABLE_SCAN_BYTES: usize = 16 << 20;
/// Seconds between two samples of what happens.
pub const ACTIVITY_SECONDS: u64 = 600;
/// Samples that are kept: eight days, one more than a week.
pub const ACTIVITY_SAMPLES: usize = 1_152;
/// Days before the end of a certificate at which the log tells of it; pages do from the first on.
pub const EXPIRY_DAYS: [u64; 3] = [90, 30, 7];
/// The same for one that another program replaces, often a month before its end.
pub const RENEWED_EXPIRY_DAYS: [u64; 2] = [21, 7];
/// Seconds between two looks at them.
pub const EXPIRY_LOOK_SECONDS: u64 = 3_600;
/// Columns of a table on a page; the download has all.
pub const COLUMNS_PER_PAGE: usize = 64;
/// Characters of a cell on a page; the download has all.
pub const CELL_CHARACTERS: usize = 1_000;
/// Lines of the difference of two definitions on a page.
pub const DIFFERENCE_LINES: usize = 5_000;
/// Bytes of a file on a page; a multiple of 16.
pub const PREVIEW_BYTES: usize = 4_096;
/// Bytes of a piece of a file that is downloaded.
pub const PIECE_BYTES: usize = 64 << 10;
/// Microseconds of silence after which a client is shown as offline: longer than any poll.
pub const ONLINE_US: u64 = 300_000_000;

/// Seconds between looks at the audit log for the log file.
pub const AUDIT_LOG_SECONDS: u64 = 1;
/// How long a connection to a receiver of syslog has to live on until what went over it counts as received.
pub const SYSLOG_SETTLED: Duration = Duration::from_secs(5);
/// How long TCP waits for the acknowledgement of what went to a receiver of syslog: less than [`SYSLOG_SETTLED`].
pub const SYSLOG_UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(3);
/// Pages of records that are sent and not settled; each page has [`PAGE`] of them.
pub const SYSLOG_BATCHES_UNSETTLED_MAX: usize = 64;
/// How long a receiver of syslog may take to accept a connection, or to speak TLS.
pub const SYSLOG_CONNECT_MAX: Duration = Duration::from_secs(60);
/// How long a receiver of syslog may not read.
pub const SYSLOG_WRITE_MAX: Duration = Duration::from_secs(10);
/// Longest pause between two attempts to reach a receiver of syslog.
pub const SYSLOG_RETRY_MAX: Duration = Duration::from_secs(60);
/// Bytes of a message over UDP; the rest is cut off. Receivers should take as many (RFC 5424 section 6.1).
pub const SYSLOG_DATAGRAM_MAX: usize = 2_048;
/// Looks at the audit log for each of which its head is signed.
pub const AUDIT_SIGN_SECONDS: u64 = 60;
/// Heads of the audit log that are kept with their signatures: the last one covers all, earlier ones help to find where a
/// log was changed.
pub const AUDIT_HEADS: u32 = 100;
/// Refused calls of one query that are recorded, each plugin and function once.
pub const NOTED_REFUSALS: usize = 64;

/// Connections to the store for reading that are kept open; more are opened under load and closed after use.
pub const IDLE_READERS: usize = 4;
/// Compiled SQL statements that each connection keeps; taking messages in needs about twenty.
pub const STATEMENTS_KEPT: usize = 64;
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

/// Bytes of names and values of all notes about one client, or about the server.
pub const METADATA_BYTES: usize = 1 << 20;

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

/// Bytes of the statistics of one collection: a status for each query, and names.
pub const STATS_BYTES: usize = 256 << 10;
/// Bytes of one part of a file after inflating; real parts have 1 MiB.
pub const FILE_PART_BYTES: usize = 4 << 20;
/// Rows and log lines that one collection may store: no report can use more, and a hostile agent must end somewhere.
pub const FLOW_ROWS: u64 = 50_000_000;
/// Bytes of rows and log lines that one collection may store, before compression.
pub const FLOW_BYTES: u64 = 16 << 30;
/// Bytes of files that one collection may store when its request names no limit.
pub const FLOW_UPLOAD_BYTES: u64 = 64 << 30;
/// Bytes by which an agent may exceed the limit that its request names: agents notice after a part was sent.
pub const UPLOAD_SLACK_BYTES: u64 = 16 << 20;
/// Files in one collection.
pub const FLOW_UPLOADS: u64 = 1_000_000;
/// Bytes of event rows that one client may store, before compression.
pub const CLIENT_EVENT_BYTES: u64 = 4 << 30;
/// Event rows that one client may store in a day: a hundred each second.
pub const CLIENT_EVENT_ROWS_A_DAY: u64 = 100 * 24 * 3600;
/// Microseconds of a day.
pub const DAY_US: u64 = 24 * 3_600_000_000;
/// Times that a collection is handed to an agent that knows nothing of it.
pub const DELIVERIES: u64 = 3;

/// Microseconds after which a poll without news is noted: the precision of "last seen".
pub const SEEN_EVERY_US: u64 = 60_000_000;
/// Microseconds before the same event table is sent again to an agent that does not report it.
pub const TABLE_AGAIN_US: u64 = 60_000_000;
/// Microseconds before the interrogation of a client is asked for again.
pub const INTERROGATE_AGAIN_US: u64 = 600_000_000;
/// Seconds that a new session may wait for its turn at RSA; later ones are told to come again.
pub const STRANGER_WAIT_SECONDS: u64 = 20;
/// Strangers whose session keys are kept until they enrol: some 1 KiB each.
pub const INTRODUCTIONS: usize = 10_000;
/// Bytes of an envelope that are decrypted without moving to another thread: about 50 microseconds.
pub const OPEN_AT_ONCE_BYTES: usize = 32 << 10;
/// Bytes of one inflated message list: real agents pack 1.25 MiB of messages, or one larger one.
pub const INFLATED_LIST_BYTES: usize = 20 << 20;
/// Refusals of one POST that are logged; a hostile agent must not fill the log.
pub const LOGGED_REFUSALS: usize = 10;
/// Seconds between the pads of a poll (docs/protocol.md section 3.4).
pub const PAD_SECONDS: u64 = 10;
/// Seconds of jitter of a poll.
pub const POLL_JITTER_SECONDS: u64 = 30;
/// Seconds that an earlier poll of the same client has to prove that it is dead.
pub const DOUBT_SECONDS: u64 = 2;
/// Milliseconds after which something that another process queued is noticed.
pub const WATCH_MS: u64 = 200;
/// Seconds for a body to arrive.
pub const BODY_SECONDS: u64 = 600;
/// Bytes of a body that must arrive within [`BODY_STEP_SECONDS`]: 1 KiB/s, slower than any link that is of use.
pub const BODY_STEP_BYTES: usize = 64 << 10;
/// Seconds for each step of a body.
pub const BODY_STEP_SECONDS: u64 = 64;
/// Seconds that a body waits for others to leave memory to it; then the agent is told to come again.
pub const BODY_ROOM_SECONDS: u64 = 10;
/// Bytes of the body of a POST, whatever the configuration says: real agents send about 5 MiB.
pub const BODY_BYTES: usize = 32 << 20;
/// KiB of all bodies together that are being read or worked on.
pub const BODIES_KIB: usize = 64 << 10;
/// Bytes of the body of a poll: real ones have below 4 KiB, and rows do not belong there.
pub const READER_BODY_BYTES: usize = 1 << 20;
/// Bytes of one websocket message (docs/protocol.md section 2.9).
pub const SOCKET_MESSAGE_BYTES: usize = 10 << 20;
/// Seconds between pings of a websocket (docs/protocol.md section 3.8); silence of 1.1 times this closes it.
pub const SOCKET_PING_SECONDS: u64 = 60;
/// POSTs marked as urgent that are worked on besides the others: the mark must not be a way around all limits.
pub const URGENT_POSTS: usize = 32;
/// Connections at a time, if the system lets the process open so many files.
pub const CONNECTIONS: usize = 50_000;
/// Open files that connections leave to the store, to uploads and to other listeners.
pub const FILES_KEPT: usize = 512;
/// Seconds for a TLS handshake.
pub const HANDSHAKE_SECONDS: u64 = 10;
/// Seconds for the head of a request, also the time that an idle connection is kept.
pub const HEAD_SECONDS: u64 = 60;
/// Bytes of the head of a request; each open connection keeps a buffer of this size.
pub const HEAD_BYTES: usize = 8 << 10;
/// Requests at a time on one HTTP/2 connection: an agent has a poll and a POST.
pub const STREAMS: u32 = 16;
/// Bytes that one HTTP/2 request may send ahead; a connection may send as much for each of its [`STREAMS`], so that a
/// request that waits never holds up another.
pub const STREAM_WINDOW_BYTES: u32 = 128 << 10;
/// Seconds between HTTP/2 pings, and for their answer.
pub const H2_PING_SECONDS: u64 = 20;
/// Milliseconds for which sent bytes may stay unacknowledged before a connection counts as dead.
pub const UNACKNOWLEDGED_MS: u32 = 30_000;
/// Seconds that connections have to end when the server stops.
pub const STOP_SECONDS: u64 = 5;
/// Threads for blocking work: store reads, RSA, inflating. Each may use its stack of [`STACK_BYTES`].
pub const BLOCKING_THREADS: usize = 32;
/// Bytes of stack of a thread.
pub const STACK_BYTES: usize = 1 << 20;

/// Bytes of a configuration. Certificates and lists take some tens of kilobytes; anything above is not a configuration.
pub const CONFIG_BYTES: u64 = 4 << 20;
/// Wrong answers to one question after which the wizard gives up: a script that answers nonsense must end.
pub const WIZARD_TRIES: usize = 5;
/// Administrators that the wizard asks for.
pub const WIZARD_USERS: usize = 10;

/// Bytes of an artifact definition; the longest of Velociraptor's has 100 kB.
pub const DEFINITION_BYTES: usize = 1 << 20;
/// Definitions below one folder. Velociraptor ships some 400, its exchange as many again.
pub const DEFINITIONS: usize = 10_000;
/// Folders inside folders of definitions: the parts of a name become folders, and links could make a circle.
pub const DEFINITION_FOLDERS: usize = 16;
/// Artifacts that one artifact may need, directly or not: a longer chain is a mistake, and an agent would refuse it.
pub const DEPENDENCIES: usize = 256;

/// Event artifacts on the lists of what clients watch, all labels together.
pub const WATCHES: usize = 1000;
/// Event artifacts that run on the server: each of their sources has a thread.
pub const SERVER_WATCHES: usize = 64;

/// Participants of a hunt that are read from the store at a time.
pub const QUERY_PARTICIPANTS: usize = 500;
/// Client records that a query reads from the store at a time.
pub const QUERY_CLIENTS: usize = 500;
/// Collections that a query reads from the store at a time.
pub const QUERY_FLOWS: usize = 200;
/// Steps of a query between two looks at the clock: some milliseconds.
pub const QUERY_FUEL: u64 = 100_000;
/// Milliseconds that a waiting query sleeps at most, so that an interrupt is noticed.
pub const QUERY_NAP_MS: u64 = 200;
/// Rows after which a table on a terminal is written out, so that a long result needs no more memory than a short one.
pub const TABLE_ROWS: usize = 1000;
/// Characters of a cell of such a table; other formats show everything.
pub const TABLE_CELL_CHARS: usize = 60;
/// Milliseconds between two looks at a collection that a command waits for.
pub const COLLECT_LOOK_MS: u64 = 100;

/// Collections of the server that run at a time; each has a thread.
pub const SERVER_COLLECTIONS: usize = 4;
/// Seconds that a request of such a collection may run unless it says otherwise.
pub const SERVER_COLLECTION_SECONDS: u64 = 600;
/// Lines of the log of such a collection unless its request says otherwise, as on agents.
pub const SERVER_COLLECTION_LINES: u64 = 100_000;
/// Alerts of one query that ends; each is a write to the disk.
pub const QUERY_ALERTS: u64 = 1000;

/// Artifacts that call each other, one inside the other: more is a circle.
pub const ARTIFACT_CALLS: usize = 10;
/// Milliseconds until an event query of the server that has ended starts again, for the first time.
pub const RESTART_MS: u64 = 1000;
/// Milliseconds until it starts again at the latest: the pause doubles each time.
pub const RESTART_MS_MAX: u64 = 300_000;
/// Seconds that a query must have run for the pause to be the shortest again.
pub const STEADY_SECONDS: u64 = 600;
/// Milliseconds that a row or a message of such a query waits for others to be stored with it.
pub const EVENT_GATHER_MS: u64 = 500;
/// Bytes of rows after which they wait no longer.
pub const EVENT_GATHER_BYTES: usize = 1 << 20;
/// Rows after which they wait no longer.
pub const EVENT_GATHER_ROWS: usize = 1000;
/// Messages of one query that wait to be stored; further ones are counted only.
pub const EVENT_LOG_LINES: usize = 1000;
/// Seconds between two messages that say that an event query is alive.
pub const HEARTBEAT_SECONDS: u64 = 120;
/// Milliseconds between two looks at the list of event queries, which other processes change as well.
pub const WATCH_LIST_MS: u64 = 1000;

/// Cells of one notebook.
pub const NOTEBOOK_CELLS: u64 = 200;
/// Bytes of one text in a notebook: a cell, a name, a description.
pub const NOTEBOOK_TEXT_BYTES: usize = 256 << 10;
/// People with whom a notebook is shared.
pub const NOTEBOOK_USERS: usize = 100;
/// Rows that are kept of the query in a cell.
pub const NOTEBOOK_ROWS: usize = 1_000_000;
/// Seconds that the query in a cell may run.
pub const NOTEBOOK_SECONDS: u64 = 600;
/// Cells whose queries run at a time for the web pages; who wants one more is told to wait.
pub const NOTEBOOK_RUNS: usize = 16;
/// Milliseconds for which the web pages wait for the query of a cell before they show that it runs.
pub const NOTEBOOK_WAIT_MS: u64 = 700;
/// Rows of one cell on the page of its notebook.
pub const NOTEBOOK_SHOWN_ROWS: usize = 20;
/// Messages of one cell on the page of its notebook.
pub const NOTEBOOK_SHOWN_LINES: usize = 50;
/// Milliseconds between two looks whether somebody has stopped it.
pub const NOTEBOOK_LOOK_MS: u64 = 500;
/// Rows of one cell in the page that a notebook is exported to.
pub const NOTEBOOK_PAGE_ROWS: usize = 5000;

/// Rows of one cell that a chart shows.
pub const DRAWN_ROWS: usize = 5000;
/// Bars of a chart.
pub const DRAWN_BARS: usize = 50;
/// Lanes of a timeline; the last one has the rest.
pub const DRAWN_LANES: usize = 20;
/// Characters of a label in a chart.
pub const DRAWN_LABEL_CHARS: usize = 40;

/// Threads of all queries that ask for workers; each may wait for something slow.
pub const QUERY_THREADS_MAX: usize = 64;

/// Connections of programs at a time.
pub const API_CONNECTIONS: usize = 256;
/// Queries of programs at a time; each has a thread.
pub const API_QUERIES: usize = 64;
/// Rows of a query that wait for its reader; then the query waits.
pub const API_WAITING_ROWS: usize = 256;
/// Rows in one answer at most, and without a wish.
pub const API_ROWS: usize = 1000;
/// Bytes of rows after which an answer is closed: gRPC tools refuse answers above 4 MiB.
pub const API_ANSWER_BYTES: usize = 1 << 20;
/// Seconds that a row waits for others at most, and without a wish.
pub const API_WAIT_SECONDS: u64 = 10;
/// Bytes of a file in one answer: gRPC tools refuse answers above 4 MiB.
pub const API_PART_BYTES: u64 = 3 << 20;

/// Seconds that a mail server has for each of its answers.
pub const MAIL_SECONDS: u64 = 30;
/// Recipients of one mail.
pub const MAIL_RECIPIENTS: usize = 100;

/// Bytes of one answer of another server: Velociraptor's are below its own limit of 4 MiB unless somebody has raised it.
pub const API_REPLY_BYTES: usize = 64 << 20;
/// Rows in one answer that another server is asked for.
pub const REMOTE_ROWS: u64 = 1000;
/// Milliseconds between two looks at a collection of another server that a command waits for.
pub const REMOTE_LOOK_MS: u64 = 500;
/// Seconds after which it is to send what there is.
pub const REMOTE_WAIT_SECONDS: u64 = 1;

/// Columns of a table as CSV: rows from agents can name any number of them.
pub const EXPORT_COLUMNS: usize = 10_000;

/// Messages with events that a query which follows them takes at a time.
pub const FOLLOWED_CHUNKS: u32 = 100;
/// Milliseconds between two looks for events.
pub const FOLLOW_MS: u64 = 250;
