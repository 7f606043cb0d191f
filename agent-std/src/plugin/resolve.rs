//! `host()`: the addresses of a name, from the system's resolver.

use std::net::{IpAddr, ToSocketAddrs};

use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Function, Kind, Permission, Scope, Value,
};

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] = &[&Function::new(
    "host",
    "The addresses of a host, asked of the system's resolver.",
    &[
        Arg::required("name", Kind::String, "The name."),
        Arg::optional("type", Kind::String, "A, AAAA or IP for both (IP)."),
        Arg::optional("server", Kind::String, "Refused: the system chooses the server."),
        Arg::optional("prefer_go", Kind::Bool, "Accepted for compatibility."),
        Arg::optional("tracker_only", Kind::Bool, "Accepted for compatibility."),
    ],
    host,
)
.needs(&[Permission::Network])
.on(Availability::Linux)];

fn host(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    if args.text("server").is_some_and(|server| !server.is_empty()) {
        return Err(Fault::error("server cannot be chosen"));
    }
    let is_wanted: fn(&IpAddr) -> bool = match args.string("type").unwrap_or_default().as_str() {
        "" | "IP" => |_| true,
        "A" => IpAddr::is_ipv4,
        "AAAA" => IpAddr::is_ipv6,
        other => return Err(Fault::error(format!("type should be A, AAAA or IP, not {other}"))),
    };
    let name = args.string("name").unwrap_or_default();
    let found = (name.as_str(), 0).to_socket_addrs();
    let found = found.map_err(|why| Fault::note(format!("{name}: {why}")))?;
    // The resolver gives an address once for each kind of socket.
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found.map(|socket| socket.ip()).filter(is_wanted) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses.into_iter().map(|ip| Value::from(ip.to_string())).collect::<Vec<_>>().into())
}
