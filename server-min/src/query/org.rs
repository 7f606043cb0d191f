//! Organisations: `orgs()`, `org()`, `org_create()`, `org_delete()`.

use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Function, Kind, Permission, Plugin, Pull, Row, Rows,
    Scope, Value,
};

use super::json::dict;
use super::{backend, fault};
use crate::orgs::NewOrg;
use crate::store::org::OrgRecord;

pub(super) const PLUGINS: &[&Plugin] = &[&ORGS];
pub(super) const FUNCTIONS: &[&Function] = &[&ORG, &ORG_CREATE, &ORG_DELETE];

static ORGS: Plugin = Plugin::new(
    "orgs",
    "Yields the organisations in which the caller may read results or administer; all for who manages them.",
    &[],
    orgs,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn orgs(cx: &mut Context, _: &Scope, _: Args) -> Result<Box<dyn Rows>, Fault> {
    let backend = backend(cx)?;
    let all = backend.orgs.visible(backend.token.principal()).map_err(fault)?;
    let mut all = all.into_iter();
    Ok(Box::new(Pull::new(move |_| Ok(all.next().map(|one| shown(&one))))))
}

static ORG: Function = Function::new("org", "The organisation in which the query runs.", &[], org)
    .needs(&[Permission::AnyQuery])
    .on(Availability::Server);

fn org(cx: &mut Context, _: &Scope, _: &Args) -> Result<Value, Fault> {
    let backend = backend(cx)?;
    let found = backend.orgs.find(backend.token.org()).map_err(fault)?;
    Ok(found.map_or(Value::Null, |org| Value::Dict(shown(&org.record))))
}

static ORG_CREATE: Function = Function::new(
    "org_create",
    "Makes an organisation; answers with its id. Works in the root organisation only.",
    &[
        Arg::required("name", Kind::String, "For people."),
        Arg::optional("org_id", Kind::String, "Its id; a random one unless given."),
    ],
    org_create,
)
.needs(&[Permission::OrgAdmin])
.on(Availability::Server);

fn org_create(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let backend = backend(cx)?;
    let name = args.string("name").unwrap_or_default();
    let id = args.string("org_id").filter(|id| !id.is_empty());
    let id = id.map(|id| id.parse()).transpose().map_err(fault)?;
    let wanted = NewOrg { name, id, nonce: None };
    let made = backend.orgs.create(backend.token.principal(), wanted).map_err(fault)?;
    Ok(Value::from(made.id.as_str()))
}

static ORG_DELETE: Function = Function::new(
    "org_delete",
    "Removes an organisation with its clients and results; answers with its id.",
    &[
        Arg::required("org", Kind::String, "Its id."),
        Arg::optional("really_do_it", Kind::Bool, "Without it, nothing is removed."),
    ],
    org_delete,
)
.needs(&[Permission::OrgAdmin])
.on(Availability::Server);

fn org_delete(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let backend = backend(cx)?;
    let id = args.string("org").unwrap_or_default().parse().map_err(fault)?;
    if args.flag("really_do_it") {
        backend.orgs.delete(backend.token.principal(), &id).map_err(fault)?;
    }
    Ok(Value::from(id.as_str()))
}

/// Without its nonce: with that, anybody can let a machine enrol there.
fn shown(org: &OrgRecord) -> Row {
    dict([("Name", Value::from(org.name.as_str())), ("OrgId", Value::from(org.id.as_str()))])
}
