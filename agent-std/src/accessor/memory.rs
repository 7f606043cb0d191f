//! The accessor `process`: the memory of a running process as the sparse file `/PID`, whose offsets are addresses.
//!
//! The process runs on meanwhile. What is not mapped reads as zeros. The agent's own memory is refused: its key is there.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use troodon_vql::{Accessor, Context, DataRun, Entries, Fault, FileInfo, FileKind, Reader, Text};

use crate::limits::MEMORY_MAPS_LEN_MAX;
use crate::proc::process::Pids;
use crate::proc::read_bounded;

/// Memory of processes.
#[derive(Clone, Copy, Debug)]
pub struct MemoryAccessor;

impl Accessor for MemoryAccessor {
    fn open(&self, _: &mut Context, path: &Text) -> Result<Box<dyn Reader>, Fault> {
        let pid = pid(path)?;
        let failed = |why: io::Error| Fault::note(format!("{path}: {why}"));
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let file = File::open(folder.join("mem")).map_err(failed)?;
        let maps = read_bounded(&folder.join("maps"), MEMORY_MAPS_LEN_MAX).map_err(failed)?;
        Ok(Box::new(Memory { file, runs: runs(&maps) }))
    }

    fn stat(&self, _: &mut Context, path: &Text) -> Result<FileInfo, Fault> {
        if path.iter().all(|byte| *byte == b'/') {
            let name = Text::from("/");
            return Ok(FileInfo {
                path: name.clone(),
                name,
                kind: FileKind::Directory,
                mode: 0o555,
                ..FileInfo::default()
            });
        }
        Ok(described(pid(path)?))
    }

    fn read_dir(&self, cx: &mut Context, path: &Text) -> Result<Box<dyn Entries>, Fault> {
        if self.stat(cx, path)?.kind != FileKind::Directory {
            return Err(Fault::note(format!("{path}: is no directory")));
        }
        let pids = Pids::open().map_err(|why| Fault::note(format!("/proc: {why}")))?;
        Ok(Box::new(pids.filter(|pid| *pid != std::process::id()).map(|pid| Ok(described(pid)))))
    }
}

fn described(pid: u32) -> FileInfo {
    let path = Text::from(format!("/{pid}"));
    FileInfo { name: Text::from(pid.to_string()), path, mode: 0o400, ..FileInfo::default() }
}

fn pid(path: &Text) -> Result<u32, Fault> {
    let text = path.strip_prefix(b"/").unwrap_or(path);
    let pid = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    let pid = pid.ok_or_else(|| Fault::note(format!("{path}: is no number of a process")))?;
    if pid == std::process::id() {
        return Err(Fault::note(format!("{path}: the agent's own memory is not shown")));
    }
    Ok(pid)
}

/// What is mapped for reading, from the lines of proc_pid_maps(5): `from-to rwxp …`.
fn runs(maps: &[u8]) -> Vec<DataRun> {
    let run = |line: &[u8]| {
        let line = std::str::from_utf8(line.get(..64.min(line.len()))?).ok()?;
        let (range, rest) = line.split_once(' ')?;
        let (from, to) = range.split_once('-')?;
        let offset = u64::from_str_radix(from, 16).ok()?;
        let len = u64::from_str_radix(to, 16).ok()?.checked_sub(offset)?;
        // The kernel's own page at the end of the address space is beyond what a file may have.
        let is_below = i64::try_from(offset.checked_add(len)?).is_ok();
        (rest.starts_with('r') && is_below && len > 0).then_some(DataRun { offset, len })
    };
    maps.split(|byte| *byte == b'\n').filter_map(run).collect()
}

struct Memory {
    file: File,
    runs: Vec<DataRun>,
}

impl Reader for Memory {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let next = self.runs.partition_point(|run| run.offset.saturating_add(run.len) <= offset);
        let Some(run) = self.runs.get(next) else { return Ok(0) };
        let is_hole = offset < run.offset;
        let end = if is_hole { run.offset } else { run.offset.saturating_add(run.len) };
        let left = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let room = left.min(buffer.len());
        let buffer = buffer.get_mut(..room).unwrap_or_default();
        if !is_hole && let Ok(count @ 1..) = self.file.read_at(buffer, offset) {
            return Ok(count);
        }
        // Device memory and pages that went meanwhile cannot be read.
        buffer.fill(0);
        Ok(buffer.len())
    }

    fn size(&self) -> Option<u64> {
        self.runs.last().map(|run| run.offset.saturating_add(run.len))
    }

    fn runs(&self) -> Option<Vec<DataRun>> {
        Some(self.runs.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn what_can_be_read_is_a_run() {
        let maps = b"00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/a b\n\
            00651000-00652000 ---p 00051000 08:02 173521 /usr/bin/dbus-daemon\n\
            7fff0000-7fff2000 rw-p 00000000 00:00 0 [stack]\n\
            ffffffffff600000-ffffffffff601000 r-xp 00000000 00:00 0 [vsyscall]\nrest";
        let expected = [(0x40_0000, 0x5_2000), (0x7FFF_0000, 0x2000)];
        assert_eq!(runs(maps), expected.map(|(offset, len)| DataRun { offset, len }));
    }

    #[test]
    fn paths_are_numbers_of_other_processes() {
        assert_eq!(pid(&Text::from("/1")).unwrap(), 1);
        assert_eq!(pid(&Text::from("12")).unwrap(), 12);
        for path in ["", "/", "/self", "/1/..", "/-1", "../1", "/99999999999"] {
            assert!(pid(&Text::from(path)).is_err(), "{path}");
        }
        assert!(pid(&Text::from(std::process::id().to_string())).is_err());
    }

    #[test]
    fn the_memory_of_a_process_reads_like_a_sparse_file() {
        let mut child =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // Its answer shows that it runs the program, and no longer this test's image.
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let path = format!("/proc/{}", child.id());
        let file = File::open(format!("{path}/mem")).unwrap();
        let maps = std::fs::read(format!("{path}/maps")).unwrap();
        let mut memory = Memory { file, runs: runs(&maps) };
        let first = memory.runs[0].offset;
        let mut bytes = [1; 4];
        assert_eq!(memory.read_at(first, &mut bytes).unwrap(), 4);
        assert_eq!(&bytes, b"\x7FELF");
        assert_eq!(memory.read_at(0, &mut bytes).unwrap(), 4);
        assert_eq!(bytes, [0; 4]);
        let size = memory.size().unwrap();
        assert_eq!(memory.read_at(size, &mut bytes).unwrap(), 0);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
