//! One conversation with the authority: account, order, proof of the names, certificate (RFC 8555 section 7).

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::http::header::RETRY_AFTER;
use axum::http::{Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeHandle,
    ChallengeType, Error, HttpClient, Identifier, NewAccount, NewOrder, Order, OrderStatus,
    RetryPolicy,
};
use zeroize::Zeroizing;

use super::answers::Answer;
use super::hook::Record;
use super::{Answers, Challenge, Settings};
use crate::config::{ConfigError, write_private};
use crate::identity::words;
use crate::limits;
use crate::outgoing::Http;

/// What the authority calls somebody whom it does not know.
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// A certificate.
pub(super) struct Issued {
    /// PEM, the own one first.
    pub(super) chain: String,
    /// PEM.
    pub(super) key: Zeroizing<String>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    #[error("{}", words(&.0.to_string()))]
    Acme(#[from] Error),
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{name}: {why}")]
    Name { name: String, why: String },
    #[error("the authority did not prepare the certificate in time")]
    Late,
}

/// Something that shows whose a name is, as long as it lives.
enum Proof {
    Here { _answer: Answer },
    InDns(Record),
}

/// The latest time at which the authority wants to be asked again.
#[derive(Default)]
pub(super) struct Named(Mutex<Option<Duration>>);

impl Named {
    pub(super) fn take(&self) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, value: &str) {
        let seconds = value.trim().parse().ok().map(Duration::from_secs);
        let until =
            || httpdate::parse_http_date(value.trim()).ok()?.duration_since(SystemTime::now()).ok();
        let Some(pause) = seconds.or_else(until) else { return };
        let mut named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *named = (*named).max(Some(pause));
    }
}

/// Gets a certificate, or says why there is none.
pub(super) async fn get(
    settings: &Settings,
    answers: &Arc<Answers>,
    named: &Arc<Named>,
) -> Result<Issued, OrderError> {
    let account = account(settings, named).await?;
    let names: Vec<_> = settings.names.iter().cloned().map(Identifier::Dns).collect();
    let ordered = account.new_order(&NewOrder::new(&names)).await;
    if let Err(Error::Api(problem)) = &ordered
        && problem.r#type.as_deref() == Some(NO_ACCOUNT)
    {
        // The next attempt, hours from now, makes another.
        forget(&settings.account_file())?;
    }
    let mut order = ordered?;
    let mut proofs = Vec::new();
    let shown = show(settings, answers, &mut order, &mut proofs).await;
    let issued = match shown {
        Ok(()) => fetch(&mut order).await,
        Err(error) => Err(error),
    };
    for proof in proofs {
        if let Proof::InDns(record) = proof {
            record.remove().await;
        }
    }
    issued
}

fn forget(path: &Path) -> Result<(), OrderError> {
    std::fs::remove_file(path)
        .map_err(|cause| ConfigError::File { path: path.to_owned(), cause }.into())
}

async fn account(settings: &Settings, named: &Arc<Named>) -> Result<Account, OrderError> {
    let path = settings.account_file();
    let builder = || {
        let http = Http::new(Arc::clone(&settings.tls), false);
        Account::builder_with_http(Box::new(Caller {
            http: Arc::new(http),
            named: Arc::clone(named),
        }))
    };
    match std::fs::read(&path) {
        Ok(kept) => {
            let kept: AccountCredentials = serde_json::from_slice(&Zeroizing::new(kept))
                .map_err(|error| ConfigError::File { path, cause: error.into() })?;
            Ok(builder().from_credentials(kept).await?)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let contact: Vec<_> = settings.contact.iter().map(String::as_str).collect();
            let wanted = NewAccount {
                contact: &contact,
                terms_of_service_agreed: true,
                only_return_existing: false,
            };
            let made = builder().create(&wanted, settings.directory.clone(), None).await;
            let (account, credentials) = made?;
            let text = serde_json::to_vec(&credentials).map_err(Error::from)?;
            write_private(&path, Zeroizing::new(text))?;
            Ok(account)
        }
        Err(cause) => Err(ConfigError::File { path, cause }.into()),
    }
}

/// Shows the authority, for each name, whose it is.
async fn show(
    settings: &Settings,
    answers: &Arc<Answers>,
    order: &mut Order,
    proofs: &mut Vec<Proof>,
) -> Result<(), OrderError> {
    let mut all = order.authorizations();
    while let Some(one) = all.next().await {
        let mut one = one?;
        let name = one.identifier().to_string();
        let wrong = |why: String| OrderError::Name { name: name.clone(), why: words(&why) };
        match one.status {
            AuthorizationStatus::Pending => {}
            AuthorizationStatus::Valid => continue,
            other => return Err(wrong(format!("the authority says that it is {other:?}"))),
        }
        let kind = match &settings.challenge {
            Challenge::Http => ChallengeType::Http01,
            Challenge::TlsAlpn => ChallengeType::TlsAlpn01,
            Challenge::Dns { .. } => ChallengeType::Dns01,
        };
        let missing = || wrong("the authority does not offer the challenge".to_owned());
        let mut challenge = one.challenge(kind).ok_or_else(missing)?;
        let proof = prove(settings, answers, &challenge).await;
        proofs.push(proof.map_err(|error| wrong(error.to_string()))?);
        challenge.set_ready().await?;
    }
    Ok(())
}

async fn prove(
    settings: &Settings,
    answers: &Arc<Answers>,
    challenge: &ChallengeHandle<'_>,
) -> Result<Proof, Box<dyn std::error::Error + Send + Sync>> {
    let text = challenge.key_authorization();
    let Identifier::Dns(name) = challenge.identifier().identifier else {
        return Err("the authority asks about something that is no name".into());
    };
    let _answer = match &settings.challenge {
        Challenge::Http => answers.over_http(&challenge.token, text.as_str()),
        Challenge::TlsAlpn => answers.in_handshakes(name, text.digest().as_ref())?,
        Challenge::Dns { hook } => {
            let record = Record::add(hook, format!("_acme-challenge.{name}"), text.dns_value());
            return Ok(Proof::InDns(record.await?));
        }
    };
    Ok(Proof::Here { _answer })
}

async fn fetch(order: &mut Order) -> Result<Issued, OrderError> {
    let patience = RetryPolicy::new().timeout(Duration::from_secs(limits::ACME_WAIT_SECONDS));
    if order.poll_ready(&patience).await? != OrderStatus::Ready {
        return Err(refused(order).await);
    }
    let key = Zeroizing::new(order.finalize().await?);
    match order.poll_certificate(&patience).await {
        Ok(chain) => Ok(Issued { chain, key }),
        Err(Error::Timeout(_)) => Err(OrderError::Late),
        Err(error) => Err(error.into()),
    }
}

/// What the authority has against a name.
async fn refused(order: &mut Order) -> OrderError {
    let mut all = order.authorizations();
    while let Some(Ok(mut one)) = all.next().await {
        let name = one.identifier().to_string();
        let Ok(state) = one.refresh().await else { continue };
        let problem = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = problem {
            return OrderError::Name { name, why: words(&problem.to_string()) };
        }
    }
    let why = "the authority refuses it and does not say why".to_owned();
    OrderError::Name { name: "the order".to_owned(), why }
}

/// Our client of HTTP, for the protocol's.
struct Caller {
    http: Arc<Http>,
    named: Arc<Named>,
}

impl HttpClient for Caller {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let (http, named) = (Arc::clone(&self.http), Arc::clone(&self.named));
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes().to_vec(),
                Err(never) => match never {},
            };
            let answer = http.answer(Request::from_parts(head, body)).await;
            let (head, body) = answer.map_err(|error| Error::Other(Box::new(error)))?.into_parts();
            let again = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            if let Some(again) = again.filter(|_| !head.status.is_success()) {
                named.note(again);
            }
            Ok(BytesResponse::from(Response::from_parts(head, Full::new(Bytes::from(body)))))
        })
    }
}
