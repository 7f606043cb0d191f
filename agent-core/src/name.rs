//! Distinguished names (RFC 5280 section 4.1.2.4), as far as they are used here: the common name.
//!
//! Read and made with the library's reader and values. Its own type of a name knows every attribute by name, and holds
//! copies of all of them: 100 KB of tables where one is made from text, 10 KB of code where one is read.

use alloc::string::String;
use alloc::vec::Vec;

use der::asn1::{AnyRef, ObjectIdentifier};
use der::oid::db::rfc4519::CN;
use der::{Decode, Encode, Reader, SliceReader, Tag, Tagged};

use crate::signed_der::sequence;

/// What a name has of common names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum CommonName {
    /// None.
    Absent,
    /// One, which is text.
    Text(String),
    /// Several, or one that is no text: none that could be relied upon.
    Unusable,
}

impl CommonName {
    /// Reads a name in DER; refuses one that is malformed anywhere.
    pub(crate) fn of(name: &[u8]) -> der::Result<Self> {
        let mut found = Self::Absent;
        let mut reader = SliceReader::new(name)?;
        reader.sequence(|parts| -> der::Result<()> {
            while !parts.is_finished() {
                let part = AnyRef::decode(parts)?;
                part.tag().assert_eq(Tag::Set)?;
                let mut attributes = SliceReader::new(part.value())?;
                while !attributes.is_finished() {
                    found = attributes.sequence(|pair| found.and(pair))?;
                }
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(found)
    }

    /// With one more attribute of the name.
    fn and(&self, pair: &mut SliceReader<'_>) -> der::Result<Self> {
        let id = ObjectIdentifier::decode(pair)?;
        let value = AnyRef::decode(pair)?;
        Ok(match self {
            found if id != CN => found.clone(),
            Self::Absent => text(value).map_or(Self::Unusable, Self::Text),
            Self::Text(_) | Self::Unusable => Self::Unusable,
        })
    }

    /// The common name, if there is one to rely upon.
    pub(crate) fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Absent | Self::Unusable => None,
        }
    }
}

fn text(value: AnyRef<'_>) -> Option<String> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => {
            core::str::from_utf8(value.value()).ok().map(String::from)
        }
        _ => None,
    }
}

/// `CN=text` in DER.
pub(crate) fn of_common_name(text: &str) -> der::Result<Vec<u8>> {
    let value = AnyRef::new(Tag::Utf8String, text.as_bytes())?.to_der()?;
    let attribute = sequence(&[&CN.to_der()?, &value])?;
    sequence(&[&AnyRef::new(Tag::Set, &attribute)?.to_der()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_name_is_read_as_it_was_made() {
        let name = of_common_name("C.5170dd5921551ec7").unwrap();
        let found = CommonName::of(&name).unwrap();
        assert_eq!(found, CommonName::Text("C.5170dd5921551ec7".into()));
        for cut in 0..name.len() {
            assert!(CommonName::of(&name[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn the_library_reads_the_same_name() {
        let name = x509_cert::name::Name::from_der(&of_common_name("pump-7").unwrap()).unwrap();
        assert_eq!(name.iter().next().map(|part| part.oid), Some(CN));
        assert_eq!(name.iter().next().map(|part| part.value.value()), Some(&b"pump-7"[..]));
    }
}
