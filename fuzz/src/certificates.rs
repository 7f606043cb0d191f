//! Certificates and certificate requests, as PEM and as the DER inside.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use troodon_core::identity::{ClientId, Request, request_pem};
use troodon_core::pin::Anchor;

use crate::keys::{client, rng};

/// Any text as a CA, and as a server.pem under it.
pub fn server_pem(data: &[u8]) {
    for text in [data.to_vec(), armour("CERTIFICATE", data)] {
        if let Ok(anchor) = Anchor::from_pem(&text) {
            assert!(!anchor.certificate_der().is_empty());
            // Whatever may be a CA may not be a server.
            assert!(anchor.check(&text, "VelociraptorServer", None).is_err());
        }
    }
}

/// Any text as a request: when it holds, its id is that of its key.
pub fn request(data: &[u8]) {
    for text in [data.to_vec(), armour("CERTIFICATE REQUEST", data)] {
        if let Ok(request) = Request::check(&text) {
            assert_eq!(request.id(), ClientId::of(request.key()));
        }
    }
}

/// A request and the DER inside; a self-signed certificate would need a builder, and libFuzzer finds its way from here.
pub fn texts() -> Vec<Vec<u8>> {
    let request = request_pem(&mut rng(), client()).expect("a good key");
    let body: String = request.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(body).expect("our own PEM");
    let certificate = request.replace("CERTIFICATE REQUEST", "CERTIFICATE");
    vec![request.into_bytes(), der, certificate.into_bytes()]
}

fn armour(label: &str, der: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n").into_bytes();
    for line in text.as_bytes().chunks(64) {
        pem.extend_from_slice(line);
        pem.push(b'\n');
    }
    pem.extend_from_slice(format!("-----END {label}-----\n").as_bytes());
    pem
}
