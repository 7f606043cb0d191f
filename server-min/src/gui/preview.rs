//! The bytes of a file that an agent sent, as digits and as text: looked at here, so that nobody has to open it.

use std::io::{Read, Seek, SeekFrom};

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::clients::site;
use super::fault::Fault;
use super::page::{self, Frame};
use super::visitor::Visitor;
use crate::limits;
use crate::model::door::Door;
use crate::model::id::FlowId;
use crate::model::site::Site;
use crate::store::upload::Upload;

/// Bytes on a line.
const LINE: usize = 16;

#[derive(Template)]
#[template(path = "preview.html")]
struct Show {
    frame: Frame,
    client: Site,
    flow: FlowId,
    upload: Upload,
    at: u64,
    lines: Vec<Line>,
    /// What is there, when it is text.
    text: Option<String>,
    back: Option<u64>,
    on: Option<u64>,
}

/// Sixteen bytes.
struct Line {
    offset: String,
    digits: String,
    letters: String,
}

/// From which byte on.
#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    at: u64,
}

pub(super) async fn show(
    visitor: Visitor,
    Path((client, flow, number)): Path<(String, String, u64)>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    let client = site(&client)?;
    let gone = |_| Fault::Missing(format!("`{flow}` is no id of a collection."));
    let id: FlowId = flow.parse().map_err(gone)?;
    let work = move || {
        let about = json!({
            "client": client.as_str(), "flow_id": id.as_str(), "upload": number, "at": wanted.at,
        });
        let store = visitor.store();
        store.audit(visitor.actor().enter(Door::Uploads, about)?)?;
        let mut uploads = store.uploads(client, &id)?.into_iter();
        let upload = uploads.find(|upload| upload.number == number);
        let upload = upload.ok_or_else(|| Fault::Missing(format!("{id} has no file {number}.")))?;
        let page = u64::try_from(limits::PREVIEW_BYTES).unwrap_or(u64::MAX);
        // Pages begin at a line, so that offsets are those that other programs show.
        let at = wanted.at.min(upload.stored) / LINE as u64 * LINE as u64;
        let mut file = store.open_upload(client, &id, number).map_err(Fault::from)?;
        let read = || {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(at))?;
            let left = upload.stored.saturating_sub(at);
            file.take(page.min(left)).read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        };
        let bytes = read().map_err(|error| Fault::failed(&error))?;
        let end = at.saturating_add(page);
        let show = Show {
            frame: Frame::of(&visitor),
            client,
            flow: id,
            at,
            lines: lines(at, &bytes),
            text: text(&bytes),
            back: (at > 0).then(|| at.saturating_sub(page)),
            on: (end < upload.stored).then_some(end),
            upload,
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &show))
    };
    tokio::task::spawn_blocking(work).await?
}

fn lines(at: u64, bytes: &[u8]) -> Vec<Line> {
    let line = |(number, chunk): (u64, &[u8])| {
        let digits: Vec<String> = chunk.chunks(1).map(hex::encode).collect();
        let letter = |byte: &u8| match byte {
            0x20..=0x7e => char::from(*byte),
            _ => '·',
        };
        Line {
            offset: format!("{:08x}", at.saturating_add(number.saturating_mul(LINE as u64))),
            digits: digits.join(" "),
            letters: chunk.iter().map(letter).collect(),
        }
    };
    (0..).zip(bytes.chunks(LINE)).map(line).collect()
}

/// UTF-8 without control characters but those of lines; a character that the page has cut does not count.
fn text(bytes: &[u8]) -> Option<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    (!text.is_empty() && !text.contains(is_odd)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_digits_with_offsets_and_letters() {
        let lines = lines(32, b"MZ\x00\xff <script>abcdef");
        assert_eq!(lines[0].offset, "00000020");
        assert_eq!(lines[0].digits, "4d 5a 00 ff 20 3c 73 63 72 69 70 74 3e 61 62 63");
        assert_eq!(lines[0].letters, "MZ·· <script>abc");
        assert_eq!((lines[1].offset.as_str(), lines[1].letters.as_str()), ("00000030", "def"));
    }

    #[test]
    fn text_is_what_has_no_odd_characters() {
        assert_eq!(text("a\u{e9}\n".as_bytes()).as_deref(), Some("a\u{e9}\n"));
        assert_eq!(text(b"ab\xc3").as_deref(), Some("ab"));
        for bytes in [&b"a\x00"[..], b"a\xffb", b"", b"\x1b[2J"] {
            assert_eq!(text(bytes), None, "{bytes:?}");
        }
    }
}
