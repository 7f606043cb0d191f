//! What a program takes from others, and what it offers them.

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use object::LittleEndian as LE;
use object::read::pe::{ExportTable, ImageNtHeaders, ImageThunkData, Import, ImportTable, PeFile};
use troodon_vql::{RowBuilder, Text, Value};

use crate::limits::{PE_ENTRIES_MAX, PE_NAMES_LEN_MAX};

/// What a program takes from others.
#[derive(Default)]
pub(super) struct Imports {
    /// `library!name`, or `library!0x1f` for a number.
    pub(super) names: Vec<Value>,
    /// MD5 of the list, as malware is compared by; nothing without imports.
    pub(super) hash: String,
}

/// What a program offers others.
#[derive(Default)]
pub(super) struct Exports {
    /// `library:name`, or `library:#7` for a number.
    pub(super) names: Vec<Value>,
    /// Each with its number and address; null without exports.
    pub(super) rows: Value,
    /// Where those lead that are found elsewhere.
    pub(super) forwards: Vec<Value>,
}

/// How much of a table may still become values.
struct Room {
    entries: usize,
    bytes: usize,
}

impl Room {
    const fn new() -> Self {
        Self { entries: PE_ENTRIES_MAX, bytes: PE_NAMES_LEN_MAX }
    }

    /// Nothing when it is used up.
    fn take(&mut self, len: usize) -> Option<()> {
        self.entries = self.entries.checked_sub(1)?;
        self.bytes = self.bytes.checked_sub(len)?;
        Some(())
    }
}

/// The imports up to the first that is damaged.
pub(super) fn imports<P: ImageNtHeaders>(file: &PeFile<'_, P>) -> Imports {
    let mut found = Imports::default();
    let Ok(Some(table)) = file.import_table() else { return found };
    let mut room = Room::new();
    let mut hash = Md5::new();
    // The loop ends at the first damage; what was found before stays.
    let _ended = every_import::<P>(&table, |library, import| {
        let name = match import {
            Import::Ordinal(number) => format!("{number:#x}"),
            Import::Name(_, name) => lossy(name),
        };
        room.take(library.len().checked_add(name.len())?)?;
        if !found.names.is_empty() {
            hash.update(b",");
        }
        hash.update(hashed(library, import).to_ascii_lowercase());
        found.names.push(format!("{}!{name}", lossy(library)).into());
        Some(())
    });
    if !found.names.is_empty() {
        found.hash = super::hex(&hash.finalize());
    }
    found
}

fn every_import<P: ImageNtHeaders>(
    table: &ImportTable<'_>,
    mut each: impl FnMut(&[u8], Import<'_>) -> Option<()>,
) -> Option<()> {
    let mut descriptors = table.descriptors().ok()?;
    while let Some(library) = descriptors.next().ok()? {
        let name = table.name(library.name.get(LE)).ok()?;
        let address = match library.original_first_thunk.get(LE) {
            // Old linkers write one list only.
            0 => library.first_thunk.get(LE),
            address => address,
        };
        let mut thunks = table.thunks(address).ok()?;
        while let Some(thunk) = thunks.next::<P>().ok()? {
            let import = if thunk.is_ordinal() {
                Import::Ordinal(thunk.ordinal())
            } else {
                let (hint, name) = table.hint_name(thunk.address()).ok()?;
                Import::Name(hint, name)
            };
            each(name, import)?;
        }
    }
    Some(())
}

/// The form in which an import is hashed: `library.name`, the library without the usual ends of its name.
fn hashed(library: &[u8], import: Import<'_>) -> String {
    let library = lossy(library).to_ascii_lowercase();
    let ends = [".dll", ".ocx", ".sys"];
    let stem = ends.iter().find_map(|end| library.strip_suffix(end)).unwrap_or(&library);
    match import {
        Import::Ordinal(number) => format!("{stem}.ord{number}"),
        Import::Name(_, name) => format!("{stem}.{}", lossy(name)),
    }
}

/// The exports up to the first that is damaged.
pub(super) fn exports<P: ImageNtHeaders>(file: &PeFile<'_, P>) -> Exports {
    let mut found = Exports::default();
    let Ok(Some(table)) = file.export_table() else { return found };
    let library = table.name_from_pointer(table.directory().name.get(LE)).map(lossy);
    let library = library.unwrap_or_default();
    let mut room = Room::new();
    let names = names(&table, &mut room);
    let mut rows = Vec::new();
    for (index, address) in (0_u32..).zip(table.addresses()) {
        let address = address.get(LE);
        // Numbers that lead nowhere are gaps.
        if address == 0 {
            continue;
        }
        let ordinal = table.ordinal_base().wrapping_add(index);
        let forward = table.forward_string(address).ok().flatten().map(Text::from);
        let name = names.get(&index).copied();
        let len = library.len().saturating_add(forward.as_ref().map_or(0, |text| text.len()));
        if room.take(len).is_none() {
            break;
        }
        found.names.push(match name {
            Some(name) => format!("{library}:{}", lossy(name)).into(),
            None => format!("{library}:#{ordinal}").into(),
        });
        found.forwards.extend(forward.clone().map(Value::from));
        let mut row = RowBuilder::new();
        row.set("Ordinal", i64::from(ordinal))
            .set("Name", Text::from(name.unwrap_or_default()))
            .set("RVA", i64::from(address))
            .set("Forwarder", forward.unwrap_or_default())
            .set("DLLName", library.as_str());
        rows.push(Value::from(row.build()));
    }
    if !rows.is_empty() {
        found.rows = rows.into();
    }
    found
}

/// The names of the addresses that have one, by the place of the address.
fn names<'data>(table: &ExportTable<'data>, room: &mut Room) -> BTreeMap<u32, &'data [u8]> {
    let mut names = BTreeMap::new();
    for (pointer, index) in table.name_iter() {
        let Ok(name) = table.name_from_pointer(pointer) else { break };
        if room.take(name.len()).is_none() {
            break;
        }
        names.insert(u32::from(index), name);
    }
    names
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
