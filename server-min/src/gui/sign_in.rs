//! Signing in and out.

use std::sync::Arc;
use std::time::Instant;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::fault::Fault;
use super::visitor::{COOKIE, Visitor, is_from_elsewhere};
use super::{Shared, page};
use crate::account::{self, SignInError};
use crate::model::id::UserName;
use crate::store::now_us;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    base: &'a str,
    name: &'a str,
    problem: Option<String>,
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Credentials {
    name: String,
    password: Zeroizing<String>,
}

/// What the button at the top sends.
#[derive(Deserialize)]
pub(super) struct Leave {
    csrf: String,
}

pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Response {
    let base = &shared.settings.base_path;
    page::html(StatusCode::OK, &SignIn { base, name: "", problem: None })
}

pub(super) async fn check(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    Form(given): Form<Credentials>,
) -> Result<Response, Fault> {
    if is_from_elsewhere(&uri, &headers) {
        return Err(Fault::Denied("this form was sent by another site".to_owned()));
    }
    let base = &shared.settings.base_path;
    let Some(token) = verify(&shared, &given).await? else {
        let problem = Some(
            "Name or password is wrong, or there were too many attempts: wait a little.".to_owned(),
        );
        let sign_in = SignIn { base, name: &given.name, problem };
        return Ok(page::html(StatusCode::UNAUTHORIZED, &sign_in));
    };
    let mut response = Redirect::to(&format!("{base}/")).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie(&shared, &token, None)?);
    Ok(response)
}

pub(super) async fn leave(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    Form(form): Form<Leave>,
) -> Result<Response, Fault> {
    visitor.sent(&form.csrf)?;
    visitor.sign_out();
    let base = &shared.settings.base_path;
    let mut response = Redirect::to(&format!("{base}/sign-in")).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie(&shared, "", Some(0))?);
    Ok(response)
}

/// The token of a new session, or `None` for whom the rules of [`account::sign_in`] keep out.
async fn verify(
    shared: &Arc<Shared>,
    given: &Credentials,
) -> Result<Option<Zeroizing<String>>, Fault> {
    // A name that nobody can have costs no work, and tells nothing: the rule for names is public.
    let Ok(name) = given.name.parse::<UserName>() else { return Ok(None) };
    let _turn = shared.checks.acquire().await.map_err(|_| Fault::Failed)?;
    let (store, password) = (shared.store.clone(), given.password.clone());
    let check = move || account::sign_in(&store, &name, &password, now_us());
    match tokio::task::spawn_blocking(check).await? {
        Ok(user) => {
            let token = shared.sessions.begin(&user, Instant::now());
            token.map(Some).map_err(|error| {
                tracing::error!(%error, "no random bytes");
                Fault::Failed
            })
        }
        Err(SignInError::Wrong | SignInError::TooSoon(_)) => Ok(None),
        Err(SignInError::Store(error)) => Err(error.into()),
        Err(SignInError::Password(error)) => {
            tracing::error!(%error, "a password cannot be checked");
            Err(Fault::Failed)
        }
    }
}

/// Scripts do not see it, other sites cannot use it, and with TLS it never leaves without.
fn cookie(shared: &Shared, token: &str, max_age: Option<u64>) -> Result<HeaderValue, Fault> {
    let path = match shared.settings.base_path.as_str() {
        "" => "/",
        path => path,
    };
    let secure = if shared.has_tls { "; Secure" } else { "" };
    let age = max_age.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
    let text = format!("{COOKIE}={token}; Path={path}; HttpOnly; SameSite=Strict{secure}{age}");
    let mut value = HeaderValue::try_from(text).map_err(|_| Fault::Failed)?;
    value.set_sensitive(true);
    Ok(value)
}
