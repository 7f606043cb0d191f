//! Names that come from outside, parsed once at the edge.
//!
//! A string from an agent, a command line or a request never becomes a key or part of a path: only these types do, and
//! only their parsers make them.

use std::fmt;
use std::str::FromStr;

use crate::limits;

pub use troodon_core::identity::ClientId;

/// A text that is not the kind of name that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// Not `F.` and printable ASCII.
    #[error("{0:?} is not a collection id: it should look like F.D4K2N6EXAMPLE")]
    Flow(String),
    /// Not `H.` and letters and digits.
    #[error("{0:?} is not a hunt id: it should look like H.D4K2N6EXAMPLE")]
    Hunt(String),
    /// Not `N.` and letters and digits.
    #[error("{0:?} is not a notebook id: it should look like N.D4K2N6EXAMPLE")]
    Notebook(String),
    /// Not dotted words with at most one source behind a slash.
    #[error("{0:?} is not an artifact name: it should look like Linux.Sys.Pslist or Name/Source")]
    Artifact(String),
    /// Not a name for a person or program.
    #[error("{0:?} is not a user name: use up to 128 letters, digits and @ . - _ # +")]
    User(String),
    /// Not `root`, and not `O` with letters and digits.
    #[error("{0:?} is not an organisation: it should look like root or OABCD")]
    Org(String),
}

/// The id of one collection on one client.
///
/// Opaque except for its prefix (docs/protocol.md section 1.4): it may hold further dots and slashes, so it is never
/// used as a file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(Box<str>);

impl FlowId {
    /// The session of event rows. It is no collection.
    pub const MONITORING: &str = "F.Monitoring";
    /// The session of questions about collections.
    pub const STATUS: &str = "F.Status";

    /// A fresh id: the time in seconds and 4 random bytes in base32hex, as Velociraptor makes them.
    #[must_use]
    pub fn generate(unix_seconds: u64, random: [u8; 4]) -> Self {
        Self(format!("F.{}", unique(unix_seconds, random)).into())
    }

    /// The text as it travels.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FlowId {
    type Err = NameFault;

    fn from_str(text: &str) -> Result<Self, NameFault> {
        let fault = || NameFault::Flow(shortened(text));
        let rest = text.strip_prefix("F.").ok_or_else(fault)?;
        let reserved = text == Self::MONITORING || text == Self::STATUS;
        let fits = !rest.is_empty() && text.len() <= limits::FLOW_ID_BYTES;
        let printable = rest
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/' | b'-' | b'_'));
        if fits && printable && !reserved { Ok(Self(text.into())) } else { Err(fault()) }
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A time in seconds and 4 random bytes, 64 bits in base32hex (RFC 4648 section 7).
pub(super) fn unique(unix_seconds: u64, random: [u8; 4]) -> String {
    let seconds = u32::try_from(unix_seconds).unwrap_or(u32::MAX).to_be_bytes();
    let bits = u64::from_be_bytes([
        seconds[0], seconds[1], seconds[2], seconds[3], random[0], random[1], random[2], random[3],
    ]);
    // 64 bits are 13 digits of 5 bits: twelve whole ones, and four bits moved up by one.
    let digit =
        |number: u32| base32hex(if number == 12 { bits << 1 } else { bits >> (59 - 5 * number) });
    (0..13).map(digit).collect()
}

/// The digit for the last 5 bits.
fn base32hex(bits: u64) -> char {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
    char::from(ALPHABET[usize::try_from(bits & 31).unwrap_or_default()])
}

/// The id of a hunt.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HuntId(Box<str>);

impl HuntId {
    /// A fresh id, as Velociraptor makes them.
    #[must_use]
    pub fn generate(unix_seconds: u64, random: [u8; 4]) -> Self {
        Self(format!("H.{}", unique(unix_seconds, random)).into())
    }

    /// The text as people see it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The collection of this hunt on each client: one tells the other (docs/protocol.md section 5.4).
    #[must_use]
    pub fn flow(&self) -> FlowId {
        let rest = self.0.get(2..).unwrap_or_default();
        FlowId(format!("F.{rest}.H").into())
    }
}

impl FromStr for HuntId {
    type Err = NameFault;

    fn from_str(text: &str) -> Result<Self, NameFault> {
        let rest = text.strip_prefix("H.").unwrap_or_default();
        let fits = !rest.is_empty() && text.len() <= limits::HUNT_ID_BYTES;
        if fits && rest.bytes().all(|b| b.is_ascii_alphanumeric()) {
            Ok(Self(text.into()))
        } else {
            Err(NameFault::Hunt(shortened(text)))
        }
    }
}

impl fmt::Display for HuntId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an artifact, with the source when it has named ones: `Generic.Client.Info/BasicInformation`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArtifactName(Box<str>);

impl ArtifactName {
    /// The text as it travels, before obfuscation.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the slash.
    #[must_use]
    pub fn artifact(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(artifact, _)| artifact)
    }

    /// The part behind the slash.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.0.split_once('/').map(|(_, source)| source)
    }
}

impl FromStr for ArtifactName {
    type Err = NameFault;

    fn from_str(text: &str) -> Result<Self, NameFault> {
        let (artifact, source) = match text.split_once('/') {
            Some((artifact, source)) => (artifact, Some(source)),
            None => (text, None),
        };
        let word = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        };
        // Real packs name sources with spaces and punctuation; control characters and further slashes have no use.
        let source_fits = source.is_none_or(|source| {
            !source.is_empty() && !source.contains('/') && !source.chars().any(char::is_control)
        });
        if text.len() <= limits::ARTIFACT_NAME_BYTES && artifact.split('.').all(word) && source_fits
        {
            Ok(Self(text.into()))
        } else {
            Err(NameFault::Artifact(shortened(text)))
        }
    }
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who holds rights: a person, or a program with a certificate. Letter case is shown and does not distinguish.
#[derive(Debug, Clone)]
pub struct UserName(Box<str>);

impl UserName {
    /// The name as it was first written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What distinguishes this name from others.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl PartialEq for UserName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for UserName {}

impl FromStr for UserName {
    type Err = NameFault;

    fn from_str(text: &str) -> Result<Self, NameFault> {
        // Other alphabets have letters that look alike, and a name is what people grant rights to.
        let sound = |b: u8| b.is_ascii_alphanumeric() || b"@.-_#+".contains(&b);
        let fits = !text.is_empty() && text.len() <= limits::USER_NAME_BYTES;
        if fits && text.bytes().all(sound) {
            Ok(Self(text.into()))
        } else {
            Err(NameFault::User(shortened(text)))
        }
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An organisation: rights in one say nothing about another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrgId(Box<str>);

impl OrgId {
    const ROOT: &str = "root";

    /// The one that every deployment has.
    #[must_use]
    pub fn root() -> Self {
        Self(Self::ROOT.into())
    }

    /// A fresh id, as Velociraptor makes them: 2 random bytes in base32hex.
    #[must_use]
    pub fn generate(random: [u8; 2]) -> Self {
        let bits = u32::from(u16::from_be_bytes(random)) << 4;
        let digits = [15, 10, 5, 0].map(|shift| base32hex(u64::from(bits >> shift)));
        Self(format!("O{}", digits.iter().collect::<String>()).into())
    }

    /// Whether it is the one that every deployment has.
    #[must_use]
    pub fn is_root(&self) -> bool {
        &*self.0 == Self::ROOT
    }

    /// The text as it travels.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OrgId {
    type Err = NameFault;

    fn from_str(text: &str) -> Result<Self, NameFault> {
        let rest = text.strip_prefix('O').unwrap_or_default();
        let fits = !rest.is_empty() && text.len() <= limits::ORG_ID_BYTES;
        match text {
            "" | Self::ROOT => Ok(Self::root()),
            _ if fits && rest.bytes().all(|b| b.is_ascii_alphanumeric()) => Ok(Self(text.into())),
            _ => Err(NameFault::Org(shortened(text))),
        }
    }
}

impl fmt::Display for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// So much of a refused name as an error message should carry.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(limits::QUOTED_NAME_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flow_ids_of_real_servers_are_accepted() {
        for text in
            ["F.DC1RPI58QL7A8", "F.DC1RPI58QL7A8.H", "F.DC1RPI58QL7A8/2", "F.DC1RPI58QL7A8/S"]
        {
            assert_eq!(text.parse::<FlowId>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn well_known_sessions_and_odd_texts_are_no_flow_ids() {
        for text in
            ["", "F.", "F.Monitoring", "F.Status", "E:Enrol", "C.0123456789abcdef", "F.a b", "F.\n"]
        {
            assert!(text.parse::<FlowId>().is_err(), "{text:?}");
        }
        assert!(format!("F.{}", "A".repeat(200)).parse::<FlowId>().is_err());
    }

    #[test]
    fn a_generated_flow_id_is_time_and_random_in_base32hex() {
        // RFC 4648 section 10: "foobar" is CPNMUOJ1E8 in base32hex; here its first eight bytes are "foobarba".
        let seconds = u64::from(u32::from_be_bytes(*b"foob"));
        assert_eq!(FlowId::generate(seconds, *b"arba").as_str(), "F.CPNMUOJ1E9H62");
    }

    #[test]
    fn a_hunt_names_its_collections() {
        let hunt = HuntId::generate(u64::from(u32::from_be_bytes(*b"foob")), *b"arba");
        assert_eq!(hunt.as_str(), "H.CPNMUOJ1E9H62");
        assert_eq!(hunt.flow().as_str(), "F.CPNMUOJ1E9H62.H");
        assert_eq!(hunt.flow().as_str().parse(), Ok(hunt.flow()));
        for text in ["", "H.", "F.ABC", "H.a/b", "H.a.b"] {
            assert!(text.parse::<HuntId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_artifact_name_is_split_at_its_slash() {
        let name: ArtifactName = "Generic.Client.Info/BasicInformation".parse().unwrap();
        assert_eq!(name.artifact(), "Generic.Client.Info");
        assert_eq!(name.source(), Some("BasicInformation"));
    }

    #[test]
    fn paths_are_no_artifact_names() {
        for text in ["", "/", "../x", "a/b/c", "A..B", ".A", "A/", "A/\n", "$00ff", "A B"] {
            assert!(text.parse::<ArtifactName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn letter_case_does_not_make_another_user() {
        let ann: UserName = "Ann@example.com".parse().unwrap();
        assert_eq!(ann, "ann@EXAMPLE.com".parse().unwrap());
        assert_eq!((ann.as_str(), ann.key().as_str()), ("Ann@example.com", "ann@example.com"));
        for text in ["", "a b", "../ann", "ann\n", "\u{430}nn", &"a".repeat(129)] {
            assert!(text.parse::<UserName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_fresh_organisation_has_two_bytes_in_base32hex() {
        // RFC 4648 section 10: "fo" is CPNG.
        assert_eq!(OrgId::generate(*b"fo").as_str(), "OCPNG");
        assert_eq!("OCPNG".parse(), Ok(OrgId::generate(*b"fo")));
    }

    #[test]
    fn an_empty_organisation_is_the_root() {
        for (text, is_root) in [("", true), ("root", true), ("OABCD", false)] {
            assert_eq!(text.parse::<OrgId>().unwrap().is_root(), is_root);
        }
        for text in ["O", "ROOT", "../O1", "O/1", "O..", "X123"] {
            assert!(text.parse::<OrgId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn ids_are_shown_as_they_were_read() {
        fn shown<T: FromStr<Err = NameFault> + fmt::Display>(text: &str) {
            assert_eq!(text.parse::<T>().unwrap().to_string(), text);
        }
        shown::<FlowId>("F.A/2");
        shown::<HuntId>("H.A");
        shown::<ArtifactName>("A.B/C d");
        shown::<UserName>("Ann@example.com");
        shown::<OrgId>("OABCD");
        assert_ne!("ann".parse::<UserName>(), "bob".parse::<UserName>());
    }

    #[test]
    fn ids_have_lengths_up_to_their_limits_and_faults_quote_a_part() {
        let long =
            |prefix: &str, bytes: usize| format!("{prefix}{}", "A".repeat(bytes - prefix.len()));
        assert!(long("H.", limits::HUNT_ID_BYTES).parse::<HuntId>().is_ok());
        let fault = long("H.", limits::HUNT_ID_BYTES + 1).parse::<HuntId>().unwrap_err();
        let quoted = long("H.", limits::QUOTED_NAME_CHARS);
        assert_eq!(fault, NameFault::Hunt(quoted));
        assert_eq!(shortened("é"), "é");
    }
}
