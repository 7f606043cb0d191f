//! Messages of `upload.proto`.

use bytes::Bytes;
use troodon_proto::{
    FileBuffer, Index, PathSpec, Range, ResumeTransactions, UploadTransaction, VeloStatus,
    flow_request, velo_status,
};

use crate::frozen;

#[test]
fn a_path() {
    let bytes = [
        b"\x12\x04/a/b".as_slice(), // 2 path: 4 bytes
        b"\x1a\x04file".as_slice(), // 3 accessor: 4 bytes
        b"\x22\x01a".as_slice(),    // 4 components: 1 bytes
        b"\x22\x01b".as_slice(),    // 4 components: 1 bytes
    ]
    .concat();
    frozen(
        &bytes,
        PathSpec {
            path: "/a/b".into(),
            accessor: "file".into(),
            components: vec!["a".into(), "b".into()],
        },
    );
}

#[test]
fn the_ranges_of_a_sparse_file() {
    let bytes = [
        b"\x0a\x08".as_slice(), // 1 ranges: message of 8 bytes
        b"\x08\x01".as_slice(), //   1 file_offset: varint 1
        b"\x10\x02".as_slice(), //   2 original_offset: varint 2
        b"\x18\x03".as_slice(), //   3 file_length: varint 3
        b"\x20\x04".as_slice(), //   4 length: varint 4
        b"\x0a\x0b".as_slice(), // 1 ranges: message of 11 bytes
        b"\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".as_slice(), //   4 length: varint -1
    ]
    .concat();
    frozen(
        &bytes,
        Index {
            ranges: vec![
                Range { file_offset: 1, original_offset: 2, file_length: 3, length: 4 },
                Range { length: -1, ..Range::default() },
            ],
        },
    );
}

#[test]
fn a_chunk_of_a_file() {
    let bytes = [
        b"\x0a\x04".as_slice(),         // 1 pathspec: message of 4 bytes
        b"\x12\x02/a".as_slice(),       //   2 path: 2 bytes
        b"\x10\x80\x80\x40".as_slice(), // 2 offset: varint 1048576
        b"\x1a\x02\x00\xff".as_slice(), // 3 data: 2 bytes
        b"\x22\x03F.1".as_slice(),      // 4 flow_id: 3 bytes
        b"\x28\x01".as_slice(),         // 5 eof: varint 1
        b"\x32\x00".as_slice(),         // 6 index: message of 0 bytes
        b"\x38\x03".as_slice(),         // 7 size: varint 3
        b"\x40\x04".as_slice(),         // 8 stored_size: varint 4
        b"\x48\x01".as_slice(),         // 9 is_sparse: varint 1
        b"\x50\x80\x80\xa8\xb1\xe3\x9f\xe7\xcb\x17".as_slice(), // 10 mtime: varint 1700000000000000000
        b"\x58\x05".as_slice(),                                 // 11 atime: varint 5
        b"\x60\x06".as_slice(),                                 // 12 ctime: varint 6
        b"\x68\x80\x80\xe8\xe8\xb3\xfd\x80\xd9\xa1\x01".as_slice(), // 13 btime: varint -6795364578871345152
        b"\x72\x01r".as_slice(),                                    // 14 reference: 1 bytes
        b"\x78\x07".as_slice(),                                     // 15 upload_number: varint 7
        b"\x80\x01\x02".as_slice(),                                 // 16 data_length: varint 2
        b"\x88\x01\x08".as_slice(), // 17 uncompressed_length: varint 8
    ]
    .concat();
    frozen(
        &bytes,
        FileBuffer {
            pathspec: Some(PathSpec { path: "/a".into(), ..PathSpec::default() }),
            offset: 1 << 20,
            data: Bytes::from_static(b"\x00\xff"),
            flow_id: "F.1".into(),
            eof: true,
            index: Some(Index::default()),
            size: 3,
            stored_size: 4,
            is_sparse: true,
            mtime: 1_700_000_000_000_000_000,
            atime: 5,
            ctime: 6,
            btime: -6_795_364_578_871_345_152,
            reference: "r".into(),
            upload_number: 7,
            data_length: 2,
            uncompressed_length: 8,
        },
    );
}

#[test]
fn an_upload_transaction() {
    let bytes = [
        b"\x0a\x01f".as_slice(),    // 1 filename: 1 bytes
        b"\x12\x01a".as_slice(),    // 2 accessor: 1 bytes
        b"\x1a\x01s".as_slice(),    // 3 store_as_name: 1 bytes
        b"\x20\x01".as_slice(),     // 4 expected_size: varint 1
        b"\x28\x02".as_slice(),     // 5 mtime: varint 2
        b"\x30\x03".as_slice(),     // 6 atime: varint 3
        b"\x38\x04".as_slice(),     // 7 ctime: varint 4
        b"\x40\x05".as_slice(),     // 8 btime: varint 5
        b"\x48\xa4\x03".as_slice(), // 9 mode: varint 420
        b"\x50\x07".as_slice(),     // 10 start_offset: varint 7
        b"\x58\x08".as_slice(),     // 11 upload_id: varint 8
        b"\x62\x02{}".as_slice(),   // 12 response: 2 bytes
        b"\x6a\x01c".as_slice(),    // 13 components: 1 bytes
    ]
    .concat();
    frozen(
        &bytes,
        UploadTransaction {
            filename: "f".into(),
            accessor: "a".into(),
            store_as_name: "s".into(),
            expected_size: 1,
            mtime: 2,
            atime: 3,
            ctime: 4,
            btime: 5,
            mode: 0o644,
            start_offset: 7,
            upload_id: 8,
            response: "{}".into(),
            components: vec!["c".into()],
        },
    );
}

#[test]
fn a_wish_to_resume_uploads() {
    let bytes = [
        b"\x0a\x03F.1".as_slice(), // 1 flow_id: 3 bytes
        b"\x12\x03C.1".as_slice(), // 2 client_id: 3 bytes
        b"\x18\x01".as_slice(),    // 3 max_upload_bytes: varint 1
        b"\x20\x01".as_slice(),    // 4 compression: varint 1
        b"\x2a\x02".as_slice(),    // 5 transactions: message of 2 bytes
        b"\x58\x02".as_slice(),    //   11 upload_id: varint 2
        b"\x32\x02".as_slice(),    // 6 query_stats: message of 2 bytes
        b"\x08\x0a".as_slice(),    //   1 status: varint 10
        b"\x38\x03".as_slice(),    // 7 timeout: varint 3
    ]
    .concat();
    frozen(
        &bytes,
        ResumeTransactions {
            flow_id: "F.1".into(),
            client_id: "C.1".into(),
            max_upload_bytes: 1,
            compression: flow_request::Compression::Zlib.into(),
            transactions: vec![UploadTransaction { upload_id: 2, ..UploadTransaction::default() }],
            query_stats: vec![VeloStatus {
                status: velo_status::Status::GenericError.into(),
                ..VeloStatus::default()
            }],
            timeout: 3,
        },
    );
}
