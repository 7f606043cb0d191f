//! Finding clients by an index of terms: what a page costs does not depend on how many clients there are.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use rusqlite::{Connection, params};

use super::{Store, StoreError, client};
use crate::limits;
use crate::model::client::Client;
use crate::model::id::ClientId;
use crate::model::search::{Search, terms};

/// A page of clients, and where the next one begins.
#[derive(Debug, Clone)]
pub struct Page {
    /// In the order of ids when everybody is asked for, else of the terms that were found.
    pub clients: Vec<Client>,
    /// `None` when there is nothing behind them.
    pub next: Option<Cursor>,
}

/// A place in the answer to a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    term: String,
    client: String,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.client, self.term)
    }
}

impl FromStr for Cursor {
    type Err = Infallible;

    /// Any text is a place: a page may follow it or not.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (client, term) = text.split_once(' ').unwrap_or((text, ""));
        Ok(Self { term: term.to_owned(), client: client.to_owned() })
    }
}

impl Store {
    /// At most `limit` (and [`limits::PAGE`]) clients that a search finds, behind a place in its answer.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn search_clients(
        &self,
        search: &Search,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let limit = limit.min(limits::PAGE);
        let found = self.read(|db| match search {
            Search::All => all(db, after, limit),
            Search::Terms { start, end, pattern } => {
                by_terms(db, (start, end, pattern), after, limit)
            }
        })?;
        let more = found.len() >= limit;
        let next = found.last().filter(|_| more).map(|(cursor, _)| cursor.clone());
        Ok(Page { clients: found.into_iter().map(|(_, client)| client).collect(), next })
    }

    /// At most `limit` (and [`limits::PAGE`]) clients behind the first `skip` that a search finds among those that were
    /// heard since a time, in microseconds since 1970. Its cost grows with `skip`: [`Store::search_clients`] is for those
    /// who read on.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn search_clients_at(
        &self,
        search: &Search,
        since_us: u64,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Client>, StoreError> {
        let signed = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let (skip, limit) = (signed(skip), signed(limit.min(limits::PAGE)));
        let since = super::signed(since_us);
        self.read(|db| match search {
            Search::All => {
                let sql = format!(
                    "SELECT {} FROM client WHERE seen_us >= ?1 ORDER BY id LIMIT ?2 OFFSET ?3",
                    client::COLUMNS
                );
                let mut query = db.prepare_cached(&sql)?;
                query.query_and_then(params![since, limit, skip], client::from_row)?.collect()
            }
            Search::Terms { start, end, pattern } => {
                let sql = format!(
                    "SELECT {} FROM client_term AS found JOIN client ON id = found.client \
                     WHERE {FIRST_TERM} AND seen_us >= ?4 \
                     ORDER BY found.term, found.client LIMIT ?5 OFFSET ?6",
                    client::COLUMNS
                );
                let mut query = db.prepare_cached(&sql)?;
                let asked = params![start, end, pattern, since, limit, skip];
                query.query_and_then(asked, client::from_row)?.collect()
            }
        })
    }

    /// How many clients a search finds among those that were heard since a time, in microseconds since 1970.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn search_count(&self, search: &Search, since_us: u64) -> Result<u64, StoreError> {
        let since = super::signed(since_us);
        self.read(|db| {
            let count = match search {
                Search::All => {
                    let sql = "SELECT count(*) FROM client WHERE seen_us >= ?1";
                    db.prepare_cached(sql)?.query_row([since], |row| row.get(0))?
                }
                Search::Terms { start, end, pattern } => {
                    let sql = "SELECT count(DISTINCT found.client) \
                               FROM client_term AS found JOIN client ON id = found.client \
                               WHERE found.term BETWEEN ?1 AND ?2 AND found.term GLOB ?3 AND seen_us >= ?4";
                    let mut query = db.prepare_cached(sql)?;
                    query.query_row(params![start, end, pattern, since], |row| row.get(0))?
                }
            };
            Ok(super::unsigned(count))
        })
    }

    /// At most `limit` of the names and labels under which a search finds clients, as people type them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn search_names(&self, search: &Search, limit: usize) -> Result<Vec<String>, StoreError> {
        let Search::Terms { start, end, pattern } = search else {
            return Ok(vec!["all".to_owned()]);
        };
        self.read(|db| {
            let sql = "SELECT DISTINCT term FROM client_term \
                       WHERE term BETWEEN ?1 AND ?2 AND term GLOB ?3 ORDER BY term LIMIT ?4";
            let mut query = db.prepare_cached(sql)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let names = query.query_map(params![start, end, pattern, limit], |row| {
                let term: String = row.get(0)?;
                Ok(term.strip_prefix("word:").unwrap_or(&term).to_owned())
            })?;
            Ok(names.collect::<Result<_, _>>()?)
        })
    }
}

/// Of the terms between `?1` and `?2` that fit `?3`, the first of each client.
const FIRST_TERM: &str = "found.term BETWEEN ?1 AND ?2 AND found.term GLOB ?3 \
     AND NOT EXISTS (SELECT 1 FROM client_term AS earlier WHERE earlier.client = found.client \
         AND earlier.term >= ?1 AND earlier.term < found.term AND earlier.term GLOB ?3)";

fn all(
    db: &Connection,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Vec<(Cursor, Client)>, StoreError> {
    let sql = format!("SELECT {} FROM client WHERE id > ?1 ORDER BY id LIMIT ?2", client::COLUMNS);
    let mut query = db.prepare_cached(&sql)?;
    let start = after.map_or("", |cursor| &cursor.client);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = query.query_and_then(params![start, limit], |row| {
        let client = client::from_row(row)?;
        Ok((Cursor { term: String::new(), client: client.id.to_string() }, client))
    })?;
    rows.collect()
}

/// A client with several terms that fit is found at the first of them.
fn by_terms(
    db: &Connection,
    (start, end, pattern): (&str, &str, &str),
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Vec<(Cursor, Client)>, StoreError> {
    let mut query = db.prepare_cached(&by_terms_sql())?;
    let (term, behind) = after.map_or((start, ""), |cursor| (&cursor.term, &cursor.client));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = query.query_and_then(params![term, behind, end, pattern, start, limit], |row| {
        let client = client::from_row(row)?;
        Ok((Cursor { term: row.get(client::COLUMN_COUNT)?, client: client.id.to_string() }, client))
    })?;
    rows.collect()
}

fn by_terms_sql() -> String {
    format!(
        "SELECT {}, found.term FROM client_term AS found JOIN client ON id = found.client \
         WHERE (found.term, found.client) > (?1, ?2) AND found.term <= ?3 AND found.term GLOB ?4 \
         AND NOT EXISTS (SELECT 1 FROM client_term AS earlier WHERE earlier.client = found.client \
             AND earlier.term >= ?5 AND earlier.term < found.term AND earlier.term GLOB ?4) \
         ORDER BY found.term, found.client LIMIT ?6",
        client::COLUMNS
    )
}

/// Writes the terms of a client anew.
pub(super) fn index(db: &Connection, client: &Client) -> Result<(), StoreError> {
    let id = client.id.as_str();
    db.prepare_cached("DELETE FROM client_term WHERE client = ?1")?.execute([id])?;
    let mut insert = db.prepare_cached("INSERT INTO client_term (client, term) VALUES (?1, ?2)")?;
    for term in terms(client) {
        insert.execute(params![id, term])?;
    }
    Ok(())
}

/// Writes the terms of all clients: for a store of a time when there were none.
pub(super) fn index_all(db: &Connection) -> Result<(), StoreError> {
    let mut after: Option<ClientId> = None;
    loop {
        let page = client::page(db, after.as_ref(), limits::QUERY_CLIENTS)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        for client in &page {
            index(db, client)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::model::client::Host;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        (folder, store)
    }

    fn fill(store: &Store, clients: std::ops::Range<u64>) {
        let enrol = move |db: &Connection| {
            for n in clients {
                let id: ClientId = format!("C.{n:016x}").parse().unwrap();
                client::insert(db, &id, &[1])?;
                let host = Host {
                    hostname: format!("web-{n}"),
                    fqdn: format!("web-{n}.prod.example"),
                    mac_addresses: vec![format!(
                        "02:00:00:{:02x}:{:02x}:00",
                        n / 256 % 256,
                        n % 256
                    )],
                    ..Host::default()
                };
                let label = if n % 10 == 0 { "Tenth" } else { "other" };
                client::set_host(db, &id, &host, &[label.to_owned()])?;
            }
            Ok(())
        };
        store.write(enrol).unwrap();
    }

    /// All that is found, in pages of 7.
    fn found(store: &Store, text: &str) -> Vec<String> {
        let (search, mut cursor, mut names) = (Search::parse(text), None, Vec::new());
        loop {
            let page = store.search_clients(&search, cursor.as_ref(), 7).unwrap();
            names.extend(page.clients.into_iter().map(|client| client.host.hostname));
            cursor = page.next;
            if cursor.is_none() {
                return names;
            }
        }
    }

    #[test]
    fn every_client_is_found_once_whatever_the_pages() {
        let (_folder, store) = store();
        fill(&store, 0..50);
        assert_eq!(found(&store, "").len(), 50);
        assert_eq!(found(&store, "web").len(), 50);
        assert_eq!(found(&store, "host:web-*").len(), 50);
        assert_eq!(found(&store, "*prod*").len(), 50);
        assert_eq!(found(&store, "label:tenth"), ["web-0", "web-10", "web-20", "web-30", "web-40"]);
        assert_eq!(found(&store, "Host:WEB-7"), ["web-7"]);
        assert_eq!(found(&store, "mac:02:00:00:00:07:*"), ["web-7"]);
        assert_eq!(found(&store, "C.000000000000001f"), ["web-31"]);
        assert_eq!(found(&store, "host:web-7?"), [""; 0]);
        assert_eq!(found(&store, "label:ten"), [""; 0]);
    }

    #[test]
    fn what_changed_is_found_by_what_it_is() {
        let (_folder, store) = store();
        fill(&store, 0..1);
        let id: ClientId = "C.0000000000000000".parse().unwrap();
        store.label(&id, vec!["Lab".into()], vec!["tenth".into()]).unwrap();
        assert_eq!((found(&store, "label:lab").len(), found(&store, "label:tenth").len()), (1, 0));
        assert!(store.delete_client(&id).unwrap());
        assert!(found(&store, "web").is_empty() && found(&store, "label:lab").is_empty());
    }

    /// `TROODON_CLIENTS=100000 cargo test -p troodon-server --lib -- a_page_takes --nocapture` prints larger figures.
    #[test]
    fn a_page_takes_milliseconds_however_many_clients_there_are() {
        let (_folder, store) = store();
        let clients = std::env::var("TROODON_CLIENTS").map_or(3000, |count| count.parse().unwrap());
        fill(&store, 0..clients);
        for text in ["", "web", "host:web-999", "label:tenth", "label:other", "prod", "mac:02:*"] {
            let search = Search::parse(text);
            let start = Instant::now();
            let first = store.search_clients(&search, None, 100).unwrap();
            let took = start.elapsed();
            println!("{text:?}: {} of {clients} clients in {took:?}", first.clients.len());
            assert!(!first.clients.is_empty());
            // Many times what it takes on a busy machine.
            assert!(took.as_millis() < 500, "{text:?} took {took:?}");
            let start = Instant::now();
            let count = store.search_count(&search, 0).unwrap();
            let last = usize::try_from(count - 1).unwrap();
            let page = store.search_clients_at(&search, 0, last, 100).unwrap();
            println!("{text:?}: the last of {count} in {:?}", start.elapsed());
            assert_eq!(page.len(), 1);
        }
    }

    #[test]
    fn a_place_in_the_answer_is_found_by_its_number_and_by_when_clients_were_heard() {
        let (_folder, store) = store();
        fill(&store, 0..50);
        for text in ["", "web", "label:tenth", "*prod*", "host:web-4*"] {
            let search = Search::parse(text);
            let names = found(&store, text);
            let count = store.search_count(&search, 0).unwrap();
            assert_eq!(usize::try_from(count).unwrap(), names.len(), "{text}");
            for skip in [0, 3, names.len()] {
                let page = store.search_clients_at(&search, 0, skip, 2).unwrap();
                let page: Vec<_> = page.into_iter().map(|client| client.host.hostname).collect();
                assert_eq!(page, names.iter().skip(skip).take(2).cloned().collect::<Vec<_>>());
            }
            // Nobody was ever heard.
            assert_eq!(store.search_count(&search, 1).unwrap(), 0);
            assert!(store.search_clients_at(&search, 1, 0, 2).unwrap().is_empty());
        }
    }

    #[test]
    fn no_search_looks_at_every_client() {
        let (_folder, store) = store();
        fill(&store, 0..1);
        let plan = |sql: &str| {
            store
                .read(|db| {
                    let mut query = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                    let count = query.parameter_count();
                    let arguments = rusqlite::params_from_iter(vec!["x"; count]);
                    let lines = query.query_map(arguments, |row| row.get::<_, String>(3))?;
                    Ok(lines.collect::<Result<Vec<_>, _>>()?.join("; "))
                })
                .unwrap()
        };
        let by_terms = plan(&by_terms_sql());
        assert!(
            by_terms.contains("SEARCH found USING COVERING INDEX client_by_term"),
            "{by_terms}"
        );
        assert!(!by_terms.contains("SCAN") && !by_terms.contains("TEMP B-TREE"), "{by_terms}");
    }
}
