//! What a board is given before its first boot: the part of a client configuration that it needs, as bytes for its flash.
//!
//! ```text
//! "TROODON\0" | version u16 | length u32 | postcard, `length` bytes | CRC-32 u32      (numbers little endian)
//! ```
//!
//! The checksum is over all bytes before it. It finds damage and half-written flash; it proves nothing about who wrote the
//! blob. Who can write a board's flash owns the board.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crc::{CRC_32_ISO_HDLC, Crc};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::agent::{Compression, Config};
use crate::config::{ClientConfig, Secret};
use crate::error::PinFault;
use crate::http::url::{BaseUrl, UrlFault};
use crate::limits::PROVISION_BYTES;
use crate::pin::Anchor;
use crate::time::Span;

const MARK: [u8; 8] = *b"TROODON\0";
/// Raised whenever the fields of [`Provision`] change; other versions are refused, not guessed at.
const VERSION: u16 = 1;
const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// What a board is told. Times are in seconds, and 0 means the protocol's default.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Provision {
    /// The board's host name.
    pub name: String,
    /// `Client.labels`.
    pub labels: Vec<String>,
    /// `Client.server_urls`.
    pub server_urls: Vec<String>,
    /// `Client.ca_certificate`, PEM.
    pub ca_certificate: String,
    /// `Client.nonce`.
    pub nonce: String,
    /// The name that the server's certificate must bear.
    pub server_name: String,
    /// `Client.max_poll`.
    pub max_poll: u64,
    /// `Client.max_poll_std`.
    pub max_poll_std: u64,
    /// `Client.connection_timeout`.
    pub connection_timeout: u64,
    /// `Client.client_info_update_time`; negative turns the reports off.
    pub client_info_update_time: i64,
    /// `Client.Crypto.root_certs`, PEM: further authorities for TLS.
    pub root_certs: String,
    /// `Client.Crypto.client_certificate`, PEM: what the board shows to a server that asks.
    pub client_certificate: String,
    /// Its key, PEM.
    pub client_certificate_private_key: Secret,
    /// The board's identity, PKCS#1 PEM. Empty: the board makes its own key at its first boot, and no copy of it exists.
    pub private_key: Secret,
    /// When this was made, in seconds since 1970. A board without a clock assumes at boot that it is not earlier.
    pub issued_at: u64,
}

impl Provision {
    /// Takes what a board needs from a client configuration. Times of a configuration that a board has no use for, files
    /// and proxies are left out.
    #[must_use]
    pub fn of(config: &ClientConfig, name: &str, issued_at: u64) -> Self {
        let crypto = config.crypto.as_ref();
        Self {
            name: name.to_string(),
            labels: config.labels.clone(),
            server_urls: config.server_urls.clone(),
            ca_certificate: config.ca_certificate.clone(),
            nonce: config.nonce.clone(),
            server_name: config.server_name().to_string(),
            max_poll: config.max_poll,
            max_poll_std: config.max_poll_std,
            connection_timeout: config.connection_timeout,
            client_info_update_time: config.client_info_update_time,
            root_certs: crypto.map(|crypto| crypto.root_certs.clone()).unwrap_or_default(),
            client_certificate: crypto
                .map(|crypto| crypto.client_certificate.clone())
                .unwrap_or_default(),
            client_certificate_private_key: crypto
                .map(|crypto| crypto.client_certificate_private_key.duplicate())
                .unwrap_or_default(),
            private_key: Secret::default(),
            issued_at,
        }
    }

    /// The agent's configuration. Sizes are those of [`Config::new`]; a board lowers them.
    ///
    /// # Errors
    ///
    /// [`ProvisionFault::NoServer`], [`ProvisionFault::Url`] or [`ProvisionFault::Authority`].
    pub fn agent_config(&self) -> Result<Config, ProvisionFault> {
        if self.server_urls.is_empty() {
            return Err(ProvisionFault::NoServer);
        }
        let urls = self.server_urls.iter().map(|url| BaseUrl::parse(url));
        let servers = urls.collect::<Result<_, _>>().map_err(ProvisionFault::Url)?;
        let anchor =
            Anchor::from_pem(self.ca_certificate.as_bytes()).map_err(ProvisionFault::Authority)?;
        let mut config = Config::new(servers, anchor, self.nonce.clone());
        config.pinned_name.clone_from(&self.server_name);
        config.compression = Compression::Off;
        let seconds = |value: u64, default: Span| match value {
            0 => default,
            given => Span::from_secs(given),
        };
        config.max_poll = seconds(self.max_poll, config.max_poll);
        config.max_poll_std = seconds(self.max_poll_std, config.max_poll_std);
        config.connection_timeout = seconds(self.connection_timeout, config.connection_timeout);
        config.client_info_every = match self.client_info_update_time {
            0 => config.client_info_every,
            given => u64::try_from(given).ok().map(Span::from_secs),
        };
        Ok(config)
    }

    /// The blob for a board's flash. It may hold a private key: wiped when dropped.
    ///
    /// # Errors
    ///
    /// [`ProvisionFault::Length`] when it is longer than boards read.
    pub fn emit(&self) -> Result<Zeroizing<Vec<u8>>, ProvisionFault> {
        // Postcard fails only on sequences of unknown length and on a full buffer; there are neither.
        let body = Zeroizing::new(postcard::to_allocvec(self).unwrap_or_default());
        let length = u32::try_from(body.len()).map_err(|_| ProvisionFault::Length)?;
        if body.len() > PROVISION_BYTES {
            return Err(ProvisionFault::Length);
        }
        let mut blob = Zeroizing::new(Vec::with_capacity(body.len().saturating_add(OVERHEAD)));
        blob.extend_from_slice(&MARK);
        blob.extend_from_slice(&VERSION.to_le_bytes());
        blob.extend_from_slice(&length.to_le_bytes());
        blob.extend_from_slice(&body);
        let checksum = CHECKSUM.checksum(&blob);
        blob.extend_from_slice(&checksum.to_le_bytes());
        Ok(blob)
    }

    /// Reads a blob from the beginning of `flash`; what follows it does not matter.
    ///
    /// # Errors
    ///
    /// [`ProvisionFault`] says what is wrong; [`ProvisionFault::Blank`] when there never was a blob.
    pub fn parse(flash: &[u8]) -> Result<Self, ProvisionFault> {
        let rest = flash.strip_prefix(&MARK).ok_or(ProvisionFault::Blank)?;
        let (version, rest) = rest.split_first_chunk().ok_or(ProvisionFault::Length)?;
        let version = u16::from_le_bytes(*version);
        if version != VERSION {
            return Err(ProvisionFault::Version(version));
        }
        let (length, rest) = rest.split_first_chunk().ok_or(ProvisionFault::Length)?;
        let length =
            usize::try_from(u32::from_le_bytes(*length)).map_err(|_| ProvisionFault::Length)?;
        if length > PROVISION_BYTES {
            return Err(ProvisionFault::Length);
        }
        let (body, rest) = rest.split_at_checked(length).ok_or(ProvisionFault::Length)?;
        let checksum = rest.first_chunk().ok_or(ProvisionFault::Length)?;
        let summed = flash.get(..HEAD.saturating_add(length)).ok_or(ProvisionFault::Length)?;
        if CHECKSUM.checksum(summed) != u32::from_le_bytes(*checksum) {
            return Err(ProvisionFault::Checksum);
        }
        match postcard::take_from_bytes(body) {
            Ok((provision, [])) => Ok(provision),
            _ => Err(ProvisionFault::Content),
        }
    }
}

/// Bytes before the body: mark, version, length.
const HEAD: usize = MARK.len() + size_of::<u16>() + size_of::<u32>();
/// Bytes that are not the body.
const OVERHEAD: usize = HEAD + size_of::<u32>();

/// Why a board cannot use what it was given, or cannot be given it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ProvisionFault {
    /// The embedded authority.
    Authority(PinFault),
    /// There is no blob at all.
    Blank,
    /// Damaged, or written in part.
    Checksum,
    /// The checksum is right, and the content is not that of this version.
    Content,
    /// Shorter than it says, or longer than boards read.
    Length,
    /// No server is named.
    NoServer,
    /// A server's URL.
    Url(UrlFault),
    /// Made for other firmware.
    Version(u16),
}

impl fmt::Display for ProvisionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authority(fault) => write!(f, "Client.ca_certificate: {fault}"),
            Self::Blank => f.write_str("the board was not provisioned"),
            Self::Checksum => f.write_str("the provisioning is damaged: its checksum is wrong"),
            Self::Content => {
                f.write_str("the provisioning has a content that does not belong in it")
            }
            Self::Length => {
                write!(f, "the provisioning is cut off or longer than {PROVISION_BYTES} bytes")
            }
            Self::NoServer => f.write_str("Client.server_urls names no server"),
            Self::Url(fault) => write!(f, "Client.server_urls: {fault}"),
            Self::Version(found) => {
                write!(f, "the provisioning has version {found}, this firmware reads {VERSION}")
            }
        }
    }
}

impl core::error::Error for ProvisionFault {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn sample() -> Provision {
        let config = ClientConfig {
            server_urls: [String::from("https://server.example:8000/")].into(),
            labels: [String::from("board")].into(),
            nonce: "nonce".into(),
            max_poll: 4,
            ..ClientConfig::default()
        };
        let mut provision = Provision::of(&config, "pump-7", 1_700_000_000);
        provision.private_key = Secret::new("-----BEGIN-----".into());
        provision
    }

    #[test]
    fn what_is_emitted_is_parsed_whatever_follows_it() {
        let mut flash = sample().emit().unwrap().to_vec();
        flash.extend([0xff; 64]);
        let read = Provision::parse(&flash).unwrap();
        assert_eq!(read.name, "pump-7");
        assert_eq!(read.server_urls, ["https://server.example:8000/"]);
        assert_eq!(read.server_name, "VelociraptorServer");
        assert_eq!((read.max_poll, read.issued_at), (4, 1_700_000_000));
        assert_eq!(read.private_key.expose(), "-----BEGIN-----");
    }

    #[test]
    fn any_changed_bit_and_any_cut_is_refused() {
        let good = sample().emit().unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Provision::parse(&bad).is_err(), "bit {bit}");
        }
        for length in 0..good.len() {
            assert!(Provision::parse(&good[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn erased_flash_and_other_versions_are_named() {
        assert_eq!(Provision::parse(&[0xff; 64]).unwrap_err(), ProvisionFault::Blank);
        assert_eq!(Provision::parse(&[]).unwrap_err(), ProvisionFault::Blank);
        let mut other = sample().emit().unwrap().to_vec();
        other[MARK.len()] = 9;
        assert_eq!(Provision::parse(&other).unwrap_err(), ProvisionFault::Version(9));
    }

    #[test]
    fn a_blob_that_boards_would_not_read_is_not_made() {
        let provision = Provision { root_certs: "x".repeat(PROVISION_BYTES), ..sample() };
        assert_eq!(provision.emit().unwrap_err(), ProvisionFault::Length);
    }

    #[test]
    fn a_configuration_that_an_agent_cannot_use_is_named() {
        let none = Provision { server_urls: Vec::new(), ..sample() };
        assert_eq!(none.agent_config().unwrap_err(), ProvisionFault::NoServer);
        let ftp = Provision { server_urls: [String::from("ftp://a/")].into(), ..sample() };
        assert_eq!(ftp.agent_config().unwrap_err(), ProvisionFault::Url(UrlFault::Scheme));
        assert!(matches!(sample().agent_config(), Err(ProvisionFault::Authority(_))));
    }

    #[test]
    fn the_keys_do_not_show() {
        assert!(!format!("{:?}", sample()).contains("BEGIN"));
    }
}
