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
fn the_threat_model_names_tests_that_exist() {
    let page = std::fs::read_to_string(root().join("docs/threat-model.md")).unwrap();
    let is_test = |word: &&str| {
        word.matches('_').count() >= 2 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    let named: BTreeSet<&str> = page.split('`').filter(is_test).collect();
    assert!(named.len() > 40, "{named:?}");
    let mut functions = BTreeSet::new();
    for folder in ["agent-core", "agent-std", "server-min", "hil-tests"] {
        for part in ["src", "tests"] {
            gather(&root().join(folder).join(part), &mut functions);
        }
    }
    let missing: Vec<_> = named.iter().filter(|name| !functions.contains(**name)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
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
