//! Which servers are trusted: see [`crate::tls`]. Every back end asks here, so that none trusts whom another does not.

use alloc::vec::Vec;
use core::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::{Clock, TlsFault, TlsSettings, signature};

/// The verdict on a server's certificate.
#[derive(Debug)]
pub(super) struct Trust {
    /// The embedded authority alone; goes with the pinned name.
    own: Vec<TrustAnchor<'static>>,
    pinned_name: ServerName<'static>,
    /// The further roots; go with the name in the URL.
    others: Vec<TrustAnchor<'static>>,
}

impl Trust {
    /// Reads whom the provisioning trusts.
    pub(super) fn new(settings: &TlsSettings) -> Result<Self, TlsFault> {
        let own = anchors(&settings.ca_certificate, "embedded authority")?;
        let pinned_name = ServerName::try_from(settings.pinned_name.clone())
            .map_err(|_| TlsFault::Settings("pinned name"))?;
        let others = match settings.root_certs.trim() {
            "" => Vec::new(),
            pem => anchors(pem, "further roots")?,
        };
        Ok(Self { own, pinned_name, others })
    }

    /// Whether a server with this certificate may be the one that was called `url_name`. Whether it has the key is another
    /// question: [`check_signature`].
    pub(super) fn check(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        url_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), TlsFault> {
        // The embedded authority signs servers itself: nothing stands between.
        let own = check_under(&self.own, leaf, &[], &self.pinned_name, now);
        own.or_else(|_| check_under(&self.others, leaf, intermediates, url_name, now))
            .map_err(|_| TlsFault::Certificate)
    }
}

/// Chain, purpose, validity and name (RFC 5280 section 6, RFC 6125).
fn check_under(
    anchors: &[TrustAnchor<'_>],
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), webpki::Error> {
    let leaf = EndEntityCert::try_from(leaf)?;
    let (algorithms, usage) = (signature::FOR_CERTIFICATES, KeyUsage::server_auth());
    leaf.verify_for_usage(algorithms, anchors, intermediates, now, usage, None, None)?;
    leaf.verify_is_valid_for_subject_name(name)
}

/// Whether the key of a certificate made the signature of a handshake. `scheme` is the number that TLS has for the kind.
pub(super) fn check_signature(
    leaf: &CertificateDer<'_>,
    scheme: u16,
    message: &[u8],
    signature: &[u8],
) -> Result<(), TlsFault> {
    let algorithm = signature::for_handshake(scheme).ok_or(TlsFault::Protocol)?;
    EndEntityCert::try_from(leaf)
        .and_then(|leaf| leaf.verify_signature(algorithm, message, signature))
        .map_err(|_| TlsFault::Certificate)
}

/// The board's time, for [`Trust::check`].
pub(super) fn moment(clock: &dyn Clock) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(clock.now().as_seconds()))
}

/// The certificates of a text in PEM, of which there is at least one.
pub(super) fn certificates(
    pem: &str,
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) | Err(_) => Err(TlsFault::Settings(what)),
    }
}

fn anchors(pem: &str, what: &'static str) -> Result<Vec<TrustAnchor<'static>>, TlsFault> {
    let certificates = certificates(pem, what)?;
    let anchors = certificates.iter().map(|certificate| {
        let anchor = anchor_from_trusted_cert(certificate);
        anchor.map(|anchor| anchor.to_owned()).map_err(|_| TlsFault::Settings(what))
    });
    anchors.collect()
}
