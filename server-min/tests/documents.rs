//! Pages that state what the code does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use troodon_server::{permission_page, reference_page};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `UPDATE=1 cargo test -p troodon-server --test documents` writes the page anew.
#[test]
fn the_page_of_permissions_is_what_the_code_does() {
    let path = root().join("docs/permissions.md");
    let page = permission_page::page().unwrap();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == page, "docs/permissions.md is stale: run this test with UPDATE=1");
}

/// `UPDATE=1 cargo test -p troodon-server --test documents` writes the pages anew, after
/// `UPDATE=1 cargo test -p troodon-agent --test names` has written what agents offer.
#[test]
fn the_reference_of_the_language_is_what_the_engine_checks() {
    let folder = root().join("docs/vql");
    for (name, page) in reference_page::pages().unwrap() {
        let path = folder.join(name);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &page).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(kept == page, "docs/vql/{name} is stale: run this test with UPDATE=1");
    }
}

#[test]
fn the_threat_model_and_the_lessons_name_tests_that_exist() {
    let mut functions = BTreeSet::new();
    for folder in ["agent-core", "agent-std", "parsers", "server-min", "vql", "hil-tests"] {
        for part in ["src", "tests"] {
            gather(&root().join(folder).join(part), &mut functions);
        }
    }
    for page in ["docs/threat-model.md", "docs/lessons.md"] {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        let is_test = |word: &&str| {
            let fits = |b: u8| b.is_ascii_lowercase() || b == b'_';
            word.matches('_').count() >= 2 && word.bytes().all(fits)
        };
        let named: BTreeSet<&str> = text.split('`').filter(is_test).collect();
        assert!(named.len() > 30, "{page}: {named:?}");
        let missing: Vec<_> = named.iter().filter(|name| !functions.contains(**name)).collect();
        assert!(missing.is_empty(), "{page}: no such tests: {missing:?}");
    }
}

/// Every line of the table of lessons names what holds its rule.
#[test]
fn every_lesson_has_a_test() {
    let text = std::fs::read_to_string(root().join("docs/lessons.md")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(lines.len() > 25);
    for line in lines {
        let tests = line.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap();
        assert!(tests.starts_with('`') && tests.ends_with('`'), "{line}");
    }
}

/// The names of all functions below a folder.
fn gather(folder: &Path, functions: &mut BTreeSet<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            gather(&path, functions);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
            functions.extend(names.map(str::to_owned));
        }
    }
}
