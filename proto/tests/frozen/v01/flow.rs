//! Messages of `flow.proto`.

use bytes::Bytes;
use troodon_proto::{
    FlowRequest, FlowStats, LogMessage, VeloStatus, VqlCollectorArgs, flow_request, velo_status,
};

use crate::frozen;

#[test]
fn a_flow_request() {
    let bytes = [
        b"\x0a\x03".as_slice(),         // 1 VQLClientActions: message of 3 bytes
        b"\x80\x02\x01".as_slice(),     //   32 query_id: varint 1
        b"\x0a\x03".as_slice(),         // 1 VQLClientActions: message of 3 bytes
        b"\x80\x02\x02".as_slice(),     //   32 query_id: varint 2
        b"\x10\x02".as_slice(),         // 2 log_batch_time: varint 2
        b"\x18\x05".as_slice(),         // 3 flow_update_time: varint 5
        b"\x20\xc0\x84\x3d".as_slice(), // 4 max_rows: varint 1000000
        b"\x28\x80\x80\x80\x80\x04".as_slice(), // 5 max_upload_bytes: varint 1073741824
        b"\x32\x03".as_slice(),         // 6 trace: message of 3 bytes
        b"\x80\x02\x03".as_slice(),     //   32 query_id: varint 3
        b"\x38\xa0\x8d\x06".as_slice(), // 7 max_logs: varint 100000
        b"\x42\x09(?i)error".as_slice(), // 8 log_error_regex: 9 bytes
        b"\x48\x01".as_slice(),         // 9 compression: varint 1
    ]
    .concat();
    frozen(
        &bytes,
        FlowRequest {
            vql_client_actions: vec![args(1), args(2)],
            log_batch_time: 2,
            flow_update_time: 5,
            max_rows: 1_000_000,
            max_upload_bytes: 1 << 30,
            trace: vec![args(3)],
            max_logs: 100_000,
            log_error_regex: "(?i)error".into(),
            compression: flow_request::Compression::Zlib.into(),
        },
    );
}

#[test]
fn a_status() {
    let bytes = [
        b"\x08\x0a".as_slice(),                             // 1 status: varint 10
        b"\x12\x02no".as_slice(),                           // 2 error_message: 2 bytes
        b"\x1a\x02bt".as_slice(),                           // 3 backtrace: 2 bytes
        b"\x20\x80\xde\xa0\xcb\x05".as_slice(),             // 4 duration: varint 1500000000
        b"\x2a\x01A".as_slice(),                            // 5 names_with_response: 1 bytes
        b"\x2a\x01B".as_slice(),                            // 5 names_with_response: 1 bytes
        b"\x30\x01".as_slice(),                             // 6 log_rows: varint 1
        b"\x38\x02".as_slice(),                             // 7 result_rows: varint 2
        b"\x40\x03".as_slice(),                             // 8 query_id: varint 3
        b"\x48\x04".as_slice(),                             // 9 total_queries: varint 4
        b"\x52\x01X".as_slice(),                            // 10 Artifact: 1 bytes
        b"\x58\x05".as_slice(),                             // 11 uploaded_files: varint 5
        b"\x60\x06".as_slice(),                             // 12 uploaded_bytes: varint 6
        b"\x68\x07".as_slice(),                             // 13 expected_uploaded_bytes: varint 7
        b"\x70\x81\x80\xf9\xc0\xc1\xc4\x82\x03".as_slice(), // 14 last_active: varint 1700000000000001
        b"\x78\x80\x80\xf9\xc0\xc1\xc4\x82\x03".as_slice(), // 15 first_active: varint 1700000000000000
        b"\x80\x01\x08".as_slice(),                         // 16 transactions_outstanding: varint 8
    ]
    .concat();
    frozen(
        &bytes,
        VeloStatus {
            status: velo_status::Status::GenericError.into(),
            error_message: "no".into(),
            backtrace: "bt".into(),
            duration: 1_500_000_000,
            names_with_response: vec!["A".into(), "B".into()],
            log_rows: 1,
            result_rows: 2,
            query_id: 3,
            total_queries: 4,
            artifact: "X".into(),
            uploaded_files: 5,
            uploaded_bytes: 6,
            expected_uploaded_bytes: 7,
            last_active: 1_700_000_000_000_001,
            first_active: 1_700_000_000_000_000,
            transactions_outstanding: 8,
        },
    );
}

#[test]
fn the_numbers_of_the_statuses() {
    use velo_status::Status;
    let numbers = [
        (Status::Ok, 0),
        (Status::Progress, 4),
        (Status::GenericError, 10),
        (Status::UnknownFlow, 11),
    ];
    for (status, number) in numbers {
        assert_eq!(i32::from(status), number);
    }
}

#[test]
fn the_statistics_of_a_flow() {
    let bytes = [
        b"\x08\x01".as_slice(),  // 1 total_uploaded_files: varint 1
        b"\x10\x02".as_slice(),  // 2 total_expected_uploaded_bytes: varint 2
        b"\x18\x03".as_slice(),  // 3 total_uploaded_bytes: varint 3
        b"\x20\x04".as_slice(),  // 4 total_collected_rows: varint 4
        b"\x28\x05".as_slice(),  // 5 total_logs: varint 5
        b"\x30\x06".as_slice(),  // 6 timestamp: varint 6
        b"\x3a\x02".as_slice(),  // 7 query_status: message of 2 bytes
        b"\x08\x04".as_slice(),  //   1 status: varint 4
        b"\x3a\x00".as_slice(),  // 7 query_status: message of 0 bytes
        b"\x40\x01".as_slice(),  // 8 flow_complete: varint 1
        b"\x4a\x01A".as_slice(), // 9 names_with_response: 1 bytes
        b"\x50\x07".as_slice(),  // 10 transactions_outstanding: varint 7
    ]
    .concat();
    frozen(
        &bytes,
        FlowStats {
            total_uploaded_files: 1,
            total_expected_uploaded_bytes: 2,
            total_uploaded_bytes: 3,
            total_collected_rows: 4,
            total_logs: 5,
            timestamp: 6,
            query_status: vec![
                VeloStatus {
                    status: velo_status::Status::Progress.into(),
                    ..VeloStatus::default()
                },
                VeloStatus::default(),
            ],
            flow_complete: true,
            names_with_response: vec!["A".into()],
            transactions_outstanding: 7,
        },
    );
}

#[test]
fn a_log_message() {
    let bytes = [
        b"\x0a\x01m".as_slice(),      // 1 message: 1 bytes
        b"\x10\x01".as_slice(),       // 2 timestamp: varint 1
        b"\x1a\x01a".as_slice(),      // 3 artifact: 1 bytes
        b"\x22\x05ALERT".as_slice(),  // 4 level: 5 bytes
        b"\x28\xac\x02".as_slice(),   // 5 id: varint 300
        b"\x30\x01".as_slice(),       // 6 number_of_rows: varint 1
        b"\x3a\x03{}\x0a".as_slice(), // 7 jsonl: 3 bytes
        b"\x42\x01e".as_slice(),      // 8 error_message: 1 bytes
    ]
    .concat();
    frozen(
        &bytes,
        LogMessage {
            message: "m".into(),
            timestamp: 1,
            artifact: "a".into(),
            level: "ALERT".into(),
            id: 300,
            number_of_rows: 1,
            jsonl: Bytes::from_static(b"{}\n"),
            error_message: "e".into(),
        },
    );
}

fn args(query_id: i64) -> VqlCollectorArgs {
    VqlCollectorArgs { query_id, ..VqlCollectorArgs::default() }
}
