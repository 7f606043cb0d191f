//! `clients()`, `client_info()`, `label()`.

use std::sync::Arc;

use serde_json::json;
use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Function, Kind, Permission, Plugin, Pull, Row, Rows,
    Scope, Value,
};

use super::json::{dict, texts};
use super::{Backend, backend, fault};
use crate::limits::QUERY_CLIENTS;
use crate::model::client::{Client, Host};
use crate::model::id::ClientId;

pub(super) const PLUGINS: &[&Plugin] = &[&CLIENTS];
pub(super) const FUNCTIONS: &[&Function] = &[&CLIENT_INFO, &LABEL];

static CLIENTS: Plugin = Plugin::new(
    "clients",
    "Yields the record of each client, in the order of ids.",
    &[
        Arg::optional("client_id", Kind::String, "Only this client."),
        Arg::optional(
            "search",
            Kind::String,
            "Only clients with `label:L`, `host:H` (`*` stands for anything), a part of the id or of the name.",
        ),
        Arg::optional("limit", Kind::Int, "At most so many."),
    ],
    clients,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn clients(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let backend = backend(cx)?;
    let mut left = args.int("limit").map_or(usize::MAX, |n| usize::try_from(n).unwrap_or_default());
    if let Some(id) = args.string("client_id") {
        let found = backend.store.client(&id.parse().map_err(fault)?).map_err(fault)?;
        let mut found = found.iter().map(shown).collect::<Vec<_>>().into_iter();
        return Ok(Box::new(Pull::new(move |_| Ok(found.next()))));
    }
    let search = Search::parse(&args.string("search").unwrap_or_default());
    let mut pages = Pages { backend, last: None, page: Vec::new().into_iter(), done: false };
    Ok(Box::new(Pull::new(move |cx| {
        while left > 0 {
            cx.charge(1)?;
            let Some(client) = pages.next()? else { break };
            if search.finds(&client) {
                left -= 1;
                return Ok(Some(shown(&client)));
            }
        }
        Ok(None)
    })))
}

/// All clients, a page at a time.
struct Pages {
    backend: Arc<Backend>,
    last: Option<ClientId>,
    page: std::vec::IntoIter<Client>,
    done: bool,
}

impl Pages {
    fn next(&mut self) -> Result<Option<Client>, Fault> {
        if let Some(client) = self.page.next() {
            return Ok(Some(client));
        }
        if self.done {
            return Ok(None);
        }
        let page = self.backend.store.clients(self.last.as_ref(), QUERY_CLIENTS).map_err(fault)?;
        self.done = page.len() < QUERY_CLIENTS;
        self.last = page.last().map(|client| client.id);
        self.page = page.into_iter();
        Ok(self.page.next())
    }
}

/// What `search` says, in lower case.
enum Search {
    All,
    Label(String),
    Host(String),
    Part(String),
}

impl Search {
    fn parse(text: &str) -> Self {
        let text = text.trim().to_lowercase();
        match text.split_once(':') {
            _ if text.is_empty() || text == "all" => Self::All,
            Some(("label", label)) => Self::Label(label.to_owned()),
            Some(("host", host)) => Self::Host(host.to_owned()),
            _ => Self::Part(text),
        }
    }

    fn finds(&self, client: &Client) -> bool {
        let hostname = client.host.hostname.to_lowercase();
        match self {
            Self::All => true,
            Self::Label(wanted) => {
                client.has_label(wanted)
                    || client.labels.iter().any(|label| matches(wanted, &label.to_lowercase()))
            }
            Self::Host(wanted) => {
                matches(wanted, &hostname) || matches(wanted, &client.host.fqdn.to_lowercase())
            }
            Self::Part(part) => {
                client.id.as_str().to_lowercase().contains(part) || hostname.contains(part)
            }
        }
    }
}

/// Whether `text` is the pattern, in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(rest) = text.strip_prefix(before) else { return false };
    rest.char_indices()
        .map(|(at, _)| at)
        .chain([rest.len()])
        .any(|at| rest.get(at..).is_some_and(|tail| matches(after, tail)))
}

/// The row of a client. Columns and their units are Velociraptor's.
fn shown(client: &Client) -> Row {
    let Host { hostname, fqdn, system, release, architecture, .. } = &client.host;
    let agent = [
        ("version", Value::from(client.host.client_version.as_str())),
        ("name", Value::from(client.host.client_name.as_str())),
        ("build_time", Value::from(client.host.build_time.as_str())),
        ("build_url", Value::from(client.host.build_url.as_str())),
    ];
    let system = [
        ("system", Value::from(system.as_str())),
        ("hostname", Value::from(hostname.as_str())),
        ("release", Value::from(release.as_str())),
        ("machine", Value::from(architecture.as_str())),
        ("fqdn", Value::from(fqdn.as_str())),
        ("mac_addresses", texts(&client.host.mac_addresses)),
    ];
    let interrogation = client.interrogation.as_ref().map_or("", |flow| flow.as_str());
    dict([
        ("client_id", Value::from(client.id.as_str())),
        ("agent_information", Value::Dict(dict(agent))),
        ("os_info", Value::Dict(dict(system))),
        ("first_seen_at", Value::from(client.enrolled_us / 1_000_000)),
        ("last_seen_at", Value::from(client.seen_us)),
        ("last_ip", Value::from(client.address.as_str())),
        ("last_interrogate_flow_id", Value::from(interrogation)),
        ("labels", texts(&client.labels)),
    ])
}

static CLIENT_INFO: Function = Function::new(
    "client_info",
    "The record of a client; NULL if there is none.",
    &[Arg::required("client_id", Kind::String, "Which client.")],
    client_info,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn client_info(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let id = args.string("client_id").unwrap_or_default().parse().map_err(fault)?;
    let found = backend(cx)?.store.client(&id).map_err(fault)?;
    Ok(found.map_or(Value::Null, |client| Value::Dict(shown(&client))))
}

static LABEL: Function = Function::new(
    "label",
    "Gives labels to a client, or takes them away.",
    &[
        Arg::required("client_id", Kind::String, "Which client."),
        Arg::required("labels", Kind::List, "The labels."),
        Arg::optional("op", Kind::String, "`set` (which is what happens without it) or `remove`."),
    ],
    label,
)
.needs(&[Permission::LabelClient])
.on(Availability::Server);

fn label(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let id = args.string("client_id").unwrap_or_default().parse().map_err(fault)?;
    let labels: Vec<String> = args
        .list("labels")
        .into_iter()
        .flat_map(|list| list.iter())
        .filter_map(|label| label.as_text().map(|text| text.to_str_lossy().into_owned()))
        .collect();
    let backend = backend(cx)?;
    let told = json!({"client_id": ClientId::as_str(&id), "label": labels});
    let (add, remove) = match args.string("op").as_deref() {
        None | Some("" | "set" | "add") => (labels, Vec::new()),
        Some("remove") => (Vec::new(), labels),
        Some(other) => return Err(Fault::error(format!("op is set or remove, not {other}"))),
    };
    let operation = if remove.is_empty() { "SetClientLabel" } else { "RemoveClientLabel" };
    backend.record(operation, told)?;
    backend.store.label(&id, add, remove).map_err(fault)?;
    Ok(Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text) in
            [("web*", "web1"), ("*1", "web1"), ("w*b*", "web1"), ("*", ""), ("a", "a")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("web", "web1"), ("*2", "web1"), ("b*", "web1"), ("", "a")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
