//! OpenID Connect: discovery, the way to the provider, and the token that comes back.

use std::time::{Duration, Instant};

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
};
use openidconnect::{
    AdditionalClaims, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret,
    CsrfToken, DiscoveryError, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdToken,
    IdTokenVerifier, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, Scope, SignatureVerificationError, TokenResponse as _,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Away, Begun, Identity, Provider, Refusal, chain, claims, words};
use crate::limits;
use crate::store::now_us;

/// What the provider says about itself, and when it said so.
pub(super) type Known = (Instant, CoreProviderMetadata);

/// By which tokens may be signed: with keys that only the provider has.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Claims that the crate has no field for.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Further {
    #[serde(flatten)]
    all: Map<String, Value>,
}

impl AdditionalClaims for Further {}

type Token =
    IdToken<Further, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

pub(super) async fn begin(provider: &Provider, issuer: &str) -> Result<Begun, Refusal> {
    let metadata = description(provider, issuer, false).await?;
    let address = metadata.authorization_endpoint().as_str();
    if !provider.http.goes_to(address) {
        let why = format!("`{}` is no address with https://", words(address));
        return Err(Refusal::Description(why));
    }
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let client = client(provider, metadata)?;
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let mut request = client
        .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
        .add_scope(Scope::new("email".to_owned()))
        .set_pkce_challenge(challenge);
    if provider.config.username != "email" {
        request = request.add_scope(Scope::new("profile".to_owned()));
    }
    for (name, value) in &provider.config.parameters {
        request = request.add_extra_param(name, value);
    }
    let (address, state, nonce) = request.url();
    Ok(Begun::new(address, &state, &nonce, &verifier))
}

pub(super) async fn finish(
    provider: &Provider,
    issuer: &str,
    tenant: Option<&str>,
    away: &Away,
    code: String,
) -> Result<Identity, Refusal> {
    let metadata = description(provider, issuer, false).await?;
    let further = metadata.userinfo_endpoint().map(|url| url.as_str().to_owned());
    let exchange = |why: &dyn std::error::Error| Refusal::Exchange(chain(why));
    let tokens = client(provider, metadata.clone())?
        .exchange_code(AuthorizationCode::new(code))
        .map_err(|error| Refusal::Description(error.to_string()))?
        .set_pkce_verifier(PkceCodeVerifier::new(away.verifier.to_string()))
        .request_async(&provider.http)
        .await
        .map_err(|error| exchange(&error))?;
    let token = tokens.id_token().ok_or_else(|| Refusal::Token("there is none".to_owned()))?;
    let token: Token = token
        .to_string()
        .parse()
        .map_err(|error: serde_json::Error| Refusal::Token(chain(&error)))?;
    let mut found = match verified(provider, &metadata, &token, away) {
        // The provider has other keys since it was asked.
        Err(ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoMatchingKey,
        )) => {
            let metadata = description(provider, issuer, true).await?;
            verified(provider, &metadata, &token, away)
        }
        other => other,
    }
    .map_err(|error| Refusal::Token(chain(&error)))?;
    let now = i64::try_from(now_us() / 1_000_000).unwrap_or(i64::MAX);
    claims::check(&found, tenant, now)?;
    if let Some(url) = further.filter(|_| claims::lack(&found, &provider.config)) {
        let asked = provider.http.object(&url, tokens.access_token().secret()).await;
        let what = "further claims";
        let asked = asked.map_err(|error| Refusal::Unreachable { what, why: chain(&error) })?;
        claims::add(&mut found, asked)?;
    }
    claims::identity(&found, &provider.config, issuer)
}

/// All claims of a token that holds.
fn verified(
    provider: &Provider,
    metadata: &CoreProviderMetadata,
    token: &Token,
    away: &Away,
) -> Result<Map<String, Value>, ClaimsVerificationError> {
    // Without the secret: it makes no signatures.
    let verifier: IdTokenVerifier<'_, CoreJsonWebKey> = IdTokenVerifier::new_public_client(
        ClientId::new(provider.config.client_id.clone()),
        metadata.issuer().clone(),
        metadata.jwks().clone(),
    )
    .set_allowed_algs(ALGORITHMS);
    let claims = token.claims(&verifier, &Nonce::new(away.nonce.to_string()))?;
    let all = serde_json::to_value(claims);
    match all.map_err(|error| ClaimsVerificationError::Other(error.to_string()))? {
        Value::Object(all) => Ok(all),
        _ => Err(ClaimsVerificationError::Other("its claims are no object".to_owned())),
    }
}

/// What the provider says about itself, with its keys.
async fn description(
    provider: &Provider,
    issuer: &str,
    again: bool,
) -> Result<CoreProviderMetadata, Refusal> {
    let mut known = provider.known.lock().await;
    let lasts = Duration::from_secs(limits::PROVIDER_CACHE_SECONDS);
    if let Some((_, metadata)) = known.as_ref().filter(|(at, _)| !again && at.elapsed() < lasts) {
        return Ok(metadata.clone());
    }
    let url = IssuerUrl::new(issuer.to_owned())
        .map_err(|error| Refusal::Description(error.to_string()))?;
    let metadata = CoreProviderMetadata::discover_async(url, &provider.http).await;
    let metadata = metadata.map_err(|error| match error {
        DiscoveryError::Request(why) => {
            Refusal::Unreachable { what: "the description", why: chain(&why) }
        }
        other => Refusal::Description(chain(&other)),
    })?;
    *known = Some((Instant::now(), metadata.clone()));
    Ok(metadata)
}

fn client(provider: &Provider, metadata: CoreProviderMetadata) -> Result<Client, Refusal> {
    let config = &provider.config;
    // Without a list, the standard says, a provider takes the secret in the header.
    let basic = CoreClientAuthMethod::ClientSecretBasic;
    let methods = metadata.token_endpoint_auth_methods_supported();
    let in_body = methods.is_some_and(|methods| !methods.contains(&basic));
    let redirect = RedirectUrl::new(config.redirect.clone())
        .map_err(|error| Refusal::Description(error.to_string()))?;
    let secret = ClientSecret::new(config.client_secret.expose().to_owned());
    let id = ClientId::new(config.client_id.clone());
    let client = CoreClient::from_provider_metadata(metadata, id, Some(secret));
    let how = if in_body { AuthType::RequestBody } else { AuthType::BasicAuth };
    Ok(client.set_redirect_uri(redirect).set_auth_type(how))
}
