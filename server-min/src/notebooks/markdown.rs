//! Texts of cells as HTML. What somebody writes into a notebook is shown to others, so nothing in it runs or loads anything.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};

/// What a link may lead to.
const SCHEMES: [&str; 3] = ["http://", "https://", "mailto:"];

/// A text in Markdown as HTML: HTML in it is shown as it is written, links lead to web pages and mailboxes only, pictures
/// are their description.
#[must_use]
pub fn html(markdown: &str) -> String {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut kept = Vec::new();
    let events = Parser::new_ext(markdown, options).filter_map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock) => None,
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        Event::Start(Tag::Link { ref dest_url, .. }) => {
            let leads = is_allowed(dest_url);
            kept.push(leads);
            leads.then_some(event)
        }
        Event::End(TagEnd::Link) => kept.pop().unwrap_or_default().then_some(event),
        other => Some(other),
    });
    let mut page = String::new();
    pulldown_cmark::html::push_html(&mut page, events);
    page
}

fn is_allowed(url: &CowStr<'_>) -> bool {
    let url = url.trim().to_ascii_lowercase();
    SCHEMES.iter().any(|scheme| url.starts_with(scheme))
}

#[cfg(test)]
mod tests {
    use super::html;

    #[test]
    fn ordinary_text_is_shown_as_it_is_meant() {
        let page = html(
            "# Case\n\n* one **two**\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[x](https://example.org/)",
        );
        for part in [
            "<h1>Case</h1>",
            "<strong>two</strong>",
            "<td>1</td>",
            "<a href=\"https://example.org/\">",
        ] {
            assert!(page.contains(part), "{page}");
        }
    }

    #[test]
    fn nothing_in_a_text_runs_or_loads_anything() {
        for hostile in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "<div\nonclick='x'>\n\ntext\n\n</div>",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](data:text/html,<script>)",
            "![x](https://example.org/track.png)",
            "<javascript:alert(1)>",
            "[x]: javascript:alert(1)\n\n[x]",
            "[![x](javascript:1)](vbscript:2)",
        ] {
            let page = html(hostile);
            for bad in ["<script", "<img", "<div", "href=\"javascript", "href=\"data", "href=\"vb"]
            {
                assert!(!page.to_lowercase().contains(bad), "{hostile}: {page}");
            }
        }
    }

    #[test]
    fn links_inside_of_refused_links_end_where_they_end() {
        let page = html("[a ![b](x:y) c](z:1) and [d](mailto:a@example.org)");
        assert_eq!(page, "<p>a b c and <a href=\"mailto:a@example.org\">d</a></p>\n");
    }
}
