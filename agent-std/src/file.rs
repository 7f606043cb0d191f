//! Files, opened so that looking at a hostile tree neither blocks nor changes anything.
//!
//! What is not a regular file is refused before it is opened: opening a FIFO waits for a writer, and opening a
//! device may act (a watchdog starts, a tape rewinds). Access times are kept where the kernel allows it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Statx, StatxFlags, StatxTimestamp};

/// What the file system says about one path.
#[derive(Clone, Copy, Debug)]
pub struct Metadata {
    /// Kind and permission bits as in `st_mode`.
    pub mode: u32,
    /// Bytes; 0 for most files of `/proc`.
    pub len: u64,
    /// Last change of the content, nanoseconds since 1970.
    pub modified: Option<i64>,
    /// Last access.
    pub accessed: Option<i64>,
    /// Last change of content or attributes.
    pub changed: Option<i64>,
    /// Birth, if the file system remembers it.
    pub born: Option<i64>,
    /// The file system's device number and the inode: equal only for the same file.
    pub identity: (u64, u64),
    /// Names of this file.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Whether the last component of a path may be a symbolic link that is followed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Links {
    /// Look at what the link points to.
    Follow,
    /// Look at the link itself.
    Keep,
}

impl Metadata {
    /// Asks the file system about a path.
    ///
    /// # Errors
    ///
    /// Why it cannot be seen: absent, no permission on the way, a loop of links.
    pub fn of(path: &Path, links: Links) -> io::Result<Self> {
        let flags = match links {
            Links::Follow => AtFlags::empty(),
            Links::Keep => AtFlags::SYMLINK_NOFOLLOW,
        };
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        let flags = flags | AtFlags::NO_AUTOMOUNT;
        Ok(Self::from(&rustix::fs::statx(CWD, path, flags, wanted)?))
    }

    /// Kind of the file.
    #[must_use]
    pub fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }
}

impl From<&Statx> for Metadata {
    fn from(stat: &Statx) -> Self {
        let known = StatxFlags::from_bits_retain(stat.stx_mask);
        let time = |flag, time: StatxTimestamp| {
            known.contains(flag).then(|| {
                time.tv_sec.saturating_mul(1_000_000_000).saturating_add(i64::from(time.tv_nsec))
            })
        };
        let device = (u64::from(stat.stx_dev_major) << 32) | u64::from(stat.stx_dev_minor);
        Self {
            mode: u32::from(stat.stx_mode),
            len: stat.stx_size,
            modified: time(StatxFlags::MTIME, stat.stx_mtime),
            accessed: time(StatxFlags::ATIME, stat.stx_atime),
            changed: time(StatxFlags::CTIME, stat.stx_ctime),
            born: time(StatxFlags::BTIME, stat.stx_btime),
            identity: (device, stat.stx_ino),
            links: stat.stx_nlink,
            uid: stat.stx_uid,
            gid: stat.stx_gid,
        }
    }
}

/// Opens a regular file for reading, links followed.
///
/// # Errors
///
/// `InvalidInput` for a directory, FIFO, socket or device, which are not opened at all; else why it cannot be read.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // The handle that only names the file is checked and then opened by its number, so nobody can put a device
    // in the file's place in between.
    let name = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&name)?.st_mode);
    if kind != FileType::RegularFile {
        let text = format!("is {}, not a regular file", described(kind));
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let by_number = format!("/proc/self/fd/{}", name.as_raw_fd());
    let open = |flags: OFlags| {
        let flags = i32::try_from(flags.bits()).unwrap_or(0);
        OpenOptions::new().read(true).custom_flags(flags).open(&by_number)
    };
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    match open(flags | OFlags::NOATIME) {
        // Only the owner of a file may leave its access time alone.
        Err(why) if why.kind() == io::ErrorKind::PermissionDenied => open(flags),
        opened => opened,
    }
}

const fn described(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "a directory",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "a special file",
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn special_files_are_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let socket = folder.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        for path in [&fifo, &socket, &folder.path().to_path_buf()] {
            assert_eq!(open_regular(path).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        let why = open_regular(Path::new("/dev/null")).unwrap_err();
        assert_eq!(why.to_string(), "is a device, not a regular file");
    }

    #[test]
    fn files_of_the_kernel_can_be_read() {
        use std::os::unix::fs::FileExt;
        let file = open_regular(Path::new("/proc/self/stat")).unwrap();
        let mut start = [0; 4];
        assert!(file.read_at(&mut start, 0).unwrap() > 0);
    }
}
