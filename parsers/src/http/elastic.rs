//! `elastic_upload()`: rows to an Elasticsearch or OpenSearch server, by its bulk requests.
//!
//! Rows are gathered, sent together, and sent again when the server is busy or away: those that it did not take, and no
//! others. What it refuses for another reason is a message in the log.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use troodon_vql::standard::path_of;
use troodon_vql::{
    Arg, Args, Availability, Columns, Context, Fault, Instant, Kind, Level, Permission, Plugin,
    Row, Rows, Scope, Step, Value, json,
};
use ureq::Agent;
use ureq::http::Request;

use super::{agent, escaped};
use crate::limits::{
    BULK_ANSWER_LEN_MAX, BULK_LEN_MAX, BULK_ROWS_DEFAULT, BULK_ROWS_MAX, BULK_TRIES,
    BULK_WAIT_DEFAULT,
};

/// Where rows go that name no index.
const INDEX: &str = "velociraptor";

/// The plugins of this file.
pub(crate) static PLUGINS: &[&Plugin] = &[&Plugin::new(
    "elastic_upload",
    "Sends the rows of a query to an Elasticsearch server, many at a time, and again while it is busy or away; yields for each \
     request how many `Rows` it took, how many it refused (`Failed`) and its `Response`.",
    &[
        Arg::required("query", Kind::Rows, "The rows; those with a column _index go there."),
        Arg::optional("index", Kind::String, "The index of the others (velociraptor)."),
        Arg::optional("addresses", Kind::List, "Servers, tried in turn (http://localhost:9200)."),
        Arg::optional("username", Kind::String, "Who sends."),
        Arg::optional("password", Kind::String, "The password."),
        Arg::optional("api_key", Kind::String, "A key in place of name and password."),
        Arg::optional("pipeline", Kind::String, "The ingest pipeline."),
        Arg::optional("action", Kind::String, "index or create (index)."),
        Arg::optional("chunk_size", Kind::Int, "Rows of a request (1000)."),
        Arg::optional("wait_time", Kind::Int, "Seconds that a row waits for others (10)."),
        Arg::optional("threads", Kind::Int, "Accepted for compatibility; requests go one after the other."),
        Arg::optional("root_ca", Kind::String, "Certificates in PEM to trust instead of the public ones."),
        Arg::optional("skip_verify", Kind::Bool, "Trust any certificate; logged as a warning (false)."),
        Arg::optional("disable_ssl_security", Kind::Bool, "The same as skip_verify."),
    ],
    open,
)
.needs(&[Permission::Network])
.on(Availability::Server)];

fn open(cx: &mut Context, scope: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let action = match args.string("action").as_deref() {
        None | Some("" | "index") => "index",
        Some("create") => "create",
        Some(other) => return Err(Fault::error(format!("action: {other} is not index or create"))),
    };
    let text = |name: &str| args.string(name).filter(|text| !text.is_empty());
    let authorization = match (text("api_key"), text("username")) {
        (Some(key), _) => Some(format!("ApiKey {key}")),
        (None, Some(name)) => Some(basic(&name, &text("password").unwrap_or_default())),
        (None, None) => None,
    };
    let given = args.list("addresses").into_iter().flat_map(|list| list.iter());
    let mut addresses: Vec<String> = given
        .map(|one| path_of(one).to_str_lossy().trim_end_matches('/').to_owned())
        .filter(|one| !one.is_empty())
        .collect();
    if addresses.is_empty() {
        addresses.push("http://localhost:9200".to_owned());
    }
    let pipeline = text("pipeline").map(|name| format!("?pipeline={}", escaped(name.as_bytes())));
    let rows = args.int("chunk_size").and_then(|count| usize::try_from(count).ok());
    let wait = args.int("wait_time").and_then(|seconds| u64::try_from(seconds).ok());
    let target = Target {
        agent: agent(cx, &args)?,
        path: format!("/_bulk{}", pipeline.unwrap_or_default()),
        addresses,
        authorization,
        turn: 0,
    };
    let source = args.rows("query").ok_or_else(|| Fault::error("give a query"))?;
    Ok(Box::new(Upload {
        rows: source.open(cx, scope)?,
        target,
        action,
        index: text("index").unwrap_or_else(|| INDEX.to_owned()),
        most: rows.filter(|rows| *rows > 0).unwrap_or(BULK_ROWS_DEFAULT).min(BULK_ROWS_MAX),
        wait: Duration::from_secs(wait.unwrap_or(BULK_WAIT_DEFAULT)),
        bulk: Bulk::default(),
        due: None,
        ended: false,
    }))
}

/// RFC 7617 section 2.
fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

/// Rows on their way.
struct Upload {
    rows: Box<dyn Rows>,
    target: Target,
    action: &'static str,
    index: String,
    /// Rows of a request.
    most: usize,
    /// How long a row waits for others.
    wait: Duration,
    bulk: Bulk,
    /// When the oldest row has waited long enough.
    due: Option<Instant>,
    ended: bool,
}

/// Rows of one request: each with the line that says what becomes of it.
#[derive(Default)]
struct Bulk {
    items: Vec<Vec<u8>>,
    len: usize,
}

impl Rows for Upload {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        loop {
            let is_full = self.bulk.items.len() >= self.most || self.bulk.len >= BULK_LEN_MAX;
            let is_late = self.due.is_some_and(|due| due <= cx.instant());
            if !self.bulk.items.is_empty() && (is_full || is_late || self.ended) {
                self.due = None;
                let bulk = std::mem::take(&mut self.bulk);
                return self.target.send(cx, bulk.items).map(Step::Row);
            }
            if self.ended {
                return Ok(Step::End);
            }
            match self.rows.next(cx)? {
                Step::Row(row) => {
                    cx.charge(1)?;
                    self.add(&row);
                    let wait = self.wait;
                    let now = cx.instant();
                    self.due.get_or_insert_with(|| now.after(wait));
                }
                Step::Pending(until) => {
                    return Ok(Step::Pending(self.due.map_or(until, |due| due.min(until))));
                }
                Step::Yield => return Ok(Step::Yield),
                Step::End => self.ended = true,
            }
        }
    }
}

impl Upload {
    fn add(&mut self, row: &Row) {
        let mut line = Vec::new();
        json::write_row(row, &mut line);
        let own = row.iter().find(|(name, _)| name.as_bytes() == b"_index");
        let index = own.and_then(|(_, value)| value.as_text());
        let index =
            index.map_or_else(|| self.index.clone(), |text| text.to_str_lossy().into_owned());
        let mut item =
            serde_json::json!({ self.action: {"_index": index} }).to_string().into_bytes();
        item.push(b'\n');
        item.extend_from_slice(&line);
        item.push(b'\n');
        self.bulk.len = self.bulk.len.saturating_add(item.len());
        self.bulk.items.push(item);
    }
}

/// Where rows go.
struct Target {
    agent: Agent,
    addresses: Vec<String>,
    path: String,
    authorization: Option<String>,
    /// Which address is asked next.
    turn: usize,
}

/// What a server has done with a request.
enum Answer {
    /// It looked at each row: what it refused for good, and which rows it could not take now.
    Read { refused: Vec<String>, again: Vec<usize> },
    /// It is busy or away.
    Away(String),
    /// It refuses the request as a whole.
    No(String),
}

impl Target {
    /// Sends rows until they are taken or refused, or the tries are used up.
    fn send(&mut self, cx: &mut Context, mut items: Vec<Vec<u8>>) -> Result<Row, Fault> {
        let all = items.len();
        let (mut failed, mut said) = (0_usize, String::from("OK"));
        for attempt in 0..BULK_TRIES {
            if attempt > 0 {
                pause(cx, Duration::from_secs(1 << (attempt - 1)))?;
            }
            match self.post(&items) {
                Answer::Read { refused, again } => {
                    failed = failed.saturating_add(refused.len());
                    if let Some(first) = refused.into_iter().next() {
                        cx.log(Level::Error, format_args!("elastic_upload: {first}"));
                        said = first;
                    }
                    items = again
                        .into_iter()
                        .filter_map(|at| items.get_mut(at).map(std::mem::take))
                        .collect();
                    if items.is_empty() {
                        break;
                    }
                    said = "the server is busy".to_owned();
                }
                Answer::Away(why) => said = why,
                Answer::No(why) => {
                    said = why;
                    break;
                }
            }
            self.turn = self.turn.wrapping_add(1);
        }
        if !items.is_empty() {
            failed = failed.saturating_add(items.len());
            cx.log(
                Level::Error,
                format_args!("elastic_upload: {} rows are lost: {said}", items.len()),
            );
        }
        let columns = Columns::fixed(&["Rows", "Failed", "Response"]);
        let count = |number: usize| Value::from(u64::try_from(number).unwrap_or(u64::MAX));
        let values = vec![count(all.saturating_sub(failed)), count(failed), Value::from(said)];
        Ok(Row::new(&columns, values))
    }

    fn post(&self, items: &[Vec<u8>]) -> Answer {
        let at = self.turn.checked_rem(self.addresses.len()).unwrap_or_default();
        let Some(address) = self.addresses.get(at) else {
            return Answer::No("no address".to_owned());
        };
        let mut request = Request::post(format!("{address}{}", self.path))
            .header("Content-Type", "application/x-ndjson");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let request = match request.body(items.concat()) {
            Ok(request) => request,
            Err(why) => return Answer::No(why.to_string()),
        };
        let mut answer = match self.agent.run(request) {
            Ok(answer) => answer,
            Err(ureq::Error::Io(why)) if why.kind() == std::io::ErrorKind::PermissionDenied => {
                return Answer::No(why.to_string());
            }
            Err(why) => return Answer::Away(format!("{address}: {why}")),
        };
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(BULK_ANSWER_LEN_MAX).read_to_vec();
        match (status, body) {
            (200 | 201, Ok(body)) => read(&body, items.len()),
            (429 | 502..=504, _) => Answer::Away(format!("{address}: status {status}")),
            (200 | 201, Err(why)) => Answer::Away(format!("{address}: {why}")),
            _ => Answer::No(format!("{address}: status {status}")),
        }
    }
}

/// What the answer to a bulk request says of each of its rows.
fn read(body: &[u8], rows: usize) -> Answer {
    let Ok(body) = serde_json::from_slice::<Json>(body) else {
        return Answer::No("the answer is no JSON: is this an Elasticsearch server?".to_owned());
    };
    let Some(items) = body["items"].as_array().filter(|items| items.len() == rows) else {
        return Answer::No("the answer does not name each row".to_owned());
    };
    let (mut refused, mut again) = (Vec::new(), Vec::new());
    for (at, item) in items.iter().enumerate() {
        let outcome = item.as_object().and_then(|item| item.values().next());
        match outcome.and_then(|outcome| outcome["status"].as_u64()) {
            Some(200 | 201) => {}
            Some(429 | 503) => again.push(at),
            _ => refused
                .push(outcome.map_or_else(String::new, |outcome| outcome["error"].to_string())),
        }
    }
    Answer::Read { refused, again }
}

/// Waits, and looks now and then whether the query was cancelled.
fn pause(cx: &mut Context, time: Duration) -> Result<(), Fault> {
    const STEP: Duration = Duration::from_millis(100);
    let mut left = time;
    while !left.is_zero() {
        std::thread::sleep(left.min(STEP));
        left = left.saturating_sub(STEP);
        cx.charge(1)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::sync::{Arc, Mutex};
    use std::thread;

    use troodon_vql::{
        Event, LogSink, Now, Program, Query, Registry, Session, Setup, Time, standard,
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    impl LogSink for Lines {
        fn log(&mut self, _: Level, message: &str) {
            self.0.lock().unwrap().push(message.to_owned());
        }
    }

    /// One request: its head, and the lines of its body.
    type Asked = (String, Vec<String>);

    /// A server that gives these answers, one for each request, and then ends; answers its address and what it heard.
    fn serve(answers: Vec<(u16, String)>) -> (String, thread::JoinHandle<Vec<Asked>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let heard = thread::spawn(move || {
            let mut all = Vec::new();
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut head, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    let low = line.to_ascii_lowercase();
                    if let Some(value) = low.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                    head.push_str(&line);
                }
                let mut sent = vec![0; length];
                reader.read_exact(&mut sent).unwrap();
                let text = String::from_utf8(sent).unwrap();
                all.push((head, text.lines().map(str::to_owned).collect()));
                write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                )
                .unwrap();
            }
            all
        });
        (address, heard)
    }

    fn taken(statuses: &[u16]) -> (u16, String) {
        let items = statuses.iter().map(|status| {
            serde_json::json!({"index": {"status": status, "error": format!("e{status}")}})
        });
        (200, serde_json::json!({"items": items.collect::<Vec<_>>()}).to_string())
    }

    fn run(vql: &str) -> (Vec<String>, Vec<String>) {
        let mut registry = Registry::core();
        standard::add(&mut registry);
        registry.add_plugins(PLUGINS);
        let log = Lines::default();
        let mut setup = Setup::agent(Arc::new(registry));
        setup.log = Box::new(log.clone());
        let mut session = Session::new(setup);
        let mut query = Query::new(Program::parse(vql).unwrap());
        let now = Now { instant: Instant::default(), time: Time::from_seconds(0) };
        let mut rows = Vec::new();
        loop {
            match query.step(&mut session, now, 100_000).unwrap() {
                Event::Row(row) => rows.push(json::to_string(&Value::Dict(row))),
                Event::End => break,
                _ => {}
            }
        }
        let lines = log.0.lock().unwrap().clone();
        (rows, lines)
    }

    #[test]
    fn rows_go_in_requests_of_the_chosen_size_each_with_its_index() {
        let (address, heard) = serve(vec![taken(&[201, 201]), taken(&[201])]);
        let (rows, log) = run(&format!(
            "SELECT * FROM elastic_upload(addresses='{address}/', index='own', chunk_size=2, pipeline='a b', username='u', \
             password='p', query={{ SELECT * FROM foreach(row=[dict(A=1), dict(A=2, _index='other'), dict(A=3)]) }})"
        ));
        let report = |rows: u64| format!(r#"{{"Rows":{rows},"Failed":0,"Response":"OK"}}"#);
        assert_eq!(rows, [report(2), report(1)], "{log:?}");
        let heard = heard.join().unwrap();
        let lines =
            [r#"{"index":{"_index":"own"}}"#, r#"{"A":1}"#, r#"{"index":{"_index":"other"}}"#];
        assert_eq!(heard[0].1[..3], lines);
        assert_eq!(heard[1].1, [lines[0], r#"{"A":3}"#]);
        let head = heard[0].0.to_ascii_lowercase();
        assert!(head.starts_with("post /_bulk?pipeline=a%20b http/1.1"), "{head}");
        assert!(head.contains("content-type: application/x-ndjson"), "{head}");
        assert!(heard[0].0.contains("Basic dTpw"), "{head}");
    }

    #[test]
    fn what_a_busy_server_did_not_take_is_sent_again_and_nothing_else() {
        let answers = vec![(503, String::new()), taken(&[201, 429, 400]), taken(&[201])];
        let (address, heard) = serve(answers);
        let (rows, log) = run(&format!(
            "SELECT * FROM elastic_upload(addresses='{address}', query={{ SELECT _value AS A FROM foreach(row=[1, 2, 3]) }})"
        ));
        assert_eq!(rows.len(), 1);
        assert!(rows[0].starts_with(r#"{"Rows":2,"Failed":1,"#), "{rows:?}");
        assert!(log.iter().any(|line| line.contains("e400")), "{log:?}");
        let heard = heard.join().unwrap();
        assert_eq!(heard[0].1, heard[1].1, "the whole request");
        assert_eq!(heard[2].1, [r#"{"index":{"_index":"velociraptor"}}"#, r#"{"A":2}"#]);
    }

    #[test]
    fn a_server_that_refuses_or_is_none_is_not_asked_again() {
        for (answer, why) in
            [((401, String::new()), "status 401"), ((200, "<html>".to_owned()), "no JSON")]
        {
            let (address, heard) = serve(vec![answer]);
            let (rows, log) = run(&format!(
                "SELECT * FROM elastic_upload(addresses='{address}', api_key='k', query={{ SELECT 1 AS A FROM scope() }})"
            ));
            assert!(rows[0].starts_with(r#"{"Rows":0,"Failed":1,"#), "{rows:?}");
            assert!(log.iter().any(|line| line.contains(why)), "{log:?}");
            assert!(heard.join().unwrap()[0].0.contains("ApiKey k"));
        }
        assert!(
            run("SELECT * FROM elastic_upload(action='delete', query={ SELECT 1 FROM scope() })").1
                [0]
            .contains("delete is not index or create")
        );
    }
}
