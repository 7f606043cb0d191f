//! Requests to other servers: bounded in time and size, over TLS, and never led elsewhere.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{ACCEPT, AUTHORIZATION, HOST, USER_AGENT};
use axum::http::{HeaderValue, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::is_safe;
use crate::identity::words;
use crate::limits;

/// Speaks with one server, or one that it names.
pub(crate) struct Http {
    tls: TlsConnector,
    /// The server is on this machine, and has no TLS.
    may_be_plain: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The server named an address that it may not name.
    #[error("`{0}` is not called: only addresses with https:// are")]
    Address(String),
    /// It takes too long.
    #[error("no answer within {} seconds", limits::PROVIDER_SECONDS)]
    Late,
    /// The connection fails.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The answer is no HTTP.
    #[error("{0}")]
    Http(#[from] hyper::Error),
    /// The answer is too long, or breaks off.
    #[error("its answer breaks off, or has more than {} bytes", limits::PROVIDER_BYTES)]
    Body,
    /// The answer is not what was asked for.
    #[error("it answers {0}")]
    Status(StatusCode),
    /// The answer is no JSON object.
    #[error("its answer is no JSON object")]
    Json,
    /// A token that cannot be sent back.
    #[error("its token has characters that no token has")]
    Token,
}

impl Http {
    pub(crate) fn new(tls: Arc<ClientConfig>, may_be_plain: bool) -> Self {
        Self { tls: TlsConnector::from(tls), may_be_plain }
    }

    /// Whether this server, and browsers that it sends, go there.
    pub(crate) fn goes_to(&self, url: &str) -> bool {
        is_safe(url) && (self.may_be_plain || url.starts_with("https://"))
    }

    /// A request. An answer that leads elsewhere is an answer like others: nobody follows.
    pub(crate) async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let patience = Duration::from_secs(limits::PROVIDER_SECONDS);
        timeout(patience, self.exchange(request)).await.map_err(|_| HttpError::Late)?
    }

    /// A JSON object that is shown to the holder of a token.
    pub(crate) async fn object(
        &self,
        url: &str,
        token: &str,
    ) -> Result<Map<String, Value>, HttpError> {
        let mut request = HttpRequest::new(Vec::new());
        *request.uri_mut() = url.parse().map_err(|_| HttpError::Address(words(url)))?;
        let mut bearer =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| HttpError::Token)?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let response = self.answer(request).await?;
        if response.status() != StatusCode::OK {
            return Err(HttpError::Status(response.status()));
        }
        serde_json::from_slice(response.body()).map_err(|_| HttpError::Json)
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let url = request.uri().to_string();
        let refused = || HttpError::Address(words(&url));
        if !self.goes_to(&url) {
            return Err(refused());
        }
        let host = request.uri().host().ok_or_else(refused)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_plain = request.uri().scheme_str() == Some("http");
        let port = request.uri().port_u16().unwrap_or(if is_plain { 80 } else { 443 });
        let stream = TcpStream::connect((bare.as_str(), port)).await?;
        if is_plain {
            return send(stream, request).await;
        }
        let name = ServerName::try_from(bare).map_err(|_| refused())?;
        send(self.tls.connect(name, stream).await?, request).await
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.answer(request))
    }
}

async fn send<S>(stream: S, request: HttpRequest) -> Result<HttpResponse, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the sender and the body, whichever way this function does.
    tokio::spawn(connection);
    let (mut head, body) = request.into_parts();
    let refused = || HttpError::Address(words(&head.uri.to_string()));
    let host = head.uri.authority().map(|all| HeaderValue::from_str(all.as_str()));
    let host = host.and_then(Result::ok).ok_or_else(refused)?;
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let path: Uri = path.parse().map_err(|_| refused())?;
    head.uri = path;
    head.headers.insert(HOST, host);
    head.headers.insert(USER_AGENT, HeaderValue::from_static("Troodon"));
    let request = hyper::Request::from_parts(head, Full::new(Bytes::from(body)));
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, limits::PROVIDER_BYTES).collect().await;
    let body = body.map_err(|_| HttpError::Body)?.to_bytes();
    Ok(HttpResponse::from_parts(head, body.to_vec()))
}
