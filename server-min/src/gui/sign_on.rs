//! Signing in through other servers: away to the provider, and back with its answer.
//!
//! The state that goes with a browser counts once, for ten minutes, and only with the cookie of the browser that began
//! (RFC 6749 section 10.12). Every refusal is on record and says what to do.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use askama::Template;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::attempts::network;
use super::fault::Fault;
use super::sign_in::{SignIn, ask_code, begin_session, cookie_of_kind, origin, random, too_many};
use super::visitor::{cookie_of, is_from_elsewhere};
use super::{Shared, page};
use crate::account::{self, Arrival, ArrivalError, SignedIn};
use crate::config::{Config, ConfigError};
use crate::identity::{Away, Holders, Provider, Refusal, words};
use crate::limits;
use crate::model::audit::Record;
use crate::model::id::OrgId;
use crate::store::audit;
use crate::store::now_us;
use crate::syslog;

/// The cookie of a browser that is away. Answers come from another site, so that it cannot be strict.
const COOKIE: &str = "troodon-sign-on";

/// How people sign in.
pub struct SignOn {
    /// By name and password.
    pub passwords: bool,
    /// Through other servers, each by a button.
    pub providers: Vec<Provider>,
    /// By the certificate of the connection.
    pub certificates: Option<Holders>,
}

impl Default for SignOn {
    fn default() -> Self {
        Self { passwords: true, providers: Vec::new(), certificates: None }
    }
}

impl SignOn {
    /// What `GUI.authenticator` says. Providers have to show certificates of `Client.Crypto.root_certs`, or where there are
    /// none, of authorities that the operating system trusts.
    ///
    /// # Errors
    /// A key of the configuration cannot be used.
    pub fn of(config: &Config) -> Result<Self, ConfigError> {
        let ways = config.sign_on()?;
        let crypto = config.client.crypto.as_ref();
        let of_agents = crypto.map_or("", |crypto| &crypto.client_certificate);
        let certificates = ways
            .newcomers_by_certificate
            .map(|newcomers| Holders::new(&config.client.ca_certificate, of_agents, newcomers));
        if ways.providers.is_empty() {
            return Ok(Self { passwords: ways.passwords, providers: Vec::new(), certificates });
        }
        let roots = crypto.map_or("", |crypto| &crypto.root_certs);
        let tls = syslog::tls(roots)?;
        let known = |one| Provider::new(one, Arc::clone(&tls));
        Ok(Self {
            passwords: ways.passwords,
            providers: ways.providers.into_iter().map(known).collect(),
            certificates,
        })
    }

    fn find(&self, parts: &[(String, String)]) -> Result<(usize, &Provider), Fault> {
        let path = parts.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join("/");
        let found = self.providers.iter().enumerate().find(|(_, one)| one.path() == path);
        found.ok_or_else(|| Fault::Missing("There is no such way to sign in.".to_owned()))
    }
}

/// Browsers that are at a provider, by state.
#[derive(Default)]
pub(super) struct Abroad {
    all: Mutex<HashMap<String, Trip>>,
}

struct Trip {
    provider: usize,
    /// SHA-256 of the browser's cookie.
    browser: [u8; 32],
    away: Away,
    from: IpAddr,
    until_us: u64,
}

impl Abroad {
    /// Whoever begins too many loses the first of theirs, so that nobody can crowd out others from one address.
    fn add(&self, state: &str, trip: Trip, now_us: u64) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, trip| now_us < trip.until_us);
        let first = |of: Option<IpAddr>| {
            let those = all.iter().filter(|(_, one)| of.is_none_or(|from| one.from == from));
            those.min_by_key(|(_, one)| one.until_us).map(|(state, _)| state.clone())
        };
        let of_one = all.values().filter(|one| one.from == trip.from).count();
        let gone =
            match (of_one >= limits::SIGN_ONS_AWAY_OF_ONE, all.len() >= limits::SIGN_ONS_AWAY) {
                (true, _) => first(Some(trip.from)),
                (false, true) => first(None),
                (false, false) => None,
            };
        if let Some(state) = gone {
            all.remove(&state);
        }
        all.insert(state.to_owned(), trip);
    }

    /// What a state stands for; it counts this once, whoever shows it.
    fn take(&self, state: &str, provider: usize, browser: &str, now_us: u64) -> Option<Away> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let trip = all.remove(state)?;
        let is_same = bool::from(trip.browser.ct_eq(&hash(browser)));
        (is_same && trip.provider == provider && now_us < trip.until_us).then_some(trip.away)
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Sends the browser to a provider.
pub(super) async fn leave(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(parts): Path<Vec<(String, String)>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let (number, provider) = shared.settings.sign_on.find(&parts)?;
    if is_from_elsewhere(&uri, &headers) {
        return Err(Fault::Denied("begin on the sign-in page, not on another site".to_owned()));
    }
    if !shared.attempts.may_try(peer.ip(), now_us()) {
        return Err(too_many(peer));
    }
    let turn = shared.calls.try_acquire().map_err(|_| Fault::TooMany)?;
    let begun = match provider.begin().await {
        Ok(begun) => begun,
        Err(refusal) => return refuse(&shared, provider.path(), peer, refusal.to_string()).await,
    };
    drop(turn);
    let (address, state, away) = begun.part();
    let (token, now) = (random()?, now_us());
    let until_us = now.saturating_add(limits::SIGN_ON_SECONDS * 1_000_000);
    let (browser, from) = (hash(&token), network(peer.ip()));
    shared.abroad.add(&state, Trip { provider: number, browser, away, from, until_us }, now);
    let mut response = Redirect::to(&address).into_response();
    let lasts = Some(limits::SIGN_ON_SECONDS);
    let value = cookie_of_kind(&shared, "Lax", (COOKIE, &token), lasts)?;
    response.headers_mut().append(header::SET_COOKIE, value);
    Ok(response)
}

/// What a provider lets the browser bring back (RFC 6749 section 4.1.2, RFC 9207).
#[derive(Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    state: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
    iss: Option<String>,
}

/// Goes on from here by itself: browsers send strict cookies only to sites that led to themselves.
#[derive(Template)]
#[template(path = "arrived.html")]
struct Arrived<'a> {
    base: &'a str,
}

/// Takes the browser back.
pub(super) async fn arrive(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(parts): Path<Vec<(String, String)>>,
    headers: HeaderMap,
    Query(answer): Query<Answer>,
) -> Result<Response, Fault> {
    let (number, provider) = shared.settings.sign_on.find(&parts)?;
    if !shared.attempts.may_try(peer.ip(), now_us()) {
        return Err(too_many(peer));
    }
    let token = cookie_of(&headers, COOKIE).unwrap_or_default();
    let Some(away) = shared.abroad.take(&answer.state, number, &token, now_us()) else {
        let why = "this sign-in was begun in another browser, was used already, or took too long; begin again";
        return refuse(&shared, provider.path(), peer, why.to_owned()).await;
    };
    if !answer.error.is_empty() || answer.code.is_empty() {
        let said = words(&format!("{} {}", answer.error, answer.error_description));
        let said = if said.trim().is_empty() { "nothing".to_owned() } else { said };
        return refuse(&shared, provider.path(), peer, Refusal::Said(said).to_string()).await;
    }
    let turn = shared.calls.try_acquire().map_err(|_| Fault::TooMany)?;
    let identity = match provider.finish(&away, answer.code, answer.iss.as_deref()).await {
        Ok(identity) => identity,
        Err(refusal) => return refuse(&shared, provider.path(), peer, refusal.to_string()).await,
    };
    drop(turn);
    let arrival = Arrival {
        identity,
        way: provider.path().to_owned(),
        address: peer.ip().to_canonical().to_string(),
        newcomers: provider.newcomers().clone(),
        replaces_roles: provider.replaces_roles(),
        passwords: shared.settings.sign_on.passwords,
    };
    let acl = shared.services.acl.clone();
    let come = move || account::arrive(&acl, arrival, now_us());
    let SignedIn { user, needs_code } = match tokio::task::spawn_blocking(come).await? {
        Ok(signed_in) => signed_in,
        Err(ArrivalError::Store(error)) => return Err(error.into()),
        Err(refusal) => {
            shared.attempts.failed(peer.ip(), now_us());
            return Ok(show(&shared, &refusal.to_string()));
        }
    };
    let over = cookie_of_kind(&shared, "Lax", (COOKIE, ""), Some(0))?;
    let mut response = if needs_code {
        ask_code(&shared, user)?
    } else {
        let cookie = begin_session(&shared, user, origin(peer, &headers)).await?;
        let arrived = Arrived { base: &shared.settings.base_path };
        let mut response = page::html(StatusCode::OK, &arrived);
        response.headers_mut().append(header::SET_COOKIE, cookie);
        response
    };
    response.headers_mut().append(header::SET_COOKIE, over);
    Ok(response)
}

/// Puts a refusal on record before it is known whose it is, and shows it.
pub(super) async fn refuse(
    shared: &Arc<Shared>,
    way: &str,
    peer: SocketAddr,
    why: String,
) -> Result<Response, Fault> {
    shared.attempts.failed(peer.ip(), now_us());
    let address = peer.ip().to_canonical().to_string();
    let record = Record {
        time_us: now_us(),
        org: OrgId::root(),
        // No user has such a name.
        principal: format!("({way})"),
        operation: "Invalid identity".to_owned(),
        allowed: false,
        details: json!({"authenticator": way, "refused": why, "address": address}),
    };
    let store = shared.services.orgs.root().store.clone();
    let note = move || store.write(move |db| audit::append(db, &record));
    tokio::task::spawn_blocking(note).await??;
    Ok(show(shared, &why))
}

pub(super) fn show(shared: &Shared, why: &str) -> Response {
    let text = format!("You are not signed in: {why}.");
    page::html(StatusCode::UNAUTHORIZED, &SignIn::of(shared).saying(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: u64 = 1_000_000;

    fn abroad(trips: &[(&str, &str, u64)]) -> Abroad {
        let abroad = Abroad::default();
        for (state, from, until_us) in trips {
            let trip = Trip {
                provider: 0,
                browser: hash("browser"),
                away: Away::default(),
                from: from.parse().unwrap(),
                until_us: *until_us,
            };
            abroad.add(state, trip, NOW_US);
        }
        abroad
    }

    fn is_there(abroad: &Abroad, state: &str) -> bool {
        abroad.take(state, 0, "browser", NOW_US).is_some()
    }

    #[test]
    fn a_trip_ends_with_its_time_and_belongs_to_one_provider_and_browser() {
        let until = NOW_US + 1;
        let all: Vec<_> = ["a", "b", "c", "d"].map(|state| (state, "192.0.2.1", until)).into();
        let abroad = abroad(&all);
        assert!(abroad.take("a", 0, "browser", until).is_none());
        assert!(abroad.take("b", 1, "browser", NOW_US).is_none());
        assert!(abroad.take("c", 0, "another", NOW_US).is_none());
        for state in ["a", "b", "c"] {
            assert!(!is_there(&abroad, state), "{state} is used up");
        }
        assert!(is_there(&abroad, "d") && !is_there(&abroad, "d"));
    }

    #[test]
    fn whoever_begins_many_sign_ins_loses_their_own() {
        let states: Vec<String> =
            (0..=limits::SIGN_ONS_AWAY_OF_ONE).map(|n| n.to_string()).collect();
        let mut all = vec![("other", "192.0.2.2", NOW_US + 1)];
        let until = |n: usize| NOW_US + 2 + u64::try_from(n).unwrap();
        all.extend(states.iter().enumerate().map(|(n, one)| (one.as_str(), "192.0.2.1", until(n))));
        let abroad = abroad(&all);
        assert!(!is_there(&abroad, "0"), "the first of theirs");
        assert!(is_there(&abroad, "other") && is_there(&abroad, "1"));
        assert!(is_there(&abroad, states.last().unwrap()));
    }

    #[test]
    fn the_number_of_trips_is_bounded() {
        let address = |n: usize| std::net::Ipv4Addr::from_bits(u32::try_from(n).unwrap());
        let all: Vec<_> = (0..limits::SIGN_ONS_AWAY + 5)
            .map(|n| (n.to_string(), address(n).to_string(), NOW_US + 1 + n as u64))
            .collect();
        let all: Vec<_> = all
            .iter()
            .map(|(state, from, until)| (state.as_str(), from.as_str(), *until))
            .collect();
        let abroad = abroad(&all);
        assert_eq!(abroad.all.lock().unwrap().len(), limits::SIGN_ONS_AWAY);
        assert!(!is_there(&abroad, "4") && is_there(&abroad, "5"));
    }
}
