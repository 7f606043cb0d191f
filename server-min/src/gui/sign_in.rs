//! Signing in and out.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use askama::Template;
use axum::Form;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::fault::Fault;
use super::session::{self, Origin};
use super::visitor::{COOKIE, Visitor, cookie_of, is_from_elsewhere};
use super::{Shared, SignOn, page};
use crate::account::{self, SignInError};
use crate::identity::Provider;
use crate::limits;
use crate::model::id::UserName;
use crate::store::now_us;
use crate::store::user::User;

/// The cookie between password and code.
const WAITING_COOKIE: &str = "troodon-sign-in";
const REFUSED: &str = "Name or password is wrong, or there were too many attempts: wait a little.";
const REFUSED_CODE: &str = "The code is wrong, was used already, or there were too many attempts.";

#[derive(Template)]
#[template(path = "sign_in.html")]
pub(super) struct SignIn<'a> {
    base: &'a str,
    name: &'a str,
    problem: Option<&'a str>,
    /// The password was right, and a code is asked for.
    wants_code: bool,
    /// Passwords are asked for.
    passwords: bool,
    /// A button each.
    providers: &'a [Provider],
    /// A button for those who have one.
    certificates: bool,
}

impl<'a> SignIn<'a> {
    /// The page with all ways in.
    pub(super) fn of(shared: &'a Shared) -> Self {
        let SignOn { passwords, providers, certificates } = &shared.settings.sign_on;
        let base = &shared.settings.base_path;
        Self {
            base,
            name: "",
            problem: None,
            wants_code: false,
            passwords: *passwords,
            providers,
            certificates: certificates.is_some(),
        }
    }

    /// With what went wrong.
    pub(super) fn saying(self, problem: &'a str) -> Self {
        Self { problem: Some(problem), ..self }
    }
}

/// Who gave a right password and still owes a code, by token.
#[derive(Default)]
pub(super) struct Waiting {
    all: Mutex<HashMap<String, Owing>>,
}

#[derive(Clone)]
struct Owing {
    user: User,
    until_us: u64,
    tries: u32,
}

impl Waiting {
    fn add(&self, token: &str, user: User, now_us: u64) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, owing| now_us < owing.until_us);
        if all.len() >= limits::WAITING_SIGN_INS {
            return;
        }
        let until_us = now_us.saturating_add(limits::CODE_SECONDS * 1_000_000);
        all.insert(token.to_owned(), Owing { user, until_us, tries: limits::CODE_TRIES });
    }

    /// Uses a try up.
    fn take(&self, token: &str, now_us: u64) -> Option<User> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let owing = all.get_mut(token).filter(|owing| now_us < owing.until_us)?;
        owing.tries = owing.tries.checked_sub(1)?;
        Some(owing.user.clone())
    }

    fn end(&self, token: &str) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
    }
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Credentials {
    pub(super) name: String,
    pub(super) password: Zeroizing<String>,
}

/// What the second form sends.
#[derive(Deserialize)]
pub(super) struct Code {
    code: Zeroizing<String>,
}

/// What the button at the top sends.
#[derive(Deserialize)]
pub(super) struct Leave {
    csrf: String,
}

pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Response {
    page::html(StatusCode::OK, &SignIn::of(&shared))
}

pub(super) async fn check(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
    Form(given): Form<Credentials>,
) -> Result<Response, Fault> {
    if is_from_elsewhere(&uri, &headers) {
        return Err(Fault::Denied("this form was sent by another site".to_owned()));
    }
    if !shared.settings.sign_on.passwords {
        return Err(Fault::Denied("nobody signs in by password here".to_owned()));
    }
    if !shared.attempts.may_try(peer.ip(), now_us()) {
        return Err(too_many(peer));
    }
    let Some(signed_in) = verify(&shared, &given).await? else {
        shared.attempts.failed(peer.ip(), now_us());
        let sign_in = SignIn { name: &given.name, problem: Some(REFUSED), ..SignIn::of(&shared) };
        return Ok(page::html(StatusCode::UNAUTHORIZED, &sign_in));
    };
    if signed_in.needs_code {
        return ask_code(&shared, signed_in.user);
    }
    enter(&shared, signed_in.user, origin(peer, &headers)).await
}

/// Asks somebody for the code that they owe still.
pub(super) fn ask_code(shared: &Shared, user: User) -> Result<Response, Fault> {
    let token = random()?;
    shared.waiting.add(&token, user, now_us());
    let sign_in = SignIn { wants_code: true, ..SignIn::of(shared) };
    let mut response = page::html(StatusCode::OK, &sign_in);
    let value = cookie(shared, (WAITING_COOKIE, &token), Some(limits::CODE_SECONDS))?;
    response.headers_mut().append(header::SET_COOKIE, value);
    Ok(response)
}

/// The second step, for those who have a second factor.
pub(super) async fn check_code(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
    Form(given): Form<Code>,
) -> Result<Response, Fault> {
    if is_from_elsewhere(&uri, &headers) {
        return Err(Fault::Denied("this form was sent by another site".to_owned()));
    }
    if !shared.attempts.may_try(peer.ip(), now_us()) {
        return Err(too_many(peer));
    }
    let token = cookie_of(&headers, WAITING_COOKIE).unwrap_or_default();
    let Some(user) = shared.waiting.take(&token, now_us()) else {
        shared.waiting.end(&token);
        let sign_in = SignIn { problem: Some("Sign in anew."), ..SignIn::of(&shared) };
        return Ok(page::html(StatusCode::UNAUTHORIZED, &sign_in));
    };
    let (store, name) = (shared.services.orgs.root().store.clone(), user.name.clone());
    let checked = move || account::check_code(&store, &name, &given.code, now_us());
    match tokio::task::spawn_blocking(checked).await? {
        Ok(()) => {
            shared.waiting.end(&token);
            enter(&shared, user, origin(peer, &headers)).await
        }
        Err(SignInError::Wrong | SignInError::TooSoon(_)) => {
            shared.attempts.failed(peer.ip(), now_us());
            let problem = Some(REFUSED_CODE);
            let sign_in = SignIn { problem, wants_code: true, ..SignIn::of(&shared) };
            Ok(page::html(StatusCode::UNAUTHORIZED, &sign_in))
        }
        Err(SignInError::Store(error)) => Err(error.into()),
        Err(SignInError::Password(error)) => Err(Fault::failed(&error)),
    }
}

pub(super) fn too_many(peer: SocketAddr) -> Fault {
    tracing::warn!(address = %peer.ip(), "too many wrong passwords or codes");
    Fault::TooMany
}

pub(super) fn origin(peer: SocketAddr, headers: &HeaderMap) -> Origin {
    let browser = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    Origin {
        address: peer.ip().to_canonical().to_string(),
        browser: browser.unwrap_or_default().to_owned(),
    }
}

/// Begins a session; answers with the first page and the session's cookie.
pub(super) async fn enter(
    shared: &Arc<Shared>,
    user: User,
    origin: Origin,
) -> Result<Response, Fault> {
    let cookie = begin_session(shared, user, origin).await?;
    let base = &shared.settings.base_path;
    let mut response = Redirect::to(&format!("{base}/")).into_response();
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// Begins a session; answers with its cookie.
pub(super) async fn begin_session(
    shared: &Arc<Shared>,
    user: User,
    origin: Origin,
) -> Result<HeaderValue, Fault> {
    let token = random()?;
    let lasts_us = u64::try_from(shared.settings.session.as_micros()).unwrap_or(u64::MAX);
    let (store, kept) = (shared.services.orgs.root().store.clone(), token.clone());
    let begin = move || session::begin(&store, &kept, &user, origin, (now_us(), lasts_us));
    tokio::task::spawn_blocking(begin).await??;
    cookie(shared, (COOKIE, &token), None)
}

pub(super) async fn leave(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    Form(form): Form<Leave>,
) -> Result<Response, Fault> {
    visitor.sent(&form.csrf)?;
    tokio::task::spawn_blocking(move || visitor.sign_out()).await??;
    let base = &shared.settings.base_path;
    let mut response = Redirect::to(&format!("{base}/sign-in")).into_response();
    response.headers_mut().append(header::SET_COOKIE, cookie(&shared, (COOKIE, ""), Some(0))?);
    Ok(response)
}

/// Who that is, or `None` for whom the rules of [`account::sign_in`] keep out.
pub(super) async fn verify(
    shared: &Arc<Shared>,
    given: &Credentials,
) -> Result<Option<account::SignedIn>, Fault> {
    // A name that nobody can have costs no work, and tells nothing: the rule for names is public.
    let Ok(name) = given.name.parse::<UserName>() else { return Ok(None) };
    let _turn = shared.checks.acquire().await.map_err(|_| Fault::Failed)?;
    let (store, password) = (shared.services.orgs.root().store.clone(), given.password.clone());
    let check = move || account::sign_in(&store, &name, &password, now_us());
    match tokio::task::spawn_blocking(check).await? {
        Ok(signed_in) => Ok(Some(signed_in)),
        Err(SignInError::Wrong | SignInError::TooSoon(_)) => Ok(None),
        Err(SignInError::Store(error)) => Err(error.into()),
        Err(SignInError::Password(error)) => Err(Fault::failed(&error)),
    }
}

pub(super) fn random() -> Result<Zeroizing<String>, Fault> {
    session::token().map_err(|error| Fault::failed(&error))
}

fn cookie(shared: &Shared, pair: (&str, &str), max_age: Option<u64>) -> Result<HeaderValue, Fault> {
    cookie_of_kind(shared, "Strict", pair, max_age)
}

/// Scripts do not see it, other sites cannot use it, and with TLS it never leaves without.
pub(super) fn cookie_of_kind(
    shared: &Shared,
    same_site: &str,
    (name, token): (&str, &str),
    max_age: Option<u64>,
) -> Result<HeaderValue, Fault> {
    let path = match shared.settings.base_path.as_str() {
        "" => "/",
        path => path,
    };
    let secure = if shared.has_tls { "; Secure" } else { "" };
    let age = max_age.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
    let text = format!("{name}={token}; Path={path}; HttpOnly; SameSite={same_site}{secure}{age}");
    let mut value = HeaderValue::try_from(text).map_err(|_| Fault::Failed)?;
    value.set_sensitive(true);
    Ok(value)
}
