//! Which addresses a query may reach.
//!
//! The look is at what a name resolves to, for each connection: a name that changes its address between two looks and a redirect
//! are seen like any other.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// What may be reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reach {
    /// Every address.
    Everything,
    /// Not the machine's own loopback and link: services there take whoever reaches them for the machine's owner, and clouds
    /// hand out its credentials at 169.254.169.254.
    Beyond,
}

/// Names by the operating system, without what is out of reach.
#[derive(Debug)]
pub(super) struct Names(pub(super) Reach);

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let all = DefaultResolver::default().resolve(uri, config, timeout)?;
        let mut kept = self.empty();
        for address in all.iter().filter(|address| self.0.holds(address.ip())) {
            kept.push(*address);
        }
        if kept.is_empty() {
            let why = "an address of this machine itself needs SERVER_ADMIN";
            return Err(Error::Io(io::Error::new(io::ErrorKind::PermissionDenied, why)));
        }
        Ok(kept)
    }
}

impl Reach {
    fn holds(self, address: IpAddr) -> bool {
        self == Self::Everything || !is_of_machine(address)
    }
}

fn is_of_machine(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_of_machine_v4(address),
        IpAddr::V6(address) => {
            // `::ffff:127.0.0.1` and the outdated `::127.0.0.1`, which also covers `::` and `::1`.
            address.to_ipv4().is_some_and(is_of_machine_v4) || is_of_machine_v6(address)
        }
    }
}

/// All of 0.0.0.0/8 means this host (RFC 1122 section 3.2.1.3).
fn is_of_machine_v4(address: Ipv4Addr) -> bool {
    address.is_loopback() || address.is_link_local() || address.octets().starts_with(&[0])
}

fn is_of_machine_v6(address: Ipv6Addr) -> bool {
    address.is_loopback() || address.is_unspecified() || address.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_many_names() {
        let own = [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "::ffff:169.254.169.254",
            "fe80::1",
        ];
        for text in own {
            assert!(!Reach::Beyond.holds(text.parse().unwrap()), "{text}");
            assert!(Reach::Everything.holds(text.parse().unwrap()), "{text}");
        }
        for text in ["10.0.0.1", "192.0.2.7", "2001:db8::1", "::ffff:192.0.2.7"] {
            assert!(Reach::Beyond.holds(text.parse().unwrap()), "{text}");
        }
    }
}
