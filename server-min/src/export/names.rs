//! Names inside an export: what agents and artifacts call things is never a path.

use crate::model::id::ArtifactName;

/// Characters of an agent's file name that are kept.
const NAME_CHARS: usize = 80;

/// The number of a file in its collection, and what of the agent's name for it is harmless.
#[must_use]
pub fn safe_name(number: u64, path: &str) -> String {
    let last = path.rsplit(['/', '\\']).next().unwrap_or_default();
    format!("{number}-{}", harmless(last))
}

/// The name of a table: the artifact, and below it the source. A name that had to be changed ends in the place of the
/// table among all, so that it is not that of another one.
pub(super) fn table(number: usize, name: &ArtifactName) -> String {
    let part = |text: &str| {
        let plain = harmless(text);
        if plain == text { plain } else { format!("{plain}-{number}") }
    };
    match name.source() {
        None => part(name.artifact()),
        Some(source) => format!("{}/{}", part(name.artifact()), part(source)),
    }
}

fn harmless(text: &str) -> String {
    if text.bytes().all(|b| b == b'.') {
        return "_".to_owned();
    }
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    text.chars().map(|c| if fine(c) { c } else { '_' }).take(NAME_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_anywhere() {
        assert_eq!(safe_name(0, "/etc/passwd"), "0-passwd");
        assert_eq!(safe_name(1, r"C:\Windows\..\x y?.exe"), "1-x_y_.exe");
        assert_eq!(safe_name(2, "a/.."), "2-_");
        assert_eq!(safe_name(3, "\u{202e}gpj.exe"), "3-_gpj.exe");
        assert_eq!(safe_name(4, &"a".repeat(500)).len(), 82);
        assert_eq!(safe_name(5, ""), "5-_");
    }

    #[test]
    fn tables_of_different_names_have_different_files() {
        let name = |text: &str| table(1, &text.parse().unwrap());
        assert_eq!(name("A.B_Source"), "A.B_Source");
        assert_eq!(name("A.B/Source"), "A.B/Source");
        assert_eq!(name("A.B/So urce"), "A.B/So_urce-1");
        assert_eq!(name("A.B/.."), "A.B/_-1");
    }
}
