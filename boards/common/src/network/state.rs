//! What queries see of the network.

use smoltcp::socket::tcp;
use smoltcp::wire::{IpEndpoint, Ipv4Cidr};

use crate::nic::Count;

/// A moment of the network.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetworkState {
    /// The board's address with the length of its prefix, once there is one.
    pub address: Option<Ipv4Cidr>,
    /// Whether somebody is at the other end of the cable.
    pub has_link: bool,
    /// How often that changed since reset.
    pub link_changes: u32,
    /// Frames that came.
    pub received: Count,
    /// Frames that went.
    pub sent: Count,
    /// The connections to the server.
    pub sockets: [Option<Socket>; 2],
}

/// A connection.
#[derive(Clone, Copy, Debug)]
pub struct Socket {
    /// Our end.
    pub local: IpEndpoint,
    /// The other end.
    pub remote: IpEndpoint,
    /// As Linux calls it.
    pub status: &'static str,
}

impl Socket {
    /// A socket that has both ends.
    pub(super) fn of(socket: &tcp::Socket<'_>) -> Option<Self> {
        let (local, remote) = (socket.local_endpoint()?, socket.remote_endpoint()?);
        Some(Self { local, remote, status: status(socket.state()) })
    }
}

fn status(state: tcp::State) -> &'static str {
    match state {
        tcp::State::Closed => "CLOSE",
        tcp::State::Listen => "LISTEN",
        tcp::State::SynSent => "SYN_SENT",
        tcp::State::SynReceived => "SYN_RECV",
        tcp::State::Established => "ESTABLISHED",
        tcp::State::FinWait1 => "FIN_WAIT1",
        tcp::State::FinWait2 => "FIN_WAIT2",
        tcp::State::CloseWait => "CLOSE_WAIT",
        tcp::State::Closing => "CLOSING",
        tcp::State::LastAck => "LAST_ACK",
        tcp::State::TimeWait => "TIME_WAIT",
    }
}
