//! A connection to a receiver of syslog.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

use super::{Target, Transport};
use crate::limits::{
    SYSLOG_CONNECT_MAX, SYSLOG_DATAGRAM_MAX, SYSLOG_UNACKNOWLEDGED_MAX, SYSLOG_WRITE_MAX,
};

/// An open connection.
pub(super) enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Link {
    /// Connects, and makes TLS of it where it is asked for.
    pub(super) fn open(target: &Target) -> Result<Self, Error> {
        match &target.transport {
            Transport::Udp => {
                let there = addresses(target)?.next().ok_or(ErrorKind::NotFound)?;
                let here = if there.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(here)?;
                socket.connect(there)?;
                Ok(Self::Udp(socket))
            }
            Transport::Tcp => Ok(Self::Tcp(connect(target)?)),
            Transport::Tls(config, name) => {
                let mut stream = connect(target)?;
                let connection = ClientConnection::new(Arc::clone(config), name.clone());
                let mut connection = connection.map_err(Error::other)?;
                stream.set_read_timeout(Some(SYSLOG_CONNECT_MAX))?;
                while connection.is_handshaking() {
                    connection.complete_io(&mut stream)?;
                }
                Ok(Self::Tls(Box::new(StreamOwned::new(connection, stream))))
            }
        }
    }

    /// Whether the end of the receiver ends the connection.
    pub(super) const fn tells_of_loss(&self) -> bool {
        !matches!(self, Self::Udp(_))
    }

    /// Sends one message.
    pub(super) fn send(&mut self, message: &str) -> Result<(), Error> {
        let counted = || format!("{} {message}", message.len());
        match self {
            Self::Udp(socket) => {
                let end = message.floor_char_boundary(SYSLOG_DATAGRAM_MAX);
                let datagram = message.as_bytes().get(..end).unwrap_or_default();
                socket.send(datagram).map(drop)
            }
            Self::Tcp(stream) => stream.write_all(counted().as_bytes()),
            Self::Tls(stream) => {
                stream.write_all(counted().as_bytes())?;
                stream.flush()
            }
        }
    }

    /// Fails when the receiver ended the connection. What it says otherwise does not count.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        match self {
            Self::Udp(_) => Ok(()),
            Self::Tcp(stream) => {
                stream.set_nonblocking(true)?;
                let is_open = drain(stream);
                stream.set_nonblocking(false)?;
                is_open
            }
            Self::Tls(stream) => {
                stream.sock.set_nonblocking(true)?;
                let is_open = drain(&mut **stream);
                stream.sock.set_nonblocking(false)?;
                is_open
            }
        }
    }
}

/// Reads what has come: one piece, so that a receiver that speaks without end does not hold the sender up.
fn drain(stream: &mut impl Read) -> Result<(), Error> {
    match stream.read(&mut [0; 1024]) {
        Ok(0) => Err(ErrorKind::ConnectionAborted.into()),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

fn addresses(target: &Target) -> Result<impl Iterator<Item = std::net::SocketAddr>, Error> {
    (target.host.as_str(), target.port).to_socket_addrs()
}

fn connect(target: &Target) -> Result<TcpStream, Error> {
    let mut last = Error::from(ErrorKind::NotFound);
    for address in addresses(target)? {
        match TcpStream::connect_timeout(&address, SYSLOG_CONNECT_MAX) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(SYSLOG_WRITE_MAX))?;
                let limit = millis(SYSLOG_UNACKNOWLEDGED_MAX);
                rustix::net::sockopt::set_tcp_user_timeout(&stream, limit)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn millis(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}
