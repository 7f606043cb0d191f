//! Finding clients: the terms under which a client is found, and what a person types to find it.
//!
//! Every question is a range of terms in the order of their bytes, so that an index answers it a page at a time however
//! many clients there are.

use std::collections::BTreeSet;

use super::client::Client;

/// Sorts behind every term that begins with the same text.
const LAST: char = '\u{10FFFF}';

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// All clients.
    All,
    /// Clients with a term from `start` to `end` that fits `pattern`.
    Terms {
        /// The first term that may fit.
        start: String,
        /// The last one.
        end: String,
        /// For `GLOB`, in which `*` alone has a meaning.
        pattern: String,
    },
}

impl Search {
    /// Reads `label:L`, `host:H`, `mac:M`, or the beginning of an id, of a word in a name, of a label or of an address.
    /// `*` stands for anything, letter case does not matter, and nothing or `all` is everybody.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim().to_lowercase();
        if matches!(text.as_str(), "" | "all" | "*" | "label:all") {
            return Self::All;
        }
        let has_kind = ["label:", "host:", "mac:"].iter().any(|kind| text.starts_with(kind));
        let text = match (has_kind, text.contains('*')) {
            (true, _) => text,
            (false, true) => format!("word:{text}"),
            (false, false) => format!("word:{text}*"),
        };
        let Some((start, _)) = text.split_once('*') else {
            return Self::Terms { start: text.clone(), end: text.clone(), pattern: literal(&text) };
        };
        Self::Terms {
            start: start.to_owned(),
            end: format!("{start}{LAST}"),
            pattern: literal(&text),
        }
    }
}

/// Takes their meaning from all characters of `GLOB` but the star.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '?' | '[' => pattern.extend(['[', c, ']']),
            _ => pattern.push(c),
        }
    }
    pattern
}

/// The terms under which a client is found, in lower case.
#[must_use]
pub fn terms(client: &Client) -> BTreeSet<String> {
    let mut terms = BTreeSet::new();
    let id = client.id.as_str().to_lowercase();
    terms.insert(format!("word:{}", id.trim_start_matches("c.")));
    terms.insert(format!("word:{id}"));
    for name in [&client.host.hostname, &client.host.fqdn] {
        let name = name.to_lowercase();
        if name.is_empty() {
            continue;
        }
        for word in tails(&name) {
            terms.insert(format!("word:{word}"));
        }
        terms.insert(format!("host:{name}"));
    }
    for label in &client.labels {
        let label = label.to_lowercase();
        terms.insert(format!("word:{label}"));
        terms.insert(format!("label:{label}"));
    }
    for address in &client.host.mac_addresses {
        let address = address.to_lowercase();
        terms.insert(format!("word:{address}"));
        terms.insert(format!("mac:{address}"));
    }
    terms
}

/// A name from each of its words to its end: `web-1.example` is found as `web…`, `1…` and `exam…`.
fn tails(name: &str) -> impl Iterator<Item = &str> {
    let mut before = false;
    name.char_indices().filter_map(move |(at, c)| {
        let starts = c.is_alphanumeric() && !before;
        before = c.is_alphanumeric();
        starts.then(|| name.get(at..)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_each_of_its_words() {
        let found: Vec<_> = tails("web-1.prod.example").collect();
        assert_eq!(found, ["web-1.prod.example", "1.prod.example", "prod.example", "example"]);
        assert_eq!(tails("-.-").count(), 0);
    }

    #[test]
    fn only_the_star_is_special() {
        let Search::Terms { start, end, pattern } = Search::parse("Host:a[b?*c") else {
            panic!("not all")
        };
        assert_eq!((start.as_str(), pattern.as_str()), ("host:a[b?", "host:a[[]b[?]*c"));
        assert!(end.starts_with("host:a[b?") && end.as_str() > "host:a[b?zzz");
    }

    #[test]
    fn a_kind_asks_for_the_whole_term_and_free_text_for_its_beginning() {
        let range = |text: &str| match Search::parse(text) {
            Search::All => ("all".to_owned(), true),
            Search::Terms { start, end, .. } => (start.clone(), start == end),
        };
        assert_eq!(range("label:Lab"), ("label:lab".to_owned(), true));
        assert_eq!(range("label:l*"), ("label:l".to_owned(), false));
        assert_eq!(range("Web"), ("word:web".to_owned(), false));
        assert_eq!(range(" ALL "), ("all".to_owned(), true));
    }

    #[test]
    fn a_client_is_found_by_id_names_labels_and_addresses() {
        let mut client = Client::labelled(&["Lab"]);
        client.host.hostname = "Web-1".into();
        client.host.mac_addresses = vec!["AA:BB".into()];
        let expected = [
            "host:web-1",
            "label:lab",
            "mac:aa:bb",
            "word:0123456789abcdef",
            "word:1",
            "word:aa:bb",
            "word:c.0123456789abcdef",
            "word:lab",
            "word:web-1",
        ];
        assert_eq!(terms(&client).into_iter().collect::<Vec<_>>(), expected);
    }
}
