//! Certificates for purpose-made servers.

use p256::SecretKey;
use p256::ecdsa::SigningKey;
use p256::pkcs8::DecodePrivateKey;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::EncodePrivateKey;
use rustls::pki_types::PrivateKeyDer;

/// The name that boards want to see under the embedded authority.
pub const PINNED: &str = "VelociraptorServer";
/// The host in the URL.
pub const HOST: &str = "server.example";

/// What signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
    pub der: Vec<u8>,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Identity {
    pub chain: Vec<Vec<u8>>,
    pub key: ServerKey,
}

/// What a server signs with.
#[derive(Clone)]
pub enum ServerKey {
    P256(SigningKey),
    /// With PSS and SHA-256.
    Rsa(RsaPrivateKey),
}

impl ServerKey {
    /// Nothing when it is a key of another kind.
    pub fn read(key: &PrivateKeyDer<'_>) -> Option<Self> {
        match key {
            PrivateKeyDer::Pkcs1(key) => {
                RsaPrivateKey::from_pkcs1_der(key.secret_pkcs1_der()).map(Self::Rsa).ok()
            }
            PrivateKeyDer::Sec1(key) => {
                let key = SecretKey::from_sec1_der(key.secret_sec1_der()).ok()?;
                Some(Self::P256(key.into()))
            }
            _ => SigningKey::from_pkcs8_der(key.secret_der()).map(Self::P256).ok(),
        }
    }
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().to_vec());
        Self { issuer: Issuer::new(params, key), pem, der }
    }

    /// A certificate for `name`, after `change`.
    pub fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2120, 1, 1);
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { chain: vec![certificate.der().to_vec()], key: signing_key(&key) }
    }

    /// A certificate for an RSA key, as PEM and as DER.
    pub fn sign_rsa(&self, name: &str, key: &RsaPrivateKey) -> (String, Vec<u8>) {
        let der = key.to_pkcs8_der().unwrap().as_bytes().to_vec();
        let key = KeyPair::try_from(der).unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), certificate.der().to_vec())
    }

    /// A server that signs a certificate for `name`, as if it were an authority.
    pub fn rogue(&self, name: &str) -> Identity {
        let (leaf_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let params = CertificateParams::new(["other.example".to_owned()]).unwrap();
        let leaf = params.signed_by(&leaf_key, &self.issuer).unwrap().der().to_vec();
        let issuer = Issuer::new(params, leaf_key);
        let rogue = CertificateParams::new([name.to_owned()]).unwrap();
        let rogue = rogue.signed_by(&key, &issuer).unwrap().der().to_vec();
        Identity { chain: vec![rogue, leaf], key: signing_key(&key) }
    }
}

fn signing_key(key: &KeyPair) -> ServerKey {
    ServerKey::P256(SigningKey::from_pkcs8_der(&key.serialize_der()).unwrap())
}
