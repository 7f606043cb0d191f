//! What a server may say, and when.

use troodon_board::tls::TlsFault;

use super::authority::{Authority, PINNED};
use super::client::{BACK_ENDS, BackEnd, NOW, Outcome, settings, talk, talk_with_each};
use super::server::{ALERT, DATA, HANDSHAKE, HONEST, Server, Share, Step, record, records};

/// A talk with a server that has the right certificate, changed by `change`, in portions of so many bytes.
fn with(flight: &[Step], portion: usize, change: impl Fn(&mut Server)) -> Outcome {
    let own = Authority::new("own");
    let identity = own.sign(PINNED, |_| ());
    let server = || {
        let mut server = Server::new(identity.clone(), flight);
        change(&mut server);
        server
    };
    talk_with_each(&settings(&own, &[]), NOW, server, portion)
}

fn saying(flight: &[Step]) -> Outcome {
    with(flight, usize::MAX, |_| ())
}

#[test]
fn an_honest_server_is_heard_however_its_bytes_come() {
    for portion in [usize::MAX, 1, 7] {
        let outcome = with(&HONEST, portion, |server| {
            server.then = vec![(DATA, b"HTTP/1.1 ".to_vec()), (DATA, b"200 OK".to_vec())];
        });
        assert!(outcome.is_proved && outcome.fault.is_none(), "{outcome:?}");
        assert_eq!(outcome.plain, b"HTTP/1.1 200 OK");
    }
}

#[test]
fn messages_in_parts_are_heard_by_rustls_and_refused_by_embedded_tls() {
    let own = Authority::new("own");
    for (back_end, is_heard) in [(BackEnd::Rustls, true), (BackEnd::Embedded, false)] {
        for record_len in [1, 100] {
            let mut server = Server::new(own.sign(PINNED, |_| ()), &HONEST);
            server.record_len = record_len;
            let client = back_end.client(&settings(&own, &[]), NOW).unwrap();
            let outcome = talk(client.as_ref(), &mut server, usize::MAX);
            assert_eq!(outcome.is_proved, is_heard, "{back_end:?}: {outcome:?}");
            assert_eq!(outcome.fault, (!is_heard).then_some(TlsFault::Protocol));
        }
    }
}

#[test]
fn a_server_without_a_certificate_is_refused() {
    use Step::{Certificate, CertificateVerify, EncryptedExtensions, Finished};
    let wrong: [&[Step]; 9] = [
        &[EncryptedExtensions, Finished],
        &[EncryptedExtensions, CertificateVerify, Finished],
        &[EncryptedExtensions, Certificate, Finished],
        &[EncryptedExtensions, CertificateVerify, Certificate, Finished],
        &[EncryptedExtensions, Certificate, Certificate, CertificateVerify, Finished],
        &[EncryptedExtensions, Certificate, CertificateVerify, CertificateVerify, Finished],
        &[EncryptedExtensions, EncryptedExtensions, Certificate, CertificateVerify, Finished],
        &[Certificate, CertificateVerify, Finished],
        &[Finished],
    ];
    for flight in wrong {
        assert_eq!(saying(flight).refused(), TlsFault::Protocol, "{flight:?}");
    }
}

#[test]
fn an_empty_list_of_certificates_is_refused() {
    let own = Authority::new("own");
    let mut identity = own.sign(PINNED, |_| ());
    identity.chain.clear();
    let server = || Server::new(identity.clone(), &HONEST);
    talk_with_each(&settings(&own, &[]), NOW, server, usize::MAX).refused();
}

#[test]
fn a_server_without_the_key_of_its_certificate_is_refused() {
    let flight = [
        Step::EncryptedExtensions,
        Step::Certificate,
        Step::ForeignCertificateVerify,
        Step::Finished,
    ];
    assert_eq!(saying(&flight).refused(), TlsFault::Certificate);
}

#[test]
fn a_wrong_sum_of_the_handshake_is_refused() {
    let flight = [
        Step::EncryptedExtensions,
        Step::Certificate,
        Step::CertificateVerify,
        Step::WrongFinished,
    ];
    assert_eq!(saying(&flight).refused(), TlsFault::Protocol);
}

#[test]
fn a_handshake_that_is_cut_off_proves_nothing() {
    for len in 0..HONEST.len() {
        let outcome = saying(&HONEST[..len]);
        assert!(!outcome.is_proved && outcome.plain.is_empty(), "{outcome:?}");
    }
}

#[test]
fn other_groups_points_and_versions_are_refused() {
    for share in [Share::X25519, Share::NoPoint, Share::Tls12] {
        with(&HONEST, usize::MAX, |server| server.share = share).refused();
    }
}

#[test]
fn records_that_do_not_belong_in_a_handshake_are_refused() {
    let strange = [
        Step::Record(DATA, b"too early"),
        Step::Record(ALERT, b""),
        Step::Record(ALERT, &[2, 40]),
        Step::Record(99, b"what"),
        Step::Record(0, b""),
        Step::Record(HANDSHAKE, &[24, 0, 0, 1, 0]),
        Step::Record(HANDSHAKE, &[1, 0, 0, 0]),
        Step::Record(HANDSHAKE, &[0, 0, 0, 0]),
        Step::Bare(DATA, b""),
        Step::Bare(HANDSHAKE, &[0, 0, 0, 0]),
        Step::Bare(ALERT, &[2, 40]),
    ];
    for step in strange {
        let flight = [Step::EncryptedExtensions, step];
        let flight = [flight.as_slice(), &HONEST[1..]].concat();
        let outcome = saying(&flight);
        assert!(!outcome.is_proved && outcome.fault.is_some(), "{step:?}: {outcome:?}");
    }
}

/// RFC 8446 section 5.1 forbids it; rustls passes it over, embedded-tls would panic.
#[test]
fn an_empty_record_of_the_handshake_is_refused_or_changes_nothing() {
    let own = Authority::new("own");
    let empty = Step::Record(HANDSHAKE, b"");
    for back_end in BACK_ENDS {
        let outcome = |flight: &[Step]| {
            let client = back_end.client(&settings(&own, &[]), NOW).unwrap();
            let mut server = Server::new(own.sign(PINNED, |_| ()), flight);
            talk(client.as_ref(), &mut server, usize::MAX)
        };
        let honest = outcome(&[&HONEST[..1], &[empty], &HONEST[1..]].concat());
        assert_eq!(honest.is_proved, back_end == BackEnd::Rustls);
        outcome(&[&HONEST[..1], &[empty], &HONEST[3..]].concat()).refused();
    }
}

#[test]
fn what_is_not_tls_is_refused() {
    let own = Authority::new("own");
    let long = [[DATA, 3, 3, 0xff, 0xff].as_slice(), &[0; 30_000]].concat();
    let captive = b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n\r\n".to_vec();
    let unfinished =
        [[HANDSHAKE, 3, 3, 0x40, 0x00].as_slice(), &[2, 0xff, 0xff, 0xff], &[0; 40_000]];
    let flood = record(ALERT, &[1, 0]).repeat(10_000);
    let strange = [long, captive, unfinished.concat(), flood, vec![0; 1_000], vec![0xff; 1_000]];
    for (back_end, bytes) in BACK_ENDS.iter().flat_map(|one| strange.iter().map(move |x| (one, x)))
    {
        let client = back_end.client(&settings(&own, &[]), NOW).unwrap();
        let mut session = client.begin("server.example").unwrap();
        let mut plain = Vec::<u8>::new();
        let mut portions = bytes.chunks(1_000);
        let refused = portions
            .any(|portion| session.receive(portion, &mut |bytes| plain.extend(bytes)).is_err());
        assert!(refused, "{back_end:?} took {:?}", bytes.get(..20));
        assert!(session.proof().is_none() && plain.is_empty());
    }
}

#[test]
fn after_the_handshake_there_are_tickets_and_data_and_nothing_else() {
    let data = || (DATA, b"data".to_vec());
    let ticket = [&[4, 0, 0, 14], [0; 8].as_slice(), &[0, 0, 1, 7, 0, 0]].concat();
    let bearable = [
        vec![data(), data()],
        vec![(DATA, Vec::new()), data()],
        vec![(HANDSHAKE, ticket.clone()), data()],
        vec![(HANDSHAKE, ticket.repeat(2)), (HANDSHAKE, ticket.clone()), data()],
    ];
    for then in bearable {
        let outcome = with(&HONEST, usize::MAX, |server| server.then = then.clone());
        assert!(outcome.fault.is_none() && outcome.plain.starts_with(b"data"), "{outcome:?}");
    }
    let unbearable = [
        // Renegotiation, as it was before TLS 1.3, and its other side.
        (HANDSHAKE, vec![0, 0, 0, 0]),
        (HANDSHAKE, vec![1, 0, 0, 0]),
        // A handshake that goes on; a request for a certificate afterwards was not offered.
        (HANDSHAKE, vec![2, 0, 0, 0]),
        (HANDSHAKE, vec![8, 0, 0, 2, 0, 0]),
        (HANDSHAKE, vec![11, 0, 0, 0]),
        (HANDSHAKE, vec![11, 0, 0, 4, 0, 0, 0, 0]),
        (HANDSHAKE, vec![13, 0, 0, 3, 0, 0, 0]),
        (HANDSHAKE, vec![15, 0, 0, 4, 4, 3, 0, 0]),
        (HANDSHAKE, [[20, 0, 0, 32].as_slice(), &[0; 32]].concat()),
        // Keys that are said to change, and do not: rustls hears KeyUpdate, embedded-tls knows none.
        (HANDSHAKE, vec![24, 0, 0, 1, 0]),
        // Another message in what a ticket counts as its own.
        (HANDSHAKE, [&[4, 0, 0, 20], &ticket[4..], &[8, 0, 0, 2, 0, 0]].concat()),
        (99, b"what".to_vec()),
        (0, Vec::new()),
        (ALERT, vec![2, 80]),
        (ALERT, Vec::new()),
        (DATA, vec![0; 16 * 1024 + 1]),
    ];
    for strange in unbearable {
        let outcome =
            with(&HONEST, usize::MAX, |server| server.then = vec![strange.clone(), data()]);
        assert!(outcome.fault.is_some() && outcome.plain.is_empty(), "{strange:?}: {outcome:?}");
    }
}

#[test]
fn a_server_that_closes_is_not_heard_afterwards() {
    let outcome = with(&HONEST, usize::MAX, |server| {
        server.then = vec![(DATA, b"data".to_vec()), (ALERT, vec![1, 0]), (DATA, b"more".to_vec())];
    });
    assert_eq!((outcome.plain.as_slice(), outcome.fault), (b"data".as_slice(), None));
}

#[test]
fn a_record_of_the_greatest_length_is_heard() {
    let most = vec![7; 16 * 1024];
    let outcome = with(&HONEST, 1_000, |server| server.then = vec![(DATA, most.clone())]);
    assert!(outcome.plain == most && outcome.fault.is_none(), "{:?}", outcome.fault);
}

#[test]
fn a_flood_of_sealed_alerts_is_refused() {
    let outcome =
        with(&HONEST, usize::MAX, |server| server.then = vec![(ALERT, vec![1, 90]); 1_000]);
    assert!(outcome.fault.is_some(), "{outcome:?}");
}

#[test]
fn a_flood_of_empty_records_is_refused() {
    let outcome = with(&HONEST, usize::MAX, |server| server.then = vec![(DATA, Vec::new()); 1_000]);
    assert!(outcome.fault.is_some(), "{outcome:?}");
}

#[test]
fn any_changed_byte_of_the_handshake_is_refused() {
    let own = Authority::new("own");
    for back_end in BACK_ENDS {
        let client = back_end.client(&settings(&own, &[]), NOW).unwrap();
        for place in (0..1_000).step_by(3) {
            let mut server = Server::new(own.sign(PINNED, |_| ()), &HONEST);
            let mut session = client.begin("server.example").unwrap();
            let said = std::mem::take(session.outgoing());
            let mut answer = server.answer(&said);
            let mut begin = 0;
            let heads = records(&answer).into_iter().flat_map(|record| {
                begin += record.len();
                begin - record.len()..begin - record.len() + 3
            });
            let is_head = heads.collect::<Vec<_>>().contains(&place);
            let Some(byte) = answer.get_mut(place) else { break };
            if is_head {
                // Type and version in the head are no part of what is said: the type is sealed with it, the version is to
                // be ignored (RFC 8446 section 5.1).
                continue;
            }
            *byte ^= 1;
            let mut plain = Vec::<u8>::new();
            // Lengths that grew make it wait for more.
            let _refused_or_waiting = session.receive(&answer, &mut |bytes| plain.extend(bytes));
            assert!(session.proof().is_none() && plain.is_empty(), "{back_end:?}: byte {place}");
        }
    }
}
