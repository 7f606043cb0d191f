//! Where a collection runs: on a client, or on the server itself.

use std::fmt;
use std::str::FromStr;

use troodon_core::error::IdFault;
use troodon_core::identity::ClientId;

/// A client, or the server, which is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Site {
    /// The server itself.
    Server,
    /// One client.
    Client(ClientId),
}

impl Site {
    /// What stands for the server where ids of clients stand. No client has such an id.
    pub const SERVER: &str = "server";

    /// The text under which it is known.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Server => Self::SERVER,
            Self::Client(id) => id.as_str(),
        }
    }

    /// The client, unless it is the server.
    #[must_use]
    pub const fn client(self) -> Option<ClientId> {
        match self {
            Self::Server => None,
            Self::Client(id) => Some(id),
        }
    }
}

impl From<ClientId> for Site {
    fn from(id: ClientId) -> Self {
        Self::Client(id)
    }
}

impl From<&ClientId> for Site {
    fn from(id: &ClientId) -> Self {
        Self::Client(*id)
    }
}

impl From<&Self> for Site {
    fn from(site: &Self) -> Self {
        *site
    }
}

impl FromStr for Site {
    type Err = IdFault;

    fn from_str(text: &str) -> Result<Self, IdFault> {
        match text {
            Self::SERVER => Ok(Self::Server),
            other => other.parse().map(Self::Client),
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_a_site_and_every_client_is_one() {
        for text in ["server", "C.0123456789abcdef"] {
            assert_eq!(text.parse::<Site>().unwrap().to_string(), text);
        }
        for text in ["", "Server", "server ", "C.1"] {
            assert!(text.parse::<Site>().is_err(), "{text:?}");
        }
    }
}
