//! GitHub: OAuth2 without an ID token. Who somebody is, its API says over TLS to the holder of the code's token.

use openidconnect::core::{CoreAuthenticationFlow, CoreClient};
use openidconnect::{
    AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    IssuerUrl, JsonWebKeySet, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, TokenUrl, url,
};
use serde_json::Value;

use super::{Away, Begun, Identity, Provider, Refusal, chain, words};
use crate::model::id::UserName;

type Client = CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

pub(super) fn begin(provider: &Provider, site: &str) -> Result<Begun, Refusal> {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let client = client(provider, site)?;
    // No scope: what is asked for is public.
    let request = client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
    let (address, state, nonce) = request.set_pkce_challenge(challenge).url();
    Ok(Begun::new(address, &state, &nonce, &verifier))
}

pub(super) async fn finish(
    provider: &Provider,
    (site, api): (&str, &str),
    away: &Away,
    code: String,
) -> Result<Identity, Refusal> {
    let tokens = client(provider, site)?
        .exchange_code(AuthorizationCode::new(code))
        .set_pkce_verifier(PkceCodeVerifier::new(away.verifier.to_string()))
        .request_async(&provider.http)
        .await
        .map_err(|error| Refusal::Exchange(chain(&error)))?;
    let user = provider.http.object(&format!("{api}/user"), tokens.access_token().secret()).await;
    let user =
        user.map_err(|error| Refusal::Unreachable { what: "the account", why: chain(&error) })?;
    // Login names can be given up and taken by others; numbers cannot.
    let id = user.get("id").and_then(Value::as_u64).filter(|id| *id > 0);
    let id = id.ok_or_else(|| Refusal::Token("the account has no number".to_owned()))?;
    let login = user.get("login").and_then(Value::as_str).unwrap_or_default();
    let name: UserName = login.parse().map_err(|_| Refusal::Name {
        claim: "login".to_owned(),
        why: format!("`{}` has letters that names here have not", words(login)),
    })?;
    Ok(Identity { issuer: site.to_owned(), subject: id.to_string(), name, roles: None })
}

fn client(provider: &Provider, site: &str) -> Result<Client, Refusal> {
    let config = &provider.config;
    let wrong = |error: url::ParseError| Refusal::Description(error.to_string());
    let issuer = IssuerUrl::new(site.to_owned()).map_err(wrong)?;
    let way = AuthUrl::new(format!("{site}/login/oauth/authorize")).map_err(wrong)?;
    let token = TokenUrl::new(format!("{site}/login/oauth/access_token")).map_err(wrong)?;
    let redirect = RedirectUrl::new(config.redirect.clone()).map_err(wrong)?;
    let id = ClientId::new(config.client_id.clone());
    Ok(CoreClient::new(id, issuer, JsonWebKeySet::new(Vec::new()))
        .disable_openid_scope()
        .set_client_secret(ClientSecret::new(config.client_secret.expose().to_owned()))
        .set_auth_uri(way)
        .set_token_uri(token)
        .set_redirect_uri(redirect))
}
