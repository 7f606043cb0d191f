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

/// Levels of groups in a pattern, whose compiler recurses on them.
pub const PATTERN_NESTING_MAX: u32 = 64;

/// Lambdas that one session keeps parsed.
pub const LAMBDAS_KEPT_MAX: usize = 64;

/// Aggregate contexts before those that nobody can reach any more are swept.
pub const AGGREGATES_SWEEP_FROM: usize = 64;
