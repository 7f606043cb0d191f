//! `http_client()`: what an address on the network answers.
//!
//! Whoever may use it (permission NETWORK) may reach what this host reaches, internal networks included: artifacts ask such
//! services on purpose. Loopback and link-local addresses take SERVER_ADMIN as well, which queries on an agent have: on a server
//! they would lend the server's own standing to whoever may ask the network. Redirects stay within `http` and `https`, are few,
//! obey the same rule, and carry no credentials to another host.

pub(crate) mod elastic;
mod reach;

use std::io::Read;
use std::sync::{Arc, OnceLock};

use rustls::crypto::ring;
use tempfile::{NamedTempFile, TempPath};
use troodon_vql::standard::path_of;
use troodon_vql::{
    Arg, Args, Columns, Context, Fault, Kind, Level, Permission, Plugin, Row, RowBuilder, Rows,
    Scope, Step, Value,
};
use ureq::http::{HeaderMap, Method, Request, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, BodyReader};

use crate::limits::{
    HTTP_CHUNK_DEFAULT, HTTP_CHUNK_MAX, HTTP_LEN_MAX, HTTP_REDIRECTS_MAX, HTTP_SILENCE_MAX,
    HTTP_WHOLE_MAX,
};
use reach::{Names, Reach};

/// The plugins of this file.
pub(crate) static PLUGINS: &[&Plugin] = &[&Plugin::new(
    "http_client",
    "Asks addresses one after the other until one answers: `Url`, `Content` (in pieces), `Response`, `Headers`. Without an \
     answer `Response` is 500 and `Content` says why.",
    &[
        Arg::optional("url", Kind::List, "The addresses, http or https."),
        Arg::optional("params", Kind::Dict, "The query; in the body of a POST without data."),
        Arg::optional("headers", Kind::Dict, "Header fields."),
        Arg::optional("method", Kind::String, "The method (GET)."),
        Arg::optional("data", Kind::String, "The body of a POST, PUT or PATCH."),
        Arg::optional("chunk_size", Kind::Int, "Bytes of a piece (4194304)."),
        Arg::optional("user_agent", Kind::String, "The name of the program (troodon)."),
        Arg::optional("root_ca", Kind::String, "Certificates in PEM to trust instead of the public ones."),
        Arg::optional("skip_verify", Kind::Bool, "Trust any certificate; logged as a warning (false)."),
        Arg::optional("disable_ssl_security", Kind::Bool, "The same as skip_verify."),
        Arg::optional("tempfile_extension", Kind::String, "Write the answer to a file of the session; Content is its path."),
        Arg::optional("remove_last", Kind::Bool, "Accepted for compatibility; files go when the session ends."),
        Arg::optional("secret", Kind::String, "Refused: this host keeps no secrets."),
    ],
    open,
)
.needs(&[Permission::Network])];

fn open(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    if args.text("secret").is_some_and(|secret| !secret.is_empty()) {
        return Err(Fault::error("secrets are not supported by this host"));
    }
    if args.has("tempfile_extension") {
        cx.require("http_client", &[Permission::FilesystemWrite])?;
    }
    let agent = agent(cx, &args)?;
    let urls = args.list("url").map_or_else(Vec::new, |list| list.to_vec());
    let number = args.int("chunk_size").and_then(|size| usize::try_from(size).ok());
    let columns = Columns::fixed(&["Url", "Content", "Response", "Headers"]);
    let mut failed = Row::empty();
    for url in urls {
        let url = path_of(&url).to_str_lossy().into_owned();
        cx.charge(1)?;
        match ask(&agent, &url, &args) {
            Ok(answer) => {
                let (parts, body) = answer.into_parts();
                let fixed = Fixed {
                    columns,
                    url,
                    status: parts.status.as_u16(),
                    headers: headers(&parts.headers),
                };
                let reader = body.into_with_config().limit(HTTP_LEN_MAX).reader();
                return match args.string("tempfile_extension") {
                    Some(extension) => fixed.saved(cx, reader, &extension),
                    None => {
                        let chunk = number.filter(|size| *size > 0).unwrap_or(HTTP_CHUNK_DEFAULT);
                        Ok(Box::new(Answer {
                            fixed,
                            reader,
                            chunk: chunk.min(HTTP_CHUNK_MAX),
                            told: false,
                        }))
                    }
                };
            }
            Err(why) => {
                cx.log(Level::Default, format_args!("http_client: {url}: {why}"));
                failed =
                    Row::new(&columns, vec![url.into(), why.into(), 500_i64.into(), Value::Null]);
            }
        }
    }
    Ok(troodon_vql::Ready::boxed(if failed.is_empty() { Vec::new() } else { vec![failed] }))
}

fn agent(cx: &mut Context, args: &Args) -> Result<Agent, Fault> {
    let provider = Arc::new(ring::default_provider());
    let mut tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
    if let Some(pem) = args.string("root_ca").filter(|pem| !pem.is_empty()) {
        let roots: Result<Vec<Certificate<'static>>, _> = parse_pem(pem.as_bytes())
            .filter_map(|item| match item {
                Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(Ok(certificate)),
                Ok(_) => None,
                Err(why) => Some(Err(why)),
            })
            .collect();
        let roots = roots.map_err(|why| Fault::error(format!("root_ca: {why}")))?;
        tls = tls.root_certs(RootCerts::new_with_certs(&roots));
    } else {
        tls = tls.root_certs(public_roots());
    }
    if args.flag("skip_verify") || args.flag("disable_ssl_security") {
        cx.log(Level::Warn, format_args!("http_client: certificates are not verified"));
        tls = tls.disable_verification(true);
    }
    let name = args.string("user_agent").filter(|name| !name.is_empty());
    let reach = match cx.allows(&[Permission::ServerAdmin]) {
        true => Reach::Everything,
        false => Reach::Beyond,
    };
    Ok(Agent::with_parts(
        Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .max_redirects(HTTP_REDIRECTS_MAX)
            .max_redirects_will_error(false)
            .timeout_connect(Some(HTTP_SILENCE_MAX))
            .timeout_recv_response(Some(HTTP_SILENCE_MAX))
            .timeout_global(Some(HTTP_WHOLE_MAX))
            .proxy(None)
            .user_agent(name.unwrap_or_else(|| "troodon".to_owned()))
            .build(),
        DefaultConnector::default(),
        Names(reach),
    ))
}

/// What the machine trusts, read once; Mozilla's list on a machine that has none.
fn public_roots() -> RootCerts {
    static SYSTEM: OnceLock<RootCerts> = OnceLock::new();
    let load = || {
        let found = rustls_native_certs::load_native_certs().certs;
        if found.is_empty() {
            return RootCerts::WebPki;
        }
        RootCerts::from(found.iter().map(|der| Certificate::from_der(der).to_owned()))
    };
    SYSTEM.get_or_init(load).clone()
}

fn ask(agent: &Agent, url: &str, args: &Args) -> Result<Response<Body>, String> {
    let method = args.string("method").unwrap_or_default().to_uppercase();
    let method = if method.is_empty() {
        Method::GET
    } else {
        method.parse().map_err(|_| "unknown method")?
    };
    let has_body = matches!(method, Method::POST | Method::PUT | Method::PATCH);
    let data = args.text("data").map(|data| data.to_vec());
    let form = args.dict("params").map(|params| {
        let pairs = params.iter().map(|(name, value)| (&**name, path_of(value)));
        pairs
            .map(|(name, value)| format!("{}={}", escaped(name), escaped(&value)))
            .collect::<Vec<_>>()
            .join("&")
    });
    let in_body = has_body && data.is_none();
    let address = match &form {
        Some(form) if !in_body && !form.is_empty() => {
            format!("{url}{}{form}", if url.contains('?') { '&' } else { '?' })
        }
        _ => url.to_owned(),
    };
    let mut request = Request::builder().method(method).uri(address);
    if in_body && form.is_some() {
        request = request.header("Content-Type", "application/x-www-form-urlencoded");
    }
    if let Some(given) = args.dict("headers") {
        for (name, value) in given.iter() {
            request = request.header(name.as_bytes(), path_of(value).as_bytes());
        }
    }
    let body = data.or_else(|| form.filter(|_| in_body).map(String::into_bytes));
    let sent = if has_body {
        agent.run(request.body(body.unwrap_or_default()).map_err(|why| why.to_string())?)
    } else {
        agent.run(request.body(()).map_err(|why| why.to_string())?)
    };
    sent.map_err(|why| why.to_string())
}

/// Percent-encoding of RFC 3986 section 2.1: everything but unreserved letters.
fn escaped(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(*byte))
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

fn headers(fields: &HeaderMap) -> Value {
    let mut row = RowBuilder::new();
    for name in fields.keys() {
        let values = fields.get_all(name).iter().map(|value| Value::from(value.as_bytes()));
        row.set(title(name.as_str()), values.collect::<Vec<_>>());
    }
    row.build().into()
}

/// `content-type` as `Content-Type`, which is how people look for it.
fn title(name: &str) -> String {
    let parts = name.split('-').map(|part| {
        let (first, rest) = part.split_at(part.len().min(1));
        format!("{}{rest}", first.to_ascii_uppercase())
    });
    parts.collect::<Vec<_>>().join("-")
}

/// What all rows of an answer share.
struct Fixed {
    columns: Columns,
    url: String,
    status: u16,
    headers: Value,
}

impl Fixed {
    fn row(&self, content: Value) -> Row {
        let values = vec![
            self.url.as_str().into(),
            content,
            i64::from(self.status).into(),
            self.headers.clone(),
        ];
        Row::new(&self.columns, values)
    }

    fn saved(
        self,
        cx: &mut Context,
        mut reader: BodyReader<'static>,
        extension: &str,
    ) -> Result<Box<dyn Rows>, Fault> {
        if extension.contains(['/', '\0']) {
            return Err(Fault::error("tempfile_extension should not contain a slash"));
        }
        let io = |why: std::io::Error| Fault::note(why.to_string());
        let mut file: NamedTempFile =
            tempfile::Builder::new().prefix("tmp").suffix(extension).tempfile().map_err(io)?;
        while piece(cx, &mut reader, HTTP_CHUNK_DEFAULT, |bytes| {
            std::io::Write::write_all(&mut file, bytes)
        })? {}
        let path = file.into_temp_path();
        let row = self.row(Value::from(path.to_string_lossy().into_owned()));
        let mut kept = cx.take_state::<Downloads>();
        kept.0.push(path);
        cx.keep_state(kept);
        Ok(troodon_vql::Ready::boxed(vec![row]))
    }
}

/// Files that go with the session.
#[derive(Default)]
struct Downloads(Vec<TempPath>);

/// An answer that is being read.
struct Answer {
    fixed: Fixed,
    reader: BodyReader<'static>,
    chunk: usize,
    told: bool,
}

impl Rows for Answer {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        let mut content = Vec::new();
        piece(cx, &mut self.reader, self.chunk, |bytes| {
            content.extend_from_slice(bytes);
            Ok(())
        })?;
        // An answer without content is one row as well.
        if content.is_empty() && std::mem::replace(&mut self.told, true) {
            return Ok(Step::End);
        }
        self.told = true;
        Ok(Step::Row(self.fixed.row(content.into())))
    }
}

/// Reads at most `len` bytes; false at the end.
fn piece(
    cx: &mut Context,
    reader: &mut impl Read,
    len: usize,
    mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<bool, Fault> {
    let io = |why: std::io::Error| Fault::note(why.to_string());
    let mut buffer = [0; 16 * 1024];
    let mut left = len;
    while left > 0 {
        let room = left.min(buffer.len());
        let count = reader.read(buffer.get_mut(..room).unwrap_or_default()).map_err(io)?;
        if count == 0 {
            return Ok(false);
        }
        cx.charge(u64::try_from(count / 1024).unwrap_or(0).saturating_add(1))?;
        take(buffer.get(..count).unwrap_or_default()).map_err(io)?;
        left = left.saturating_sub(count);
    }
    Ok(true)
}
