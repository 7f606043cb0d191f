//! The three requests of an agent (docs/protocol.md section 3.2).

use super::url::BaseUrl;
use crate::queue::Priority;
use alloc::format;
use alloc::vec::Vec;

/// What is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Request<'a> {
    /// `GET server.pem`: which server is it?
    Certificate,
    /// `POST reader`: what is there to do? The body is an envelope.
    Reader(&'a [u8]),
    /// `POST control`: results, or the wish to be enrolled. The body is an envelope.
    Control(Priority, &'a [u8]),
}

/// Our own name: the server does not look at it, and people who read its logs should see what speaks.
const USER_AGENT: &str = concat!("Troodon/", env!("CARGO_PKG_VERSION"));

/// The request as bytes, for a connection that stays open after it.
#[must_use]
pub fn emit(url: &BaseUrl, request: Request<'_>) -> Vec<u8> {
    let (method, name, body) = match request {
        Request::Certificate => ("GET", "server.pem", None),
        Request::Reader(body) => ("POST", "reader", Some(body)),
        Request::Control(_, body) => ("POST", "control", Some(body)),
    };
    let mut head = format!(
        "{method} {}{name} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {USER_AGENT}\r\n\
         Content-Type: application/binary\r\nConnection: keep-alive\r\n",
        url.path(),
        url.host_header(),
    );
    if matches!(request, Request::Control(Priority::Urgent, _)) {
        head.push_str("X-Priority: urgent\r\n");
    }
    if let Some(body) = body {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let (mut bytes, body) = (head.into_bytes(), body.unwrap_or_default());
    // Doubling would take as much again as the largest POST.
    bytes.reserve_exact(body.len());
    bytes.extend_from_slice(body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn text(url: &str, request: Request<'_>) -> String {
        String::from_utf8(emit(&BaseUrl::parse(url).unwrap(), request)).unwrap()
    }

    #[test]
    fn the_certificate_is_fetched_below_the_base_path() {
        let text = text("https://a.example:8000/base/", Request::Certificate);
        assert!(
            text.starts_with("GET /base/server.pem HTTP/1.1\r\nHost: a.example:8000\r\n"),
            "{text}"
        );
        assert!(text.ends_with("\r\n\r\n") && !text.contains("Content-Length"), "{text}");
    }

    #[test]
    fn a_post_has_its_length_and_its_body() {
        let text = text("http://a.example/", Request::Reader(b"body"));
        assert!(text.starts_with("POST /reader HTTP/1.1\r\n"), "{text}");
        assert!(text.contains("\r\nContent-Type: application/binary\r\n"), "{text}");
        assert!(text.ends_with("\r\nContent-Length: 4\r\n\r\nbody"), "{text}");
        assert!(!text.contains("X-Priority"), "{text}");
    }

    #[test]
    fn only_urgent_posts_say_so() {
        let urgent = text("http://a.example/", Request::Control(Priority::Urgent, b""));
        assert!(urgent.contains("\r\nX-Priority: urgent\r\n"), "{urgent}");
        assert!(urgent.contains("\r\nContent-Length: 0\r\n"), "{urgent}");
        let normal = text("http://a.example/", Request::Control(Priority::Normal, b""));
        assert!(normal.starts_with("POST /control ") && !normal.contains("X-Priority"), "{normal}");
    }
}
