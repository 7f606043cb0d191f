//! Sends the audit logs to another machine as they grow (`Logging.remote_syslog_server`).
//!
//! The store is the queue: what was not sent yet stands in the audit log, however long the receiver is away. Syslog
//! acknowledges nothing, so a record counts as received when the connection over which it went lived on for
//! [`SYSLOG_SETTLED`]: a receiver that dies with unread bytes resets the connection, and one whose machine vanished is
//! noticed by TCP in less. All that is not settled goes again over the next connection, so that a record may come twice,
//! with the same number, and none is missing. UDP has nothing of this, and loses what the network loses.

mod link;
mod message;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::config::{Config, ConfigError};
use crate::limits::{
    AUDIT_LOG_SECONDS, PAGE, SYSLOG_BATCHES_UNSETTLED_MAX, SYSLOG_RETRY_MAX, SYSLOG_SETTLED,
};
use crate::model::id::OrgId;
use crate::orgs::Orgs;
use crate::store::setting::Setting;
use crate::store::{Store, StoreError};
use link::Link;

/// The component of Velociraptor whose records are sent.
const AUDIT: &str = "VelociraptorAudit";
const PORT: u16 = 514;

/// Why records wait.
#[derive(Debug, thiserror::Error)]
pub enum SyslogError {
    /// The receiver cannot be reached, or ended the connection.
    #[error("{0}")]
    Link(#[from] std::io::Error),
    /// The store cannot be read or written.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
}

/// How the receiver is reached.
#[derive(Clone)]
enum Transport {
    /// Datagrams (RFC 5426).
    Udp,
    /// Counted octets (RFC 6587 section 3.4.1).
    Tcp,
    /// The same within TLS (RFC 5425).
    Tls(Arc<ClientConfig>, ServerName<'static>),
}

/// Who receives, and how.
#[derive(Clone)]
pub struct Target {
    host: String,
    port: u16,
    transport: Transport,
}

impl Target {
    /// What the configuration names; nothing when it names no server.
    ///
    /// # Errors
    /// The address, protocol, components or authorities cannot be used; the error names the key.
    pub fn of(config: &Config) -> Result<Option<Self>, ConfigError> {
        let logging = &config.logging;
        if logging.remote_syslog_server.is_empty() {
            return Ok(None);
        }
        if let Some(other) = logging.remote_syslog_components.iter().find(|name| *name != AUDIT) {
            let problem = format!("`{other}` is not sent by this server; remove it, {AUDIT} is");
            return Err(ConfigError::invalid("Logging.remote_syslog_components", problem));
        }
        let (host, port) = split(&logging.remote_syslog_server)?;
        let transport = match logging.remote_syslog_protocol.as_str() {
            "" | "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            "tls" => {
                let roots = config.client.crypto.as_ref().map_or("", |crypto| &crypto.root_certs);
                let name = ServerName::try_from(host.clone()).map_err(|_| {
                    let problem = format!("`{host}` is no name that a certificate can have");
                    ConfigError::invalid("Logging.remote_syslog_server", problem)
                })?;
                Transport::Tls(tls(roots)?, name)
            }
            other => {
                let problem = format!("`{other}` is none of udp, tcp, tls");
                return Err(ConfigError::invalid("Logging.remote_syslog_protocol", problem));
            }
        };
        Ok(Some(Self { host, port, transport }))
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split(address: &str) -> Result<(String, u16), ConfigError> {
    let wrong = || {
        let problem = format!(
            "`{address}` is no address such as syslog.example.com:514 or [2001:db8::1]:514"
        );
        ConfigError::invalid("Logging.remote_syslog_server", problem)
    };
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
            (
                host,
                if rest.is_empty() {
                    None
                } else {
                    Some(rest.strip_prefix(':').ok_or_else(wrong)?)
                },
            )
        }
        None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(PORT), str::parse).map_err(|_| wrong())?;
    if host.is_empty() || port == 0 {
        return Err(wrong());
    }
    Ok((host.to_owned(), port))
}

/// Trusts the authorities of `Client.Crypto.root_certs`; those of the operating system when it has none.
pub(crate) fn tls(roots: &str) -> Result<Arc<ClientConfig>, ConfigError> {
    let invalid = |error: &dyn std::fmt::Display| {
        ConfigError::invalid("Client.Crypto.root_certs", error.to_string())
    };
    let mut store = RootCertStore::empty();
    if roots.trim().is_empty() {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    for root in CertificateDer::pem_slice_iter(roots.as_bytes()) {
        store.add(root.map_err(|error| invalid(&error))?).map_err(|error| invalid(&error))?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid(&error))?;
    Ok(Arc::new(builder.with_root_certificates(store).with_no_client_auth()))
}

/// Sends the audit logs of all organisations, each over a connection of its own, until the process ends.
pub fn follow(orgs: &Orgs, target: &Target) {
    let mut forwarders = BTreeMap::new();
    let mut failures = 0_u32;
    loop {
        let pause = match round(orgs, target, &mut forwarders) {
            Ok(()) => {
                if failures > 0 {
                    tracing::info!("the audit log reaches Logging.remote_syslog_server again");
                }
                failures = 0;
                Duration::from_secs(AUDIT_LOG_SECONDS)
            }
            Err(error) => {
                if failures == 0 {
                    tracing::error!(%error, "the audit log does not reach Logging.remote_syslog_server; records wait");
                }
                failures = failures.saturating_add(1);
                Duration::from_secs(1_u64 << failures.min(10)).min(SYSLOG_RETRY_MAX)
            }
        };
        std::thread::sleep(pause);
    }
}

/// One step for each organisation, up to the first that fails: all have the same receiver.
fn round(
    orgs: &Orgs,
    target: &Target,
    forwarders: &mut BTreeMap<OrgId, Forwarder>,
) -> Result<(), SyslogError> {
    let mut present = BTreeSet::new();
    let mut done = Ok(());
    orgs.each(|org| {
        if done.is_ok() {
            let forwarder = forwarders
                .entry(org.id().clone())
                .or_insert_with(|| Forwarder::new(org.store.clone(), target.clone()));
            done = forwarder.step(Instant::now());
            present.insert(org.id().clone());
        }
        Ok(())
    })?;
    done?;
    forwarders.retain(|id, _| present.contains(id));
    Ok(())
}

/// Sends the audit log of a store to a receiver.
pub struct Forwarder {
    store: Store,
    target: Target,
    writer: message::Writer,
    link: Option<Link>,
    /// The last record that went over this connection.
    sent: u64,
    /// Numbers of last records of batches that are not settled, and when they went.
    unsettled: VecDeque<(u64, Instant)>,
}

impl Forwarder {
    /// Begins behind the last settled record.
    pub fn new(store: Store, target: Target) -> Self {
        let writer = message::Writer::new();
        Self { store, target, writer, link: None, sent: 0, unsettled: VecDeque::new() }
    }

    /// Sends what is there, and settles what went [`SYSLOG_SETTLED`] before `now`.
    ///
    /// # Errors
    /// The receiver or the store fails. What is not settled goes again in a later step.
    pub fn step(&mut self, now: Instant) -> Result<(), SyslogError> {
        let done = self.try_step(now);
        if done.is_err() {
            self.link = None;
            self.unsettled.clear();
        }
        done
    }

    fn try_step(&mut self, now: Instant) -> Result<(), SyslogError> {
        let mut link = match self.link.take() {
            Some(mut link) => {
                link.check()?;
                link
            }
            None => {
                self.sent = self.settled()?;
                Link::open(&self.target)?
            }
        };
        self.settle(now)?;
        while self.unsettled.len() < SYSLOG_BATCHES_UNSETTLED_MAX {
            let records = self.store.audit_records(self.sent, PAGE)?;
            let (Some((first, _)), Some((last, _))) = (records.first(), records.last()) else {
                break;
            };
            if *first != self.sent.saturating_add(1) {
                tracing::error!(
                    after = self.sent,
                    before = first,
                    "records of the audit log were moved to an archive before they were sent to Logging.remote_syslog_server"
                );
            }
            for (number, record) in &records {
                link.send(&self.writer.message(*number, record))?;
            }
            self.sent = *last;
            if link.tells_of_loss() {
                self.unsettled.push_back((self.sent, now));
            } else {
                self.note(self.sent)?;
            }
        }
        self.link = Some(link);
        Ok(())
    }

    /// Notes what went long enough ago.
    fn settle(&mut self, now: Instant) -> Result<(), StoreError> {
        let is_old = |at: Instant| now.saturating_duration_since(at) >= SYSLOG_SETTLED;
        let mut settled = None;
        while let Some((number, _)) = self.unsettled.pop_front_if(|(_, at)| is_old(*at)) {
            settled = Some(number);
        }
        settled.map_or(Ok(()), |number| self.note(number))
    }

    fn settled(&self) -> Result<u64, StoreError> {
        let number = self.store.setting(Setting::AuditForwarded)?;
        Ok(number.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes))
    }

    fn note(&self, number: u64) -> Result<(), StoreError> {
        self.store.set_setting(Setting::AuditForwarded, number.to_be_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests;
