//! Notes: `client_metadata()`, `client_set_metadata()`, `server_metadata()`, `server_set_metadata()`.

use std::collections::BTreeMap;

use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Function, Kind, Permission, RowBuilder, Scope, Value,
};

use super::collect::text;
use super::{backend, fault};
use crate::clients;
use crate::model::id::ClientId;
use crate::store::metadata::{Changes, Metadata};

pub(super) const FUNCTIONS: &[&Function] =
    &[&CLIENT_METADATA, &CLIENT_SET_METADATA, &SERVER_METADATA, &SERVER_SET_METADATA];

static CLIENT_METADATA: Function = Function::new(
    "client_metadata",
    "What was noted about a client, as a dict.",
    &[Arg::required("client_id", Kind::String, "Which client.")],
    client_metadata,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn client_metadata(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let id: ClientId = args.string("client_id").unwrap_or_default().parse().map_err(fault)?;
    Ok(shown(backend(cx)?.store.client_metadata(&id).map_err(fault)?))
}

const METADATA: Arg =
    Arg::required("metadata", Kind::Dict, "Names and values; NULL removes a note, others stay.");

static CLIENT_SET_METADATA: Function = Function::new(
    "client_set_metadata",
    "Notes something about a client.",
    &[Arg::required("client_id", Kind::String, "Which client."), METADATA],
    client_set_metadata,
)
.needs(&[Permission::LabelClient])
.on(Availability::Server);

fn client_set_metadata(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let id = args.string("client_id").unwrap_or_default().parse().map_err(fault)?;
    clients::note(&backend(cx)?.actor(), &id, changes(args)).map_err(fault)?;
    Ok(Value::Bool(true))
}

static SERVER_METADATA: Function = Function::new(
    "server_metadata",
    "What was noted about the server, as a dict. Notes may hold secrets of the deployment.",
    &[],
    server_metadata,
)
.needs(&[Permission::ServerAdmin])
.on(Availability::Server);

fn server_metadata(cx: &mut Context, _: &Scope, _: &Args) -> Result<Value, Fault> {
    Ok(shown(backend(cx)?.store.server_metadata().map_err(fault)?))
}

static SERVER_SET_METADATA: Function = Function::new(
    "server_set_metadata",
    "Notes something about the server.",
    &[METADATA],
    server_set_metadata,
)
.needs(&[Permission::ServerAdmin])
.on(Availability::Server);

fn server_set_metadata(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    clients::note_server(&backend(cx)?.actor(), changes(args)).map_err(fault)?;
    Ok(Value::Bool(true))
}

fn changes(args: &Args) -> Changes {
    let pairs = args.dict("metadata").into_iter().flat_map(|dict| dict.iter());
    let pairs = pairs.map(|(name, value)| {
        let value = (!matches!(value, Value::Null)).then(|| text(value));
        (name.to_str_lossy().into_owned(), value)
    });
    pairs.collect::<BTreeMap<_, _>>()
}

fn shown(notes: Metadata) -> Value {
    let mut builder = RowBuilder::new();
    for (name, value) in notes {
        builder.set(name, Value::from(value));
    }
    Value::Dict(builder.build())
}
