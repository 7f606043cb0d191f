//! The visitor's own account: rights, password, second factor, sessions.

use std::net::SocketAddr;
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use qrcodegen::{QrCode, QrCodeEcc};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::Shared;
use super::fault::Fault;
use super::key;
use super::page::{self, Frame};
use super::session;
use super::sign_in::{enter, origin};
use super::time::Moment;
use super::users::accounts;
use super::visitor::Visitor;
use crate::account::{self, FactorError, Purpose, SignInError};
use crate::limits;
use crate::store::now_us;
use crate::store::session::Session;

#[derive(Template)]
#[template(path = "account.html")]
struct Show {
    frame: Frame,
    roles: String,
    rights: String,
    sessions: Vec<Line>,
    /// Recovery codes that are left.
    factor: Option<usize>,
    has_password: bool,
    /// For programs.
    keys: Vec<key::Line>,
    key_days: u64,
    /// Who else vouches for the visitor.
    issuer: Option<String>,
}

/// A session in the list.
struct Line {
    session: Session,
    id: String,
    began: Moment,
    used: Moment,
    is_this: bool,
}

pub(super) async fn show(visitor: Visitor) -> Result<Response, Fault> {
    let work = move || {
        let (store, name) = (visitor.root(), visitor.name());
        let policy = store.policy(name, visitor.org().id())?.unwrap_or_default();
        let now = now_us();
        let sessions = store.sessions(name)?.into_iter();
        let line = |session: Session| Line {
            id: hex::encode(session.token),
            began: Moment(session.began_us),
            used: Moment(session.used_us),
            is_this: session.token == visitor.session().token,
            session,
        };
        let show = Show {
            roles: policy.roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", "),
            rights: visitor.rights().to_string(),
            sessions: sessions.filter(|one| session::is_alive(one, now)).map(line).collect(),
            factor: store.second_factor(name)?,
            has_password: has_password(&visitor)?,
            keys: key::lines(&visitor)?,
            key_days: limits::KEY_DAYS,
            issuer: store.identity(name)?.map(|pin| pin.issuer),
            frame: Frame::of(&visitor),
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &show))
    };
    tokio::task::spawn_blocking(work).await?
}

/// What the forms of this page send.
#[derive(Deserialize)]
pub(super) struct Sent {
    csrf: String,
    #[serde(default)]
    current: Zeroizing<String>,
    #[serde(default)]
    password: Zeroizing<String>,
    #[serde(default)]
    again: Zeroizing<String>,
    #[serde(default)]
    code: Zeroizing<String>,
    #[serde(default)]
    session: String,
}

/// A new password ends all sessions; the visitor gets another one.
pub(super) async fn set_password(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Form(form): Form<Sent>,
) -> Result<Response, Fault> {
    visitor.sent(&form.csrf)?;
    if form.password.as_str() != form.again.as_str() {
        return Err(Fault::Wrong("The new password and its repetition differ.".to_owned()));
    }
    let _turn = shared.checks.acquire().await.map_err(|_| Fault::Failed)?;
    let work = move || {
        confirm(&visitor, &form.current)?;
        accounts(&visitor).set_password(visitor.name(), &form.password)?;
        let user = visitor.root().user(visitor.name())?;
        user.ok_or_else(|| Fault::Missing("Your account is gone.".to_owned()))
    };
    let user = tokio::task::spawn_blocking(work).await??;
    enter(&shared, user, origin(peer, &headers)).await
}

/// Whether the visitor signs in by password.
pub(super) fn has_password(visitor: &Visitor) -> Result<bool, Fault> {
    let user = visitor.root().user(visitor.name())?;
    Ok(visitor.settings().sign_on.passwords && user.is_some_and(|user| user.password.is_some()))
}

/// Refuses whoever does not know the password of the account.
pub(super) fn confirm(visitor: &Visitor, password: &str) -> Result<(), Fault> {
    let asked = (Purpose::Confirm, now_us());
    match account::check_password(visitor.root(), visitor.name(), password, asked) {
        Ok(_) => Ok(()),
        Err(SignInError::Wrong) => Err(Fault::Denied("The current password is wrong.".to_owned())),
        Err(error @ SignInError::TooSoon(_)) => Err(Fault::Denied(error.to_string())),
        Err(SignInError::Store(error)) => Err(error.into()),
        Err(SignInError::Password(error)) => Err(Fault::failed(&error)),
    }
}

pub(super) async fn end_session(
    visitor: Visitor,
    Form(form): Form<Sent>,
) -> Result<Response, Fault> {
    visitor.sent(&form.csrf)?;
    let place = format!("{}/account", visitor.settings().base_path);
    let work = move || {
        let own = visitor.root().sessions(visitor.name())?;
        let all = form.session == "others";
        let meant = |session: &&Session| match all {
            true => session.token != visitor.session().token,
            false => hex::encode(session.token) == form.session,
        };
        own.iter().filter(meant).try_for_each(|one| session::end(visitor.root(), one))
    };
    tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&place).into_response())
}

#[derive(Template)]
#[template(path = "second_factor.html")]
struct SetUp {
    frame: Frame,
    secret: Zeroizing<String>,
    /// Modules of the picture on each side.
    size: i32,
    /// The dark modules, as a path.
    path: String,
}

#[derive(Template)]
#[template(path = "recovery.html")]
struct Recovery {
    frame: Frame,
    codes: Vec<Zeroizing<String>>,
}

/// Shows the secret, this once.
pub(super) async fn begin_factor(
    visitor: Visitor,
    Form(form): Form<Sent>,
) -> Result<Response, Fault> {
    visitor.sent(&form.csrf)?;
    let work = move || {
        confirm(&visitor, &form.current)?;
        let secret = account::begin_factor(visitor.root(), visitor.name()).map_err(factor_fault)?;
        let address = secret.address(visitor.name().as_str());
        let picture = QrCode::encode_text(&address, QrCodeEcc::Medium)
            .map_err(|_| Fault::Wrong("Your name is too long for a picture.".to_owned()))?;
        let set_up = SetUp {
            frame: Frame::of(&visitor),
            secret: secret.base32(),
            size: picture.size(),
            path: path(&picture),
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &set_up))
    };
    tokio::task::spawn_blocking(work).await?
}

/// The dark modules of a picture, each as a square of a path.
fn path(picture: &QrCode) -> String {
    let all = (0..picture.size()).flat_map(|y| (0..picture.size()).map(move |x| (x, y)));
    let dark = all.filter(|(x, y)| picture.get_module(*x, *y));
    dark.map(|(x, y)| format!("M{x} {y}h1v1h-1z")).collect()
}

/// Takes the first code; shows the recovery codes, this once.
pub(super) async fn confirm_factor(
    visitor: Visitor,
    Form(form): Form<Sent>,
) -> Result<Response, Fault> {
    visitor.sent(&form.csrf)?;
    let work = move || {
        let codes =
            account::confirm_factor(visitor.root(), visitor.name(), form.code.trim(), now_us());
        let codes = codes.map_err(factor_fault)?;
        let recovery = Recovery { frame: Frame::of(&visitor), codes };
        Ok::<_, Fault>(page::html(StatusCode::OK, &recovery))
    };
    tokio::task::spawn_blocking(work).await?
}

pub(super) async fn end_factor(
    visitor: Visitor,
    Form(form): Form<Sent>,
) -> Result<Response, Fault> {
    visitor.sent(&form.csrf)?;
    let place = format!("{}/account", visitor.settings().base_path);
    let work = move || {
        confirm(&visitor, &form.current)?;
        Ok::<_, Fault>(account::end_factor(visitor.root(), visitor.name(), now_us())?)
    };
    tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&place).into_response())
}

fn factor_fault(fault: FactorError) -> Fault {
    match fault {
        FactorError::Wrong | FactorError::Nothing => Fault::Wrong(fault.to_string()),
        FactorError::Random(error) => Fault::failed(&error),
        FactorError::Store(error) => error.into(),
    }
}
