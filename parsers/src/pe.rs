//! `parse_pe()`: programs and libraries of Windows (the PE format).
//!
//! A damaged table ends where its damage begins: malware is damaged on purpose, and the rest is still evidence. Signatures
//! are not looked at; what they sign is hashed.

mod resources;
mod tables;

use md5::{Digest, Md5};
use object::pe;
use object::read::pe::{
    ImageNtHeaders, ImageOptionalHeader, PeFile, PeFile32, PeFile64, SectionTable,
};
use object::{FileKind, LittleEndian as LE, Object, ReadRef};
use sha1::Sha1;
use sha2::Sha256;
use troodon_vql::{Arg, Args, Context, Fault, Function, Kind, Row, RowBuilder, Text, Time, Value};

use crate::limits::PE_LEN_MAX;
use crate::whole;

/// The functions of this file.
pub(crate) static FUNCTIONS: &[&Function] = &[&Function::new(
    "parse_pe",
    "A program or library of Windows: headers, sections, imports, exports, resources. Signatures are not checked.",
    &[
        Arg::required("file", Kind::Any, "The file."),
        Arg::optional("accessor", Kind::String, "How to reach it (auto)."),
        Arg::optional("base_offset", Kind::Int, "Where in the file it begins (0)."),
    ],
    |cx, _, args| read(cx, args),
)];

fn read(cx: &mut Context, args: &Args) -> Result<Value, Fault> {
    let start = u64::try_from(args.int("base_offset").unwrap_or(0))
        .map_err(|_| Fault::note("base_offset must not be negative"))?;
    let bytes = whole::read_from(cx, args, "file", start, PE_LEN_MAX)?;
    crate::xml::charge(cx, bytes.len())?;
    parse(&bytes).map_err(Fault::note)
}

/// What a program says of itself.
///
/// # Errors
///
/// That it is none, or its headers are damaged.
pub fn parse(bytes: &[u8]) -> Result<Value, String> {
    let wrong = |why: object::Error| format!("no program of Windows: {why}");
    match FileKind::parse(bytes).map_err(wrong)? {
        FileKind::Pe32 => PeFile32::parse(bytes).map(|file| shown(&file)).map_err(wrong),
        FileKind::Pe64 => PeFile64::parse(bytes).map(|file| shown(&file)).map_err(wrong),
        other => Err(format!("no program of Windows: {other:?}")),
    }
}

fn shown<P: ImageNtHeaders>(file: &PeFile<'_, P>) -> Value {
    let header = file.nt_headers().file_header();
    let base = file.nt_headers().optional_header().image_base();
    let sections = file.section_table();
    let mut head = RowBuilder::new();
    head.set("Machine", machine(header.machine.get(LE)))
        .set("TimeDateStamp", time(header.time_date_stamp.get(LE)))
        .set("TimeDateStampRaw", i64::from(header.time_date_stamp.get(LE)))
        .set("Characteristics", i64::from(header.characteristics.get(LE)))
        .set("ImageBase", base);
    let (guid, path) = debug_file(file);
    let imports = tables::imports(file);
    let exports = tables::exports(file);
    let resources = resources::list(file);
    let mut row = RowBuilder::new();
    row.set("FileHeader", head.build())
        .set("GUIDAge", guid)
        .set("PDB", path)
        .set("Directories", directories(file))
        .set("Sections", sections.iter().map(|section| part(section, base)).collect::<Vec<_>>())
        .set("Resources", resources.rows)
        .set("VersionInformation", resources.version)
        .set("Imports", imports.names)
        .set("Exports", exports.names)
        .set("ExportRVAs", exports.rows)
        .set("Forwards", exports.forwards)
        .set("ImpHash", imports.hash)
        .set("Authenticode", Value::Null)
        .set("AuthenticodeHash", signed_hash(file));
    row.build().into()
}

fn time(seconds: u32) -> Value {
    Value::Time(Time::from_seconds(i64::from(seconds)))
}

fn machine(number: u16) -> &'static str {
    match number {
        pe::IMAGE_FILE_MACHINE_I386 => "IMAGE_FILE_MACHINE_I386",
        pe::IMAGE_FILE_MACHINE_AMD64 => "IMAGE_FILE_MACHINE_AMD64",
        pe::IMAGE_FILE_MACHINE_ARM => "IMAGE_FILE_MACHINE_ARM",
        pe::IMAGE_FILE_MACHINE_ARMNT => "IMAGE_FILE_MACHINE_ARMNT",
        pe::IMAGE_FILE_MACHINE_ARM64 => "IMAGE_FILE_MACHINE_ARM64",
        pe::IMAGE_FILE_MACHINE_IA64 => "IMAGE_FILE_MACHINE_IA64",
        _ => "Unknown",
    }
}

fn part(section: &pe::ImageSectionHeader, base: u64) -> Value {
    let flags = section.characteristics.get(LE);
    let flag = |mask, letter| if flags & mask == 0 { '-' } else { letter };
    let permissions = [
        flag(pe::IMAGE_SCN_MEM_EXECUTE, 'x'),
        flag(pe::IMAGE_SCN_MEM_READ, 'r'),
        flag(pe::IMAGE_SCN_MEM_WRITE, 'w'),
    ];
    let address = section.virtual_address.get(LE);
    let mut row = RowBuilder::new();
    row.set("Perm", permissions.iter().collect::<String>())
        .set("Name", Text::from(section.raw_name()))
        .set("FileOffset", i64::from(section.pointer_to_raw_data.get(LE)))
        .set("VMA", base.saturating_add(u64::from(address)))
        .set("RVA", i64::from(address))
        .set("Size", i64::from(section.size_of_raw_data.get(LE)));
    row.build().into()
}

/// The directories that are there, by their names.
fn directories<P: ImageNtHeaders>(file: &PeFile<'_, P>) -> Row {
    // Each name, and whether the directory begins with flags and a time.
    const NAMES: [(usize, &str, bool); 14] = [
        (pe::IMAGE_DIRECTORY_ENTRY_ARCHITECTURE, "Architecture_Directory", false),
        (pe::IMAGE_DIRECTORY_ENTRY_BASERELOC, "Base_Relocation_Directory", false),
        (pe::IMAGE_DIRECTORY_ENTRY_BOUND_IMPORT, "Bound_Import_Directory", false),
        (pe::IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR, "DotNet_Directory", false),
        (pe::IMAGE_DIRECTORY_ENTRY_DEBUG, "Debug_Directory", true),
        (pe::IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT, "Delay_Import_Directory", false),
        (pe::IMAGE_DIRECTORY_ENTRY_EXCEPTION, "Exception_Directory", false),
        (pe::IMAGE_DIRECTORY_ENTRY_EXPORT, "Export_Directory", true),
        (pe::IMAGE_DIRECTORY_ENTRY_IAT, "IAT_Directory", false),
        (pe::IMAGE_DIRECTORY_ENTRY_IMPORT, "Import_Directory", true),
        (pe::IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG, "Load_Config_Directory", true),
        (pe::IMAGE_DIRECTORY_ENTRY_RESOURCE, "Resource_Directory", true),
        (pe::IMAGE_DIRECTORY_ENTRY_SECURITY, "Security_Directory", false),
        (pe::IMAGE_DIRECTORY_ENTRY_TLS, "TLS_Directory", false),
    ];
    let mut row = RowBuilder::new();
    for (number, name, timed) in NAMES {
        let Some(directory) = file.data_directory(number) else { continue };
        let (address, size) = directory.address_range();
        // The address of signatures is a place in the file, and no section holds it.
        let section = match number {
            pe::IMAGE_DIRECTORY_ENTRY_SECURITY => None,
            _ => file.section_table().section_containing(address),
        };
        let stamp = if timed { stamp(file.data(), &file.section_table(), address) } else { 0 };
        let mut entry = RowBuilder::new();
        entry
            .set("Timestamp", time(stamp))
            .set("TimestampRaw", i64::from(stamp))
            .set("Size", i64::from(size))
            .set("FileAddress", i64::from(address))
            .set("SectionName", Text::from(section.map_or(&b""[..], |section| section.raw_name())));
        row.set(name, entry.build());
    }
    row.build()
}

/// The time in the second word of a directory; zero if it lies outside the file.
fn stamp(data: &[u8], sections: &SectionTable<'_>, address: u32) -> u32 {
    let bytes = sections.pe_data_at(data, address).and_then(|bytes| bytes.get(4..8));
    bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// The number by which a debugger finds the symbols, and where they were when the program was built.
fn debug_file<P: ImageNtHeaders>(file: &PeFile<'_, P>) -> (String, Text) {
    let Ok(Some(info)) = file.pdb_info() else { return Default::default() };
    let guid = info.guid();
    // The first three fields of a GUID are little-endian numbers (RFC 9562 section 4 has them big-endian).
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let bytes = order.into_iter().filter_map(|at: usize| guid.get(at));
    let digits: String = bytes.map(|byte| format!("{byte:02X}")).collect();
    (format!("{digits}{:X}", info.age()), Text::from(info.path()))
}

/// Hashes of what a signature covers: all but the checksum, the signatures, and where they are.
fn signed_hash<P: ImageNtHeaders>(file: &PeFile<'_, P>) -> Row {
    let data = file.data();
    let optional = u64::from(file.dos_header().nt_headers_offset()).saturating_add(24);
    let checksum = optional.saturating_add(64);
    let table = if file.is_64() { 112 } else { 96 };
    let entry = optional.saturating_add(table).saturating_add(4 * 8);
    let security = file.data_directory(pe::IMAGE_DIRECTORY_ENTRY_SECURITY);
    let (place, size) = security.map_or((0, 0), |directory| directory.address_range());
    let place = if size == 0 { u64::MAX } else { u64::from(place) };
    let spans = [
        (0, checksum),
        (checksum.saturating_add(4), entry),
        (entry.saturating_add(8), place),
        (place.saturating_add(u64::from(size)), u64::MAX),
    ];
    let mut hashes = (Md5::new(), Sha1::new(), Sha256::new());
    for (start, end) in spans {
        let len = data.len() as u64;
        let span = start.min(len)..end.min(len);
        let part =
            data.read_bytes_at(span.start, span.end.saturating_sub(span.start)).unwrap_or(&[]);
        hashes.0.update(part);
        hashes.1.update(part);
        hashes.2.update(part);
    }
    let mut row = RowBuilder::new();
    row.set("MD5", hex(&hashes.0.finalize()))
        .set("SHA1", hex(&hashes.1.finalize()))
        .set("SHA256", hex(&hashes.2.finalize()))
        // A signature that was not looked at is neither right nor wrong.
        .set("HashMatches", if size == 0 { Value::from(false) } else { Value::Null });
    row.build()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use troodon_vql::json;

    use super::*;
    use crate::limits::PE_ENTRIES_MAX;

    /// A library for x86-64 with imports by name and number, exports of each kind, and a version.
    const LIBRARY: &[u8] = include_bytes!("../tests/tiny.dll");

    fn shown(bytes: &[u8]) -> Result<String, String> {
        parse(bytes).map(|value| json::to_string(&value))
    }

    /// What the original shows of the same file, except for what it gets wrong: which sections hold the directories, the
    /// numbers of exports that have names, and where exports lead.
    #[test]
    fn a_library_says_what_it_is_needs_and_offers() {
        let text = shown(LIBRARY).unwrap();
        for part in [
            r#""Machine":"IMAGE_FILE_MACHINE_AMD64","TimeDateStamp":"2023-11-14T22:13:20Z","TimeDateStampRaw":1700000000"#,
            r#""Characteristics":8226,"ImageBase":6442450944}"#,
            r#""GUIDAge":"228E0C931A1D11384C4C44205044422E1","PDB":"tiny.pdb""#,
            r#""Size":101,"FileAddress":8253,"SectionName":".rdata"}"#,
            r#"{"Perm":"xr-","Name":".text","FileOffset":1024,"VMA":6442455040,"RVA":4096,"Size":512}"#,
            r#"{"Type":"RT_VERSION","TypeId":16,"FileOffset":3168,"DataSize":456,"CodePage":0}"#,
            r#"{"CompanyName":"Example","FileDescription":"A library for tests","FileVersion":"1.2.3.4","#,
            r#""OriginalFilename":"tiny.dll"}"#,
            r#"["KERNEL32.dll!GetTickCount","KERNEL32.dll!Sleep","WS2_32.dll!0x17"]"#,
            r#"["tiny.dll:#7","tiny.dll:answer","tiny.dll:other"]"#,
            r#"{"Ordinal":9,"Name":"other","RVA":8339,"Forwarder":"KERNEL32.Sleep","DLLName":"tiny.dll"}"#,
            r#""Forwards":["KERNEL32.Sleep"],"ImpHash":"2f78df453f5d7fdc85902895b27b7b02""#,
            r#""MD5":"ef49952620e7b0729bf2064b5d377697","SHA1":"95e302dda8b16cb83293542301986d142fab3a36""#,
            r#""SHA256":"4711f2186be1088ad65976935788487cedcbfb9f2186969568cd21df75c63bde","HashMatches":false"#,
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn every_part_of_a_library_is_shown_or_refused() {
        assert!(shown(b"").is_err());
        assert!(shown(b"MZ").unwrap_err().contains("no program of Windows"));
        assert!(shown(b"\x7fELF\x02\x01\x01").is_err());
        for cut in (0..LIBRARY.len()).step_by(13) {
            let part = shown(&LIBRARY[..cut]);
            assert!(part.is_err() || cut >= 0x200, "{cut}");
        }
        let damaged = (0..LIBRARY.len()).step_by(13).filter(|at| {
            let mut bytes = LIBRARY.to_vec();
            bytes[*at] ^= 0xFF;
            shown(&bytes).is_err()
        });
        assert!(damaged.count() < 8, "damage outside the headers leaves the rest");
    }

    #[test]
    fn a_list_without_end_ends_at_the_limit() {
        // Read-only data is moved to the end of the file, where there is room for imports that all have the same name.
        let mut bytes = LIBRARY.to_vec();
        let header = bytes.windows(8).position(|part| part == b".rdata\0\0").unwrap();
        let word = |bytes: &[u8], at: usize| {
            usize::try_from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())).unwrap()
        };
        let (address, len, place) =
            (word(&bytes, header + 12), word(&bytes, header + 16), word(&bytes, header + 20));
        let mut data = bytes[place..place + len].to_vec();
        let descriptor = 8356 - address;
        let thunks = word(&data, descriptor) - address;
        let first = data[thunks..thunks + 8].to_vec();
        let list = u32::try_from(address + len).unwrap();
        data[descriptor..descriptor + 4].copy_from_slice(&list.to_le_bytes());
        data.extend(first.repeat(PE_ENTRIES_MAX + 10));
        for (at, value) in [(8, data.len()), (16, data.len()), (20, bytes.len())] {
            let value = u32::try_from(value).unwrap().to_le_bytes();
            bytes[header + at..header + at + 4].copy_from_slice(&value);
        }
        bytes.extend(data);
        let text = shown(&bytes).unwrap();
        assert_eq!(text.matches("KERNEL32.dll!").count(), PE_ENTRIES_MAX);
    }
}
