//! The resources of a program, and the strings of its version.

use object::LittleEndian as LE;
use object::pe;
use object::read::pe::{
    ImageNtHeaders, PeFile, ResourceDirectory, ResourceDirectoryEntryData, ResourceDirectoryTable,
    ResourceNameOrId,
};
use troodon_vql::{Row, RowBuilder, Value};

use crate::limits::PE_ENTRIES_MAX;

/// What was found.
pub(super) struct Resources {
    /// One for each resource.
    pub(super) rows: Vec<Value>,
    /// The strings of the first version resource.
    pub(super) version: Row,
}

/// The resources up to the first that is damaged. They lie in a tree of three levels: type, name, language.
pub(super) fn list<P: ImageNtHeaders>(file: &PeFile<'_, P>) -> Resources {
    let mut found = Resources { rows: Vec::new(), version: RowBuilder::new().build() };
    let sections = file.section_table();
    let directory = file.data_directories().resource_directory(file.data(), &sections);
    let Ok(Some(directory)) = directory else { return found };
    // Tables may share their entries, so what is visited is counted, not what is there.
    let mut left = PE_ENTRIES_MAX;
    let mut has_version = false;
    let _ended = every_resource(directory, &mut left, |kind, data| {
        let address = data.offset_to_data.get(LE);
        let size = data.size.get(LE);
        let place = sections.pe_file_range_at(address).map_or(0, |(place, _)| place);
        let (id, name) = kind_of(directory, kind);
        let mut row = RowBuilder::new();
        row.set("Type", name)
            .set("TypeId", i64::from(id))
            .set("FileOffset", i64::from(place))
            .set("DataSize", i64::from(size))
            .set("CodePage", i64::from(data.code_page.get(LE)));
        found.rows.push(row.build().into());
        if id == pe::RT_VERSION && !has_version {
            has_version = true;
            let bytes = sections.pe_data_at(file.data(), address).unwrap_or(&[]);
            let len = usize::try_from(size).unwrap_or(usize::MAX).min(bytes.len());
            found.version = strings(bytes.get(..len).unwrap_or(&[]));
        }
    });
    found
}

fn every_resource(
    directory: ResourceDirectory<'_>,
    left: &mut usize,
    mut each: impl FnMut(ResourceNameOrId, &pe::ImageResourceDataEntry),
) -> Option<()> {
    let mut visit = |table: &ResourceDirectoryTable<'_>| {
        *left = left.checked_sub(table.entries.len().max(1))?;
        Some(())
    };
    let root = directory.root().ok()?;
    visit(&root)?;
    for kind in root.entries {
        let names = kind.data(directory).ok()?.table()?;
        visit(&names)?;
        for name in names.entries {
            let languages = name.data(directory).ok()?.table()?;
            visit(&languages)?;
            for language in languages.entries {
                let ResourceDirectoryEntryData::Data(data) = language.data(directory).ok()? else {
                    return None;
                };
                each(kind.name_or_id(), data);
            }
        }
    }
    Some(())
}

/// The number of a type and its name; zero and its own name for one that the program made up.
fn kind_of(directory: ResourceDirectory<'_>, kind: ResourceNameOrId) -> (u16, String) {
    let id = match kind {
        ResourceNameOrId::Id(id) => id,
        ResourceNameOrId::Name(name) => {
            return (0, name.to_string_lossy(directory).unwrap_or_default());
        }
    };
    let name = match id {
        pe::RT_CURSOR => "RT_CURSOR",
        pe::RT_BITMAP => "RT_BITMAP",
        pe::RT_ICON => "RT_ICON",
        pe::RT_MENU => "RT_MENU",
        pe::RT_DIALOG => "RT_DIALOG",
        pe::RT_STRING => "RT_STRING",
        pe::RT_FONTDIR => "RT_FONTDIR",
        pe::RT_FONT => "RT_FONT",
        pe::RT_ACCELERATOR => "RT_ACCELERATOR",
        pe::RT_RCDATA => "RT_RCDATA",
        pe::RT_MESSAGETABLE => "RT_MESSAGETABLE",
        pe::RT_GROUP_CURSOR => "RT_GROUP_CURSOR",
        pe::RT_GROUP_ICON => "RT_GROUP_ICON",
        pe::RT_VERSION => "RT_VERSION",
        pe::RT_DLGINCLUDE => "RT_DLGINCLUDE",
        pe::RT_PLUGPLAY => "RT_PLUGPLAY",
        pe::RT_VXD => "RT_VXD",
        pe::RT_ANICURSOR => "RT_ANICURSOR",
        pe::RT_ANIICON => "RT_ANIICON",
        pe::RT_HTML => "RT_HTML",
        pe::RT_MANIFEST => "RT_MANIFEST",
        _ => return (id, id.to_string()),
    };
    (id, name.to_owned())
}

/// A block of a version resource: a key, a value and blocks within.
struct Block<'a> {
    key: String,
    value: &'a [u8],
    within: &'a [u8],
}

/// The blocks that stand in a row, each at a multiple of four bytes, up to the first that is damaged.
fn blocks(mut bytes: &[u8]) -> impl Iterator<Item = Block<'_>> {
    std::iter::from_fn(move || {
        let len = usize::from(word(bytes, 0)?);
        let value_len = usize::from(word(bytes, 2)?);
        let is_text = word(bytes, 4)? == 1;
        let whole = bytes.get(..len)?;
        let key_units = whole.get(6..)?.chunks_exact(2).take_while(|unit| *unit != [0, 0]).count();
        let key_end = key_units.checked_mul(2)?.checked_add(6)?;
        let key = utf16(whole.get(6..key_end)?);
        let value_start = key_end.checked_add(2)?.checked_next_multiple_of(4)?.min(len);
        // Lengths of texts count units of two bytes.
        let value_len = if is_text { value_len.checked_mul(2)? } else { value_len };
        let value_end = value_start.checked_add(value_len)?.min(len);
        let value = whole.get(value_start..value_end)?;
        let within = whole.get(value_end.checked_next_multiple_of(4)?.min(len)..)?;
        bytes = bytes.get(len.checked_next_multiple_of(4)?..).unwrap_or(&[]);
        Some(Block { key, value, within })
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    bytes.try_into().ok().map(u16::from_le_bytes)
}

/// Up to a NUL.
fn utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .filter_map(|unit| unit.try_into().ok().map(u16::from_le_bytes))
        .take_while(|unit| *unit != 0)
        .collect();
    String::from_utf16_lossy(&units)
}

/// The strings of all languages.
fn strings(version: &[u8]) -> Row {
    let mut row = RowBuilder::new();
    let tables = blocks(version)
        .take(1)
        .flat_map(|root| blocks(root.within))
        .filter(|info| info.key == "StringFileInfo")
        .flat_map(|info| blocks(info.within));
    for string in tables.flat_map(|table| blocks(table.within)) {
        row.set(string.key, utf16(string.value));
    }
    row.build()
}
