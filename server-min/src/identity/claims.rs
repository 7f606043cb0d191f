//! What verified claims say about somebody: name, roles, and whether they count yet.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Identity, Refusal, words};
use crate::config::ProviderConfig;
use crate::limits;
use crate::model::id::UserName;
use crate::model::role::Role;

/// Refuses a token of another tenant, and one of the future. The crate looks at issuer, audience, signature, nonce and end.
pub(super) fn check(
    claims: &Map<String, Value>,
    tenant: Option<&str>,
    now: i64,
) -> Result<(), Refusal> {
    let refused = |why: String| Err(Refusal::Token(why));
    if let Some(tenant) = tenant
        && text(claims, "tid").is_none_or(|found| !found.eq_ignore_ascii_case(tenant))
    {
        let found = text(claims, "tid").map_or("none".to_owned(), words);
        return refused(format!("it is of another tenant ({found})"));
    }
    let latest = now.saturating_add(limits::PROVIDER_SLACK_SECONDS);
    for claim in ["nbf", "iat"] {
        let Some(value) = claims.get(claim) else { continue };
        // Some providers count parts of seconds.
        let begins = value.as_i64().or_else(|| value.as_f64().map(whole));
        if begins.is_none_or(|begins| begins > latest) {
            return refused(format!(
                "it is not valid yet (`{claim}`); check the clocks of both servers"
            ));
        }
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, which is what is meant")]
fn whole(seconds: f64) -> i64 {
    seconds.ceil() as i64
}

/// Whether the ID token alone does not say all that is needed.
pub(super) fn lack(claims: &Map<String, Value>, config: &ProviderConfig) -> bool {
    let needed = [Some(config.username.as_str()), config.roles.as_deref()];
    let is_unverified = config.username == "email"
        && config.needs_verified_email
        && !claims.contains_key("email_verified");
    is_unverified || needed.into_iter().flatten().any(|claim| !claims.contains_key(claim))
}

/// Adds what the provider says about the same subject elsewhere; what the token says stays.
pub(super) fn add(
    claims: &mut Map<String, Value>,
    further: Map<String, Value>,
) -> Result<(), Refusal> {
    if further.get("sub") != claims.get("sub") {
        return Err(Refusal::Token("its further claims are about somebody else".to_owned()));
    }
    let is_same_address = claims.get("email").is_none_or(|own| further.get("email") == Some(own));
    for (name, value) in further {
        // That an address is verified says nothing about another one.
        if name != "email_verified" || is_same_address {
            claims.entry(name).or_insert(value);
        }
    }
    Ok(())
}

/// Who that is.
pub(super) fn identity(
    claims: &Map<String, Value>,
    config: &ProviderConfig,
    issuer: &str,
) -> Result<Identity, Refusal> {
    let subject = text(claims, "sub").unwrap_or_default();
    if subject.is_empty() || subject.len() > limits::SUBJECT_BYTES {
        return Err(Refusal::Token("it names no subject, or a very long one".to_owned()));
    }
    let claim = config.username.as_str();
    let wrong = |why: &str| Refusal::Name { claim: claim.to_owned(), why: why.to_owned() };
    let name = text(claims, claim).ok_or_else(|| wrong("it is missing, or no text"))?;
    let is_verified = claims.get("email_verified") == Some(&Value::Bool(true));
    if claim == "email" && config.needs_verified_email && !is_verified {
        return Err(Refusal::Unverified(words(name)));
    }
    let name: UserName = name
        .parse()
        .map_err(|_| wrong(&format!("`{}` has letters that names here have not", words(name))))?;
    let roles = config.roles.as_deref().map(|claim| roles(claims.get(claim), config));
    Ok(Identity { issuer: issuer.to_owned(), subject: subject.to_owned(), name, roles })
}

/// What the configuration says to the roles of the provider; others mean nothing.
fn roles(claim: Option<&Value>, config: &ProviderConfig) -> BTreeSet<Role> {
    let theirs = match claim {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one.as_str()],
        _ => Vec::new(),
    };
    let ours = theirs.into_iter().filter_map(|one| config.role_map.get(one));
    ours.flatten().copied().collect()
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}
