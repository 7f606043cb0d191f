//! Leaving lockdown for a time, where the configuration allows it (`security.lockdown_exit_minutes`).
//!
//! One administrator asks, another one approves, each with their password and second factor; [`Acl`] looks at what is stored
//! for each decision, so that lockdown is back the moment the time is over, whoever runs or does not run. Each step is on
//! record in its own transaction. The rule itself is [`crate::model::unlock`].

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::account::{self, Purpose, SignInError};
use crate::acl::{Acl, Principal};
use crate::actor::{ActError, Actor};
use crate::model::audit::Record;
use crate::model::door::Door;
use crate::model::id::{OrgId, UserName};
use crate::model::unlock::{Exit, ExitFault, Phase};
use crate::store::setting::{self, Setting};
use crate::store::{Store, StoreError, audit, now_us};

/// Why a step was not made.
#[derive(Debug, thiserror::Error)]
pub enum LockdownError {
    /// The caller's rights, lockdown without an exit, or nobody who could be asked for a password.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The step makes no sense.
    #[error(transparent)]
    Exit(#[from] ExitFault),
    /// The password or code is wrong.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A person who has just shown to be who they say. Only passwords make one.
#[derive(Debug, Clone)]
pub struct Proven(UserName);

impl Proven {
    /// Somebody who comes in, with a password and, if they have a second factor, the code that `code` asks them for.
    ///
    /// # Errors
    /// One of them is wrong, or the store cannot be used.
    pub fn by_sign_in(
        store: &Store,
        name: &UserName,
        password: &str,
        code: impl FnOnce() -> Result<Zeroizing<String>, SignInError>,
    ) -> Result<Self, SignInError> {
        let signed_in = account::sign_in(store, name, password, now_us())?;
        if signed_in.needs_code {
            account::check_code(store, name, &code()?, now_us())?;
        }
        Ok(Self(name.clone()))
    }

    /// Somebody who is in, with all that it takes to come in, and gives the password again.
    ///
    /// # Errors
    /// It is wrong, or the store cannot be used.
    pub fn by_password(
        store: &Store,
        name: &UserName,
        password: &str,
    ) -> Result<Self, SignInError> {
        account::check_password(store, name, password, (Purpose::Confirm, now_us()))?;
        Ok(Self(name.clone()))
    }
}

/// How things stand, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Whether lockdown denies something at this moment.
    pub is_locked: bool,
    /// Minutes for which it can be left at most; `None` when it cannot.
    pub most: Option<u64>,
    /// What was asked for, unless that is over.
    pub exit: Option<(Exit, Phase)>,
}

impl State {
    /// As it is.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn of(acl: &Acl) -> Result<Self, StoreError> {
        let most = acl.exit_minutes();
        let stored = acl.store().setting(Setting::LockdownExit)?;
        let exit = stored.as_deref().and_then(Exit::parse).map(|exit| {
            let phase = exit.phase(most.unwrap_or_default(), now_us());
            (exit, phase)
        });
        let exit = exit.filter(|(_, phase)| *phase != Phase::Over);
        Ok(Self { is_locked: !acl.denied_to_all().is_empty(), most, exit })
    }

    /// The same for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut shown = json!({"locked": self.is_locked, "exit_minutes": self.most});
        if let Some((exit, phase)) = &self.exit {
            shown["exit"] = exit.to_json();
            if let Phase::Open { until_us } = phase {
                shown["until_us"] = (*until_us).into();
            }
        }
        shown
    }
}

/// Asks whether the caller may take part at all, which lockdown does not deny where an exit is allowed. Answers the record
/// of the step, and the time that is allowed.
///
/// # Errors
/// The caller is no administrator of the root, which is on record; there is no lockdown that could be left.
pub fn enter(
    actor: &Actor,
    acl: &Acl,
    step: &str,
    details: Value,
) -> Result<(Record, u64), ActError> {
    let wrong = |why: &str| ActError::Wrong(why.to_owned());
    let Some(most) = acl.exit_minutes() else {
        let record = actor.enter(Door::LeaveLockdown, details)?;
        let why = "the server is not in lockdown, or its configuration allows no exit";
        actor.fail(record, why)?;
        return Err(wrong(why));
    };
    let mut record = actor.enter_despite_lockdown(Door::LeaveLockdown, details)?;
    if !actor.store().org().is_root() {
        return Err(wrong("lockdown is the same in all organisations: ask in the root"));
    }
    record.operation = step.to_owned();
    Ok((record, most))
}

/// The first step: answers what was asked for.
///
/// # Errors
/// The caller may not, is not the one who is proven, or something else waits.
pub fn ask(
    actor: &Actor,
    acl: &Acl,
    proven: &Proven,
    (reason, minutes): (&str, u64),
) -> Result<Exit, LockdownError> {
    let about = json!({"reason": reason, "minutes": minutes});
    let (record, most) = enter(actor, acl, "lockdown_exit_request", about)?;
    let (by, reason) = (person(actor, proven)?, reason.to_owned());
    step(acl, record, move |old| Exit::ask(old, (by, &reason, minutes), (most, now_us())))
}

/// The second step, for what was asked for at `asked_us`.
///
/// # Errors
/// The caller may not, is not the one who is proven, or has asked for it.
pub fn approve(
    actor: &Actor,
    acl: &Acl,
    proven: &Proven,
    asked_us: u64,
) -> Result<Exit, LockdownError> {
    let about = json!({"request": asked_us});
    let (record, most) = enter(actor, acl, "lockdown_exit_approve", about)?;
    let by = person(actor, proven)?;
    step(acl, record, move |old| {
        let old = old.ok_or(ExitFault::Nothing)?;
        old.approve(by, asked_us, (most, now_us()))
    })
}

/// Back to lockdown at once, or no wish to leave it. One administrator is enough, without a password.
///
/// # Errors
/// The caller may not, or the store cannot be written.
pub fn end(actor: &Actor, acl: &Acl) -> Result<(), LockdownError> {
    let (record, _) = enter(actor, acl, "lockdown_exit_end", json!({}))?;
    Ok(acl.store().write(move |db| {
        setting::remove(db, Setting::LockdownExit)?;
        audit::append(db, &record)
    })?)
}

/// Puts on record that an exit is over, or was not approved in time. That it is over does not wait for this.
///
/// # Errors
/// The store cannot be used.
pub fn settle(acl: &Acl) -> Result<(), StoreError> {
    let most = acl.exit_minutes().unwrap_or_default();
    let is_over = move |stored: Option<Vec<u8>>| {
        let exit = stored?;
        let parsed = Exit::parse(&exit);
        let over = parsed.as_ref().is_none_or(|exit| exit.phase(most, now_us()) == Phase::Over);
        over.then(|| parsed.map_or(Value::Null, |exit| exit.to_json()))
    };
    if is_over(acl.store().setting(Setting::LockdownExit)?).is_none() {
        return Ok(());
    }
    let principal = acl.server_name().to_owned();
    acl.store().write(move |db| {
        let Some(details) = is_over(setting::find(db, Setting::LockdownExit)?) else {
            return Ok(());
        };
        setting::remove(db, Setting::LockdownExit)?;
        let record = Record {
            time_us: now_us(),
            org: OrgId::root(),
            principal,
            operation: "lockdown_exit_expire".to_owned(),
            allowed: true,
            details,
        };
        audit::append(db, &record)
    })
}

/// Who takes the step. The server's own account is nobody in particular.
fn person(actor: &Actor, proven: &Proven) -> Result<UserName, ActError> {
    match actor.principal() {
        Principal::User { name } if *name == proven.0 => Ok(name.clone()),
        _ => Err(ActError::Denied("leaving lockdown takes two people, with passwords".to_owned())),
    }
}

/// Replaces what is stored, with its record.
fn step(
    acl: &Acl,
    mut record: Record,
    next: impl FnOnce(Option<&Exit>) -> Result<Exit, ExitFault> + Send + 'static,
) -> Result<Exit, LockdownError> {
    let made = acl.store().write(move |db| {
        let old = setting::find(db, Setting::LockdownExit)?.as_deref().and_then(Exit::parse);
        let made = next(old.as_ref());
        match &made {
            Ok(exit) => {
                setting::put(db, Setting::LockdownExit, exit.to_json().to_string().as_bytes())?;
                record.details = exit.to_json();
            }
            Err(fault) => {
                record.allowed = *fault != ExitFault::Alone;
                record.details["failed"] = fault.to_string().into();
            }
        }
        audit::append(db, &record)?;
        Ok(made)
    })?;
    Ok(made?)
}
