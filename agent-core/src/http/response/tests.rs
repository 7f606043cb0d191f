//! Answers of real servers, of proxies and of attackers, each in every portion size.

use super::*;
use crate::limits::HTTP_CHUNK_LINE_BYTES;
use alloc::format;
use alloc::string::String;

const BODY_MAX: usize = 64;

/// What came of a stream that then ends: status, body and unread bytes, or the fault.
fn receive(stream: &[u8], portion: usize) -> Result<(u16, Vec<u8>, usize), HttpFault> {
    let mut response = Response::new(BODY_MAX);
    let mut taken = 0;
    for bytes in stream.chunks(portion) {
        let count = response.receive(bytes)?;
        taken = usize::checked_add(taken, count).unwrap();
        if count < bytes.len() {
            break;
        }
    }
    response.end()?;
    let status = response.status().unwrap();
    Ok((status.code, response.into_body(), stream.len().checked_sub(taken).unwrap()))
}

fn in_any_portions(stream: &str) -> Result<(u16, String, usize), HttpFault> {
    let whole = receive(stream.as_bytes(), stream.len().max(1));
    for portion in 1..stream.len() {
        assert_eq!(receive(stream.as_bytes(), portion), whole, "{portion} bytes of {stream:?}");
    }
    whole.map(|(code, body, rest)| (code, String::from_utf8(body).unwrap(), rest))
}

fn body_of(stream: &str) -> String {
    let (code, body, _) = in_any_portions(stream).unwrap();
    assert_eq!(code, 200);
    body
}

#[test]
fn a_body_with_a_length_ends_there() {
    let stream = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbodyHTTP/1.1 200";
    assert_eq!(in_any_portions(stream), Ok((200, "body".into(), 12)));
}

#[test]
fn chunks_are_joined_whatever_their_extensions_and_trailers() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(
        body_of(&format!("{head}3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n")),
        "abc0123456789"
    );
    assert_eq!(body_of(&format!("{head}1\r\na\r\n00;last\r\nX-Sum: 1\r\nY: 2\r\n\r\n")), "a");
    let (_, body, rest) = in_any_portions(&format!("{head}0\r\n\r\nnext")).unwrap();
    assert_eq!((body.as_str(), rest), ("", 4));
}

#[test]
fn a_body_without_a_length_ends_with_the_stream() {
    assert_eq!(body_of("HTTP/1.0 200 OK\r\n\r\nall of it"), "all of it");
    assert_eq!(body_of("HTTP/1.1 200 OK\n\nbare line ends"), "bare line ends");
}

#[test]
fn some_answers_have_no_body() {
    assert_eq!(in_any_portions("HTTP/1.1 204 No Content\r\n\r\n"), Ok((204, "".into(), 0)));
    assert_eq!(
        in_any_portions("HTTP/1.1 406 No\r\nContent-Length: 0\r\n\r\n"),
        Ok((406, "".into(), 0))
    );
}

#[test]
fn interim_answers_are_read_over_but_not_for_ever() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(body_of(&format!("{}{last}", interim.repeat(4))), "x");
    assert_eq!(in_any_portions(&format!("{}{last}", interim.repeat(5))), Err(HttpFault::Interim));
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
    assert_eq!(in_any_portions(upgrade), Err(HttpFault::Interim));
}

#[test]
fn a_stream_that_ends_early_is_cut_off() {
    for stream in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbod",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ] {
        assert_eq!(in_any_portions(stream), Err(HttpFault::Truncated), "{stream:?}");
    }
}

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    for fields in [
        "Content-Length: 4\r\nContent-Length: 4",
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Content-Length: +4",
        "Content-Length: 4, 4",
        "Content-Length: ",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ] {
        let stream = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nbody");
        assert_eq!(in_any_portions(&stream), Err(HttpFault::Framing), "{fields}");
    }
}

#[test]
fn malformed_chunks_are_refused() {
    for chunks in [
        "\r\n",
        "x\r\nabc",
        "-1\r\nabc",
        "3\nabc\r\n",
        "3\r\nabcd\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\rabc\r\n",
        "11111111111111111\r\n",
    ] {
        let stream = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        assert_eq!(in_any_portions(&stream), Err(HttpFault::Chunk), "{chunks:?}");
    }
}

#[test]
fn heads_that_are_no_http_are_refused() {
    for head in [
        "\r\n",
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
    ] {
        assert_eq!(in_any_portions(head), Err(HttpFault::Head), "{head:?}");
    }
    let many =
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(HTTP_FIELDS.saturating_add(1)));
    assert_eq!(in_any_portions(&many), Err(HttpFault::Head));
}

#[test]
fn every_part_has_a_limit() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let long = |count: usize| "x".repeat(count);
    for (stream, fault) in [
        (
            format!("HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n{}", long(65)),
            HttpFault::BodyTooLong,
        ),
        (format!("HTTP/1.1 200 OK\r\n\r\n{}", long(65)), HttpFault::BodyTooLong),
        (format!("{chunked}41\r\n{}\r\n0\r\n\r\n", long(65)), HttpFault::BodyTooLong),
        (format!("{chunked}1;{}\r\n", long(HTTP_CHUNK_LINE_BYTES)), HttpFault::Chunk),
    ] {
        assert_eq!(in_any_portions(&stream), Err(fault));
    }
    // Too long for every portion size.
    for portion in [1, 100, 20_000] {
        let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", long(HTTP_HEAD_BYTES));
        assert_eq!(receive(head.as_bytes(), portion), Err(HttpFault::HeadTooLong));
        let trailer = format!("{chunked}0\r\n{}", format!("X: {}\r\n", long(200)).repeat(30));
        assert_eq!(receive(trailer.as_bytes(), portion), Err(HttpFault::Chunk));
    }
}

#[test]
fn the_status_is_known_before_the_body() {
    let mut response = Response::new(BODY_MAX);
    response.receive(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n").unwrap();
    assert_eq!(response.status(), None);
    response.receive(b"Transfer-Encoding: chunked\r\n\r\n").unwrap();
    let status = Status { code: 200, keeps_alive: true, content: Content::Plain };
    assert_eq!(response.status(), Some(status));
    assert!(!response.is_complete());
}

#[test]
fn the_connection_lives_on_only_if_both_ends_can_tell_where_the_answer_ends() {
    for (head, keeps_alive) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Upgrade, Close\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\n\r\n", false),
    ] {
        let mut response = Response::new(BODY_MAX);
        response.receive(head.as_bytes()).unwrap();
        assert_eq!(response.status().unwrap().keeps_alive, keeps_alive, "{head:?}");
    }
}

#[test]
fn the_page_of_a_captive_portal_is_told_apart() {
    for (kind, content) in [
        ("text/html; charset=utf-8", Content::Foreign),
        ("application/json", Content::Foreign),
        ("Text/Plain; charset=utf-8", Content::Plain),
        ("application/octet-stream", Content::Plain),
    ] {
        let mut response = Response::new(BODY_MAX);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n");
        response.receive(head.as_bytes()).unwrap();
        assert_eq!(response.status().unwrap().content, content, "{kind}");
    }
}
