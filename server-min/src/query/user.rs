//! Who may do what: `whoami()`, `lockdown()`, `gui_users()`, `user_create()`, `user_grant()`.

use serde_json::Value as Json;
use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Function, Kind, Permission, Plugin, Pull, Rows, Scope,
    Value, json as vql_json,
};

use super::collect::texts;
use super::json::{self, dict};
use super::{Backend, backend, fault};
use crate::account::{Accounts, Grant};
use crate::model::id::UserName;
use crate::model::policy::Policy;
use crate::password::Hashed;

pub(super) const PLUGINS: &[&Plugin] = &[&GUI_USERS];
pub(super) const FUNCTIONS: &[&Function] = &[&WHOAMI, &LOCKDOWN, &USER_CREATE, &USER_GRANT];

static WHOAMI: Function =
    Function::new("whoami", "The name with whose rights the query runs.", &[], whoami)
        .needs(&[Permission::AnyQuery])
        .on(Availability::Server);

fn whoami(cx: &mut Context, _: &Scope, _: &Args) -> Result<Value, Fault> {
    Ok(Value::from(backend(cx)?.token.principal().name()))
}

static LOCKDOWN: Function = Function::new(
    "lockdown",
    "The permissions that lockdown denies to everybody at this moment; an empty list outside of it.",
    &[],
    lockdown,
)
.needs(&[Permission::AnyQuery])
.on(Availability::Server);

fn lockdown(cx: &mut Context, _: &Scope, _: &Args) -> Result<Value, Fault> {
    let denied = backend(cx)?.token.acl().denied_to_all();
    Ok(json::texts(denied.iter().map(Permission::name)))
}

static GUI_USERS: Plugin =
    Plugin::new("gui_users", "Yields users with their policies.", &[], gui_users)
        .needs(&[Permission::ServerAdmin])
        .on(Availability::Server);

fn gui_users(cx: &mut Context, _: &Scope, _: Args) -> Result<Box<dyn Rows>, Fault> {
    let backend = backend(cx)?;
    let root = backend.orgs.root().store.clone();
    let mut known = Vec::new();
    for user in root.users().map_err(fault)? {
        let policy = root.policy(&user.name, backend.token.org()).map_err(fault)?;
        // Outside of the root, users are those who may do something there.
        if policy.is_some() || backend.token.org().is_root() {
            known.push((user, policy.unwrap_or_default()));
        }
    }
    let mut known = known.into_iter();
    Ok(Box::new(Pull::new(move |_| {
        let Some((user, policy)) = known.next() else { return Ok(None) };
        let roles = json::texts(policy.roles.iter().map(|role| role.name()));
        Ok(Some(dict([
            ("name", Value::from(user.name.as_str())),
            ("locked", Value::Bool(user.locked)),
            ("roles", roles),
            ("_policy", json::value(policy.to_json())),
        ])))
    })))
}

const USER: Arg = Arg::required("user", Kind::String, "The name.");
const ROLES: Arg = Arg::optional("roles", Kind::List, "Names of roles.");

static USER_CREATE: Function = Function::new(
    "user_create",
    "Makes a user; without a password nobody can sign in by one.",
    &[USER, ROLES, Arg::optional("password", Kind::String, "For signing in.")],
    user_create,
)
.needs(&[Permission::ServerAdmin])
.on(Availability::Server);

fn user_create(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let name: UserName = args.string("user").unwrap_or_default().parse().map_err(fault)?;
    let password = args.string("password").filter(|password| !password.is_empty());
    let password = password.map(|text| Hashed::of(&text)).transpose().map_err(fault)?;
    let policy = policy(args)?;
    accounts(&*backend(cx)?).add(&name, password, &policy).map_err(fault)?;
    Ok(Value::from(name.as_str()))
}

static USER_GRANT: Function = Function::new(
    "user_grant",
    "Gives rights in place of those that somebody has; answers with the policy that holds then.",
    &[USER, ROLES, Arg::optional("policy", Kind::Dict, "Fields of a policy.")],
    user_grant,
)
.needs(&[Permission::ServerAdmin])
.on(Availability::Server);

fn user_grant(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let name: UserName = args.string("user").unwrap_or_default().parse().map_err(fault)?;
    let policy = policy(args)?;
    let holds = accounts(&*backend(cx)?).grant(&name, policy, Grant::Replace).map_err(fault)?;
    Ok(json::value(holds.to_json()))
}

/// `policy` and `roles` together.
fn policy(args: &Args) -> Result<Policy, Fault> {
    let given = match args.dict("policy") {
        None => Policy::default(),
        Some(fields) => {
            let mut text = Vec::new();
            vql_json::write_row(fields, &mut text);
            Policy::parse(&String::from_utf8_lossy(&text)).map_err(fault)?
        }
    };
    let roles: Json = texts(args, "roles").into();
    let roles = Policy::parse(&serde_json::json!({"roles": roles}).to_string()).map_err(fault)?;
    Ok(given.and(roles))
}

fn accounts(backend: &Backend) -> Accounts {
    let token = &backend.token;
    Accounts::new(token.acl().clone(), token.principal().clone(), token.org().clone())
}
