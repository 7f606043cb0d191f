//! Messages of `message.proto`, and the rules of the encoding that all of them rely on.

use troodon_proto::{
    Cancel, Certificate, FileBuffer, FlowRequest, FlowStats, FlowStatsRequest, ForemanCheckin,
    LogMessage, Message, MessageList, ResumeTransactions, UploadTransaction, VeloMessage,
    VeloStatus, VqlCollectorArgs, VqlEventTable, VqlResponse, velo_status,
};

use crate::frozen;

#[test]
fn a_list_of_messages() {
    let bytes = [
        b"\x0a\x05".as_slice(),    // 1 job: message of 5 bytes
        b"\x0a\x03F.1".as_slice(), //   1 session_id: 3 bytes
        b"\x0a\x00".as_slice(),    // 1 job: message of 0 bytes
    ]
    .concat();
    frozen(
        &bytes,
        MessageList {
            job: vec![
                VeloMessage { session_id: "F.1".into(), ..VeloMessage::default() },
                VeloMessage::default(),
            ],
        },
    );
}

#[test]
fn the_head_of_a_message() {
    let bytes = [
        b"\x0a\x03F.1".as_slice(),  // 1 session_id: 3 bytes
        b"\x10\xd5\x07".as_slice(), // 2 request_id: varint 981
        b"\x18\x01".as_slice(),     // 3 response_id: varint 1
        b"\x32\x03C.1".as_slice(),  // 6 source: 3 bytes
        b"\x38\x01".as_slice(),     // 7 auth_state: varint 1
        b"\x40\x01".as_slice(),     // 8 type: varint 1
        b"\x78\x80\x80\xa8\xb1\xe3\x9f\xe7\xcb\x17".as_slice(), // 15 task_id: varint 1700000000000000000
        b"\xa0\x02\x01".as_slice(),                             // 36 urgent: varint 1
        b"\xa8\x02\x07".as_slice(),                             // 37 query_id: varint 7
        b"\xc2\x02\x01O".as_slice(),                            // 40 org_id: 1 bytes
    ]
    .concat();
    frozen(
        &bytes,
        VeloMessage {
            session_id: "F.1".into(),
            request_id: 981,
            response_id: 1,
            source: "C.1".into(),
            auth_state: 1,
            r#type: 1,
            task_id: 1_700_000_000_000_000_000,
            urgent: true,
            query_id: 7,
            org_id: "O".into(),
            ..VeloMessage::default()
        },
    );
}

#[test]
fn what_a_server_sends() {
    let bytes = [
        b"\xf2\x01\x02".as_slice(), // 30 VQLClientAction: message of 2 bytes
        b"\x20\x02".as_slice(),     //   4 max_row: varint 2
        b"\xfa\x01\x02".as_slice(), // 31 UpdateEventTable: message of 2 bytes
        b"\x10\x03".as_slice(),     //   2 version: varint 3
        b"\x82\x02\x03".as_slice(), // 32 Cancel: message of 3 bytes
        b"\x0a\x01p".as_slice(),    //   1 principal: 1 bytes
        b"\x9a\x02\x02".as_slice(), // 35 UpdateForeman: message of 2 bytes
        b"\x10\x06".as_slice(),     //   2 last_event_table_version: varint 6
        b"\xb2\x02\x00".as_slice(), // 38 KillKillKill: message of 0 bytes
        b"\xba\x02\x00".as_slice(), // 39 Ping: message of 0 bytes
        b"\xd2\x02\x02".as_slice(), // 42 FlowRequest: message of 2 bytes
        b"\x20\x08".as_slice(),     //   4 max_rows: varint 8
        b"\xda\x02\x05".as_slice(), // 43 flow_stats_request: message of 5 bytes
        b"\x0a\x03F.2".as_slice(),  //   1 flow_id: 3 bytes
        b"\xea\x02\x02".as_slice(), // 45 ResumeTransactions: message of 2 bytes
        b"\x38\x0a".as_slice(),     //   7 timeout: varint 10
    ]
    .concat();
    frozen(
        &bytes,
        VeloMessage {
            vql_client_action: Some(VqlCollectorArgs { max_row: 2, ..VqlCollectorArgs::default() }),
            update_event_table: Some(VqlEventTable { version: 3, ..VqlEventTable::default() }),
            cancel: Some(Cancel { principal: "p".into() }),
            update_foreman: Some(ForemanCheckin {
                last_event_table_version: 6,
                ..ForemanCheckin::default()
            }),
            kill_kill_kill: Some(Cancel::default()),
            ping: Some(Cancel::default()),
            flow_request: Some(FlowRequest { max_rows: 8, ..FlowRequest::default() }),
            flow_stats_request: Some(FlowStatsRequest { flow_id: vec!["F.2".into()] }),
            resume_transactions: Some(ResumeTransactions {
                timeout: 10,
                ..ResumeTransactions::default()
            }),
            ..VeloMessage::default()
        },
    );
}

#[test]
fn what_an_agent_sends() {
    let bytes = [
        b"\xca\x01\x02".as_slice(), // 25 status: message of 2 bytes
        b"\x08\x04".as_slice(),     //   1 status: varint 4
        b"\xda\x01\x02".as_slice(), // 27 ForemanCheckin: message of 2 bytes
        b"\x08\x01".as_slice(),     //   1 last_hunt_timestamp: varint 1
        b"\xe2\x01\x02".as_slice(), // 28 FileBuffer: message of 2 bytes
        b"\x28\x01".as_slice(),     //   5 eof: varint 1
        b"\xea\x01\x03".as_slice(), // 29 CSR: message of 3 bytes
        b"\x1a\x01c".as_slice(),    //   3 cn: 1 bytes
        b"\x8a\x02\x02".as_slice(), // 33 VQLResponse: message of 2 bytes
        b"\x38\x04".as_slice(),     //   7 total_rows: varint 4
        b"\x92\x02\x02".as_slice(), // 34 LogMessage: message of 2 bytes
        b"\x28\x05".as_slice(),     //   5 id: varint 5
        b"\xca\x02\x02".as_slice(), // 41 flow_stats: message of 2 bytes
        b"\x40\x01".as_slice(),     //   8 flow_complete: varint 1
        b"\xe2\x02\x02".as_slice(), // 44 UploadTransaction: message of 2 bytes
        b"\x58\x09".as_slice(),     //   11 upload_id: varint 9
    ]
    .concat();
    frozen(
        &bytes,
        VeloMessage {
            status: Some(VeloStatus {
                status: velo_status::Status::Progress.into(),
                ..VeloStatus::default()
            }),
            foreman_checkin: Some(ForemanCheckin {
                last_hunt_timestamp: 1,
                ..ForemanCheckin::default()
            }),
            file_buffer: Some(FileBuffer { eof: true, ..FileBuffer::default() }),
            csr: Some(Certificate { cn: "c".into(), ..Certificate::default() }),
            vql_response: Some(VqlResponse { total_rows: 4, ..VqlResponse::default() }),
            log_message: Some(LogMessage { id: 5, ..LogMessage::default() }),
            flow_stats: Some(FlowStats { flow_complete: true, ..FlowStats::default() }),
            upload_transaction: Some(UploadTransaction {
                upload_id: 9,
                ..UploadTransaction::default()
            }),
            ..VeloMessage::default()
        },
    );
}

#[test]
fn a_cancellation() {
    let bytes = [
        b"\x0a\x05admin".as_slice(), // 1 principal: 5 bytes
    ]
    .concat();
    frozen(&bytes, Cancel { principal: "admin".into() });
}

#[test]
fn the_check_in_of_an_agent() {
    let bytes = [
        b"\x08\x01".as_slice(), // 1 last_hunt_timestamp: varint 1
        b"\x10\x80\x80\xa8\xb1\xe3\x9f\xe7\xcb\x17".as_slice(), // 2 last_event_table_version: varint 1700000000000000000
    ]
    .concat();
    frozen(
        &bytes,
        ForemanCheckin {
            last_hunt_timestamp: 1,
            last_event_table_version: 1_700_000_000_000_000_000,
        },
    );
}

#[test]
fn a_question_about_flows() {
    let bytes = [
        b"\x0a\x03F.1".as_slice(),     // 1 flow_id: 3 bytes
        b"\x0a\x07F.H.2/1".as_slice(), // 1 flow_id: 7 bytes
    ]
    .concat();
    frozen(&bytes, FlowStatsRequest { flow_id: vec!["F.1".into(), "F.H.2/1".into()] });
}

#[test]
fn deprecated_and_unknown_fields_are_skipped() {
    let bytes = [
        b"\x0a\x03F.1".as_slice(),   // 1 session_id: 3 bytes
        b"\x22\x02ab",               // 4 name, of the protocol before version 4
        b"\x2a\x01\x00",             // 5 args, likewise
        b"\x72\x01x",                // 14 args_rdf_name, likewise
        b"\x80\x7d\x2a",             // 2000: varint of a later version
        b"\x8d\x7d\x01\x02\x03\x04", // 2001: 4 bytes, likewise
        b"\x91\x7d12345678",         // 2002: 8 bytes, likewise
    ]
    .concat();
    let expected = VeloMessage { session_id: "F.1".into(), ..VeloMessage::default() };
    assert_eq!(VeloMessage::decode(bytes.as_slice()), Ok(expected));
}

#[test]
fn two_encodings_one_after_the_other_merge() {
    let bytes = [
        b"\x0a\x03F.1".as_slice(), // 1 session_id: 3 bytes
        b"\x10\x01",               // 2 request_id: varint 1
        b"\xda\x02\x04",           // 43 flow_stats_request: message of 4 bytes
        b"\x0a\x02F.",             //   1 flow_id: 2 bytes
        b"\x10\x02",               // 2 request_id: varint 2, the last one counts
        b"\xda\x02\x04",           // 43 flow_stats_request: message of 4 bytes
        b"\x0a\x02G.",             //   1 flow_id: 2 bytes, appended
    ]
    .concat();
    let expected = VeloMessage {
        session_id: "F.1".into(),
        request_id: 2,
        flow_stats_request: Some(FlowStatsRequest { flow_id: vec!["F.".into(), "G.".into()] }),
        ..VeloMessage::default()
    };
    assert_eq!(VeloMessage::decode(bytes.as_slice()), Ok(expected));
}

#[test]
fn what_is_cut_short_is_an_error() {
    let whole = b"\x0a\x03F.1\xda\x02\x04\x0a\x02F.".as_slice();
    for len in [1, 2, 3, 4, 6, 7, 8, 9, 10] {
        assert!(VeloMessage::decode(&whole[..len]).is_err(), "{len} bytes of {}", whole.len());
    }
}

#[test]
fn nothing_encodes_to_nothing() {
    frozen(b"", VeloMessage::default());
    frozen(b"", MessageList::default());
}
