//! What people and agents hand in, with thousands of small changes that are the same in every run: nothing panics, and what is
//! understood survives being written.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::artifact::Artifact;
use crate::config::{Config, defaults, from_yaml, to_yaml};
use crate::ingest::claims_of_interrogation;

const CHANGES: u64 = 1_000;

/// A text with up to four changes: cut, doubled, removed, or another letter.
fn change(random: &mut ChaCha20Rng, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let mut below = |bound: usize| usize::try_from(random.next_u32()).unwrap() % bound.max(1);
    for _ in 0..=below(4) {
        let start = below(letters.len() + 1);
        let end = start + below(letters.len() - start + 1).min(40);
        match below(4) {
            0 if below(8) == 0 => letters.truncate(start),
            1 => {
                let part = letters[start..end].to_vec();
                letters.splice(start..start, part);
            }
            2 => drop(letters.drain(start..end)),
            _ => {
                let odd = [
                    '\0', '\n', ' ', ':', '{', '[', '"', '\'', '&', '*', '!', '|', '\u{202e}', '9',
                ];
                let letter = odd[below(odd.len())];
                letters.insert(start, letter);
            }
        }
    }
    letters.into_iter().collect()
}

fn changes(text: &str) -> impl Iterator<Item = String> {
    (0..CHANGES).map(move |seed| change(&mut ChaCha20Rng::seed_from_u64(seed), text))
}

#[test]
fn a_damaged_configuration_is_an_error_or_survives_being_written() {
    let whole = to_yaml(&defaults()).unwrap();
    let mut understood = 0;
    for text in changes(&whole) {
        let Ok(config) = from_yaml::<Config>(&text, "test") else { continue };
        let written = to_yaml(&config).unwrap();
        let again: Config = from_yaml(&written, "test").unwrap();
        assert_eq!(to_yaml(&again).unwrap(), written, "{text}");
        understood += 1;
    }
    assert!((CHANGES / 100..CHANGES).contains(&understood), "{understood}");
}

#[test]
fn a_damaged_definition_is_an_artifact_or_an_error_that_says_where() {
    let whole = "name: Custom.Test\ntype: CLIENT\nparameters:\n  - name: Depth\n    type: int\n    default: \"3\"\n\
                 required_permissions: [EXECVE]\nsources:\n  - name: One\n    \
                 precondition: SELECT OS FROM info()\n    query: |\n      \
                 LET X = SELECT * FROM range(end=Depth)\n      SELECT _value + 1 AS N FROM X WHERE N =~ '[12]'\n";
    let mut understood = 0;
    for text in changes(whole) {
        match Artifact::parse(&text, "test") {
            Ok(artifact) => {
                assert!(!artifact.name.is_empty());
                understood += 1;
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    assert!((CHANGES / 100..CHANGES).contains(&understood), "{understood}");
}

#[test]
fn damaged_rows_about_a_host_claim_less_or_nothing() {
    let whole = r#"{"Hostname":"h","OS":"linux","Fqdn":"h.example","Labels":["a","b"],"MACAddresses":["x"]}"#;
    let claims = |text: &str| claims_of_interrogation(text.as_bytes());
    assert!(claims(whole).is_some());
    let understood = changes(whole).filter(|text| claims(text).is_some()).count();
    assert!(understood > 0 && understood < usize::try_from(CHANGES).unwrap(), "{understood}");
}
