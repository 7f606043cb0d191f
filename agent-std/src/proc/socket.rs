//! Sockets of `/proc/net/{tcp,udp}{,6}` and the processes that hold them.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::OsStrExt;

use super::{decimal, fields, read_line_bounded};
use crate::limits::{SOCKET_OWNERS_MAX, TABLE_LINE_LEN_MAX};

/// The tables, in the order in which `netstat()` reads them.
pub const TABLES: [Table; 4] = [
    Table { path: "/proc/net/tcp", family: Family::V4, kind: Kind::Tcp },
    Table { path: "/proc/net/tcp6", family: Family::V6, kind: Kind::Tcp },
    Table { path: "/proc/net/udp", family: Family::V4, kind: Kind::Udp },
    Table { path: "/proc/net/udp6", family: Family::V6, kind: Kind::Udp },
];

/// One table of the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// The file.
    pub path: &'static str,
    /// Family of its addresses.
    pub family: Family,
    /// Protocol of its sockets.
    pub kind: Kind,
}

/// Address family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Transport protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// One socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Socket {
    /// Own address and port.
    pub local: (IpAddr, u16),
    /// The peer's address and port; zeros when there is none.
    pub remote: (IpAddr, u16),
    /// Number of the TCP state (`include/net/tcp_states.h`).
    pub state: u8,
    /// User that owns the socket.
    pub uid: u32,
    /// Inode, by which its holder is found; 0 for sockets that no process holds.
    pub inode: u64,
}

impl Socket {
    /// Parses one line; nothing for the header and for lines that are not entries.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = fields(line).collect();
        Some(Self {
            local: address(fields.get(1)?)?,
            remote: address(fields.get(2)?)?,
            state: u8::from_str_radix(std::str::from_utf8(fields.get(3)?).ok()?, 16).ok()?,
            uid: fields.get(7).copied().and_then(decimal)?,
            inode: fields.get(9).copied().and_then(decimal)?,
        })
    }

    /// Name of the state; UDP sockets have none.
    #[must_use]
    pub fn state_name(&self, kind: Kind) -> &'static str {
        match (kind, self.state) {
            (Kind::Udp, _) => "",
            (Kind::Tcp, 1) => "ESTABLISHED",
            (Kind::Tcp, 2) => "SYN_SENT",
            (Kind::Tcp, 3) => "SYN_RECV",
            (Kind::Tcp, 4) => "FIN_WAIT1",
            (Kind::Tcp, 5) => "FIN_WAIT2",
            (Kind::Tcp, 6) => "TIME_WAIT",
            (Kind::Tcp, 7) => "CLOSE",
            (Kind::Tcp, 8) => "CLOSE_WAIT",
            (Kind::Tcp, 9) => "LAST_ACK",
            (Kind::Tcp, 10) => "LISTEN",
            (Kind::Tcp, 11) => "CLOSING",
            (Kind::Tcp, 12) => "NEW_SYN_RECV",
            (Kind::Tcp, _) => "UNKNOWN",
        }
    }
}

/// The sockets of one table, one at a time.
#[derive(Debug)]
pub struct Sockets {
    reader: BufReader<File>,
    line: Vec<u8>,
}

impl Sockets {
    /// Opens a table.
    ///
    /// # Errors
    ///
    /// When it cannot be opened; a kernel without IPv6 lacks two of the four.
    pub fn open(table: Table) -> io::Result<Self> {
        let file = File::open(table.path)?;
        Ok(Self { reader: BufReader::with_capacity(16 * 1024, file), line: Vec::new() })
    }
}

impl Iterator for Sockets {
    type Item = Socket;

    fn next(&mut self) -> Option<Socket> {
        while matches!(
            read_line_bounded(&mut self.reader, &mut self.line, TABLE_LINE_LEN_MAX),
            Ok(true)
        ) {
            if let Some(socket) = Socket::parse(&self.line) {
                return Some(socket);
            }
        }
        None
    }
}

/// Which process holds which socket.
#[derive(Debug, Default)]
pub struct Owners {
    by_inode: HashMap<u64, u32>,
}

impl Owners {
    /// Notes the sockets among the open files of `pid`. Files of other users' processes may be unreadable: their
    /// sockets have no owner then.
    ///
    /// Returns false when there are more sockets than [`SOCKET_OWNERS_MAX`].
    pub fn note(&mut self, pid: u32) -> bool {
        let Ok(folder) = fs::read_dir(format!("/proc/{pid}/fd")) else { return true };
        for entry in folder.flatten() {
            let Ok(target) = fs::read_link(entry.path()) else { continue };
            let Some(inode) = socket_inode(target.as_os_str().as_bytes()) else { continue };
            if self.by_inode.len() >= SOCKET_OWNERS_MAX {
                return false;
            }
            self.by_inode.entry(inode).or_insert(pid);
        }
        true
    }

    /// The process that holds the socket, the first that was noted if several do.
    #[must_use]
    pub fn of(&self, inode: u64) -> Option<u32> {
        self.by_inode.get(&inode).copied()
    }
}

fn socket_inode(target: &[u8]) -> Option<u64> {
    decimal(target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

/// Parses `ADDRESS:PORT` in hexadecimal; each 32-bit word of the address is in the machine's byte order.
fn address(field: &[u8]) -> Option<(IpAddr, u16)> {
    let (address, port) = std::str::from_utf8(field).ok()?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = address.get(at * 8..at * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    match address.len() {
        8 => Some((Ipv4Addr::from(word(0)?).into(), port)),
        32 => {
            let mut bytes = [0; 16];
            for (at, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(at)?);
            }
            Some((Ipv6Addr::from(bytes).into(), port))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_socket_is_understood() {
        let line = b"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 34567 1 0000000000000000 100 0 0 10 0";
        let socket = Socket::parse(line).unwrap();
        assert_eq!(socket.uid, 1000);
        assert_eq!(socket.inode, 34567);
        assert_eq!(socket.state_name(Kind::Tcp), "LISTEN");
        if cfg!(target_endian = "little") {
            assert_eq!(socket.local, (Ipv4Addr::LOCALHOST.into(), 8080));
        }
    }

    #[test]
    fn an_ipv6_address_has_four_words() {
        let (address, port) = address(b"00000000000000000000000001000000:0016").unwrap();
        assert_eq!(port, 22);
        if cfg!(target_endian = "little") {
            assert_eq!(address, IpAddr::from(Ipv6Addr::LOCALHOST));
        }
    }

    #[test]
    fn headers_and_broken_lines_are_no_sockets() {
        let header = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        assert_eq!(Socket::parse(header), None);
        assert_eq!(Socket::parse(b"0: 7F:1F90 00000000:0000 0A"), None);
        assert_eq!(address("0100007é:1F90".as_bytes()), None);
    }

    #[test]
    fn only_sockets_among_open_files_count() {
        assert_eq!(socket_inode(b"socket:[12]"), Some(12));
        assert_eq!(socket_inode(b"/tmp/socket:[12]"), None);
        assert_eq!(socket_inode(b"pipe:[12]"), None);
    }
}
