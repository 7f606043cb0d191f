//! What the firmware of a board takes: flash for each part, and static RAM, against the budgets of the board's manifest.
//!
//! A part is a list of crates: each function and constant counts for the first of them in its name, so that what the
//! standard library instantiates for a crate is that crate's. Peaks of heap and stack depend on what a board does; its
//! plugin `firmware()` tells them, and the tests of `hil-tests` print them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, elf};
use serde_json::Value;

use super::{Figures, firmware};
use crate::step;

const TARGET: &str = "thumbv7em-none-eabihf";
const BOARDS: [&str; 1] = ["qemu-mps2-an386"];

/// A profile, what cargo is told for it, and the key of its budget in `[package.metadata.budget]`.
const PROFILES: [(&str, &[&str], &str); 3] = [
    ("TLS", &[], "flash-tls"),
    (
        "TLS by embedded-tls",
        &["--no-default-features", "--features", "tls-embedded"],
        "flash-tls-embedded",
    ),
    ("plain HTTP", &["--no-default-features"], "flash-plain"),
];

const PARTS: [(&str, &[&str]); 7] = [
    ("query language", &["troodon_vql", "csv_core", "serde_json", "regex_automata"]),
    ("agent and protocol", &["troodon_core", "troodon_proto", "prost", "miniz_oxide", "postcard"]),
    (
        "TLS",
        &[
            "rustls",
            "embedded_tls",
            "webpki",
            "rustls_pki_types",
            "p256",
            "primeorder",
            "elliptic_curve",
            "ecdsa",
        ],
    ),
    (
        "RSA and certificates",
        &["rsa", "crypto_bigint", "crypto_primes", "der", "x509_cert", "spki"],
    ),
    ("hashes and ciphers", &["sha2", "sha1", "md5", "aes", "cbc", "hmac", "rand_chacha"]),
    ("network", &["smoltcp"]),
    ("drivers, store and host of the agent", &["troodon_board", "sequential_storage"]),
];

/// Builds each board in each profile and adds what it takes.
pub(super) fn measure(figures: &mut Figures) -> Result<()> {
    let manifests = manifests()?;
    for board in BOARDS {
        let budget = &manifests[board];
        for (profile, arguments, key) in PROFILES {
            let image = build(board, profile, arguments)?;
            let bytes = fs::read(&image).with_context(|| format!("{}", image.display()))?;
            let file = object::File::parse(&*bytes)?;
            let total = firmware::stored(&file);
            figures.add(&format!("flash: {board}, {profile}"), total, "B", budget[key].as_u64());
            let mut rest = total;
            for (part, size) in parts(&file)? {
                figures.add(&format!("flash:   {part}"), size, "B", None);
                rest = rest.saturating_sub(size);
            }
            figures.add("flash:   the rest", rest, "B", None);
            let ram = budget["static-ram"].as_u64();
            figures.add("static RAM, with the room of the heap", writable(&file), "B", ram);
        }
    }
    Ok(())
}

/// The table `[package.metadata.budget]` of each board.
fn manifests() -> Result<BTreeMap<String, Value>> {
    let mut metadata = step::cargo(["metadata", "--no-deps", "--format-version", "1"]);
    let output = metadata.current_dir(step::root().join("boards")).output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let packages = metadata["packages"].as_array().context("no packages")?.iter();
    let budget = |package: &Value| {
        let name = package["name"].as_str()?.to_owned();
        Some((name, package["metadata"]["budget"].clone()))
    };
    Ok(packages.filter_map(budget).collect())
}

fn build(board: &str, profile: &str, arguments: &[&str]) -> Result<std::path::PathBuf> {
    let folder = step::root().join("boards");
    let common = ["build", "--quiet", "--release", "--package", board, "--target", TARGET];
    let mut cargo = step::cargo(common.iter().chain(arguments));
    cargo.args(hil_tests::without_folders(TARGET)?);
    step::run(&format!("build {board} with {profile}"), cargo.current_dir(&folder))?;
    Ok(folder.join(Path::new("target").join(TARGET).join("release").join(board)))
}

/// Bytes of functions and constants for each part.
fn parts(file: &object::File<'_>) -> Result<Vec<(&'static str, u64)>> {
    // Functions that are equal are stored once, under several names.
    let mut symbols = BTreeMap::new();
    for symbol in file.symbols().filter(|symbol| symbol.size() > 0 && is_stored(file, symbol)) {
        symbols.entry(symbol.address()).or_insert((symbol.size(), symbol.name()?));
    }
    let mut sizes = PARTS.map(|(part, _)| (part, 0));
    for (size, name) in symbols.values() {
        let place = |(at, (_, crates)): (usize, &(&str, &[&str]))| {
            Some((crates.iter().filter_map(|one| find(name, one)).min()?, at))
        };
        let first = PARTS.iter().enumerate().filter_map(place).min();
        if let Some((_, sum)) = first.and_then(|(_, at)| sizes.get_mut(at)) {
            *sum += size;
        }
    }
    Ok(sizes.to_vec())
}

fn is_stored(file: &object::File<'_>, symbol: &object::Symbol<'_, '_>) -> bool {
    let section = symbol.section_index().and_then(|index| file.section_by_index(index).ok());
    section.is_some_and(|section| flags(&section) & u64::from(elf::SHF_WRITE) == 0)
}

/// Where a crate stands in the mangled name of a symbol.
fn find(name: &str, wanted: &str) -> Option<usize> {
    let is_word =
        |byte: Option<&u8>| byte.is_some_and(|one| one.is_ascii_lowercase() || *one == b'_');
    name.match_indices(wanted).map(|(at, _)| at).find(|at| {
        let before = at.checked_sub(1).and_then(|at| name.as_bytes().get(at));
        !is_word(before) && !is_word(name.as_bytes().get(at + wanted.len()))
    })
}

/// Bytes of the sections that are in RAM.
fn writable(file: &object::File<'_>) -> u64 {
    let both = u64::from(elf::SHF_ALLOC | elf::SHF_WRITE);
    let sections = file.sections().filter(|section| flags(section) & both == both);
    sections.map(|section| section.size()).sum()
}

fn flags<'a>(section: &impl ObjectSection<'a>) -> u64 {
    let SectionFlags::Elf { sh_flags } = section.flags() else { return 0 };
    sh_flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_counts_for_the_crate_that_it_names() {
        assert_eq!(find("_ZN3rsa11private_key13RsaPrivateKey", "rsa"), Some(4));
        assert_eq!(find("_ZN52_$LT$rsa..key..Key$u20$as$u20$core..Drop", "rsa"), Some(10));
        assert_eq!(find("_ZN8universal5parse", "rsa"), None);
        assert_eq!(find("_ZN13rsa_oaep_test", "rsa"), None);
    }
}
