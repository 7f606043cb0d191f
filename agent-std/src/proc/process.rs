//! One process as `/proc/PID` shows it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use rustix::param::{clock_ticks_per_second, page_size};

use super::{decimal, fields, read_bounded};
use crate::limits::{COMMAND_LINE_LEN_MAX, SMALL_FILE_LEN_MAX};

/// What `/proc/PID/stat` says, in the units of the kernel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stat {
    /// Name of the executable as the process set it, any bytes, at most 15 of them for user processes.
    pub name: Vec<u8>,
    /// Letter of the state: R, S, D, Z, T, I, ...
    pub state: u8,
    /// The parent's id; 0 for the first process and for kernel threads' parent.
    pub parent: u32,
    /// Time in user mode, in clock ticks.
    pub user_ticks: u64,
    /// Time in kernel mode, in clock ticks.
    pub system_ticks: u64,
    /// Number of threads.
    pub threads: u64,
    /// Start, in clock ticks after boot.
    pub start_ticks: u64,
    /// Size of the address space, in bytes.
    pub virtual_len: u64,
    /// Resident pages.
    pub resident_pages: u64,
}

impl Stat {
    /// Parses the one line of `/proc/PID/stat`; nothing if it is not such a line.
    ///
    /// The name stands in parentheses and may itself contain them, blanks and line ends, so it reaches to the last
    /// closing one.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let open = line.iter().position(|byte| *byte == b'(')?;
        let close = line.iter().rposition(|byte| *byte == b')')?;
        let name = line.get(open + 1..close)?.to_vec();
        let rest: Vec<&[u8]> = fields(line.get(close + 1..)?).collect();
        let number = |at: usize| rest.get(at).copied().and_then(decimal::<u64>);
        Some(Self {
            name,
            state: *rest.first()?.first()?,
            parent: rest.get(1).copied().and_then(decimal)?,
            user_ticks: number(11)?,
            system_ticks: number(12)?,
            threads: number(17)?,
            start_ticks: number(19)?,
            virtual_len: number(20)?,
            resident_pages: number(21)?,
        })
    }
}

/// One process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// The numbers of `/proc/PID/stat`.
    pub stat: Stat,
    /// Arguments joined by blanks; empty for kernel threads.
    pub command_line: Vec<u8>,
    /// The real user id, if it could be read.
    pub uid: Option<u32>,
    /// The executable; empty when it may not be read.
    pub exe: Vec<u8>,
    /// The working directory; empty when it may not be read.
    pub cwd: Vec<u8>,
}

impl Process {
    /// Reads one process.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such process (any more), `InvalidData` when the kernel's line is not understood.
    pub fn read(pid: u32) -> io::Result<Self> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let line = read_bounded(&folder.join("stat"), SMALL_FILE_LEN_MAX)?;
        let stat = Stat::parse(&line)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unknown form of stat"))?;
        let status = read_bounded(&folder.join("status"), SMALL_FILE_LEN_MAX).unwrap_or_default();
        let command_line =
            read_bounded(&folder.join("cmdline"), COMMAND_LINE_LEN_MAX).unwrap_or_default();
        let link = |name: &str| {
            let target = fs::read_link(folder.join(name)).unwrap_or_default();
            OsString::from(target).into_vec()
        };
        Ok(Self {
            pid,
            stat,
            command_line: joined(&command_line),
            uid: real_uid(&status),
            exe: link("exe"),
            cwd: link("cwd"),
        })
    }

    /// Seconds in user mode.
    #[must_use]
    pub fn user_seconds(&self) -> f64 {
        seconds(self.stat.user_ticks)
    }

    /// Seconds in kernel mode.
    #[must_use]
    pub fn system_seconds(&self) -> f64 {
        seconds(self.stat.system_ticks)
    }

    /// Resident memory, in bytes.
    #[must_use]
    pub fn resident_len(&self) -> u64 {
        let page = u64::try_from(page_size()).unwrap_or(4096);
        self.stat.resident_pages.saturating_mul(page)
    }

    /// Nanoseconds between boot and the start of the process.
    #[must_use]
    pub fn start_after_boot_ns(&self) -> u64 {
        let tick_ns = 1_000_000_000 / clock_ticks_per_second().max(1);
        self.stat.start_ticks.saturating_mul(tick_ns)
    }
}

/// The ids in `/proc`, in the kernel's order.
#[derive(Debug)]
pub struct Pids(fs::ReadDir);

impl Pids {
    /// Starts the walk.
    ///
    /// # Errors
    ///
    /// When `/proc` cannot be opened.
    pub fn open() -> io::Result<Self> {
        fs::read_dir("/proc").map(Self)
    }
}

impl Iterator for Pids {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.0.by_ref().flatten().find_map(|entry| entry.file_name().to_str()?.parse().ok())
    }
}

fn seconds(ticks: u64) -> f64 {
    let hertz = u32::try_from(clock_ticks_per_second()).unwrap_or(100).max(1);
    std::time::Duration::from_nanos(ticks.saturating_mul(1_000_000_000 / u64::from(hertz)))
        .as_secs_f64()
}

fn joined(command_line: &[u8]) -> Vec<u8> {
    let end = command_line.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let arguments = command_line.get(..end).unwrap_or_default();
    arguments.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect()
}

fn real_uid(status: &[u8]) -> Option<u32> {
    let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Uid:"))?;
    fields(line).next().and_then(decimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_line_ends_does_not_shift_the_numbers() {
        let line = b"42 (a) R 1 (\n b) S 7 42 42 0 -1 4194560 1 2 3 4 150 25 5 6 20 0 3 0 9000 8192 12 18 0\n";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(stat.name, b"a) R 1 (\n b");
        assert_eq!((stat.state, stat.parent), (b'S', 7));
        assert_eq!((stat.user_ticks, stat.system_ticks, stat.threads), (150, 25, 3));
        assert_eq!((stat.start_ticks, stat.virtual_len, stat.resident_pages), (9000, 8192, 12));
    }

    #[test]
    fn a_cut_line_is_no_process() {
        assert_eq!(Stat::parse(b"42 (sh) S 7 42"), None);
        assert_eq!(Stat::parse(b")("), None);
        assert_eq!(Stat::parse(b""), None);
    }

    #[test]
    fn arguments_are_joined_by_blanks_without_a_trailing_one() {
        assert_eq!(joined(b"sh\0-c\0a b\0"), b"sh -c a b");
        assert_eq!(joined(b""), b"");
        assert_eq!(joined(b"\0\0"), b"");
    }

    #[test]
    fn the_real_user_is_the_first_of_four() {
        assert_eq!(real_uid(b"Name:\tx\nUid:\t1000\t0\t0\t0\nGid:\t5\n"), Some(1000));
        assert_eq!(real_uid(b"Name:\tx\n"), None);
    }

    #[test]
    fn this_process_is_readable() {
        let own = Process::read(std::process::id()).unwrap();
        assert!(own.resident_len() > 0);
        assert!(Pids::open().unwrap().any(|pid| pid == own.pid));
    }
}
