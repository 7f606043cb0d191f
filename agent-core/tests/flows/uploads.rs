//! Files on their way to the server.

use troodon_core::executor::Sizes;
use troodon_proto::{FlowRequest, velo_status::Status};

use crate::bench::{Bench, Files, args, request};

#[test]
fn a_file_is_sent_in_chunks_and_closed_by_an_empty_one() {
    let mut bench = bench(1_000, None);
    bench.collect("F.1", &[("$a", "SELECT send(name='/a/b c', size=2500) AS U FROM scope()")]);
    bench.settle();
    let chunks = bench.chunks();
    let places: Vec<_> =
        chunks.iter().map(|it| (it.offset, it.data.len(), it.stored_size, it.eof)).collect();
    assert_eq!(
        places,
        [
            (0, 1000, 1000, false),
            (1000, 1000, 2000, false),
            (2000, 500, 2500, false),
            (2500, 0, 2500, true)
        ]
    );
    for chunk in &chunks {
        let path = chunk.pathspec.as_ref().unwrap();
        assert_eq!((path.path.as_str(), path.accessor.as_str()), ("/a/b c", "data"));
        assert_eq!(path.components, ["a", "b c"]);
        assert_eq!((chunk.size, chunk.upload_number), (2500, 0));
        assert_eq!(chunk.data_length, chunk.data.len() as u64);
    }
}

#[test]
fn the_row_tells_sizes_and_hashes() {
    let mut bench = bench(1_000, None);
    bench.collect("F.1", &[("$a", "SELECT send(name='/a', size=0) AS U FROM scope()")]);
    bench.settle();
    assert_eq!(
        bench.notes.rows("F.1"),
        [concat!(
            r#"{"U":{"Path":"/dev/zero","Size":0,"UploadId":0,"StoredSize":0,"#,
            r#""sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","#,
            r#""md5":"d41d8cd98f00b204e9800998ecf8427e","StoredName":"/a","#,
            r#""Components":["a"],"Accessor":"data"}}"#
        )]
    );
    let chunks = bench.chunks();
    assert_eq!(chunks.len(), 1, "an empty file is its last chunk");
    assert!(chunks[0].eof && chunks[0].offset == 0);
}

#[test]
fn uploads_are_numbered_across_the_batches_of_a_flow_and_counted_for_each() {
    let mut bench = bench(1_000, None);
    let two = args(&[("$a", "SELECT send(name='x', size=N) FROM count_to(n=2)")]);
    bench.ask("F.1", request(vec![two.clone(), two]));
    bench.settle();
    let numbers: std::collections::BTreeSet<_> =
        bench.chunks().iter().map(|chunk| chunk.upload_number).collect();
    assert_eq!(numbers.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    for status in bench.notes.end("F.1") {
        assert_eq!((status.uploaded_files, status.uploaded_bytes), (2, 3));
        assert_eq!(status.expected_uploaded_bytes, 3);
    }
}

#[test]
fn the_limit_of_bytes_ends_the_flow_with_an_error() {
    let mut bench = bench(1_000, None);
    let batch = args(&[
        ("$a", "SELECT send(name='x', size=5000) FROM scope()"),
        ("$b", "SELECT 1 FROM scope()"),
    ]);
    bench.ask("F.1", FlowRequest { max_upload_bytes: 2_500, ..request(vec![batch]) });
    bench.settle();
    let end = bench.notes.end("F.1");
    assert_eq!(end[0].status(), Status::GenericError);
    assert!(end[0].error_message.contains("limit of 2500"), "{}", end[0].error_message);
    assert_eq!(end[0].uploaded_bytes, 2_000);
    assert!(bench.chunks().last().unwrap().eof, "what was sent is closed");
    assert!(!end[0].names_with_response.contains(&"$b".to_string()));
}

#[test]
fn of_a_sparse_file_only_the_data_is_sent_and_the_last_chunk_says_where_it_belongs() {
    let mut bench = bench(8, None);
    bench.collect(
        "F.1",
        &[("$a", "SELECT send(name='x', size=5000, hole=4000).StoredSize AS S FROM scope()")],
    );
    bench.settle();
    assert_eq!(bench.notes.rows("F.1"), ["{\"S\":10}"]);
    let chunks = bench.chunks();
    let places: Vec<_> = chunks.iter().map(|it| (it.offset, it.data.len(), it.eof)).collect();
    assert_eq!(places, [(0, 8, false), (8, 2, false), (10, 0, true)]);
    assert!(chunks.iter().all(|chunk| chunk.is_sparse && chunk.size == 5000));
    let ranges: Vec<_> = chunks[2].index.as_ref().unwrap().ranges.iter().collect();
    let ranges: Vec<_> = ranges
        .iter()
        .map(|it| (it.file_offset, it.original_offset, it.file_length, it.length))
        .collect();
    assert_eq!(ranges, [(0, 0, 0, 4000), (0, 4000, 10, 10), (10, 4010, 0, 990)]);
}

#[test]
fn without_room_an_upload_fails_and_the_query_goes_on() {
    let mut bench = bench(1_000, Some(1));
    bench.collect("F.1", &[("$a", "SELECT send(name='x', size=5000) AS U FROM scope()")]);
    bench.settle();
    assert_eq!(bench.notes.rows("F.1"), ["{\"U\":null}"]);
    let end = bench.notes.end("F.1");
    assert_eq!(end[0].status(), Status::GenericError);
    assert!(end[0].error_message.contains("no room"), "{}", end[0].error_message);
}

fn bench(chunk_bytes: usize, max: Option<usize>) -> Bench {
    let files = Files { max, ..Files::default() };
    Bench::with(Sizes { chunk_bytes, ..Sizes::host() }, files)
}
