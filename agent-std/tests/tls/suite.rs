//! A suite of certificate chains in the format of x509-limbo: what a verifier makes of each, against what it should.

use std::collections::BTreeMap;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;

/// One chain, and what is known about it.
pub struct Case {
    pub id: String,
    pub must_fail: bool,
    /// PEM, all in one text.
    pub roots: String,
    /// The certificate in PEM.
    pub leaf: String,
    /// The same in DER, and what it comes with.
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
    /// Whom the verifier wants to reach; nothing when it verifies a client.
    pub name: Option<ServerName<'static>>,
    pub time: At,
}

/// The moment of the verification.
#[derive(Clone, Copy, Debug)]
pub struct At(pub u64);

/// The chains of the file that the environment names for which a handshake can be made, and the ids of the others with the
/// reason.
pub fn cases() -> Option<(Vec<Case>, BTreeMap<String, &'static str>)> {
    let Some(path) = std::env::var_os("TROODON_X509_SUITE") else {
        eprintln!("SKIPPED: TROODON_X509_SUITE names no file of certificate chains");
        return None;
    };
    let suite: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut cases = Vec::new();
    let mut others = BTreeMap::new();
    for case in suite["testcases"].as_array().unwrap() {
        match read(case) {
            Ok(case) => cases.push(case),
            Err(reason) => {
                others.insert(case["id"].as_str().unwrap().to_owned(), reason);
            }
        }
    }
    assert!(!cases.is_empty());
    Some((cases, others))
}

fn read(case: &Value) -> Result<Case, &'static str> {
    let is_server = case["validation_kind"] == "SERVER";
    if !case["crls"].as_array().unwrap().is_empty() {
        return Err("revocation lists cannot be given to an agent or a server");
    }
    if !case["max_chain_depth"].is_null() {
        return Err("the depth of chains cannot be set");
    }
    let key =
        case["peer_certificate_key"].as_str().ok_or("the suite has no key for a handshake")?;
    let name = case["expected_peer_name"]["value"].as_str();
    if is_server && name.is_none() {
        return Err("a client always asks for a name");
    }
    let texts = |key: &str| -> Vec<String> {
        let texts = case[key].as_array().unwrap().iter();
        texts.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut chain = vec![case["peer_certificate"].as_str().unwrap().to_owned()];
    chain.extend(texts("untrusted_intermediates"));
    Ok(Case {
        id: case["id"].as_str().unwrap().to_owned(),
        must_fail: case["expected_result"] == "FAILURE",
        roots: texts("trusted_certs").concat(),
        chain: chain
            .iter()
            .map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
            .collect(),
        leaf: chain.swap_remove(0),
        key: PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|_| "no TLS has keys of this kind")?,
        name: name.filter(|_| is_server).map(|name| ServerName::try_from(name.to_owned()).unwrap()),
        time: At(time(&case["validation_time"])),
    })
}

/// Seconds since 1970 of a time in UTC; the suite was made for 2024 where it names none.
fn time(text: &Value) -> u64 {
    let text = text.as_str().unwrap_or("2024-06-01T00:00:00+00:00");
    let number = |range: std::ops::Range<usize>| text[range].parse::<u64>().unwrap();
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    // Days of the civil calendar, counted from March, so that leap days come last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let seconds = number(11..13) * 3600 + number(14..16) * 60 + number(17..19);
    (days - 719_468) * 86_400 + seconds
}

/// What webpki, which every TLS of this project asks, decides otherwise than the suite, and why that is borne. All but the first
/// group are accepted although the suite says that they must fail; each takes a signature of an authority that the owner
/// trusts, so that no stranger gets in.
pub const DIFFERS: &[(&str, &[&str])] = &[
    (
        "refused: no authority of a deployment issues such chains",
        &[
            "pathlen::self-issued-certs-pathlen",
            "pathlen::validation-ignores-pathlen-in-leaf",
            "rfc5280::ca-as-leaf",
            "rfc5280::nc::permitted-self-issued",
        ],
    ),
    (
        "a root is trusted for its name and key, because the configuration says so (RFC 5280 section 6.1.1)",
        &[
            "rfc5280::aki::cross-signed-root-missing-aki",
            "rfc5280::ca-empty-subject",
            "rfc5280::root-inconsistent-ca-extensions",
            "rfc5280::root-non-critical-basic-constraints",
            "rfc5280::ski::root-missing-ski",
            "rfc5280::unknown-critical-extension-root",
            "rfc5280::validity::expired-root",
            "webpki::aki::root-with-aki-all-fields",
            "webpki::aki::root-with-aki-missing-keyidentifier",
            "webpki::aki::root-with-aki-ski-mismatch",
            "webpki::eku::root-has-eku",
            "webpki::forbidden-rsa-not-divisible-by-8-in-root",
        ],
    ),
    (
        "rules for issuers: key identifiers and serial numbers help to find certificates, and decide nothing",
        &[
            "rfc5280::aki::leaf-missing-aki",
            "rfc5280::serial::zero",
            "rfc5280::ski::critical-ski",
            "rfc5280::ski::intermediate-missing-ski",
            "webpki::malformed-aia",
        ],
    ),
    (
        "only alternative names are compared, and the common name does not count, whatever it is",
        &[
            "webpki::cn::case-mismatch",
            "webpki::cn::ipv4-hex-mismatch",
            "webpki::cn::ipv6-non-rfc5952-mismatch",
            "webpki::cn::ipv6-uncompressed-mismatch",
            "webpki::cn::ipv6-uppercase-mismatch",
            "webpki::cn::punycode-not-in-san",
            "webpki::cn::utf8-vs-punycode-mismatch",
        ],
    ),
    (
        "usages that a certificate does not name are not restricted (RFC 5280 section 4.2.1.12)",
        &["webpki::eku::ee-critical-eku", "webpki::eku::ee-without-eku"],
    ),
    (
        "a usage or constraint of authorities in a certificate that is no authority has no effect",
        &[
            "rfc5280::leaf-ku-keycertsign",
            "rfc5280::nc::not-allowed-in-ee-critical",
            "rfc5280::nc::not-allowed-in-ee-noncritical",
        ],
    ),
    (
        "constraints of names: none restrict nothing, and a leading period means names below",
        &[
            "rfc5280::nc::invalid-dnsname-leading-period",
            "webpki::nc::intermediate-permitted-excluded-subtrees-both-empty-sequences",
            "webpki::nc::intermediate-permitted-excluded-subtrees-both-null",
        ],
    ),
    (
        "nobody has the list of public suffixes; a root of the deployment's owner issued the wildcard",
        &["webpki::san::public-suffix-multi-label-wildcard-san"],
    ),
];

/// Compares what a verifier accepts with what it should, and with [`DIFFERS`] and `more` of this verifier. The answer is
/// what differs beside that.
pub fn compare(
    who: &str,
    cases: &[Case],
    mut accept: impl FnMut(&Case) -> Result<(), String>,
    more: &[(&str, &[&str])],
) -> Vec<String> {
    let (mut wrong, mut right, mut listed) = (Vec::new(), 0, 0);
    for case in cases {
        let verdict = accept(case);
        let mut lists = DIFFERS.iter().chain(more);
        let known = lists.any(|(_, ids)| ids.contains(&case.id.as_str()));
        match (verdict.is_ok() == case.must_fail, known) {
            (false, false) => right += 1,
            (true, true) => listed += 1,
            (true, false) if case.must_fail => wrong.push(format!("accepted: {}", case.id)),
            (true, false) => wrong.push(format!("refused: {}: {verdict:?}", case.id)),
            (false, true) => wrong.push(format!("listed, and decided right: {}", case.id)),
        }
    }
    eprintln!(
        "{who}: {right} chains decided as the suite says, {listed} otherwise for listed reasons"
    );
    wrong
}
