//! Wrong passwords and codes by where they come from, so that guessing at many names is as slow as guessing at one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use crate::limits::{ADDRESS_FAILURES, ADDRESS_SECONDS, ADDRESSES_WATCHED};

/// What went wrong lately, by network.
#[derive(Default)]
pub(super) struct Attempts {
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

struct Failures {
    since_us: u64,
    count: u32,
}

impl Failures {
    fn is_over(&self, now_us: u64) -> bool {
        now_us.saturating_sub(self.since_us) >= ADDRESS_SECONDS * 1_000_000
    }
}

impl Attempts {
    /// Whether one more try from there is looked at.
    pub(super) fn may_try(&self, address: IpAddr, now_us: u64) -> bool {
        let all = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.get(&network(address)).filter(|found| !found.is_over(now_us));
        found.is_none_or(|found| found.count < ADDRESS_FAILURES)
    }

    /// Notes a try that went wrong.
    pub(super) fn failed(&self, address: IpAddr, now_us: u64) {
        let mut all = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let network = network(address);
        if all.len() >= ADDRESSES_WATCHED && !all.contains_key(&network) {
            all.retain(|_, found| !found.is_over(now_us));
            // Who failed least gives way: nobody gets rid of many failures by sending one from everywhere.
            let least =
                all.iter().min_by_key(|(_, found)| found.count).map(|(network, _)| *network);
            if let Some(least) = least.filter(|_| all.len() >= ADDRESSES_WATCHED) {
                all.remove(&least);
            }
        }
        let found = all.entry(network).or_insert(Failures { since_us: now_us, count: 0 });
        if found.is_over(now_us) {
            *found = Failures { since_us: now_us, count: 0 };
        }
        found.count = found.count.saturating_add(1);
    }
}

/// An address, or the 64 bits that one subscriber has of IPv6 (RFC 6177).
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(attempts: &Attempts, address: &str, times: u32, now_us: u64) {
        for _ in 0..times {
            attempts.failed(address.parse().unwrap(), now_us);
        }
    }

    #[test]
    fn an_address_that_fails_too_often_waits_and_others_do_not() {
        let attempts = Attempts::default();
        let may = |address: &str, now_us| attempts.may_try(address.parse().unwrap(), now_us);
        fail(&attempts, "192.0.2.1", ADDRESS_FAILURES - 1, 1);
        assert!(may("192.0.2.1", 2));
        fail(&attempts, "::ffff:192.0.2.1", 1, 2);
        assert!(!may("192.0.2.1", 3) && may("192.0.2.2", 3));
        assert!(may("192.0.2.1", 1 + ADDRESS_SECONDS * 1_000_000));
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_address() {
        let attempts = Attempts::default();
        fail(&attempts, "2001:db8:0:1::5", ADDRESS_FAILURES, 1);
        assert!(!attempts.may_try("2001:db8:0:1:ffff::9".parse().unwrap(), 2));
        assert!(attempts.may_try("2001:db8:0:2::5".parse().unwrap(), 2));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_keeps_the_worst() {
        let attempts = Attempts::default();
        fail(&attempts, "192.0.2.1", ADDRESS_FAILURES, 1);
        for n in 0..u32::try_from(ADDRESSES_WATCHED).unwrap() + 10 {
            attempts.failed(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into(), 2);
        }
        assert_eq!(attempts.failures.lock().unwrap().len(), ADDRESSES_WATCHED);
        assert!(!attempts.may_try("192.0.2.1".parse().unwrap(), 3));
    }
}
