//! What an agent is told before it starts.

use crate::http::url::BaseUrl;
use crate::limits::{INFLATED_BYTES, REPLY_BYTES};
use crate::pin::Anchor;
use crate::time::Span;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The deployment, and what the host can afford.
#[derive(Debug)]
pub struct Config {
    /// `Client.server_urls`, at least one. They are tried in an order of the agent's own choice.
    pub servers: Vec<BaseUrl>,
    /// `Client.ca_certificate`.
    pub anchor: Anchor,
    /// `Client.pinned_server_name`.
    pub pinned_name: String,
    /// `Client.nonce`.
    pub nonce: String,
    /// How many connections the host can hold at once.
    pub links: Links,
    /// Whether what is sent is compressed; `Client.disable_compression` turns it off. Boards have no memory for it.
    pub compression: Compression,
    /// `Client.max_poll`: the base of every long pause.
    pub max_poll: Span,
    /// `Client.max_poll_std`: up to this much is added to a long pause, at random.
    pub max_poll_std: Span,
    /// `Client.connection_timeout`: for connecting with TLS, and for the head of a response.
    pub connection_timeout: Span,
    /// `Client.client_info_update_time`; `None` never sends it.
    pub client_info_every: Option<Span>,
    /// Longest reply of the reader, in bytes. It is held in memory while it is opened.
    pub reply_max: usize,
    /// Longest message list in a reply after inflation, in bytes.
    pub inflated_max: usize,
}

/// How many connections a host can hold at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Links {
    /// Polling and sending take turns on [`super::Link::Reader`]; [`super::Link::Control`] is never used.
    One,
    /// Results leave while the reader waits.
    Two,
}

/// Whether message lists are compressed before they are sealed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compression {
    /// As they are.
    Off,
    /// With zlib, each on its own.
    #[cfg(feature = "compress")]
    Zlib,
}

impl Compression {
    #[cfg(feature = "compress")]
    const USUAL: Self = Self::Zlib;
    #[cfg(not(feature = "compress"))]
    const USUAL: Self = Self::Off;
}

impl Config {
    /// The defaults of the protocol (docs/protocol.md section 1.5), for a host with two links.
    #[must_use]
    pub fn new(servers: Vec<BaseUrl>, anchor: Anchor, nonce: String) -> Self {
        Self {
            servers,
            anchor,
            pinned_name: PINNED_NAME.to_string(),
            nonce,
            links: Links::Two,
            compression: Compression::USUAL,
            max_poll: Span::from_secs(60),
            max_poll_std: Span::from_secs(30),
            connection_timeout: Span::from_secs(300),
            client_info_every: Some(Span::from_secs(86_400)),
            reply_max: REPLY_BYTES,
            inflated_max: INFLATED_BYTES,
        }
    }
}

/// The name of every server that was not given another (docs/protocol.md section 1.4).
const PINNED_NAME: &str = "VelociraptorServer";
