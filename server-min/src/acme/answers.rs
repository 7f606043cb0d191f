//! What the authority looks for to see whose name it is: over HTTP (RFC 8555 section 8.3) or in a handshake (RFC 8737).

use std::collections::HashMap;
use std::hash::Hash;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::ClientHello;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls_pki_types::PrivateKeyDer;
use tokio::sync::watch;

use crate::listener::Listener;

/// The protocol of such a handshake (ALPN).
const PROTOCOL: &[u8] = b"acme-tls/1";

/// Everything that is looked for at the moment.
#[derive(Debug, Default)]
pub struct Answers {
    /// By token.
    http: Mutex<HashMap<String, String>>,
    /// By name.
    tls: Mutex<HashMap<String, Arc<ServerConfig>>>,
}

impl Answers {
    /// The handshake of somebody who looks for an answer; `None` for everybody else.
    #[must_use]
    pub fn handshake(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let mut protocols = hello.alpn()?;
        if protocols.next() != Some(PROTOCOL) || protocols.next().is_some() {
            return None;
        }
        let name = hello.server_name()?.to_ascii_lowercase();
        self.tls.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned()
    }

    /// Answers over HTTP until the value is dropped.
    pub(super) fn over_http(self: &Arc<Self>, token: &str, text: &str) -> Answer {
        put(&self.http, token.to_owned(), text.to_owned());
        Answer { answers: Arc::clone(self), token: Some(token.to_owned()), name: None }
    }

    /// Answers in handshakes until the value is dropped.
    ///
    /// # Errors
    /// No certificate can be made for the name.
    pub(super) fn in_handshakes(
        self: &Arc<Self>,
        name: &str,
        digest: &[u8],
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let name = name.to_ascii_lowercase();
        put(&self.tls, name.clone(), Arc::new(config(&name, digest)?));
        Ok(Answer { answers: Arc::clone(self), token: None, name: Some(name) })
    }
}

/// An answer that is given as long as this lives.
pub(super) struct Answer {
    answers: Arc<Answers>,
    token: Option<String>,
    name: Option<String>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.token.iter().for_each(|token| take(&self.answers.http, token));
        self.name.iter().for_each(|name| take(&self.answers.tls, name));
    }
}

fn put<K: Eq + Hash, V>(all: &Mutex<HashMap<K, V>>, key: K, value: V) {
    all.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value);
}

fn take<V>(all: &Mutex<HashMap<String, V>>, key: &str) {
    all.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
}

/// A certificate that holds the digest, for this one question.
fn config(
    name: &str,
    digest: &[u8],
) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let own = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let own = provider.key_provider.load_private_key(own)?;
    // Not checked against the key, since the extension is critical and nobody else knows it.
    let shown = CertifiedKey::new(vec![certificate.der().clone()], own);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}

/// The address at which the authority asks over HTTP. Everybody else is sent to the same host over TLS.
pub struct Plain {
    listener: Listener,
    shared: Arc<Shared>,
}

struct Shared {
    answers: Arc<Answers>,
    /// Where people belong: the configuration's address and not what a request says.
    elsewhere: String,
}

impl Plain {
    /// Binds the address.
    ///
    /// # Errors
    /// It is taken, or below 1024 and this process may not.
    pub async fn bind(
        address: SocketAddr,
        answers: Arc<Answers>,
        elsewhere: String,
    ) -> io::Result<Self> {
        let listener = Listener::bind(address, None).await?;
        Ok(Self { listener, shared: Arc::new(Shared { answers, elsewhere }) })
    }

    /// The address in use.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Serves until `stop` holds `true` or its sender is gone.
    pub async fn serve(self, stop: watch::Receiver<bool>) {
        let router = Router::new()
            .route("/.well-known/acme-challenge/{token}", get(answer))
            .fallback(lead)
            .with_state(self.shared);
        self.listener.serve(router, stop).await;
    }
}

async fn answer(State(shared): State<Arc<Shared>>, Path(token): Path<String>) -> Response {
    let found =
        shared.answers.http.lock().unwrap_or_else(PoisonError::into_inner).get(&token).cloned();
    found.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}

async fn lead(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    tracing::debug!(path = uri.path(), "sent to TLS");
    Redirect::temporary(&shared.elsewhere).into_response()
}
