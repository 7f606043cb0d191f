//! Databases, documents and answers of the network.

use std::io::{BufRead, BufReader, Write};
use std::sync::Arc;

use rusqlite::Connection;
use troodon_vql::{Access, Denied, Permission, Text};

use crate::asking::{ask, registry};

struct Everything;

impl Access for Everything {
    fn check(&self, _: &str, _: &[Permission]) -> Result<(), Denied> {
        Ok(())
    }
}

/// The rows of a query as JSON, and what it logged.
fn rows(vql: &str, data: &[u8]) -> (Vec<String>, Vec<String>) {
    rows_for(Arc::new(Everything), vql, data)
}

fn rows_for(access: Arc<dyn Access>, vql: &str, data: &[u8]) -> (Vec<String>, Vec<String>) {
    ask(
        registry(),
        vql,
        |setup| setup.access = access,
        |session| session.set("Data", Text::from(data)),
    )
}

fn database() -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let connection = Connection::open(file.path()).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE t (id INTEGER, name TEXT, raw BLOB, part REAL);
             INSERT INTO t VALUES (1, 'one', x'00FF', 1.5), (2, NULL, NULL, NULL);",
        )
        .unwrap();
    drop(connection);
    std::fs::read(file.path()).unwrap()
}

fn sql(statement: &str, data: &[u8]) -> (Vec<String>, Vec<String>) {
    let vql = format!(
        "SELECT * FROM sqlite(accessor='data', file=Data, query=\"{statement}\", args=(2,))"
    );
    rows(&vql, data)
}

#[test]
fn rows_of_a_database_have_its_types() {
    let (rows, log) =
        sql("SELECT id, name, length(raw) AS L, part FROM t WHERE id < ?", &database());
    assert_eq!(rows, [r#"{"id":1,"name":"one","L":2,"part":1.5}"#], "{log:?}");
    let (rows, _) = sql("SELECT name AS N FROM t WHERE id = ?", &database());
    assert_eq!(rows, [r#"{"N":null}"#]);
}

#[test]
fn sql_that_does_more_than_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("made");
    let target = target.display();
    for statement in [
        format!("ATTACH DATABASE '{target}' AS other"),
        format!("VACUUM INTO '{target}'"),
        "DELETE FROM t WHERE id = ?".to_owned(),
        "PRAGMA journal_mode=DELETE".to_owned(),
        "CREATE TABLE x (y)".to_owned(),
    ] {
        let (rows, log) = sql(&statement, &database());
        assert!(rows.is_empty() && !log.is_empty(), "{statement}: {rows:?} {log:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn damaged_databases_are_a_message() {
    let whole = database();
    let (rows, log) =
        sql("SELECT id FROM t WHERE id = ?", b"no database at all, but long enough to be one");
    assert_eq!((rows.len(), log.len()), (0, 1), "{log:?}");
    let mut damaged = whole.clone();
    damaged[4096..].fill(0xEE);
    let (rows, log) = sql("SELECT id FROM t WHERE id = ?", &damaged);
    assert_eq!((rows.len(), log.len()), (0, 1), "{log:?}");
    let (rows, log) = sql("SELECT id FROM t WHERE id = ?", &whole[..4096]);
    assert_eq!((rows.len(), log.len()), (0, 1), "{log:?}");
}

#[test]
fn an_endless_query_stops_when_its_rows_are_enough() {
    let endless = "WITH RECURSIVE n(x) AS (SELECT ? UNION ALL SELECT x + 1 FROM n) SELECT x FROM n";
    let vql = format!(
        "SELECT * FROM sqlite(accessor='data', file=Data, query='{endless}', args=(2,)) LIMIT 2"
    );
    assert_eq!(rows(&vql, &database()).0, [r#"{"x":2}"#, r#"{"x":3}"#]);
}

#[test]
fn documents_are_read_through_accessors() {
    let (yaml, _) =
        rows("SELECT parse_yaml(accessor='data', filename=Data).a AS A FROM scope()", b"a: [1, x]");
    assert_eq!(yaml, [r#"{"A":[1,"x"]}"#]);
    let (xml, _) = rows(
        "SELECT parse_xml(accessor='data', file=Data).a.b AS B FROM scope()",
        b"<a><b>1</b></a>",
    );
    assert_eq!(xml, [r#"{"B":"1"}"#]);
    let (xml, log) = rows("SELECT parse_xml(accessor='data', file=Data) AS B FROM scope()", b"<a>");
    assert_eq!(xml, [r#"{"B":null}"#]);
    assert_eq!(log, ["parse_xml: byte 3: unexpected end of file"]);
}

/// Answers each connection with these bytes, and hands out what was asked, to the end of its body.
fn server(answer: &'static [u8]) -> (u16, std::sync::mpsc::Receiver<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, requests) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let request = read_request(&mut stream);
            stream.get_mut().write_all(answer).unwrap();
            if asked.send(request).is_err() {
                return;
            }
        }
    });
    (port, requests)
}

fn read_request(stream: &mut impl BufRead) -> String {
    let mut request = String::new();
    let mut body_len = 0;
    while !request.ends_with("\r\n\r\n") {
        let start = request.len();
        assert_ne!(stream.read_line(&mut request).unwrap(), 0, "{request}");
        let line = request[start..].to_lowercase();
        if let Some(len) = line.strip_prefix("content-length:") {
            body_len = len.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; body_len];
    stream.read_exact(&mut body).unwrap();
    request + &String::from_utf8(body).unwrap()
}

#[test]
fn an_answer_of_the_network_comes_in_pieces_with_its_headers() {
    let (port, requests) = server(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Odd: 1\r\nConnection: close\r\n\r\nhello",
    );
    let vql = format!(
        "SELECT Content, Response, Headers.`X-Odd` AS H
         FROM http_client(url='http://127.0.0.1:{port}/a', params=dict(q='a b'), headers=dict(`X-Ours`='2'), chunk_size=3)"
    );
    let (rows, log) = rows(&vql, b"");
    let expected = [
        r#"{"Content":"hel","Response":200,"H":["1"]}"#,
        r#"{"Content":"lo","Response":200,"H":["1"]}"#,
    ];
    assert_eq!(rows, expected, "{log:?}");
    let request = requests.recv().unwrap();
    assert!(request.starts_with("GET /a?q=a%20b HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("x-ours: 2"), "{request}");
}

#[test]
fn an_error_of_the_server_is_an_answer_and_no_server_is_a_500() {
    let (port, _requests) =
        server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let vql = format!("SELECT Content, Response FROM http_client(url='http://127.0.0.1:{port}/a')");
    assert_eq!(rows(&vql, b"").0, [r#"{"Content":"","Response":404}"#]);
    let (answers, log) =
        rows("SELECT Response, Headers FROM http_client(url='http://127.0.0.1:1/')", b"");
    assert_eq!(answers, [r#"{"Response":500,"Headers":null}"#]);
    assert!(log[0].starts_with("http_client: http://127.0.0.1:1/: "), "{log:?}");
    let (answers, _) = rows("SELECT Response FROM http_client(url='file:///etc/passwd')", b"");
    assert_eq!(answers, [r#"{"Response":500}"#]);
}

#[test]
fn a_post_sends_its_parameters_in_the_body() {
    let (port, requests) =
        server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    let vql = format!(
        "SELECT read_file(filename=Content) AS C, Content =~ '/tmp.*[.]txt$' AS P
         FROM http_client(url='http://127.0.0.1:{port}/', method='post', params=dict(k='v&w'), tempfile_extension='.txt')"
    );
    assert_eq!(rows(&vql, b"").0.len(), 1);
    let request = requests.recv().unwrap();
    assert!(request.starts_with("POST / HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("k=v%26w"), "{request}");
}

#[test]
fn who_may_use_the_network_alone_does_not_reach_the_machine_itself() {
    struct NetworkOnly;
    impl Access for NetworkOnly {
        fn check(&self, _: &str, needed: &[Permission]) -> Result<(), Denied> {
            let is_allowed = needed.iter().all(|one| *one == Permission::Network);
            if is_allowed { Ok(()) } else { Err(Denied::by_policy(needed)) }
        }
    }
    let (port, requests) = server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    for host in ["127.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]"] {
        let vql = format!("SELECT Content, Response FROM http_client(url='http://{host}:{port}/')");
        let (rows, _) = rows_for(Arc::new(NetworkOnly), &vql, b"");
        assert_eq!(rows.len(), 1);
        assert!(rows[0].contains("SERVER_ADMIN") && rows[0].contains("500"), "{rows:?}");
    }
    assert!(requests.try_recv().is_err());
}
