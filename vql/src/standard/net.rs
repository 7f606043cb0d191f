//! Functions over network addresses and URLs.

use alloc::format;
use alloc::string::{String, ToString};
use core::net::{IpAddr, Ipv4Addr};

use super::text::{bytes, shown};
use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::registry::{Arg, Function, Kind};
use crate::value::{RowBuilder, Value};

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] = &[
    &Function::new(
        "cidr_contains",
        "Whether an address is in one of some ranges.",
        &[
            Arg::required("ip", Kind::String, "The address."),
            Arg::required("ranges", Kind::List, "Ranges such as 10.0.0.0/8."),
        ],
        cidr_contains,
    ),
    &Function::new(
        "ip",
        "An address, with what kind of address it is.",
        &[
            Arg::optional("parse", Kind::String, "The address as text."),
            Arg::optional(
                "netaddr4_le",
                Kind::Int,
                "An IPv4 address as a number, first byte lowest.",
            ),
            Arg::optional(
                "netaddr4_be",
                Kind::Int,
                "An IPv4 address as a number, first byte highest.",
            ),
        ],
        ip,
    ),
    &Function::new(
        "url",
        "A URL put together, or taken apart with parse.",
        &[
            Arg::optional("scheme", Kind::String, "The scheme, such as https."),
            Arg::optional("host", Kind::String, "Host and port."),
            Arg::optional("path", Kind::String, "The path."),
            Arg::optional("fragment", Kind::String, "What follows #."),
            Arg::optional("query", Kind::Any, "What follows the question mark, as text."),
            Arg::optional("parse", Kind::String, "A URL to take apart."),
        ],
        url,
    ),
];

fn cidr_contains(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let Some(address) = args.string("ip").and_then(|text| text.trim().parse::<IpAddr>().ok())
    else {
        return Ok(Value::Bool(false));
    };
    for range in args.list("ranges").map_or(&[][..], |list| list) {
        let text = String::from_utf8_lossy(&shown(range)).trim().to_string();
        let (base, len) = parse_range(&text)
            .ok_or_else(|| Fault::error(format!("{text:?} is no range like 10.0.0.0/8")))?;
        if is_within(address, base, len) {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn parse_range(text: &str) -> Option<(IpAddr, u32)> {
    let (base, len) = text.split_once('/')?;
    let base: IpAddr = base.parse().ok()?;
    let len: u32 = len.parse().ok()?;
    let max = if base.is_ipv4() { 32 } else { 128 };
    (len <= max).then_some((base, len))
}

fn is_within(address: IpAddr, base: IpAddr, len: u32) -> bool {
    let prefix = |bits: u128, width: u32| bits.checked_shr(width.saturating_sub(len)).unwrap_or(0);
    match (address.to_canonical(), base) {
        (IpAddr::V4(address), IpAddr::V4(base)) => {
            prefix(address.to_bits().into(), 32) == prefix(base.to_bits().into(), 32)
        }
        (IpAddr::V6(address), IpAddr::V6(base)) => {
            prefix(address.to_bits(), 128) == prefix(base.to_bits(), 128)
        }
        _ => false,
    }
}

fn ip(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let word = |name| args.int(name).and_then(|number| u32::try_from(number).ok());
    let address = match (args.string("parse"), word("netaddr4_le"), word("netaddr4_be")) {
        (Some(text), _, _) => text.trim().parse::<IpAddr>().ok(),
        (None, Some(word), _) => Some(Ipv4Addr::from(word.to_le_bytes()).into()),
        (None, None, Some(word)) => Some(Ipv4Addr::from(word.to_be_bytes()).into()),
        (None, None, None) => None,
    };
    let Some(address) = address else { return Ok(Value::Null) };
    if args.has("netaddr4_le") || args.has("netaddr4_be") {
        return Ok(address.to_string().into());
    }
    let is_private = match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    };
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let is_global = !(is_private
        || is_link_local
        || address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast());
    let mut row = RowBuilder::new();
    row.set("String", address.to_string())
        .set("IsLoopback", address.is_loopback())
        .set("IsPrivate", is_private)
        .set("IsGlobal", is_global)
        .set("IsLinkLocal", is_link_local)
        .set("IsMulticast", address.is_multicast())
        .set("IsV6", address.is_ipv6());
    Ok(row.build().into())
}

fn url(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    if let Some(text) = args.string("parse") {
        return Ok(taken_apart(&text));
    }
    let mut out = String::new();
    let part = |name| String::from_utf8_lossy(bytes(args, name)).into_owned();
    if args.has("scheme") {
        out.push_str(&part("scheme"));
        out.push(':');
    }
    if args.has("host") {
        out.push_str("//");
        out.push_str(&part("host"));
        if !part("path").starts_with('/') && args.has("path") {
            out.push('/');
        }
    }
    out.push_str(&part("path"));
    if let Some(query) = args.value("query") {
        out.push('?');
        out.push_str(&String::from_utf8_lossy(&shown(query)));
    }
    if args.has("fragment") {
        out.push('#');
        out.push_str(&part("fragment"));
    }
    Ok(out.into())
}

/// The parts of a URL by RFC 3986, appendix B.
fn taken_apart(text: &str) -> Value {
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, rest)) if !scheme.contains('/') => (scheme, rest),
        _ => ("", rest),
    };
    let (host, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.find('/').map_or((rest, ""), |at| rest.split_at(at)),
        None => ("", rest),
    };
    let mut row = RowBuilder::new();
    row.set("Scheme", scheme)
        .set("Host", host)
        .set("Path", path)
        .set("RawQuery", query)
        .set("Fragment", fragment);
    row.build().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_within_the_ranges_of_its_prefix() {
        let is_in = |address: &str, range: &str| {
            let (base, len) = parse_range(range).unwrap();
            is_within(address.parse().unwrap(), base, len)
        };
        assert!(is_in("10.1.2.3", "10.0.0.0/8"));
        assert!(!is_in("11.1.2.3", "10.0.0.0/8"));
        assert!(is_in("1.2.3.4", "0.0.0.0/0"));
        assert!(is_in("::ffff:10.1.2.3", "10.0.0.0/8"));
        assert!(is_in("fd00::1", "fd00::/8"));
        assert!(is_in("::1", "::/0"));
        assert!(!is_in("10.1.2.3", "::/0"));
        assert_eq!(parse_range("10.0.0.0/33"), None);
        assert_eq!(parse_range("10.0.0.0"), None);
    }
}
