//! The certificate that TLS shows, which can be replaced while connections go on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::FrontendError;
use crate::pki;

/// A certificate with its key, and whatever took their place since.
#[derive(Debug)]
pub struct Shown {
    key: RwLock<Arc<CertifiedKey>>,
    end_us: AtomicU64,
}

impl Shown {
    /// Shows a chain; both texts are PEM.
    ///
    /// # Errors
    /// A text cannot be read, or the key is of another certificate.
    pub fn new(chain: &str, key: &str) -> Result<Self, FrontendError> {
        let (key, end_us) = read(chain, key)?;
        Ok(Self { key: RwLock::new(key), end_us: AtomicU64::new(end_us) })
    }

    /// Shows another from now on; connections that are open keep theirs.
    ///
    /// # Errors
    /// As with [`Shown::new`]; then the earlier one stays.
    pub fn replace(&self, chain: &str, key: &str) -> Result<(), FrontendError> {
        let (key, end_us) = read(chain, key)?;
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = key;
        self.end_us.store(end_us, Ordering::Relaxed);
        Ok(())
    }

    /// When it ends, in microseconds since 1970.
    #[must_use]
    pub fn end_us(&self) -> u64 {
        self.end_us.load(Ordering::Relaxed)
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.key.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(chain: &str, key: &str) -> Result<(Arc<CertifiedKey>, u64), FrontendError> {
    let fault = |what: &str, error: &dyn std::fmt::Display| {
        FrontendError::Certificate(format!("{what}: {error}"))
    };
    let all: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| fault("certificate", &error))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|error| fault("private key", &error))?;
    let end_us = all.first().and_then(|first| pki::validity_us(first)).map_or(0, |(_, end)| end);
    let key = CertifiedKey::from_der(all, key, &aws_lc_rs::default_provider())
        .map_err(|error| fault("certificate and key", &error))?;
    Ok((Arc::new(key), end_us))
}
