//! `grok()`: patterns made of named patterns, as log analysis tools know them.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::regex::group;
use super::text::{bytes, shown};
use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::limits::{GROK_NESTING_MAX, GROK_TEXT_LEN_MAX};
use crate::pattern::Case;
use crate::registry::{Arg, Function, Kind};
use crate::value::{Dict, RowBuilder, Text, Value};

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] = &[&Function::new(
    "grok",
    "The parts of a text by a grok pattern, such as `%{IP:client} %{WORD:method}`, as a dict; an empty one if it does not match.",
    &[
        Arg::required("grok", Kind::String, "The pattern."),
        Arg::required("data", Kind::String, "The text."),
        Arg::optional("patterns", Kind::Any, "More named patterns, as a dict or a list of dicts."),
        Arg::optional(
            "all_captures",
            Kind::Bool,
            "Also the parts of patterns without a name of their own (false).",
        ),
    ],
    grok,
)];

/// The named patterns of common logs, written for RE2: it has neither look-around nor atomic groups.
const PATTERNS: &[(&str, &str)] = &[
    ("USERNAME", "[a-zA-Z0-9._-]+"),
    ("USER", "%{USERNAME}"),
    ("INT", "(?:[+-]?(?:[0-9]+))"),
    ("BASE10NUM", "[+-]?(?:(?:[0-9]+(?:\\.[0-9]+)?)|(?:\\.[0-9]+))"),
    ("NUMBER", "(?:%{BASE10NUM})"),
    ("BASE16NUM", "(?:0[xX])?[0-9a-fA-F]+"),
    ("POSINT", "\\b[1-9][0-9]*\\b"),
    ("NONNEGINT", "\\b[0-9]+\\b"),
    ("WORD", "\\b\\w+\\b"),
    ("NOTSPACE", "\\S+"),
    ("SPACE", "\\s*"),
    ("DATA", ".*?"),
    ("GREEDYDATA", ".*"),
    ("QUOTEDSTRING", "(?:\"(?:\\\\.|[^\\\\\"])*\"|'(?:\\\\.|[^\\\\'])*')"),
    ("QS", "%{QUOTEDSTRING}"),
    ("UUID", "[A-Fa-f0-9]{8}-(?:[A-Fa-f0-9]{4}-){3}[A-Fa-f0-9]{12}"),
    ("CISCOMAC", "(?:(?:[A-Fa-f0-9]{4}\\.){2}[A-Fa-f0-9]{4})"),
    ("WINDOWSMAC", "(?:(?:[A-Fa-f0-9]{2}-){5}[A-Fa-f0-9]{2})"),
    ("COMMONMAC", "(?:(?:[A-Fa-f0-9]{2}:){5}[A-Fa-f0-9]{2})"),
    ("MAC", "(?:%{CISCOMAC}|%{WINDOWSMAC}|%{COMMONMAC})"),
    ("IPV4", "(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})\\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})"),
    (
        "IPV6",
        "(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:[0-9]{1,3}\\.){3}[0-9]{1,3}|[0-9A-Fa-f]{0,4})(?:%[0-9A-Za-z]+)?",
    ),
    ("IP", "(?:%{IPV6}|%{IPV4})"),
    (
        "HOSTNAME",
        "\\b[0-9A-Za-z](?:[0-9A-Za-z-]{0,62})(?:\\.[0-9A-Za-z](?:[0-9A-Za-z-]{0,62}))*\\.?\\b",
    ),
    ("HOST", "%{HOSTNAME}"),
    ("IPORHOST", "(?:%{IP}|%{HOSTNAME})"),
    ("HOSTPORT", "%{IPORHOST}:%{POSINT}"),
    ("EMAILLOCALPART", "[a-zA-Z][a-zA-Z0-9_.+=:-]*"),
    ("EMAILADDRESS", "%{EMAILLOCALPART}@%{HOSTNAME}"),
    ("UNIXPATH", "(?:/[\\w_%!$@:.,~+-]*)+"),
    ("WINPATH", "(?:[A-Za-z]+:|\\\\)(?:\\\\[^\\\\?*]*)+"),
    ("PATH", "(?:%{UNIXPATH}|%{WINPATH})"),
    ("TTY", "(?:/dev/(?:pts|tty(?:[pq])?)(?:\\w+)?/?(?:[0-9]+))"),
    ("URIPROTO", "[A-Za-z]+(?:\\+[A-Za-z+]+)?"),
    ("URIHOST", "%{IPORHOST}(?::%{POSINT})?"),
    ("URIPATH", "(?:/[A-Za-z0-9$.+!*'(){},~:;=@#%_-]*)+"),
    ("URIPARAM", "\\?[A-Za-z0-9$.+!*'|(){},~@#%&/=:;_?\\[\\]<>-]*"),
    ("URIPATHPARAM", "%{URIPATH}(?:%{URIPARAM})?"),
    ("URI", "%{URIPROTO}://(?:%{USER}(?::[^@]*)?@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?"),
    (
        "MONTH",
        "\\b(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:tember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\\b",
    ),
    ("MONTHNUM", "(?:0?[1-9]|1[0-2])"),
    ("MONTHDAY", "(?:(?:0[1-9])|(?:[12][0-9])|(?:3[01])|[1-9])"),
    (
        "DAY",
        "(?:Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?)",
    ),
    ("YEAR", "(?:\\d\\d){1,2}"),
    ("HOUR", "(?:2[0123]|[01]?[0-9])"),
    ("MINUTE", "(?:[0-5][0-9])"),
    ("SECOND", "(?:(?:[0-5]?[0-9]|60)(?:[:.,][0-9]+)?)"),
    ("TIME", "%{HOUR}:%{MINUTE}(?::%{SECOND})"),
    ("DATE_US", "%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}"),
    ("DATE_EU", "%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}"),
    ("ISO8601_TIMEZONE", "(?:Z|[+-]%{HOUR}(?::?%{MINUTE}))"),
    (
        "TIMESTAMP_ISO8601",
        "%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?%{ISO8601_TIMEZONE}?",
    ),
    ("HTTPDATE", "%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}"),
    ("TZ", "(?:[A-Z]{3,4})"),
    ("SYSLOGTIMESTAMP", "%{MONTH} +%{MONTHDAY} %{TIME}"),
    ("PROG", "[\\x21-\\x5a\\x5c\\x5e-\\x7e]+"),
    ("SYSLOGPROG", "%{PROG:program}(?:\\[%{POSINT:pid}\\])?"),
    ("SYSLOGHOST", "%{IPORHOST}"),
    ("SYSLOGFACILITY", "<%{NONNEGINT:facility}.%{NONNEGINT:priority}>"),
    (
        "SYSLOGBASE",
        "%{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:logsource} %{SYSLOGPROG}:",
    ),
    (
        "COMMONAPACHELOG",
        "%{IPORHOST:clientip} %{USER:ident} %{USER:auth} \\[%{HTTPDATE:timestamp}\\] \"(?:%{WORD:verb} %{NOTSPACE:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})\" %{NUMBER:response} (?:%{NUMBER:bytes}|-)",
    ),
    ("COMBINEDAPACHELOG", "%{COMMONAPACHELOG} %{QS:referrer} %{QS:agent}"),
    (
        "LOGLEVEL",
        "(?:[Aa]lert|ALERT|[Tt]race|TRACE|[Dd]ebug|DEBUG|[Nn]otice|NOTICE|[Ii]nfo|INFO|[Ww]arn(?:ing)?|WARN(?:ING)?|[Ee]rr(?:or)?|ERR(?:OR)?|[Cc]rit(?:ical)?|CRIT(?:ICAL)?|[Ff]atal|FATAL|[Ss]evere|SEVERE|EMERG(?:ENCY)?|[Ee]merg(?:ency)?)",
    ),
];

fn grok(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let mut own = BTreeMap::new();
    match args.value("patterns") {
        Some(Value::Dict(dict)) => add(&mut own, dict),
        Some(Value::List(list)) => {
            list.iter().filter_map(Value::as_dict).for_each(|dict| add(&mut own, dict));
        }
        _ => {}
    }
    let mut written =
        Written { own, text: String::new(), names: Vec::new(), all: args.flag("all_captures") };
    written.write(&args.string("grok").unwrap_or_default(), 0)?;
    let pattern = cx.pattern(&Text::from(written.text), Case::Exact)?;
    let data = bytes(args, "data");
    let Some(found) = pattern.captures_from(data, 0) else { return Ok(Dict::empty().into()) };
    let mut parts: BTreeMap<Text, &[u8]> = BTreeMap::new();
    for (at, group_name) in pattern.group_names().into_iter().enumerate() {
        let Some(group_name) = group_name else { continue };
        let own = group_name.strip_prefix(PREFIX).and_then(|digits| {
            let at: usize = core::str::from_utf8(digits).ok()?.parse().ok()?;
            written.names.get(at).cloned()
        });
        let value = group(data, &found, at);
        let part = parts.entry(own.unwrap_or(group_name)).or_default();
        // A name in several alternatives keeps the value of the one that matched.
        if part.is_empty() {
            *part = value;
        }
    }
    let mut row = RowBuilder::new();
    for (name, value) in parts {
        row.set(name, value);
    }
    Ok(row.build().into())
}

/// Names of groups in the regular expression; grok allows any text as a name.
const PREFIX: &[u8] = b"grok__";

fn add(own: &mut BTreeMap<String, String>, dict: &Dict) {
    for (name, value) in dict.iter() {
        let value = String::from_utf8_lossy(&shown(value)).into_owned();
        own.insert(name.to_str_lossy().into_owned(), value);
    }
}

/// The regular expression as far as it is written.
struct Written {
    own: BTreeMap<String, String>,
    text: String,
    /// What the numbered groups are called.
    names: Vec<Text>,
    all: bool,
}

impl Written {
    fn write(&mut self, grok: &str, depth: u16) -> Result<(), Fault> {
        if depth > GROK_NESTING_MAX {
            return Err(Fault::error(format!(
                "patterns are nested more than {GROK_NESTING_MAX} times"
            )));
        }
        let mut rest = grok;
        while let Some((before, from)) = rest.split_once("%{") {
            self.text.push_str(before);
            let Some((reference, after)) = from.split_once('}') else {
                return Err(Fault::error("%{ without its }"));
            };
            self.reference(reference, depth)?;
            rest = after;
        }
        self.text.push_str(rest);
        if self.text.len() > GROK_TEXT_LEN_MAX {
            return Err(Fault::error(format!("pattern of more than {GROK_TEXT_LEN_MAX} bytes")));
        }
        Ok(())
    }

    /// `NAME`, `NAME:part` or `NAME:part:type`; values stay texts whatever the type says.
    fn reference(&mut self, reference: &str, depth: u16) -> Result<(), Fault> {
        let mut parts = reference.split(':');
        let name = parts.next().unwrap_or_default();
        let part = parts.next();
        let known = || {
            PATTERNS.iter().find(|(known, _)| *known == name).map(|(_, text)| String::from(*text))
        };
        let Some(pattern) = self.own.get(name).cloned().or_else(known) else {
            return Err(Fault::error(format!("there is no pattern {name}")));
        };
        let label = part.or_else(|| self.all.then_some(name));
        match label {
            Some(label) => {
                let at = self.names.len();
                self.names.push(Text::from(label));
                self.text.push_str(&format!("(?P<grok__{at}>"));
            }
            None => self.text.push_str("(?:"),
        }
        self.write(&pattern, depth.saturating_add(1))?;
        self.text.push(')');
        Ok(())
    }
}
