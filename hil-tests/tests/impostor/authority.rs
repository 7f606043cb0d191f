//! Certificates: of the deployment's own authority, and of a stranger with the same names.

use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result};
use hil_tests::Deployment;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;

/// Signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    key: KeyPair,
}

/// Until when a certificate is valid.
#[derive(Clone, Copy)]
pub enum Valid {
    /// For some decades.
    Long,
    /// It was, years ago.
    NoLonger,
}

impl Authority {
    /// The authority of a deployment, whose key no impostor can have.
    pub fn of(deployment: &Deployment) -> Result<Self> {
        let config = fs::read_to_string(deployment.server_config())?;
        let config: Value = serde_saphyr::from_str(&config)?;
        let pem = |section: &str, key: &str| {
            let text = config[section][key].as_str();
            text.with_context(|| format!("no {section}.{key}"))
        };
        let key = PrivateKeyDer::from_pem_slice(pem("CA", "private_key")?.as_bytes())?;
        let key = KeyPair::from_der_and_sign_algo(&key, &PKCS_RSA_SHA256)?;
        let issuer = Issuer::from_ca_cert_pem(pem("Client", "ca_certificate")?, key)?;
        Ok(Self { issuer, key: rsa_key()? })
    }

    /// An authority that nobody knows.
    pub fn stranger() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Velociraptor CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        Ok(Self { issuer: Issuer::new(params, rsa_key()?), key: rsa_key()? })
    }

    /// A certificate in PEM.
    pub fn certificate(&self, name: &str, valid: Valid) -> Result<String> {
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = match valid {
            Valid::Long => date_time_ymd(2090, 1, 1),
            Valid::NoLonger => date_time_ymd(2002, 1, 1),
        };
        Ok(params.signed_by(&self.key, &self.issuer)?.pem())
    }

    /// TLS with such a certificate.
    pub fn tls(&self, name: &str, valid: Valid) -> Result<Arc<ServerConfig>> {
        let certificate = self.certificate(name, valid)?;
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes())?];
        let key = PrivateKeyDer::try_from(self.key.serialize_der());
        let key = key.map_err(|why| anyhow::anyhow!("{why}"))?;
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Arc::new(config))
    }
}

fn rsa_key() -> Result<KeyPair> {
    Ok(KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?)
}
