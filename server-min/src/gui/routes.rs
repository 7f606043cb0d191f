//! Which path shows what.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};

use super::fault::Fault;
use super::tool::ForTools;
use super::{
    Shared, artifacts, asset, audit, certificate, clients, collect, editor, events, flow, hunts,
    key, labels, live, lockdown, monitoring, notebook, notebooks, organisation, overview, own,
    page, preview, server_flows, sign_in, sign_on, state, users,
};
use crate::limits;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let base = shared.settings.base_path.clone();
    let pages = Router::new()
        .route("/", get(overview::show))
        .merge(people())
        .merge(downloads())
        .route("/clients", get(clients::list))
        .route("/clients/server", get(server_flows::show))
        .route("/clients/{client}", get(clients::show))
        .route("/clients/labels", post(labels::ticked))
        .route("/clients/{client}/label", post(labels::one))
        .route("/clients/{client}/delete", post(clients::delete))
        .route("/clients/{client}/collect", get(collect::form).post(collect::launch))
        .route("/clients/{client}/flows/{flow}", get(flow::show))
        .route("/clients/{client}/flows/{flow}/cancel", post(flow::cancel))
        .route("/clients/{client}/flows/{flow}/uploads/{upload}", get(flow::upload))
        .route("/clients/{client}/events", get(events::of_client))
        .route("/hunts", get(hunts::list).post(hunts::create))
        .route("/hunts/new", get(hunts::form))
        .route("/hunts/{hunt}", get(hunts::show))
        .route("/hunts/{hunt}/clients", get(hunts::clients))
        .route("/hunts/{hunt}/state", post(hunts::set_state))
        .route("/hunts/{hunt}/delete", post(hunts::delete))
        .route("/monitoring", get(monitoring::show))
        .route("/monitoring/add", get(monitoring::form).post(monitoring::add))
        .route("/monitoring/server/add", get(monitoring::server_form).post(monitoring::server_add))
        .route("/monitoring/server/remove", post(monitoring::server_remove))
        .route("/monitoring/remove", post(monitoring::remove))
        .route("/monitoring/events", get(events::of_server))
        .route("/notebooks", get(notebooks::list).post(notebooks::create))
        .route("/notebooks/new", get(notebooks::form))
        .route("/notebooks/{notebook}", get(notebook::show))
        .route("/notebooks/{notebook}/share", post(notebooks::share))
        .route("/notebooks/{notebook}/delete", post(notebooks::delete))
        .route("/notebooks/{notebook}/page", get(notebooks::export))
        .route("/notebooks/{notebook}/cells", post(notebook::add))
        .route("/notebooks/{notebook}/cells/{cell}", get(notebook::rows).post(notebook::change))
        .route("/artifacts", get(artifacts::list))
        .route("/artifacts/{name}", get(artifacts::show))
        .route("/artifacts/{name}/delete", post(editor::delete))
        .route("/artifacts-editor", get(editor::show).post(editor::check))
        .route("/lockdown", get(lockdown::show))
        .route("/lockdown/ask", post(lockdown::ask))
        .route("/lockdown/approve", post(lockdown::approve))
        .route("/lockdown/end", post(lockdown::end))
        .route("/organisation", post(organisation::choose))
        .route("/server", get(state::show))
        .route("/audit", get(audit::show))
        .route("/style.css", get(asset::style))
        .route("/live", get(live::stream))
        .route("/live.js", get(asset::live))
        .route("/vql.js", get(asset::vql))
        .route("/vql/{host}", get(notebook::names))
        .route("/icon.svg", get(asset::icon));
    let pages = match base.as_str() {
        "" => pages,
        // The first page is there with its slash and without.
        base => Router::new().route(&format!("{base}/"), get(overview::show)).nest(base, pages),
    };
    pages
        .fallback(missing)
        .layer(DefaultBodyLimit::max(limits::FORM_BYTES))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(shared)
}

/// What programs fetch as well: rows and files, and nothing that changes anything.
fn downloads() -> Router<Arc<Shared>> {
    Router::new()
        .route("/clients/{client}/flows/{flow}/rows", get(flow::download))
        .route("/clients/{client}/flows/{flow}/uploads/{upload}/bytes", get(preview::show))
        .route("/clients/{client}/events/rows", get(events::client_rows))
        .route("/hunts/{hunt}/rows", get(hunts::download))
        .route("/monitoring/events/rows", get(events::server_rows))
        .route("/notebooks/{notebook}/cells/{cell}/rows", get(notebook::download))
        .route_layer(Extension(ForTools))
}

/// Signing in, one's own account, and those of others.
fn people() -> Router<Arc<Shared>> {
    Router::new()
        .route("/sign-in", get(sign_in::show).post(sign_in::check))
        .route("/sign-in/code", post(sign_in::check_code))
        .route("/sign-in/certificate", post(certificate::check))
        .route("/auth/{kind}/login", get(sign_on::leave))
        .route("/auth/{kind}/callback", get(sign_on::arrive))
        .route("/auth/{kind}/{name}/login", get(sign_on::leave))
        .route("/auth/{kind}/{name}/callback", get(sign_on::arrive))
        .route("/sign-out", post(sign_in::leave))
        .route("/account", get(own::show))
        .route("/account/password", post(own::set_password))
        .route("/account/sessions", post(own::end_session))
        .route("/account/keys", post(key::make))
        .route("/account/keys/end", post(key::end))
        .route("/account/second-factor", post(own::begin_factor))
        .route("/account/second-factor/confirm", post(own::confirm_factor))
        .route("/account/second-factor/end", post(own::end_factor))
        .route("/users", get(users::list).post(users::add))
        .route("/users/{user}", get(users::show))
        .route("/users/{user}/rights", post(users::grant))
        .route("/users/{user}/password", post(users::set_password))
        .route("/users/{user}/second-factor", post(users::take_factor))
        .route("/users/{user}/identity", post(users::unpin))
        .route("/users/{user}/lock", post(users::lock))
}

async fn missing() -> Fault {
    Fault::Missing("There is no such page.".to_owned())
}

/// Before everything: who may connect at all. After everything: the policy for browsers.
async fn guard(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let allowed = &shared.settings.allowed;
    let seen = seen_address(shared.settings.forwarded.as_ref(), peer.ip(), request.headers());
    let is_allowed =
        |address: &IpAddr| allowed.is_empty() || allowed.iter().any(|net| net.contains(address));
    let mut response = match seen.filter(is_allowed) {
        Some(address) => {
            // Handlers note where somebody came from.
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, peer.port())));
            next.run(request).await
        }
        None => {
            tracing::info!(%peer, "not in GUI.allowed_cidr");
            Fault::Denied("Your network is not in GUI.allowed_cidr.".to_owned()).into_response()
        }
    };
    page::protect(response.headers_mut());
    response
}

/// The address of a browser: that of its connection, or what a proxy on this machine says in the header that the
/// configuration names. Nobody else is believed. Of a list the last entry counts, which the proxy itself has written;
/// one that is no address is nobody's.
fn seen_address(header: Option<&HeaderName>, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
    let peer = peer.to_canonical();
    match header.and_then(|name| headers.get_all(name).iter().next_back()) {
        Some(value) if peer.is_loopback() => {
            let last = value.to_str().ok()?.rsplit(',').next()?.trim();
            last.parse::<IpAddr>().ok().map(|address| address.to_canonical())
        }
        _ => Some(peer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_a_proxy_on_this_machine_says_where_somebody_comes_from() {
        let name = HeaderName::from_static("x-forwarded-for");
        let seen = |header: Option<&HeaderName>, peer: &str, value: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(&name, HeaderValue::from_static(value));
            }
            seen_address(header, peer.parse().unwrap(), &headers).map(|ip| ip.to_string())
        };
        let of = |text: &str| Some(text.to_owned());
        assert_eq!(seen(Some(&name), "127.0.0.1", Some("10.9.9.9, 192.0.2.7")), of("192.0.2.7"));
        assert_eq!(seen(Some(&name), "::1", Some("::ffff:192.0.2.7")), of("192.0.2.7"));
        assert_eq!(seen(Some(&name), "192.0.2.1", Some("10.9.9.9")), of("192.0.2.1"));
        assert_eq!(seen(None, "127.0.0.1", Some("10.9.9.9")), of("127.0.0.1"));
        assert_eq!(seen(Some(&name), "127.0.0.1", None), of("127.0.0.1"));
        assert_eq!(seen(Some(&name), "127.0.0.1", Some("10.9.9.9, unknown")), None);
    }
}
