//! smoltcp under the agent: an address by DHCP, names by DNS, a TCP connection for each link.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::Device;
use smoltcp::socket::dns::{self, GetQueryResultError, QueryHandle};
use smoltcp::socket::{dhcpv4, tcp};
use smoltcp::time::{Duration, Instant as NetworkInstant};
use smoltcp::wire::{
    DnsQueryType, EthernetAddress, HardwareAddress, IpAddress, IpCidr, Ipv4Address, Ipv4Cidr,
};
use troodon_core::agent::{Connection, Down, Input, Link};
use troodon_core::time::{Instant, Span};

use crate::limits::{RECEIVE_LEN, SEND_LEN, TCP_SILENCE_SECS};

/// Ports that nobody else on the board uses (RFC 6335: dynamic ports).
const FIRST_PORT: u16 = 49_152;
/// Names that are looked up at once: one for each link.
const QUERIES: usize = 2;

/// The network of a board.
pub struct Network<D> {
    device: D,
    interface: Interface,
    sockets: SocketSet<'static>,
    dhcp: SocketHandle,
    dns: SocketHandle,
    reader: Line,
    control: Line,
    port: u16,
}

/// What serves one link.
struct Line {
    socket: SocketHandle,
    connection: Option<Connection>,
    phase: Phase,
}

/// How far a connection is.
enum Phase {
    Closed,
    /// Until there is an address of our own, and the name is known.
    Naming {
        host: String,
        port: u16,
        query: Option<QueryHandle>,
    },
    Connecting,
    Up,
}

impl<D: Device> Network<D> {
    /// A network without an address; [`Network::poll`] asks for one.
    pub fn new(mut device: D, mac: [u8; 6], seed: u64, now: Instant) -> Self {
        let address = HardwareAddress::Ethernet(EthernetAddress(mac));
        let mut config = Config::new(address);
        config.random_seed = seed;
        let interface = Interface::new(config, &mut device, network_time(now));
        let mut sockets = SocketSet::new(Vec::new());
        let dhcp = sockets.add(dhcpv4::Socket::new());
        let queries: Vec<_> = (0..QUERIES).map(|_| None).collect();
        let dns = sockets.add(dns::Socket::new(&[], queries));
        let mut line =
            || Line { socket: sockets.add(socket()), connection: None, phase: Phase::Closed };
        let (reader, control) = (line(), line());
        let spread = u16::try_from(seed % 8_192).unwrap_or(0);
        Self { device, interface, sockets, dhcp, dns, reader, control, port: FIRST_PORT + spread }
    }

    /// The board's address, once there is one.
    pub fn address(&self) -> Option<Ipv4Cidr> {
        self.interface.ip_addrs().first().map(|IpCidr::Ipv4(address)| *address)
    }

    /// Begins to open a connection.
    pub fn connect(&mut self, connection: Connection, host: &str, port: u16) {
        let line = line(&mut self.reader, &mut self.control, connection.link);
        // What is left of an earlier connection is cut off.
        self.sockets.get_mut::<tcp::Socket>(line.socket).abort();
        line.connection = Some(connection);
        line.phase = Phase::Naming { host: host.into(), port, query: None };
    }

    /// Takes bytes to send, as many as there is room for.
    pub fn send(&mut self, connection: Connection, bytes: &[u8]) -> usize {
        let line = line(&mut self.reader, &mut self.control, connection.link);
        if line.connection != Some(connection) || !matches!(line.phase, Phase::Up) {
            return 0;
        }
        self.sockets.get_mut::<tcp::Socket>(line.socket).send_slice(bytes).unwrap_or(0)
    }

    /// Closes a connection, after what was taken has left.
    pub fn close(&mut self, connection: Connection) {
        let line = line(&mut self.reader, &mut self.control, connection.link);
        if line.connection == Some(connection) {
            line.connection = None;
            line.phase = Phase::Closed;
            self.sockets.get_mut::<tcp::Socket>(line.socket).close();
        }
    }

    /// Moves frames, and tells what happened. `true`: something did, and there may be more.
    pub fn poll(&mut self, now: Instant, mut tell: impl FnMut(Input<'_>)) -> bool {
        let polled = self.interface.poll(network_time(now), &mut self.device, &mut self.sockets);
        let mut is_busy = polled == PollResult::SocketStateChanged;
        self.take_address();
        for link in [Link::Reader, Link::Control] {
            is_busy |= self.poll_line(link, &mut tell);
        }
        is_busy
    }

    /// When to call [`Network::poll`] again, if no frame comes before.
    pub fn wake_at(&mut self, now: Instant) -> Instant {
        match self.interface.poll_delay(network_time(now), &self.sockets) {
            Some(delay) => now.saturating_add(Span::from_micros(delay.total_micros())),
            None => Instant::NEVER,
        }
    }

    fn take_address(&mut self) {
        let event = self.sockets.get_mut::<dhcpv4::Socket>(self.dhcp).poll();
        let (address, router, servers) = match event {
            None => return,
            Some(dhcpv4::Event::Deconfigured) => (None, None, Vec::new()),
            Some(dhcpv4::Event::Configured(lease)) => {
                let servers = lease.dns_servers.iter().copied().map(IpAddress::Ipv4).collect();
                (Some(lease.address), lease.router, servers)
            }
        };
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            // There is room for one after clearing.
            let _added = address.map(|address| addresses.push(IpCidr::Ipv4(address)));
        });
        let routes = self.interface.routes_mut();
        routes.remove_default_ipv4_route();
        if let Some(router) = router {
            // The table holds the one default route.
            let _added = routes.add_default_ipv4_route(router);
        }
        self.sockets.get_mut::<dns::Socket>(self.dns).update_servers(&servers);
    }

    fn poll_line(&mut self, link: Link, tell: &mut impl FnMut(Input<'_>)) -> bool {
        let line = line(&mut self.reader, &mut self.control, link);
        let Some(connection) = line.connection else { return false };
        match &line.phase {
            Phase::Closed => false,
            Phase::Naming { .. } => self.poll_name(link, connection, tell),
            Phase::Connecting => {
                let socket = self.sockets.get::<tcp::Socket>(line.socket);
                if socket.may_send() {
                    line.phase = Phase::Up;
                    tell(Input::Up(connection));
                    return true;
                }
                if socket.is_open() {
                    return false;
                }
                self.lose(connection, Down::Unreachable, tell)
            }
            Phase::Up => {
                let socket = self.sockets.get_mut::<tcp::Socket>(line.socket);
                let mut has_received = false;
                while let Ok(true) = socket.recv(|bytes| {
                    if !bytes.is_empty() {
                        tell(Input::Received(connection, bytes));
                    }
                    (bytes.len(), !bytes.is_empty())
                }) {
                    has_received = true;
                }
                if socket.may_recv() {
                    return has_received;
                }
                self.lose(connection, Down::Closed, tell)
            }
        }
    }

    /// Waits for an address of our own, then for that of the server, then connects.
    fn poll_name(
        &mut self,
        link: Link,
        connection: Connection,
        tell: &mut impl FnMut(Input<'_>),
    ) -> bool {
        if self.address().is_none() {
            return false;
        }
        let line = line(&mut self.reader, &mut self.control, link);
        let Phase::Naming { host, port, query } = &mut line.phase else { return false };
        let port = *port;
        if let Ok(address) = host.parse::<Ipv4Address>() {
            return self.dial(connection, IpAddress::Ipv4(address), port, tell);
        }
        let dns = self.sockets.get_mut::<dns::Socket>(self.dns);
        let Some(asked) = *query else {
            match dns.start_query(self.interface.context(), host, DnsQueryType::A) {
                Ok(asked) => *query = Some(asked),
                Err(_) => return self.lose(connection, Down::Unreachable, tell),
            }
            return true;
        };
        match dns.get_query_result(asked) {
            Err(GetQueryResultError::Pending) => false,
            Err(GetQueryResultError::Failed) => self.lose(connection, Down::Unreachable, tell),
            Ok(addresses) => match addresses.first() {
                Some(address) => self.dial(connection, *address, port, tell),
                None => self.lose(connection, Down::Unreachable, tell),
            },
        }
    }

    fn dial(
        &mut self,
        connection: Connection,
        address: IpAddress,
        port: u16,
        tell: &mut impl FnMut(Input<'_>),
    ) -> bool {
        self.port = self.port.checked_add(1).unwrap_or(FIRST_PORT);
        let line = line(&mut self.reader, &mut self.control, connection.link);
        let socket = self.sockets.get_mut::<tcp::Socket>(line.socket);
        match socket.connect(self.interface.context(), (address, port), self.port) {
            Ok(()) => {
                line.phase = Phase::Connecting;
                true
            }
            Err(_) => self.lose(connection, Down::Unreachable, tell),
        }
    }

    fn lose(
        &mut self,
        connection: Connection,
        why: Down,
        tell: &mut impl FnMut(Input<'_>),
    ) -> bool {
        self.close(connection);
        tell(Input::Down(connection, why));
        true
    }
}

fn line<'a>(reader: &'a mut Line, control: &'a mut Line, link: Link) -> &'a mut Line {
    match link {
        Link::Reader => reader,
        Link::Control => control,
    }
}

fn socket() -> tcp::Socket<'static> {
    let buffer = |len| tcp::SocketBuffer::new(vec![0; len]);
    let mut socket = tcp::Socket::new(buffer(RECEIVE_LEN), buffer(SEND_LEN));
    // A delayed acknowledgement and a small window stop the sender after each segment.
    socket.set_ack_delay(None);
    socket.set_nagle_enabled(false);
    socket.set_timeout(Some(Duration::from_secs(TCP_SILENCE_SECS)));
    socket.set_keep_alive(Some(Duration::from_secs(TCP_SILENCE_SECS / 3)));
    socket
}

fn network_time(now: Instant) -> NetworkInstant {
    NetworkInstant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}
