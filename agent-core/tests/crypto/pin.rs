//! Each way in which a server.pem can be wrong, and the error that says so.

use troodon_core::error::{KeyFault, PinFault};
use troodon_core::pin::Anchor;
use troodon_core::rsa::PrivateKey;
use troodon_core::time::UnixTime;

use crate::certificates::{
    ALTERNATIVE_NAMES, BASIC_CONSTRAINTS, CLIENT_AUTH, EXTENDED_KEY_USAGE, KEY_USAGE,
    NAME_CONSTRAINTS, Plan, SERVER_AUTH, SHA1_WITH_RSA, USES_OF_A_CA, USES_OF_A_LEAF,
    alternative_name, armour, basic_constraints, ca, common_name_part, extended_key_usage,
    extension, key_usage, leaf, organisation, organisation_part, pem, rsa_spki, sequence, tlv,
};
use crate::keys::{NOW, SERVER, anchor, ca_key, other_key, server_key};

fn good() -> Plan {
    leaf(SERVER, server_key().public())
}

fn verdict(text: &[u8], now: Option<UnixTime>) -> Result<(), PinFault> {
    let pinned = anchor().check(text, SERVER, now)?;
    assert_eq!(pinned.name(), SERVER);
    assert_eq!(pinned.key(), server_key().public());
    Ok(())
}

fn judge(plan: &Plan) -> Result<(), PinFault> {
    verdict(pem(&plan.sign(ca_key())).as_bytes(), Some(NOW))
}

fn anchor_fault(plan: &Plan) -> Option<PinFault> {
    Anchor::from_pem(pem(&plan.sign(ca_key())).as_bytes()).err()
}

#[test]
fn a_genuine_certificate_is_pinned() {
    assert_eq!(judge(&good()), Ok(()));
    let pinned = anchor().check(pem(&good().sign(ca_key())).as_bytes(), SERVER, None).unwrap();
    assert_eq!(pinned.expires(), UnixTime::from_secs(1_830_297_600));
}

#[test]
fn what_the_original_leaves_out_may_be_left_out() {
    assert_eq!(judge(&good().without(EXTENDED_KEY_USAGE)), Ok(()));
    assert_eq!(judge(&good().without(KEY_USAGE)), Ok(()));
    assert_eq!(judge(&good().without(BASIC_CONSTRAINTS)), Ok(()));
    assert_eq!(judge(&good().without(ALTERNATIVE_NAMES)), Ok(()));
}

#[test]
fn dates_are_checked_at_the_time_that_is_known() {
    let text = pem(&good().sign(ca_key()));
    let at = |seconds| verdict(text.as_bytes(), Some(UnixTime::from_secs(seconds)));
    let (begin, end) = (1_767_225_600, 1_830_297_600);
    assert_eq!(at(begin - 1), Err(PinFault::NotYetValid));
    assert_eq!(at(begin), Ok(()));
    assert_eq!(at(end), Ok(()));
    assert_eq!(at(end + 1), Err(PinFault::Expired));
    assert_eq!(at(0), Err(PinFault::NotYetValid));
    assert_eq!(
        verdict(text.as_bytes(), Some(UnixTime::from_nanos(u64::MAX))),
        Err(PinFault::Expired)
    );
    assert_eq!(verdict(text.as_bytes(), None), Ok(()), "a device without a clock");
}

#[test]
fn a_ca_outside_its_validity_pins_nothing() {
    let old = Plan { validity: ("200101000000Z", "210101000000Z"), ..ca() };
    let anchor = Anchor::from_pem(pem(&old.sign(ca_key())).as_bytes()).unwrap();
    let text = pem(&good().sign(ca_key()));
    assert_eq!(anchor.check(text.as_bytes(), SERVER, Some(NOW)).err(), Some(PinFault::AnchorTime));
    assert!(anchor.check(text.as_bytes(), SERVER, None).is_ok());
}

#[test]
fn another_ca_is_refused_whatever_it_calls_itself() {
    let by_other = pem(&good().sign(other_key()));
    assert_eq!(verdict(by_other.as_bytes(), Some(NOW)), Err(PinFault::Signature));
    let named = Plan { issuer: organisation("Other CA"), ..good() };
    assert_eq!(judge(&named), Err(PinFault::OtherIssuer));
    let self_signed = Plan { issuer: good().subject, ..good() };
    assert_eq!(
        verdict(pem(&self_signed.sign(server_key())).as_bytes(), Some(NOW)),
        Err(PinFault::OtherIssuer)
    );
}

#[test]
fn a_leaf_cannot_issue() {
    // A client's or gateway's key under the right CA signs a certificate with the pinned name.
    let gateway = leaf("GRPC_GW", other_key().public());
    let rogue = Plan { issuer: gateway.subject.clone(), ..good() };
    let text = format!("{}{}", pem(&rogue.sign(other_key())), pem(&gateway.sign(ca_key())));
    assert_eq!(verdict(text.as_bytes(), Some(NOW)), Err(PinFault::OtherIssuer));
}

#[test]
fn the_right_ca_with_another_name_is_refused() {
    for name in ["GRPC_GW", "velociraptorserver", "VelociraptorServer ", "*", ""] {
        assert_eq!(judge(&leaf(name, server_key().public())), Err(PinFault::OtherName), "{name:?}");
    }
    assert_eq!(
        judge(&leaf("VelociraptorServer\0.example", server_key().public())).err(),
        Some(PinFault::OtherName)
    );
}

#[test]
fn the_common_name_wins_over_the_alternative_names() {
    let swapped =
        leaf("GRPC_GW", server_key().public()).with(ALTERNATIVE_NAMES, alternative_name(SERVER));
    assert_eq!(judge(&swapped), Err(PinFault::OtherName));
    let other_san = good().with(ALTERNATIVE_NAMES, alternative_name("elsewhere.example"));
    assert_eq!(judge(&other_san), Ok(()));
}

#[test]
fn without_a_common_name_the_first_dns_name_counts() {
    let nameless = Plan { subject: organisation("Velociraptor"), ..good() };
    assert_eq!(judge(&nameless), Ok(()));
    let names = |names: &[&str]| {
        let names: Vec<u8> = names.iter().flat_map(|name| tlv(0x82, name.as_bytes())).collect();
        nameless
            .clone()
            .with(ALTERNATIVE_NAMES, extension(ALTERNATIVE_NAMES, false, &sequence(&[&names])))
    };
    assert_eq!(judge(&names(&[SERVER, "second"])), Ok(()));
    assert_eq!(judge(&names(&["first", SERVER])), Err(PinFault::OtherName));
    assert_eq!(judge(&nameless.without(ALTERNATIVE_NAMES)), Err(PinFault::OtherName));
}

#[test]
fn two_common_names_are_no_name() {
    let two = sequence(&[
        &organisation_part("Velociraptor"),
        &common_name_part(SERVER),
        &common_name_part("GRPC_GW"),
    ]);
    assert_eq!(judge(&Plan { subject: two, ..good() }), Err(PinFault::OtherName));
}

#[test]
fn a_certificate_for_something_else_is_refused() {
    let ca_leaf = good().with(BASIC_CONSTRAINTS, basic_constraints(true));
    assert_eq!(judge(&ca_leaf), Err(PinFault::Usage));
    let client = good().with(EXTENDED_KEY_USAGE, extended_key_usage(&[CLIENT_AUTH]));
    assert_eq!(judge(&client), Err(PinFault::Usage));
    let signer = good().with(KEY_USAGE, key_usage(0b1000_0000));
    assert_eq!(judge(&signer), Err(PinFault::Usage));
}

#[test]
fn weak_and_odd_keys_are_refused() {
    let modulus = |bytes: usize| {
        let mut modulus = vec![0xc5; bytes];
        modulus[bytes - 1] = 0x01;
        modulus
    };
    let with_key = |modulus: &[u8], exponent: &[u8]| {
        judge(&Plan { spki: rsa_spki(modulus, exponent), ..good() })
    };
    let key = |fault| Err(PinFault::Key(fault));
    assert_eq!(with_key(&modulus(128), &[1, 0, 1]), key(KeyFault::Bits(1024)));
    assert_eq!(with_key(&modulus(1024), &[1, 0, 1]), key(KeyFault::Bits(8192)));
    for exponent in [&[1][..], &[3], &[2], &[1, 0, 0]] {
        assert_eq!(with_key(&modulus(256), exponent), key(KeyFault::Exponent));
    }
    let mut even = modulus(256);
    even[255] = 0x02;
    assert_eq!(with_key(&even, &[1, 0, 1]), key(KeyFault::Modulus));
    let elliptic = sequence(&[
        &sequence(&[
            &tlv(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]),
            &tlv(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]),
        ]),
        &tlv(0x03, &[&[0, 4], [7; 64].as_slice()].concat()),
    ]);
    assert_eq!(judge(&Plan { spki: elliptic, ..good() }), key(KeyFault::Encoding));
}

#[test]
fn other_signature_algorithms_are_refused() {
    let sha1 = Plan { algorithm: SHA1_WITH_RSA, outer_algorithm: SHA1_WITH_RSA, ..good() };
    assert_eq!(judge(&sha1), Err(PinFault::Algorithm));
    let differs = Plan { outer_algorithm: SHA1_WITH_RSA, ..good() };
    assert_eq!(judge(&differs), Err(PinFault::Algorithm));
}

#[test]
fn extensions_that_are_repeated_or_critical_and_unknown_are_refused() {
    let mut twice = good();
    twice.extensions.push(basic_constraints(false));
    assert_eq!(judge(&twice), Err(PinFault::Extension));
    let unknown = |critical| {
        let mut plan = good();
        plan.extensions.push(extension(&[0x2a, 3, 4], critical, &[5, 0]));
        judge(&plan)
    };
    assert_eq!(unknown(true), Err(PinFault::Extension));
    assert_eq!(unknown(false), Ok(()));
    let mut many = good();
    for id in 0..64 {
        many.extensions.push(extension(&[0x2a, 4, id], false, &[5, 0]));
    }
    assert_eq!(judge(&many), Err(PinFault::Extension));
}

#[test]
fn version_1_is_refused() {
    let v1 = Plan { version: None, extensions: Vec::new(), ..good() };
    assert_eq!(judge(&v1), Err(PinFault::NotCertificate));
}

#[test]
fn only_a_ca_that_may_sign_is_an_anchor() {
    assert_eq!(anchor_fault(&ca()), None);
    assert_eq!(anchor_fault(&good()), Some(PinFault::NotAnchor));
    let no_constraints = ca().without(BASIC_CONSTRAINTS);
    assert_eq!(anchor_fault(&no_constraints), Some(PinFault::NotAnchor));
    let cannot_sign = ca().with(KEY_USAGE, key_usage(USES_OF_A_LEAF));
    assert_eq!(anchor_fault(&cannot_sign), Some(PinFault::NotAnchor));
    let for_clients = ca().with(EXTENDED_KEY_USAGE, extended_key_usage(&[CLIENT_AUTH]));
    assert_eq!(anchor_fault(&for_clients), Some(PinFault::NotAnchor));
    let plain = ca().without(EXTENDED_KEY_USAGE).without(ALTERNATIVE_NAMES);
    assert_eq!(anchor_fault(&plain.with(KEY_USAGE, key_usage(USES_OF_A_CA))), None);
    let constrained =
        ca().with(NAME_CONSTRAINTS, extension(NAME_CONSTRAINTS, false, &sequence(&[])));
    assert_eq!(anchor_fault(&constrained), Some(PinFault::NotAnchor));
    let servers_only = ca().with(EXTENDED_KEY_USAGE, extended_key_usage(&[SERVER_AUTH]));
    assert_eq!(anchor_fault(&servers_only), None);
}

#[test]
fn text_that_is_no_certificate_is_told_apart() {
    let check = |text: &[u8]| verdict(text, Some(NOW));
    assert_eq!(check(b""), Err(PinFault::Empty));
    assert_eq!(check(b" \r\n\t\n"), Err(PinFault::Empty));
    let portal = b"<!DOCTYPE html><html><title>Sign in to the hotel</title></html>";
    assert_eq!(check(portal), Err(PinFault::NotPem));
    assert_eq!(check(&vec![b'x'; 64 * 1024 + 1]), Err(PinFault::TooLarge));
    let der = good().sign(ca_key());
    assert_eq!(check(&der), Err(PinFault::NotPem), "DER without armour");
    let key = armour("RSA PRIVATE KEY", &der);
    assert_eq!(check(key.as_bytes()), Err(PinFault::NotPem));
    assert_eq!(check(pem(b"garbage").as_bytes()), Err(PinFault::NotCertificate));
    assert_eq!(check(pem(&[]).as_bytes()), Err(PinFault::NotPem));
    let trailing = [der.as_slice(), &[0]].concat();
    assert_eq!(check(pem(&trailing).as_bytes()), Err(PinFault::NotCertificate));
}

#[test]
fn every_truncation_is_refused() {
    let text = pem(&good().sign(ca_key()));
    let whole = text.trim_end().len();
    for length in 0..whole {
        assert!(verdict(&text.as_bytes()[..length], Some(NOW)).is_err(), "{length} bytes");
    }
    let der = good().sign(ca_key());
    for length in 0..der.len() {
        assert!(verdict(pem(&der[..length]).as_bytes(), Some(NOW)).is_err(), "{length} bytes");
    }
}

#[test]
fn no_byte_of_a_certificate_can_change() {
    let mut der = good().sign(ca_key());
    for byte in 0..der.len() {
        let bit = 1 << (byte % 8);
        der[byte] ^= bit;
        let text = pem(&der);
        assert!(verdict(text.as_bytes(), Some(NOW)).is_err(), "byte {byte} changed by {bit}");
        der[byte] ^= bit;
    }
}

#[test]
fn the_first_certificate_counts_whatever_surrounds_it() {
    let (right, wrong) =
        (pem(&good().sign(ca_key())), pem(&leaf("GRPC_GW", other_key().public()).sign(ca_key())));
    assert_eq!(verdict(format!("# server\n{right}{wrong}").as_bytes(), Some(NOW)), Ok(()));
    let wrong_first = format!("{wrong}{right}");
    assert_eq!(verdict(wrong_first.as_bytes(), Some(NOW)), Err(PinFault::OtherName));
    let key_first = format!("{}{right}", armour("PUBLIC KEY", b"whatever"));
    assert_eq!(verdict(key_first.as_bytes(), Some(NOW)), Ok(()));
    assert_eq!(verdict(right.replace('\n', "\r\n").as_bytes(), Some(NOW)), Ok(()));
}
