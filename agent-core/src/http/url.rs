//! The base URL of a server: where to connect, and the path under which the protocol lives.
//!
//! `ws` and `wss`, which Velociraptor's wizard writes, name the same server and the same paths as `http` and `https`: a server
//! that speaks WebSocket answers plain POSTs as well, so they are mapped (docs/protocol.md section 3.8).

use crate::limits::URL_BYTES;
use alloc::string::{String, ToString};
use core::fmt;
use fluent_uri::Uri;

/// One of `Client.server_urls`, parsed strictly (RFC 3986).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BaseUrl {
    transport: Transport,
    host: String,
    port: u16,
    path: String,
}

/// What lies below HTTP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// TCP alone: for a laboratory, or behind something that ends TLS. The envelope still protects every message.
    Plain,
    /// TLS over TCP.
    Tls,
}

impl BaseUrl {
    /// Parses an absolute `http`, `https`, `ws` or `wss` URL that ends in `/`, with neither user, query nor fragment.
    ///
    /// # Errors
    ///
    /// [`UrlFault`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, UrlFault> {
        if text.len() > URL_BYTES {
            return Err(UrlFault::TooLong);
        }
        let uri = Uri::parse(text).map_err(|_| UrlFault::Syntax)?;
        let (transport, default_port) = match uri.scheme().as_str() {
            scheme if is_one_of(scheme, ["http", "ws"]) => (Transport::Plain, 80),
            scheme if is_one_of(scheme, ["https", "wss"]) => (Transport::Tls, 443),
            _ => return Err(UrlFault::Scheme),
        };
        let authority = uri.authority().ok_or(UrlFault::Host)?;
        if authority.userinfo().is_some() {
            return Err(UrlFault::User);
        }
        if uri.query().is_some() || uri.fragment().is_some() {
            return Err(UrlFault::Tail);
        }
        let path = uri.path().as_str();
        if !path.ends_with('/') {
            return Err(UrlFault::NoSlash);
        }
        let port = match authority.port_to_u16() {
            Ok(Some(0)) | Err(_) => return Err(UrlFault::Port),
            Ok(Some(port)) => port,
            Ok(None) => default_port,
        };
        let host = authority.host();
        if host.is_empty()
            || host.contains(['%', '!', '$', '&', '\'', '(', ')', '*', '+', ',', ';', '='])
        {
            return Err(UrlFault::Host);
        }
        Ok(Self { transport, host: host.to_string(), port, path: path.to_string() })
    }

    /// Whether TLS is to be used.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The name or address to connect to; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let address = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        address.unwrap_or(&self.host)
    }

    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The base path; begins and ends with `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value of the Host header: with brackets, and with the port unless it is the usual one.
    pub(super) fn host_header(&self) -> HostHeader<'_> {
        HostHeader(self)
    }
}

fn is_one_of(scheme: &str, names: [&str; 2]) -> bool {
    names.iter().any(|name| scheme.eq_ignore_ascii_case(name))
}

/// The URL as it is used: mapped scheme, port always shown.
impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.transport {
            Transport::Plain => "http",
            Transport::Tls => "https",
        };
        write!(f, "{scheme}://{}:{}{}", self.host, self.port, self.path)
    }
}

/// See [`BaseUrl::host_header`].
pub(super) struct HostHeader<'a>(&'a BaseUrl);

impl fmt::Display for HostHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.transport, self.0.port) {
            (Transport::Plain, 80) | (Transport::Tls, 443) => f.write_str(&self.0.host),
            (_, port) => write!(f, "{}:{port}", self.0.host),
        }
    }
}

/// Why a URL cannot be a base URL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum UrlFault {
    /// No host, or one with characters that no name or address has.
    Host,
    /// The path does not end in `/`; the protocol's paths are appended textually.
    NoSlash,
    /// The port is no number from 1 to 65535.
    Port,
    /// The scheme is not http, https, ws or wss.
    Scheme,
    /// Not an absolute URL by RFC 3986.
    Syntax,
    /// A query or a fragment.
    Tail,
    /// Longer than [`URL_BYTES`].
    TooLong,
    /// A user name; the protocol has none.
    User,
}

impl fmt::Display for UrlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("the URL has no usable host"),
            Self::NoSlash => f.write_str("the URL does not end in /"),
            Self::Port => f.write_str("the port is not between 1 and 65535"),
            Self::Scheme => f.write_str("the scheme is not http, https, ws or wss"),
            Self::Syntax => f.write_str("not an absolute URL"),
            Self::Tail => f.write_str("the URL has a query or a fragment"),
            Self::TooLong => write!(f, "the URL is longer than {URL_BYTES} bytes"),
            Self::User => f.write_str("the URL has a user name"),
        }
    }
}

impl core::error::Error for UrlFault {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_url_says_where_to_connect() {
        for (text, transport, host, port, path) in [
            ("https://server.example:8000/", Transport::Tls, "server.example", 8000, "/"),
            ("http://10.0.0.1/", Transport::Plain, "10.0.0.1", 80, "/"),
            (
                "HTTPS://server.example/base/path/",
                Transport::Tls,
                "server.example",
                443,
                "/base/path/",
            ),
            ("https://[2001:db8::1]:8000/", Transport::Tls, "2001:db8::1", 8000, "/"),
            ("wss://server.example/", Transport::Tls, "server.example", 443, "/"),
            ("ws://server.example:81/", Transport::Plain, "server.example", 81, "/"),
        ] {
            let url = BaseUrl::parse(text).unwrap();
            assert_eq!(
                (url.transport(), url.host(), url.port(), url.path()),
                (transport, host, port, path),
                "{text}"
            );
        }
    }

    #[test]
    fn the_host_header_has_the_port_unless_it_is_the_usual_one() {
        for (text, header) in [
            ("https://a.example/", "a.example"),
            ("https://a.example:8000/", "a.example:8000"),
            ("http://a.example:443/", "a.example:443"),
            ("https://[::1]:1/", "[::1]:1"),
        ] {
            assert_eq!(format!("{}", BaseUrl::parse(text).unwrap().host_header()), header);
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused_with_its_reason() {
        for (text, fault) in [
            ("", UrlFault::Syntax),
            ("server.example/", UrlFault::Syntax),
            ("https://a.example/ /", UrlFault::Syntax),
            ("https://a.example/\r\nX: y/", UrlFault::Syntax),
            ("ftp://a.example/", UrlFault::Scheme),
            ("https:/a.example/", UrlFault::Host),
            ("https:///", UrlFault::Host),
            ("https://a%0d.example/", UrlFault::Host),
            ("https://a;b/", UrlFault::Host),
            ("https://user@a.example/", UrlFault::User),
            ("https://a.example:0/", UrlFault::Port),
            ("https://a.example:65536/", UrlFault::Port),
            ("https://a.example", UrlFault::NoSlash),
            ("https://a.example/base", UrlFault::NoSlash),
            ("https://a.example/?x=/", UrlFault::Tail),
            ("https://a.example/#/", UrlFault::Tail),
        ] {
            assert_eq!(BaseUrl::parse(text), Err(fault), "{text}");
        }
        let long = format!("https://a.example/{}/", "a".repeat(URL_BYTES));
        assert_eq!(BaseUrl::parse(&long), Err(UrlFault::TooLong));
    }
}
