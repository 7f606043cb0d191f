//! smoltcp under the agent: an address by DHCP, names by DNS, a TCP connection for each link, TLS on it.

mod connection;
mod passage;
mod state;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::dns::{self, GetQueryResultError, QueryHandle};
use smoltcp::socket::{dhcpv4, tcp};
use smoltcp::time::Instant as NetworkInstant;
use smoltcp::wire::{
    DnsQueryType, EthernetAddress, HardwareAddress, IpAddress, IpCidr, Ipv4Address, Ipv4Cidr,
};
use troodon_core::agent::{Connection, Down, Input, Link};
use troodon_core::time::{Instant, Span};

use crate::limits::LINK_LOOK_MS;
use crate::nic::{Metered, Nic};
use crate::tls::{Session, Tls, TlsFault};
use passage::Passage;

pub use state::{NetworkState, Socket};

/// Ports that nobody else on the board uses (RFC 6335: dynamic ports).
const FIRST_PORT: u16 = 49_152;
/// Names that are looked up at once: one for each link.
const QUERIES: usize = 2;

/// The network of a board.
pub struct Network<D> {
    device: Metered<D>,
    cable: Cable,
    interface: Interface,
    sockets: SocketSet<'static>,
    dhcp: SocketHandle,
    dns: SocketHandle,
    reader: Line,
    control: Line,
    port: u16,
    tls: Box<dyn Tls>,
    /// What TLS did not like last.
    fault: Option<TlsFault>,
}

/// What is known of the cable.
struct Cable {
    has_link: bool,
    changes: u32,
    look_at: Instant,
}

/// What serves one link.
struct Line {
    socket: SocketHandle,
    connection: Option<Connection>,
    phase: Phase,
    /// The host whose certificate is wanted; `None` for a connection without TLS.
    secure_host: Option<String>,
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
    /// Until the server has proved who it is.
    Securing(Box<dyn Session>),
    Up(Passage),
}

impl<D: Nic> Network<D> {
    /// A network without an address; [`Network::poll`] asks for one.
    pub fn new(device: D, mac: [u8; 6], tls: Box<dyn Tls>, seed: u64, now: Instant) -> Self {
        let address = HardwareAddress::Ethernet(EthernetAddress(mac));
        let mut config = Config::new(address);
        config.random_seed = seed;
        let mut device = Metered::new(device);
        let cable = Cable { has_link: device.inner().has_link(), changes: 0, look_at: now };
        let interface = Interface::new(config, &mut device, network_time(now));
        let mut sockets = SocketSet::new(Vec::new());
        let dhcp = sockets.add(dhcpv4::Socket::new());
        // Lent for ever: a list that the socket owned would grow with every name.
        let queries: Vec<_> = (0..QUERIES).map(|_| None).collect();
        let dns = sockets.add(dns::Socket::new(&[], queries.leak()));
        let mut line = || Line {
            socket: sockets.add(connection::socket()),
            connection: None,
            phase: Phase::Closed,
            secure_host: None,
        };
        let (reader, control) = (line(), line());
        let spread = u16::try_from(seed % 8_192).unwrap_or(0);
        let (port, fault) = (FIRST_PORT + spread, None);
        Self { device, cable, interface, sockets, dhcp, dns, reader, control, port, tls, fault }
    }

    /// What queries may know.
    pub fn state(&self) -> NetworkState {
        let socket = |line: &Line| Socket::of(self.sockets.get::<tcp::Socket>(line.socket));
        NetworkState {
            address: self.address(),
            has_link: self.cable.has_link,
            link_changes: self.cable.changes,
            received: self.device.received(),
            sent: self.device.sent(),
            sockets: [socket(&self.reader), socket(&self.control)],
        }
    }

    /// The board's address, once there is one.
    fn address(&self) -> Option<Ipv4Cidr> {
        self.interface.ip_addrs().first().map(|IpCidr::Ipv4(address)| *address)
    }

    /// What TLS did not like since the last call.
    pub fn take_fault(&mut self) -> Option<TlsFault> {
        self.fault.take()
    }

    /// Begins to open a connection. `is_secure`: it is up only after the server has proved who it is.
    pub fn connect(&mut self, connection: Connection, host: &str, port: u16, is_secure: bool) {
        self.forget_name(connection.link);
        let line = line(&mut self.reader, &mut self.control, connection.link);
        // What is left of an earlier connection is cut off.
        self.sockets.get_mut::<tcp::Socket>(line.socket).abort();
        line.connection = Some(connection);
        line.phase = Phase::Naming { host: host.into(), port, query: None };
        line.secure_host = is_secure.then(|| host.into());
    }

    /// Takes bytes to send, as many as there is room for.
    pub fn send(&mut self, connection: Connection, bytes: &[u8]) -> usize {
        let line = line(&mut self.reader, &mut self.control, connection.link);
        if line.connection != Some(connection) {
            return 0;
        }
        let Phase::Up(passage) = &mut line.phase else { return 0 };
        let socket = self.sockets.get_mut::<tcp::Socket>(line.socket);
        passage.send(socket, bytes).unwrap_or_else(|fault| {
            // The next poll finds the connection gone.
            socket.abort();
            self.fault = Some(fault);
            0
        })
    }

    /// Closes a connection, after what was taken has left.
    pub fn close(&mut self, connection: Connection) {
        let line = line(&mut self.reader, &mut self.control, connection.link);
        if line.connection == Some(connection) {
            line.connection = None;
            let socket = self.sockets.get_mut::<tcp::Socket>(line.socket);
            if let Phase::Up(passage) = &mut line.phase {
                passage.finish(socket);
            }
            socket.close();
            self.forget_name(connection.link);
        }
    }

    /// Frees the place of a name that is still looked up, of which there are [`QUERIES`].
    fn forget_name(&mut self, link: Link) {
        let line = line(&mut self.reader, &mut self.control, link);
        if let Phase::Naming { query: Some(asked), .. } = line.phase {
            self.sockets.get_mut::<dns::Socket>(self.dns).cancel_query(asked);
        }
        line.phase = Phase::Closed;
    }

    /// Moves frames, and tells what happened. `true`: something did, and there may be more.
    pub fn poll(&mut self, now: Instant, mut tell: impl FnMut(Input<'_>)) -> bool {
        let polled = self.interface.poll(network_time(now), &mut self.device, &mut self.sockets);
        let mut is_busy = polled == PollResult::SocketStateChanged;
        self.look_at_cable(now);
        self.take_address();
        for link in [Link::Reader, Link::Control] {
            is_busy |= self.poll_line(link, &mut tell);
        }
        is_busy
    }

    /// Whether a frame waits for [`Network::poll`].
    pub fn has_frame(&mut self) -> bool {
        self.device.inner().has_frame()
    }

    /// When to call [`Network::poll`] again, if no frame comes before.
    pub fn wake_at(&mut self, now: Instant) -> Instant {
        match self.interface.poll_delay(network_time(now), &self.sockets) {
            Some(delay) => now.saturating_add(Span::from_micros(delay.total_micros())),
            None => Instant::NEVER,
        }
    }

    fn look_at_cable(&mut self, now: Instant) {
        if now < self.cable.look_at {
            return;
        }
        self.cable.look_at = now.saturating_add(Span::from_micros(LINK_LOOK_MS * 1_000));
        let has_link = self.device.inner().has_link();
        if has_link != self.cable.has_link {
            self.cable.has_link = has_link;
            self.cable.changes = self.cable.changes.wrapping_add(1);
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
        match line.phase {
            Phase::Closed => false,
            Phase::Naming { .. } => self.poll_name(link, connection, tell),
            Phase::Connecting => {
                let socket = self.sockets.get::<tcp::Socket>(line.socket);
                if socket.may_send() {
                    return self.open(link, connection, tell);
                }
                if socket.is_open() {
                    return false;
                }
                self.lose(connection, Down::Unreachable, tell)
            }
            Phase::Securing(_) => self.poll_securing(link, connection, tell),
            Phase::Up(ref mut passage) => {
                let socket = self.sockets.get_mut::<tcp::Socket>(line.socket);
                let received =
                    passage.receive(socket, |bytes| tell(Input::Received(connection, bytes)));
                match received {
                    Ok(has_received) if socket.may_recv() => has_received,
                    Ok(_) => self.lose(connection, Down::Closed, tell),
                    Err(fault) => {
                        self.fault = Some(fault);
                        self.lose(connection, Down::Closed, tell)
                    }
                }
            }
        }
    }

    /// TCP is there; what the URL wants comes next.
    fn open(
        &mut self,
        link: Link,
        connection: Connection,
        tell: &mut impl FnMut(Input<'_>),
    ) -> bool {
        let line = line(&mut self.reader, &mut self.control, link);
        let Some(host) = &line.secure_host else {
            line.phase = Phase::Up(Passage::Plain);
            tell(Input::Up(connection));
            return true;
        };
        match self.tls.begin(host) {
            Ok(mut session) => {
                let socket = self.sockets.get_mut::<tcp::Socket>(line.socket);
                passage::flush(session.as_mut(), socket);
                line.phase = Phase::Securing(session);
                true
            }
            Err(fault) => {
                self.fault = Some(fault);
                self.lose(connection, Down::Untrusted, tell)
            }
        }
    }

    /// Lets TLS go on; the agent hears of the connection when the server has proved who it is.
    fn poll_securing(
        &mut self,
        link: Link,
        connection: Connection,
        tell: &mut impl FnMut(Input<'_>),
    ) -> bool {
        let line = line(&mut self.reader, &mut self.control, link);
        let Phase::Securing(session) = &mut line.phase else { return false };
        let socket = self.sockets.get_mut::<tcp::Socket>(line.socket);
        let mut early = Vec::new();
        let received =
            passage::receive(session.as_mut(), socket, |bytes| early.extend_from_slice(bytes));
        let has_received = match received {
            Ok(has_received) => has_received,
            Err(fault) => {
                self.fault = Some(fault);
                return self.lose(connection, Down::Untrusted, tell);
            }
        };
        let is_open = socket.may_recv();
        let Some(proof) = session.proof() else {
            return if is_open {
                has_received
            } else {
                self.lose(connection, Down::Unreachable, tell)
            };
        };
        if let Phase::Securing(session) = core::mem::replace(&mut line.phase, Phase::Closed) {
            line.phase = Phase::Up(Passage::Sealed(session, proof));
        }
        tell(Input::Up(connection));
        if !early.is_empty() {
            tell(Input::Received(connection, &early));
        }
        true
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
        let found = dns.get_query_result(asked);
        if matches!(found, Err(GetQueryResultError::Pending)) {
            return false;
        }
        // Whatever was found, the place is free again.
        *query = None;
        match found.ok().and_then(|addresses| addresses.first().copied()) {
            Some(address) => self.dial(connection, address, port, tell),
            None => self.lose(connection, Down::Unreachable, tell),
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

fn network_time(now: Instant) -> NetworkInstant {
    NetworkInstant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use smoltcp::phy::Loopback;

    use super::*;
    use crate::tls::NoTls;

    impl Nic for Loopback {
        fn has_link(&mut self) -> bool {
            true
        }

        fn has_frame(&mut self) -> bool {
            true
        }
    }

    const SERVER: Ipv4Address = Ipv4Address::new(10, 0, 0, 2);

    /// A network with an address and a name server that never answers.
    fn network() -> Network<Loopback> {
        let device = Loopback::new(smoltcp::phy::Medium::Ethernet);
        let mut network =
            Network::new(device, [2, 0, 0, 0, 0, 1], Box::new(NoTls), 7, Instant::ORIGIN);
        // DHCP begins by saying that there is no address.
        network.poll(Instant::ORIGIN, |_| ());
        let address = IpCidr::Ipv4(Ipv4Cidr::new(Ipv4Address::new(10, 0, 0, 1), 24));
        network.interface.update_ip_addrs(|all| all.push(address).unwrap_or(()));
        let dns = network.sockets.get_mut::<dns::Socket>(network.dns);
        dns.update_servers(&[IpAddress::Ipv4(SERVER)]);
        network
    }

    fn told(network: &mut Network<Loopback>) -> Vec<(Connection, Down)> {
        let mut told = Vec::new();
        for millis in 0..5 {
            network.poll(Instant::from_micros(millis * 1_000), |fact| {
                if let Input::Down(connection, why) = fact {
                    told.push((connection, why));
                }
            });
        }
        told
    }

    #[test]
    fn names_that_are_given_up_leave_room_for_others() {
        let mut network = network();
        for number in 0..10 {
            let connection = Connection { link: Link::Reader, number };
            network.connect(connection, "server.example", 8000, false);
            assert_eq!(told(&mut network), [], "connection {number} waits for its name");
            if number % 2 == 0 {
                network.close(connection);
            }
        }
    }

    #[test]
    fn a_name_that_is_none_makes_the_server_unreachable() {
        let mut network = network();
        let connection = Connection { link: Link::Control, number: 1 };
        network.connect(connection, &"x".repeat(300), 8000, false);
        assert_eq!(told(&mut network), [(connection, Down::Unreachable)]);
        network.connect(connection, "server.example", 8000, false);
        assert_eq!(told(&mut network), [], "the next name is looked up");
    }

    #[test]
    fn bytes_for_an_earlier_connection_are_not_taken() {
        let mut network = network();
        let (old, new) = (1, 2);
        let connection = |number| Connection { link: Link::Reader, number };
        network.connect(connection(old), "10.0.0.2", 8000, false);
        network.connect(connection(new), "10.0.0.2", 8000, false);
        assert_eq!(network.send(connection(old), b"GET"), 0);
        network.close(connection(old));
        assert!(matches!(network.reader.connection, Some(Connection { number: 2, .. })));
    }
}
