//! `mail()`.

use std::time::Duration;

use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Function, Kind, Level, Permission, Scope, Value,
};

use super::backend;
use super::collect::texts;
use super::json::dict;
use crate::config::Secret;
use crate::mail::{Letter, Place};

pub(super) const FUNCTIONS: &[&Function] = &[&MAIL];

static MAIL: Function = Function::new(
    "mail",
    "Sends a mail through the server of the configuration's Mail section; answers with its ErrorStatus. To name another server \
     takes SERVER_ADMIN as well.",
    &[
        Arg::required("to", Kind::List, "Who gets it."),
        Arg::optional("from", Kind::String, "The sender (Mail.from); the name is written in backticks."),
        Arg::optional("cc", Kind::List, "Who gets it as well."),
        Arg::optional("subject", Kind::String, "What it is about."),
        Arg::required("body", Kind::String, "The text."),
        Arg::required("period", Kind::Int, "Seconds since the last mail before which this one is not sent."),
        Arg::optional("server", Kind::String, "Another server."),
        Arg::optional("server_port", Kind::Int, "Its port (587)."),
        Arg::optional("auth_username", Kind::String, "Who sends, at the other server."),
        Arg::optional("auth_password", Kind::String, "The password; it goes over TLS only."),
        Arg::optional("skip_verify", Kind::Bool, "Trust any certificate of the other server."),
    ],
    mail,
)
.needs(&[Permission::Network])
.on(Availability::Server);

fn mail(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let place = place(args);
    if place.is_some() {
        cx.require("mail", &[Permission::ServerAdmin])?;
    }
    let text = |name: &str| args.string(name).unwrap_or_default();
    let period = args.int("period").and_then(|seconds| u64::try_from(seconds).ok());
    let letter = Letter {
        from: text("from"),
        to: texts(args, "to"),
        cc: texts(args, "cc"),
        subject: text("subject"),
        body: text("body"),
        period: Duration::from_secs(period.unwrap_or_default()),
    };
    let status = match backend(cx)?.orgs.mail().send(&letter, place.as_ref()) {
        Ok(()) => "OK: Message Sent".to_owned(),
        Err(error) => {
            cx.log(Level::Error, format_args!("mail: {error}"));
            error.to_string()
        }
    };
    Ok(Value::Dict(dict([("ErrorStatus", Value::from(status))])))
}

/// The server that the call names. The password of the configuration is not for others.
fn place(args: &Args) -> Option<Place> {
    let server = args.string("server").filter(|server| !server.is_empty())?;
    Some(Place {
        server,
        port: args.int("server_port").and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
        user: args.string("auth_username").unwrap_or_default(),
        password: Secret::new(args.string("auth_password").unwrap_or_default()),
        skip_verify: args.flag("skip_verify"),
    })
}
