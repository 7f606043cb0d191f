//! Messages of `query.proto`.

use bytes::Bytes;
use troodon_proto::{
    Artifact, ArtifactParameter, ArtifactSource, VqlCollectorArgs, VqlEnv, VqlEventTable,
    VqlRequest, VqlResponse, VqlTypeMap,
};

use crate::frozen;

#[test]
fn a_statement_with_its_text_before_its_name() {
    let bytes = [
        b"\x0a\x08SELECT 1".as_slice(), // 1 VQL: 8 bytes
        b"\x12\x03A/B".as_slice(),      // 2 Name: 3 bytes
    ]
    .concat();
    frozen(&bytes, VqlRequest { vql: "SELECT 1".into(), name: "A/B".into() });
}

#[test]
fn a_variable() {
    let bytes = [
        b"\x0a\x01k".as_slice(), // 1 key: 1 bytes
        b"\x12\x01v".as_slice(), // 2 value: 1 bytes
        b"\x1a\x01c".as_slice(), // 3 comment: 1 bytes
    ]
    .concat();
    frozen(&bytes, VqlEnv { key: "k".into(), value: "v".into(), comment: "c".into() });
}

#[test]
fn a_type_map() {
    let bytes = [
        b"\x0a\x01c".as_slice(), // 1 column: 1 bytes
        b"\x12\x01t".as_slice(), // 2 type: 1 bytes
    ]
    .concat();
    frozen(&bytes, VqlTypeMap { column: "c".into(), r#type: "t".into() });
}

#[test]
fn a_batch_of_statements() {
    let bytes = [
        b"\x12\x0b".as_slice(),                     // 2 Query: message of 11 bytes
        b"\x0a\x09LET X = 1".as_slice(),            //   1 VQL: 9 bytes
        b"\x12\x03".as_slice(),                     // 2 Query: message of 3 bytes
        b"\x12\x01N".as_slice(),                    //   2 Name: 1 bytes
        b"\x1a\x03".as_slice(),                     // 3 env: message of 3 bytes
        b"\x0a\x01k".as_slice(),                    //   1 key: 1 bytes
        b"\x20\xe8\x07".as_slice(),                 // 4 max_row: varint 1000
        b"\x2a\x03".as_slice(),                     // 5 artifacts: message of 3 bytes
        b"\x0a\x01A".as_slice(),                    //   1 name: 1 bytes
        b"\x30\x64".as_slice(),                     // 6 max_wait: varint 100
        b"\xc5\x01\x00\x00\xc8\x42".as_slice(),     // 24 ops_per_second: float 100.0, little endian
        b"\xc8\x01\xd8\x04".as_slice(),             // 25 timeout: varint 600
        b"\xd2\x01\x01t".as_slice(),                // 26 tools: 1 bytes
        b"\xd8\x01\x1e".as_slice(),                 // 27 heartbeat: varint 30
        b"\xe2\x01\x01p".as_slice(),                // 28 principal: 1 bytes
        b"\xea\x01\x08SELECT 1".as_slice(),         // 29 precondition: 8 bytes
        b"\xf5\x01\x00\x00\x00\x3f".as_slice(),     // 30 cpu_limit: float 0.5, little endian
        b"\xfd\x01\x00\x00\x00\x40".as_slice(),     // 31 iops_limit: float 2.0, little endian
        b"\x80\x02\x01".as_slice(),                 // 32 query_id: varint 1
        b"\x88\x02\x05".as_slice(),                 // 33 total_queries: varint 5
        b"\x90\x02\x80\xe2\xcf\xaa\x06".as_slice(), // 34 expiry: varint 1700000000
        b"\x9a\x02\x02O1".as_slice(),               // 35 org_id: 2 bytes
        b"\xa5\x02\x00\x00\x70\x42".as_slice(), // 36 progress_timeout: float 60.0, little endian
        b"\xa8\x02\x80\x80\xc0\x02".as_slice(), // 37 max_row_buffer_size: varint 5242880
        b"\xb2\x02\x01e".as_slice(),            // 38 effective_principal: 1 bytes
    ]
    .concat();
    frozen(
        &bytes,
        VqlCollectorArgs {
            query: vec![
                VqlRequest { vql: "LET X = 1".into(), ..VqlRequest::default() },
                VqlRequest { name: "N".into(), ..VqlRequest::default() },
            ],
            env: vec![VqlEnv { key: "k".into(), ..VqlEnv::default() }],
            max_row: 1000,
            artifacts: vec![Artifact { name: "A".into(), ..Artifact::default() }],
            max_wait: 100,
            ops_per_second: 100.0,
            timeout: 600,
            tools: vec!["t".into()],
            heartbeat: 30,
            principal: "p".into(),
            precondition: "SELECT 1".into(),
            cpu_limit: 0.5,
            iops_limit: 2.0,
            query_id: 1,
            total_queries: 5,
            expiry: 1_700_000_000,
            org_id: "O1".into(),
            progress_timeout: 60.0,
            max_row_buffer_size: 5 << 20,
            effective_principal: "e".into(),
        },
    );
}

#[test]
fn an_event_table() {
    let bytes = [
        b"\x0a\x03".as_slice(),     // 1 event: message of 3 bytes
        b"\x30\x8b\x01".as_slice(), //   6 max_wait: varint 139
        b"\x10\x80\x80\xa8\xb1\xe3\x9f\xe7\xcb\x17".as_slice(), // 2 version: varint 1700000000000000000
    ]
    .concat();
    frozen(
        &bytes,
        VqlEventTable {
            event: vec![VqlCollectorArgs { max_wait: 139, ..VqlCollectorArgs::default() }],
            version: 1_700_000_000_000_000_000,
        },
    );
}

#[test]
fn a_part_of_a_result() {
    let bytes = [
        b"\x0a\x02[]".as_slice(),                           // 1 Response: 2 bytes
        b"\x12\x01A".as_slice(),                            // 2 Columns: 1 bytes
        b"\x12\x01B".as_slice(),                            // 2 Columns: 1 bytes
        b"\x1a\x06".as_slice(),                             // 3 Query: message of 6 bytes
        b"\x0a\x01q".as_slice(),                            //   1 VQL: 1 bytes
        b"\x12\x01n".as_slice(),                            //   2 Name: 1 bytes
        b"\x20\x80\x80\xf9\xc0\xc1\xc4\x82\x03".as_slice(), // 4 timestamp: varint 1700000000000000
        b"\x28\x01".as_slice(),                             // 5 query_id: varint 1
        b"\x30\x02".as_slice(),                             // 6 part: varint 2
        b"\x38\x03".as_slice(),                             // 7 total_rows: varint 3
        b"\x42\x03".as_slice(),                             // 8 types: message of 3 bytes
        b"\x0a\x01A".as_slice(),                            //   1 column: 1 bytes
        b"\x4a\x01l".as_slice(),                            // 9 log: 1 bytes
        b"\x52\x08{\"A\":1}\x0a".as_slice(),                // 10 JSONLResponse: 8 bytes
        b"\x58\x04".as_slice(),                             // 11 query_start_row: varint 4
        b"\x62\x01O".as_slice(),                            // 12 org_id: 1 bytes
        b"\x68\x05".as_slice(),                             // 13 uncompressed_size: varint 5
        b"\x70\x06".as_slice(),                             // 14 byte_offset: varint 6
        b"\x7a\x02\x78\x9c".as_slice(),                     // 15 CompressedJsonResponse: 2 bytes
    ]
    .concat();
    frozen(
        &bytes,
        VqlResponse {
            response: Bytes::from_static(b"[]"),
            columns: vec!["A".into(), "B".into()],
            query: Some(VqlRequest { vql: "q".into(), name: "n".into() }),
            timestamp: 1_700_000_000_000_000,
            query_id: 1,
            part: 2,
            total_rows: 3,
            types: vec![VqlTypeMap { column: "A".into(), ..VqlTypeMap::default() }],
            log: "l".into(),
            jsonl_response: Bytes::from_static(b"{\"A\":1}\n"),
            query_start_row: 4,
            org_id: "O".into(),
            uncompressed_size: 5,
            byte_offset: 6,
            compressed_json_response: Bytes::from_static(b"\x78\x9c"),
        },
    );
}

#[test]
fn an_artifact() {
    let bytes = [
        b"\x0a\x01A".as_slice(),             // 1 name: 1 bytes
        b"\x1a\x0b".as_slice(),              // 3 parameters: message of 11 bytes
        b"\x0a\x01p".as_slice(),             //   1 name: 1 bytes
        b"\x12\x01d".as_slice(),             //   2 default: 1 bytes
        b"\x22\x03int".as_slice(),           //   4 type: 3 bytes
        b"\x22\x0e".as_slice(),              // 4 sources: message of 14 bytes
        b"\x0a\x01c".as_slice(),             //   1 precondition: 1 bytes
        b"\x12\x02q1".as_slice(),            //   2 queries: 2 bytes
        b"\x12\x02q2".as_slice(),            //   2 queries: 2 bytes
        b"\x1a\x01s".as_slice(),             //   3 name: 1 bytes
        b"\x42\x01C".as_slice(),             // 8 precondition: 1 bytes
        b"\x52\x06client".as_slice(),        // 10 type: 6 bytes
        b"\x8a\x01\x01I".as_slice(),         // 17 imports: 1 bytes
        b"\x92\x01\x09LET E = 1".as_slice(), // 18 export: 9 bytes
    ]
    .concat();
    frozen(
        &bytes,
        Artifact {
            name: "A".into(),
            parameters: vec![ArtifactParameter {
                name: "p".into(),
                default: "d".into(),
                r#type: "int".into(),
            }],
            sources: vec![ArtifactSource {
                precondition: "c".into(),
                queries: vec!["q1".into(), "q2".into()],
                name: "s".into(),
            }],
            precondition: "C".into(),
            r#type: "client".into(),
            imports: vec!["I".into()],
            export: "LET E = 1".into(),
        },
    );
}
