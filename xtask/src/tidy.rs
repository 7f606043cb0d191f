//! Checks what the compiler does not: invariants of ARCHITECTURE.md that a search can hold.
//!
//! Each finding is a line `file:line: what, and what to do`. Tests of this module show that each rule can fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::step;

/// Longest product file, in lines; beyond it a file holds more than one concept.
const FILE_LINES_MAX: usize = 500;
/// Longest file of a board crate, in lines: pins, clocks and parts, no logic.
const BOARD_LINES_MAX: usize = 150;
/// Longest line, in characters.
const LINE_CHARACTERS_MAX: usize = 130;

/// A word that may not stand in a Rust file, and what to do about it.
struct Banned {
    word: &'static str,
    instead: &'static str,
    /// Folders in which the rule holds; empty means everywhere.
    only_in: &'static [&'static str],
}

const PURE: &[&str] = &["agent-core/src", "vql/src"];

const BANNED: &[Banned] = &[
    Banned { word: concat!("TO", "DO"), instead: "finish it, or open an issue", only_in: &[] },
    Banned { word: concat!("FIX", "ME"), instead: "fix it", only_in: &[] },
    Banned { word: concat!("#[ig", "nore"), instead: "fix or delete the test", only_in: &[] },
    Banned {
        word: concat!("should_", "panic"),
        instead: "return an error and compare it",
        only_in: &[],
    },
    Banned { word: "std::time", instead: "take the time as an argument", only_in: PURE },
    Banned { word: "std::net", instead: "hosts own sockets", only_in: PURE },
    Banned { word: "std::fs", instead: "hosts own files", only_in: PURE },
    Banned { word: "OsRng", instead: "take a CryptoRng as an argument", only_in: PURE },
    Banned {
        word: "HashMap",
        instead: "use BTreeMap: its order is the same each time",
        only_in: PURE,
    },
];

/// Runs all checks over the tracked files.
pub fn run() -> Result<()> {
    eprintln!("==> tidy");
    let root = step::root();
    let mut findings = Vec::new();
    for path in tracked_files(&root)? {
        let shown = path.to_string_lossy().into_owned();
        // A file that is deleted but not yet committed is no finding.
        let Ok(text) = fs::read_to_string(root.join(&path)) else { continue };
        if shown.ends_with(".rs") {
            findings.extend(check_rust(&shown, &text));
        }
    }
    for finding in &findings {
        eprintln!("{finding}");
    }
    ensure!(findings.is_empty(), "tidy: {} findings, listed above", findings.len());
    Ok(())
}

fn tracked_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let output = list.output().context("tidy needs git to list the files")?;
    if !output.status.success() {
        bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(listed.lines().map(PathBuf::from).collect())
}

fn check_rust(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    if path.ends_with("/mod.rs") {
        findings.push(format!("{path}:1: name the file after its module"));
    }
    if !text.starts_with("//!") {
        findings.push(format!("{path}:1: say in a `//!` line what the file is"));
    }
    let limit = if path.starts_with("boards/") && !path.starts_with("boards/common/") {
        BOARD_LINES_MAX
    } else {
        FILE_LINES_MAX
    };
    let lines = text.lines().count();
    if path.contains("/src/") && lines > limit {
        findings.push(format!("{path}:{lines}: over {limit} lines; split it by concept"));
    }
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        // A text in quotes may be longer: cutting it changes it.
        if line.chars().count() > LINE_CHARACTERS_MAX && !line.contains('"') {
            findings.push(format!("{path}:{number}: over {LINE_CHARACTERS_MAX} characters"));
        }
        for banned in BANNED.iter().filter(|banned| applies(banned, path)) {
            if line.contains(banned.word) {
                findings.push(format!("{path}:{number}: {}: {}", banned.word, banned.instead));
            }
        }
    }
    findings
}

fn applies(banned: &Banned, path: &str) -> bool {
    // This file names the words that it bans.
    path != "xtask/src/tidy.rs"
        && (banned.only_in.is_empty()
            || banned.only_in.iter().any(|folder| path.starts_with(folder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_file_has_no_findings() {
        assert!(check_rust("vql/src/lex.rs", "//! Text to tokens.\n\nfn lex() {}\n").is_empty());
    }

    #[test]
    fn each_rule_can_fail() {
        let long = format!("//! Long.\n{}", "\n".repeat(FILE_LINES_MAX));
        let wide = format!("//! Wide.\n// {}\n", "x".repeat(LINE_CHARACTERS_MAX));
        let cases = [
            ("vql/src/lex/mod.rs", "//! Text to tokens.\n", "name the file after its module"),
            ("vql/src/lex.rs", "fn lex() {}\n", "say in a `//!` line"),
            ("vql/src/lex.rs", long.as_str(), "split it by concept"),
            ("vql/src/lex.rs", wide.as_str(), "characters"),
            ("agent-core/src/agent.rs", "//! A.\nuse std::time::Instant;\n", "as an argument"),
        ];
        for (path, text, expected) in cases {
            let findings = check_rust(path, text);
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert!(findings.iter().all(|finding| finding.contains(expected)), "{findings:?}");
        }
    }

    #[test]
    fn hosts_may_read_the_clock() {
        let text = "//! The host.\nuse std::time::Instant;\n";
        assert!(check_rust("agent-std/src/host.rs", text).is_empty());
    }

    #[test]
    fn a_board_file_is_short() {
        let text = format!("//! Pins.\n{}", "\n".repeat(BOARD_LINES_MAX));
        assert_eq!(check_rust("boards/nucleo/src/main.rs", &text).len(), 1);
        assert!(check_rust("boards/common/src/lib.rs", &text).is_empty());
    }
}
