//! Files in packed files, through the accessors `gzip` and `zip`.

use std::io::Write;
use std::sync::Arc;

use bzip2::write::BzEncoder;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use rawzip::path::EntryPath;
use rawzip::{CompressionMethod, ZipArchiveWriter};
use troodon_vql::{
    Accessor, Context, Entries, Fault, FileInfo, Permission, Reader, Text, standard,
};

use crate::asking::{ask, registry};

/// One file under every path, for which permission to read is needed.
struct OneFile(Text);

impl Accessor for OneFile {
    fn open(&self, cx: &mut Context, _: &Text) -> Result<Box<dyn Reader>, Fault> {
        standard::DataAccessor.open(cx, &self.0)
    }

    fn stat(&self, cx: &mut Context, _: &Text) -> Result<FileInfo, Fault> {
        standard::DataAccessor.stat(cx, &self.0)
    }

    fn read_dir(&self, _: &mut Context, _: &Text) -> Result<Box<dyn Entries>, Fault> {
        Err(Fault::note("one file only"))
    }
}

/// The rows of a query over `file` as JSON, and what it logged.
fn rows(vql: &str, file: &[u8]) -> (Vec<String>, Vec<String>) {
    let mut registry = registry();
    let accessor = Arc::new(OneFile(Text::from(file)));
    registry.add_accessor("auto", &[Permission::FilesystemRead], accessor);
    ask(registry, vql, |_| {}, |session| session.set("Data", Text::from(file)))
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut archive = ZipArchiveWriter::new(&mut out);
    for (name, content) in files {
        let (mut entry, config) = archive
            .new_file(EntryPath::verbatim(name.as_bytes().to_vec()))
            .compression_method(CompressionMethod::DEFLATE)
            .start()
            .unwrap();
        let encoder = DeflateEncoder::new(&mut entry, Compression::default());
        let mut writer = config.wrap(encoder);
        writer.write_all(content).unwrap();
        let (encoder, descriptor) = writer.finish().unwrap();
        encoder.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    out
}

const READ_GZIP: &str =
    "SELECT read_file(accessor='gzip', filename='/log.gz', length=100) AS A FROM scope()";

fn read_zip(path: &str) -> String {
    format!(
        "SELECT read_file(accessor='zip', filename=pathspec(DelegatePath='/a.zip', Path='{path}')) AS A
         FROM scope()"
    )
}

#[test]
fn compressed_files_read_like_their_content_and_others_as_they_are() {
    let (read, log) = rows(READ_GZIP, &gzip(b"one\ntwo\n"));
    assert_eq!(read, [r#"{"A":"one\ntwo\n"}"#], "{log:?}");
    assert_eq!(rows(READ_GZIP, b"plain").0, [r#"{"A":"plain"}"#]);
    assert_eq!(rows(READ_GZIP, b"").0, [r#"{"A":""}"#]);
    let lines = "SELECT Line FROM parse_lines(accessor='gzip',
        filename=pathspec(DelegateAccessor='data', DelegatePath=Data)) ";
    let joined = [gzip(b"a\n"), gzip(b"b\n")].concat();
    // Bytes that are no UTF-8 do not survive in a pathspec's JSON, so this one goes by the plain path.
    let lines = lines.replace("pathspec(DelegateAccessor='data', DelegatePath=Data)", "'/x'");
    assert_eq!(rows(&lines, &joined).0, [r#"{"Line":"a"}"#, r#"{"Line":"b"}"#]);
}

#[test]
fn another_packer_has_an_accessor_of_its_own() {
    let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::default());
    encoder.write_all(b"some text").unwrap();
    let packed = encoder.finish().unwrap();
    let read = READ_GZIP.replace("gzip", "bzip2");
    assert_eq!(rows(&read, &packed).0, [r#"{"A":"some text"}"#]);
    let (_, log) = rows(&read, &packed[..packed.len() - 4]);
    assert!(log[0].starts_with("read_file: cannot be unpacked: "), "{log:?}");
    assert_eq!(rows(&read, b"BB").0, [r#"{"A":"BB"}"#]);
}

#[test]
fn values_unpack_up_to_a_limit() {
    let vql = |call: &str| format!("SELECT {call} AS A FROM scope()");
    let packed = gzip(b"hello world");
    let all = rows(&vql("gunzip(string=Data)"), &packed).0;
    assert_eq!(all, [r#"{"A":"hello world"}"#]);
    let some = rows(&vql("gunzip(string=Data, max_bytes=5)"), &packed).0;
    assert_eq!(some, [r#"{"A":"hello"}"#]);
    let (none, log) = rows(&vql("gunzip(string=Data)"), b"hello");
    assert_eq!(none, [r#"{"A":false}"#]);
    assert_eq!(log.len(), 1, "{log:?}");
    let bomb = gzip(&vec![0; 50 << 20]);
    assert_eq!(rows(&vql("len(list=gunzip(string=Data))"), &bomb).0, [r#"{"A":16777216}"#]);
}

#[test]
fn damaged_compression_is_a_message() {
    let whole = gzip(&b"some text ".repeat(100));
    for damaged in [&whole[..whole.len() - 9], &whole[..12]] {
        let (_, log) = rows(&READ_GZIP.replace("100", "100000"), damaged);
        assert_eq!(log.len(), 1, "{log:?}");
        assert!(log[0].starts_with("read_file: cannot be unpacked: "), "{log:?}");
    }
}

#[test]
fn a_bomb_is_read_no_further_than_asked() {
    let bomb = gzip(&vec![0; 50 << 20]);
    let (read, _) = rows(
        "SELECT len(list=read_file(accessor='gzip', filename='/b', length=5)) AS N FROM scope()",
        &bomb,
    );
    assert_eq!(read, [r#"{"N":5}"#]);
}

#[test]
fn files_of_an_archive_are_read_by_normalised_names() {
    let archive = zip(&[("dir/b.txt", b"world"), ("../evil", b"evil"), ("back\\slash", b"bs")]);
    for (path, content) in
        [("dir/b.txt", "world"), ("/dir/b.txt", "world"), ("/evil", "evil"), ("/back/slash", "bs")]
    {
        let (read, log) = rows(&read_zip(path), &archive);
        assert_eq!(read, [format!(r#"{{"A":"{content}"}}"#)], "{path}: {log:?}");
    }
    assert_eq!(rows(&read_zip("/nosuch"), &archive).0, [r#"{"A":null}"#]);
    assert_eq!(rows(&read_zip("/dir"), &archive).0, [r#"{"A":null}"#]);
}

#[test]
fn an_archive_can_be_walked() {
    let archive = zip(&[("a.txt", b"hello"), ("d/e/f.txt", b"f"), ("d.x", b"x")]);
    let walk = |glob: &str| {
        let vql = format!(
            "SELECT Name, Size, IsDir, OSPath FROM glob(accessor='zip', globs='{glob}',
             root=pathspec(DelegatePath='/a.zip', DelegateAccessor='auto'))"
        );
        rows(&vql, &archive).0.into_iter().map(|row| row.replace('\\', "")).collect::<Vec<_>>()
    };
    let row = |name: &str, size: u32, is_dir: bool, path: &str| {
        format!(
            r#"{{"Name":"{name}","Size":{size},"IsDir":{is_dir},"OSPath":"{{"DelegateAccessor":"auto","DelegatePath":"/a.zip","Path":"{path}"}}"}}"#
        )
    };
    assert_eq!(
        walk("/*"),
        [row("a.txt", 5, false, "/a.txt"), row("d", 0, true, "/d"), row("d.x", 1, false, "/d.x")]
    );
    assert_eq!(walk("/**/f*"), [row("f.txt", 1, false, "/d/e/f.txt")]);
    assert_eq!(walk("/d/e/f.txt"), [row("f.txt", 1, false, "/d/e/f.txt")]);
}

#[test]
fn damaged_archives_are_a_message() {
    let content = b"some text ".repeat(50);
    let whole = zip(&[("a.txt", &content)]);
    let (_, log) = rows(&read_zip("a.txt"), b"no archive");
    assert!(log[0].starts_with("read_file: no ZIP archive: "), "{log:?}");
    let (_, log) = rows(&read_zip("a.txt"), &whole[..whole.len() - 30]);
    assert_eq!(log.len(), 1, "{log:?}");
    // The checksum in the directory is not that of the content.
    let mut damaged = whole.clone();
    let directory = damaged.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    damaged[directory + 16] ^= 1;
    let (read, log) = rows(&read_zip("a.txt"), &damaged);
    assert_eq!((read.len(), log.len()), (1, 1), "{log:?}");
    assert!(log[0].starts_with("read_file: cannot be unpacked: "), "{log:?}");
}

#[test]
fn every_cut_and_flip_of_an_archive_is_borne() {
    let whole = zip(&[("a/b", b"content"), ("c", b"more")]);
    let walk = "SELECT read_file(accessor='zip', filename=OSPath) FROM glob(accessor='zip',
        globs='/**', root=pathspec(DelegatePath='/a.zip'))";
    for cut in (0..whole.len()).step_by(7) {
        rows(walk, &whole[..cut]);
        let mut flipped = whole.clone();
        flipped[cut] ^= 0xFF;
        rows(walk, &flipped);
    }
}

#[test]
fn the_outer_file_needs_its_own_permission() {
    struct Nothing;
    impl troodon_vql::Access for Nothing {
        fn check(&self, _: &str, needed: &[Permission]) -> Result<(), troodon_vql::Denied> {
            if needed.is_empty() { Ok(()) } else { Err(troodon_vql::Denied::by_policy(needed)) }
        }
    }
    let mut registry = registry();
    let accessor = Arc::new(OneFile(Text::from("secret")));
    registry.add_accessor("auto", &[Permission::FilesystemRead], accessor);
    let (rows, log) = ask(registry, READ_GZIP, |setup| setup.access = Arc::new(Nothing), |_| {});
    assert_eq!(rows, [r#"{"A":null}"#]);
    assert!(log[0].contains("PermissionDenied"), "{log:?}");
}
