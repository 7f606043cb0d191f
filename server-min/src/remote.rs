//! Another server's API, as its file of an API client opens it: Troodon's or Velociraptor's.
//!
//! The server has to show a certificate of the authority in the file, for the name in it; what it is called on the network
//! does not count, and no other authority does.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Waker, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::client::{ClientConfig, WebPkiServerVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::codegen::{Service, http};
use tonic::{Code, Request, Response, Status, Streaming};
use troodon_proto::{VqlCollectorArgs, VqlEnv, VqlRequest, VqlResponse};

use crate::api::ApiClient;
use crate::config::ApiClientConfig;
use crate::limits;
use crate::model::id::OrgId;

/// How long the end of a connection is waited for that a call has noticed: its reason is told by whoever reads it.
const ALERT_WAIT: Duration = Duration::from_secs(1);
/// What certificates of Velociraptor's servers are made out to.
const USUAL_NAME: &str = "VelociraptorServer";

/// Why the other server was not asked, or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// A key of the file cannot be used.
    #[error("{key}: {problem}")]
    File {
        /// Which.
        key: &'static str,
        /// Why not.
        problem: String,
    },
    /// Nobody listens there, or nobody answers.
    #[error("{address}: {cause}")]
    Unreachable {
        /// Whom the file names.
        address: String,
        /// What the network says.
        cause: std::io::Error,
    },
    /// Who answers is not the server of the file.
    #[error("{address} is not the server of this file: {why}")]
    Stranger {
        /// Whom the file names.
        address: String,
        /// What is wrong with its certificate.
        why: String,
    },
    /// The server does not take the certificate in the file.
    #[error("{address} does not take the certificate of `{name}` in this file: {why}")]
    Refused {
        /// Whom the file names.
        address: String,
        /// Whose certificate it is.
        name: String,
        /// What the server says.
        why: String,
    },
    /// The server refuses the call.
    #[error("PermissionDenied: {0}")]
    Denied(String),
    /// The call failed.
    #[error("the server says: {0}")]
    Failed(String),
}

/// An open connection to another server's API.
pub struct Remote {
    calls: ApiClient<Connection>,
    /// Ends with the connection, and says why.
    connection: Option<JoinHandle<hyper::Result<()>>>,
    address: String,
    name: String,
}

impl Remote {
    /// Opens the connection that a file describes.
    ///
    /// # Errors
    /// The file cannot be used, or the server is not there, or is another one.
    pub async fn connect(config: &ApiClientConfig) -> Result<Self, RemoteError> {
        let address = config.api_connection_string.clone();
        let tls = Arc::new(tls(config)?);
        let patience = Duration::from_secs(limits::HANDSHAKE_SECONDS);
        let unreachable = |cause| RemoteError::Unreachable { address: address.clone(), cause };
        let late = |_| unreachable(std::io::ErrorKind::TimedOut.into());
        let stream = timeout(patience, TcpStream::connect(&address)).await.map_err(late)?;
        let stream = stream.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let server = server_name(config)?;
        let secured = timeout(patience, TlsConnector::from(tls).connect(server, stream));
        let secured = secured.await.map_err(late)?;
        let mut secured = secured.map_err(|cause| strange(cause, &address, &config.name))?;
        let heard = hear(&mut secured).await;
        heard.map_err(|cause| strange(cause, &address, &config.name))?;
        let ping = Duration::from_secs(limits::H2_PING_SECONDS);
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).keep_alive_interval(ping).keep_alive_timeout(ping);
        let (sender, connection) = builder
            .handshake(TokioIo::new(secured))
            .await
            .map_err(|fault| strange(std::io::Error::other(fault), &address, &config.name))?;
        let connection = Some(tokio::spawn(connection));
        let origin = http::Uri::builder().scheme("https").authority(address.as_str());
        let origin = origin.path_and_query("/").build().map_err(|fault| RemoteError::File {
            key: "api_connection_string",
            problem: fault.to_string(),
        })?;
        let calls = ApiClient::with_origin(Connection(sender), origin)
            .max_decoding_message_size(limits::API_REPLY_BYTES);
        Ok(Self { calls, connection, address, name: config.name.clone() })
    }

    /// Asks a query in an organisation; what it yields and logs comes as it is made.
    ///
    /// # Errors
    /// The server does not let the holder of the file ask, or cannot be asked.
    pub async fn query(
        &mut self,
        org: &OrgId,
        vql: &str,
        variables: &[(String, String)],
    ) -> Result<Answers, RemoteError> {
        let env = variables.iter().map(|(key, value)| VqlEnv {
            key: key.clone(),
            value: value.clone(),
            ..VqlEnv::default()
        });
        let wanted = VqlCollectorArgs {
            query: vec![VqlRequest { vql: vql.to_owned(), ..VqlRequest::default() }],
            env: env.collect(),
            max_row: limits::REMOTE_ROWS,
            max_wait: limits::REMOTE_WAIT_SECONDS,
            org_id: if org.is_root() { String::new() } else { org.to_string() },
            ..VqlCollectorArgs::default()
        };
        match self.calls.query(wanted).await {
            Ok(answer) => Ok(Answers(answer.into_inner())),
            Err(status) => Err(self.failed(&status).await),
        }
    }

    /// Makes a call that its metadata bind to an organisation.
    pub(crate) async fn call<T, A, F>(
        &mut self,
        org: &OrgId,
        message: T,
        call: impl FnOnce(ApiClient<Connection>, Request<T>) -> F,
    ) -> Result<A, RemoteError>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut request = Request::new(message);
        if let (false, Ok(id)) = (org.is_root(), org.as_str().parse()) {
            request.metadata_mut().insert("orgid", id);
        }
        match call(self.calls.clone(), request).await {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(self.failed(&status).await),
        }
    }

    /// What a failed call means. In TLS 1.3 the server looks at the certificate after the handshake, so that a refusal of it
    /// arrives with the first call, or ends the connection before.
    async fn failed(&mut self, status: &Status) -> RemoteError {
        let mut alert = alert_in(status);
        if let (None, Some(connection)) = (&alert, self.connection.take())
            && !connection_goes_on(status)
            && let Ok(Ok(Err(end))) = timeout(ALERT_WAIT, connection).await
        {
            alert = alert_in(&end);
        }
        match alert {
            Some(why) => {
                RemoteError::Refused { address: self.address.clone(), name: self.name.clone(), why }
            }
            None => said(status),
        }
    }
}

/// Whether a server has answered, if only with a refusal.
fn connection_goes_on(status: &Status) -> bool {
    matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated)
}

/// What a query says, part by part.
pub struct Answers(Streaming<VqlResponse>);

impl Answers {
    /// The next part; `None` at the end.
    ///
    /// # Errors
    /// The server ended the query with an error, or the connection broke.
    pub async fn next(&mut self) -> Result<Option<VqlResponse>, RemoteError> {
        self.0.message().await.map_err(|status| said(&status))
    }
}

fn tls(config: &ApiClientConfig) -> Result<ClientConfig, RemoteError> {
    let fault = |key: &'static str, problem: &dyn std::fmt::Display| RemoteError::File {
        key,
        problem: problem.to_string(),
    };
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(config.ca_certificate.as_bytes()) {
        let root = root.map_err(|error| fault("ca_certificate", &error))?;
        roots.add(root).map_err(|error| fault("ca_certificate", &error))?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = verifier.build().map_err(|error| fault("ca_certificate", &error))?;
    let chain = CertificateDer::pem_slice_iter(config.client_cert.as_bytes());
    let chain =
        chain.collect::<Result<Vec<_>, _>>().map_err(|error| fault("client_cert", &error))?;
    let pem = config.client_private_key.expose();
    if pem.contains("ENCRYPTED") {
        let advice = "it is encrypted, which is not supported; `openssl rsa` decrypts it";
        return Err(fault("client_private_key", &advice));
    }
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| fault("client_private_key", &error))?;
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| fault("client_cert", &error))?
        .with_webpki_verifier(verifier)
        .with_client_auth_cert(chain, key)
        .map_err(|error| fault("client_cert", &error))?;
    tls.alpn_protocols = vec![b"h2".to_vec()];
    Ok(tls)
}

fn server_name(config: &ApiClientConfig) -> Result<ServerName<'static>, RemoteError> {
    let name = match config.pinned_server_name.as_str() {
        "" => USUAL_NAME,
        name => name,
    };
    ServerName::try_from(name.to_owned()).map_err(|error| RemoteError::File {
        key: "pinned_server_name",
        problem: format!("`{name}`: {error}"),
    })
}

/// Hears the server's first word before anything is said to it. In TLS 1.3 it looks at the certificate after the handshake,
/// and closes when it does not take it: whoever writes then learns of a broken connection, and not why it broke.
async fn hear(secured: &mut TlsStream<TcpStream>) -> std::io::Result<()> {
    let (stream, tls) = secured.get_mut();
    let Ok(readable) = timeout(ALERT_WAIT, stream.readable()).await else { return Ok(()) };
    readable?;
    let mut bytes = [0; 4096];
    let count = match stream.try_read(&mut bytes) {
        Ok(count) => count,
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut rest = bytes.get(..count).unwrap_or_default();
    while !rest.is_empty() {
        tls.read_tls(&mut rest)?;
        tls.process_new_packets().map_err(std::io::Error::other)?;
    }
    Ok(())
}

/// What a failed handshake means.
fn strange(cause: std::io::Error, address: &str, name: &str) -> RemoteError {
    let (address, name) = (address.to_owned(), name.to_owned());
    if let Some(why) = alert_in(&cause) {
        return RemoteError::Refused { address, name, why };
    }
    let inner = cause.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(wrong)) = inner else {
        return RemoteError::Unreachable { address, cause };
    };
    let why = match wrong {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is of another authority than ca_certificate".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is made out to another name than pinned_server_name".to_owned()
        }
        other => other.to_string(),
    };
    RemoteError::Stranger { address, why }
}

/// What the server says of a call.
fn said(status: &Status) -> RemoteError {
    match connection_goes_on(status) {
        true => RemoteError::Denied(status.message().to_owned()),
        false => RemoteError::Failed(format!("{}: {}", status.code(), status.message())),
    }
}

/// The alert of TLS behind an error: HTTP/2 keeps its text only.
fn alert_in(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    const MARK: &str = "received fatal alert: ";
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some((_, alert)) = error.to_string().split_once(MARK) {
            return Some(alert.to_owned());
        }
        cause = error.source();
    }
    None
}

/// One HTTP/2 connection, as calls use it.
#[derive(Clone)]
pub(crate) struct Connection(SendRequest<tonic::body::Body>);

impl Service<http::Request<tonic::body::Body>> for Connection {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, waker: &mut Waker<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(waker)
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_used_is_named_by_its_key() {
        let generated = crate::config::generate(crate::config::defaults()).unwrap();
        let file = || crate::config::api_client(&generated, "tool").unwrap();
        assert!(tls(&file()).is_ok());
        let key_of = |file: &ApiClientConfig| match tls(file).map(drop).and(server_name(file)) {
            Err(RemoteError::File { key, .. }) => key,
            other => panic!("{other:?}"),
        };
        let with = |change: fn(&mut ApiClientConfig)| {
            let mut file = file();
            change(&mut file);
            key_of(&file)
        };
        assert_eq!(with(|file| file.ca_certificate.clear()), "ca_certificate");
        assert_eq!(with(|file| file.client_cert.clear()), "client_cert");
        assert_eq!(with(|file| file.client_private_key = Default::default()), "client_private_key");
        assert_eq!(with(|file| file.pinned_server_name = "no name".into()), "pinned_server_name");
    }
}
