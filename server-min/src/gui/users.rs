//! Users and what they may do: everything that one may change is offered, and nothing else.

use askama::Template;
use axum::Form;
use axum::extract::{Path, RawForm};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use troodon_vql::Permission;
use zeroize::Zeroizing;

use super::clients::Part;
use super::fault::Fault;
use super::page::{self, Frame};
use super::time::Moment;
use super::visitor::Visitor;
use crate::account::{AccountError, Accounts, Grant};
use crate::limits;
use crate::model::door::Door;
use crate::model::id::{OrgId, UserName};
use crate::model::policy::{Policy, field};
use crate::model::role::{LIKE_ADMINISTRATOR, Rights, Role};
use crate::password::Hashed;
use crate::store::identity::Pin;
use crate::store::user::User;

#[derive(Template)]
#[template(path = "users.html")]
struct List {
    frame: Frame,
    users: Vec<Line>,
    next: Option<usize>,
    may_add: bool,
    roles: Vec<Choice>,
}

/// A user or program in the list.
struct Line {
    name: UserName,
    /// `None`: a program with a certificate, or somebody who was given rights before being made.
    user: Option<User>,
    roles: String,
    is_like_administrator: bool,
}

/// A role or permission in a form.
struct Choice {
    name: String,
    means: String,
    is_held: bool,
    /// Nobody gives what they lack.
    may_give: bool,
    is_like_administrator: bool,
}

pub(super) async fn list(
    visitor: Visitor,
    axum::extract::Query(part): axum::extract::Query<Part>,
) -> Result<Response, Fault> {
    let work = move || {
        visitor.look(Door::ShowUsers)?;
        let all = lines(&visitor)?;
        let end = part.skip.saturating_add(limits::LINES_PER_PAGE);
        let list = List {
            next: (all.len() > end).then_some(end),
            users: all.into_iter().skip(part.skip).take(limits::LINES_PER_PAGE).collect(),
            may_add: visitor.may(Door::ManageUsers),
            roles: roles(&Policy::default(), visitor.rights()),
            frame: Frame::of(&visitor),
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &list))
    };
    tokio::task::spawn_blocking(work).await?
}

/// Who signs in, and who else has rights, by name.
fn lines(visitor: &Visitor) -> Result<Vec<Line>, Fault> {
    let org = visitor.org().id();
    let mut users = visitor.root().users()?;
    let policies = visitor.root().policies(org)?;
    // Outside of the root, users are those who may do something there.
    users.retain(|user| {
        org.is_root() || policies.iter().any(|(held, _)| held.key() == user.name.key())
    });
    let of = |name: &UserName| policies.iter().find(|(held, _)| held.key() == name.key());
    let line = |name: &UserName, user: Option<User>, policy: &Policy| Line {
        name: name.clone(),
        user,
        roles: policy.roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", "),
        is_like_administrator: is_like_administrator(policy.rights(org)),
    };
    let nothing = Policy::default();
    let mut all: Vec<Line> = Vec::new();
    for user in &users {
        let policy = of(&user.name).map_or(&nothing, |(_, policy)| policy);
        all.push(line(&user.name, Some(user.clone()), policy));
    }
    for (name, policy) in &policies {
        if !users.iter().any(|user| user.name.key() == name.key()) {
            all.push(line(name, None, policy));
        }
    }
    all.sort_by_key(|line| line.name.key());
    Ok(all)
}

fn is_like_administrator(rights: Rights) -> bool {
    rights.iter().any(|one| LIKE_ADMINISTRATOR.has(one))
}

fn roles(policy: &Policy, own: Rights) -> Vec<Choice> {
    let choice = |role: Role| Choice {
        name: role.name().to_owned(),
        means: role.rights().to_string(),
        is_held: policy.roles.contains(&role),
        may_give: role.rights().without(own).is_empty(),
        is_like_administrator: is_like_administrator(role.rights()),
    };
    Role::ALL.into_iter().map(choice).collect()
}

fn extras(policy: &Policy, own: Rights) -> Vec<Choice> {
    let grantable = Permission::ALL.into_iter().filter(|one| *one != Permission::Publish);
    let choice = |permission: Permission| Choice {
        name: field(permission),
        means: permission.name().to_owned(),
        is_held: policy.extra.has(permission),
        may_give: own.has(permission),
        is_like_administrator: LIKE_ADMINISTRATOR.has(permission),
    };
    grantable.map(choice).collect()
}

#[derive(Template)]
#[template(path = "user.html")]
struct Show {
    frame: Frame,
    name: UserName,
    user: Option<User>,
    created: Moment,
    effective: Vec<Effective>,
    roles: Vec<Choice>,
    extras: Vec<Choice>,
    queues: String,
    /// What the user has and the visitor has not: then nothing of it can be changed.
    beyond: String,
    has_factor: bool,
    /// At another server, with the moment since when.
    identity: Option<(Pin, Moment)>,
    may_manage: bool,
    may_grant: bool,
}

/// A permission that somebody has.
struct Effective {
    permission: Permission,
    by: String,
    is_like_administrator: bool,
}

pub(super) async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response, Fault> {
    let name = user_name(&name)?;
    let work = move || {
        visitor.look(Door::ShowUsers)?;
        let org = visitor.org().id();
        let policy = visitor.root().policy(&name, org)?;
        let is_known = policy.is_some() || org.is_root();
        let user = if is_known { visitor.root().user(&name)? } else { None };
        if user.is_none() && policy.is_none() {
            return Err(Fault::Missing(format!("There is no user `{name}`.")));
        }
        let (policy, own) = (policy.unwrap_or_default(), visitor.rights());
        let beyond = policy.rights(org).without(own);
        let show = Show {
            frame: Frame::of(&visitor),
            created: Moment(user.as_ref().map_or(0, |user| user.created_us)),
            effective: effective(&policy, org),
            roles: roles(&policy, own),
            extras: extras(&policy, own),
            queues: policy.publish.iter().cloned().collect::<Vec<_>>().join(" "),
            may_manage: beyond.is_empty() && visitor.may(Door::ManageUsers),
            may_grant: beyond.is_empty() && visitor.may(Door::Grant),
            beyond: beyond.to_string(),
            has_factor: visitor.root().second_factor(&name)?.is_some(),
            identity: visitor.root().identity(&name)?.map(|pin| {
                let since = Moment(pin.pinned_us);
                (pin, since)
            }),
            name,
            user,
        };
        Ok(page::html(StatusCode::OK, &show))
    };
    tokio::task::spawn_blocking(work).await?
}

fn effective(policy: &Policy, org: &OrgId) -> Vec<Effective> {
    let by = |permission: Permission| {
        let roles = policy.roles.iter().filter(|role| role.rights().has(permission));
        let mut names: Vec<&str> = roles.map(|role| role.name()).collect();
        if policy.extra.has(permission) {
            names.push("given by itself");
        }
        names.join(", ")
    };
    let one = |permission| Effective {
        permission,
        by: by(permission),
        is_like_administrator: LIKE_ADMINISTRATOR.has(permission),
    };
    policy.rights(org).iter().map(one).collect()
}

/// What the form for a new user sends, beside roles.
pub(super) async fn add(visitor: Visitor, RawForm(body): RawForm) -> Result<Response, Fault> {
    let (mut name, mut password) = (String::new(), Zeroizing::new(String::new()));
    let form = Rightful::parse(&body, |field, value| match field {
        "name" => name = value.trim().to_owned(),
        "password" => *password = value,
        _ => {}
    })?;
    visitor.sent(&form.csrf)?;
    let name: UserName = name.parse().map_err(|fault| Fault::Wrong(format!("{fault}")))?;
    let place = format!("{}/users/{name}", visitor.settings().base_path);
    let work = move || {
        let hashed = match password.as_str() {
            "" => None,
            text => Some(Hashed::of(text).map_err(|fault| Fault::Wrong(fault.to_string()))?),
        };
        Ok::<_, Fault>(accounts(&visitor).add(&name, hashed, &form.policy)?)
    };
    tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&place).into_response())
}

/// A form with rights.
struct Rightful {
    csrf: String,
    policy: Policy,
}

impl Rightful {
    fn parse(body: &[u8], mut other: impl FnMut(&str, String)) -> Result<Self, Fault> {
        let (mut csrf, mut policy) = (String::new(), serde_json::Map::new());
        let mut roles = Vec::new();
        for (field, value) in form_urlencoded::parse(body) {
            match field.as_ref() {
                "csrf" => csrf = value.into_owned(),
                "role" => roles.push(serde_json::Value::from(value.into_owned())),
                "permission" => {
                    policy.insert(value.into_owned(), true.into());
                }
                "queues" => {
                    let names: Vec<_> = value.split_whitespace().collect();
                    policy.insert("publish_queues".into(), names.into());
                }
                field => other(field, value.into_owned()),
            }
        }
        policy.insert("roles".into(), roles.into());
        let text = serde_json::Value::Object(policy).to_string();
        let policy = Policy::parse(&text).map_err(|fault| Fault::Wrong(fault.to_string()))?;
        Ok(Self { csrf, policy })
    }
}

pub(super) async fn grant(
    visitor: Visitor,
    Path(name): Path<String>,
    RawForm(body): RawForm,
) -> Result<Response, Fault> {
    let name = user_name(&name)?;
    let form = Rightful::parse(&body, |_, _| ())?;
    visitor.sent(&form.csrf)?;
    let change = |accounts: &Accounts, name: &UserName| {
        accounts.grant(name, form.policy, Grant::Replace).map(drop)
    };
    manage(visitor, name, change).await
}

/// What the buttons of a user send.
#[derive(Deserialize)]
pub(super) struct Sent {
    csrf: String,
    #[serde(default)]
    password: Zeroizing<String>,
    #[serde(default)]
    lock: String,
}

pub(super) async fn set_password(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(form): Form<Sent>,
) -> Result<Response, Fault> {
    let name = user_name(&name)?;
    visitor.sent(&form.csrf)?;
    if visitor.name().key() == name.key() {
        return Err(Fault::Wrong(
            "Your own password is changed on the page of your account.".into(),
        ));
    }
    manage(visitor, name, move |accounts, name| accounts.set_password(name, &form.password)).await
}

pub(super) async fn lock(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(form): Form<Sent>,
) -> Result<Response, Fault> {
    let name = user_name(&name)?;
    visitor.sent(&form.csrf)?;
    manage(visitor, name, move |accounts, name| accounts.set_locked(name, form.lock == "Y")).await
}

/// For somebody who has lost the authenticator.
pub(super) async fn take_factor(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(form): Form<Sent>,
) -> Result<Response, Fault> {
    let name = user_name(&name)?;
    visitor.sent(&form.csrf)?;
    manage(visitor, name, move |accounts, name| accounts.take_factor(name)).await
}

/// For somebody who has another account at the provider.
pub(super) async fn unpin(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(form): Form<Sent>,
) -> Result<Response, Fault> {
    let name = user_name(&name)?;
    visitor.sent(&form.csrf)?;
    manage(visitor, name, move |accounts, name| accounts.unpin(name)).await
}

/// Changes an account, and shows it.
async fn manage(
    visitor: Visitor,
    name: UserName,
    change: impl FnOnce(&Accounts, &UserName) -> Result<(), AccountError> + Send + 'static,
) -> Result<Response, Fault> {
    let place = format!("{}/users/{name}", visitor.settings().base_path);
    let work = move || change(&accounts(&visitor), &name);
    tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&place).into_response())
}

/// Accounts as the visitor may manage them.
pub(super) fn accounts(visitor: &Visitor) -> Accounts {
    let principal = visitor.actor().principal().clone();
    Accounts::new(visitor.acl().clone(), principal, visitor.org().id().clone())
}

fn user_name(text: &str) -> Result<UserName, Fault> {
    text.parse().map_err(|_| Fault::Missing(format!("`{text}` is no name of a user.")))
}
