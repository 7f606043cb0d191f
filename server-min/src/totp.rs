//! Codes from an authenticator: RFC 6238 with what every authenticator knows, HMAC-SHA-1, six digits, thirty seconds.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of a secret, as RFC 4226 recommends.
pub const SECRET_BYTES: usize = 20;
/// Seconds for which a code is shown.
const STEP_SECONDS: u64 = 30;
/// Steps that clocks may differ, either way.
const SLACK: u64 = 1;
/// Ten to the power of the digits of a code.
const CODES: u32 = 1_000_000;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What an authenticator and the server know.
pub struct Secret(Zeroizing<[u8; SECRET_BYTES]>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        getrandom::fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// One that was kept; `None` when it has another length.
    #[must_use]
    pub fn kept(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// What to keep.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &*self.0
    }

    /// The secret as people type it into an authenticator (RFC 4648, without padding).
    #[must_use]
    pub fn base32(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(SECRET_BYTES.div_ceil(5) * 8));
        for five in self.0.chunks(5) {
            let bits = five.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            let letters = (0..8).rev().map(|place| (bits >> (place * 5)) & 31);
            text.extend(letters.filter_map(|index| {
                BASE32.get(usize::try_from(index).ok()?).map(|byte| char::from(*byte))
            }));
        }
        text
    }

    /// The address that authenticators read as a picture.
    #[must_use]
    pub fn address(&self, user: &str) -> Zeroizing<String> {
        let user: String = form_urlencoded::byte_serialize(user.as_bytes()).collect();
        // Authenticators read `+` as it stands.
        let user = user.replace('+', "%20");
        let secret = self.base32();
        Zeroizing::new(format!("otpauth://totp/Troodon:{user}?secret={}&issuer=Troodon", *secret))
    }

    /// The step of a code around this moment (seconds since 1970); `None` for a wrong code, and for one of a step up to
    /// `used`, since a code counts once.
    #[must_use]
    pub fn check(&self, code: &str, now: u64, used: u64) -> Option<u64> {
        let step = now / STEP_SECONDS;
        let near = step.saturating_sub(SLACK)..=step.saturating_add(SLACK);
        // All of them, so that the time does not tell which one was near.
        let found =
            near.filter(|step| bool::from(self.code(*step).as_bytes().ct_eq(code.as_bytes())));
        found.filter(|step| *step > used).fold(None, |_, step| Some(step))
    }

    /// What an authenticator shows at this moment (seconds since 1970).
    #[must_use]
    pub fn shown(&self, now: u64) -> String {
        self.code(now / STEP_SECONDS)
    }

    /// The code of a step (RFC 4226 section 5.3).
    fn code(&self, step: u64) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(&*self.0) else { return String::new() };
        mac.update(&step.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let at = usize::from(hash.last().copied().unwrap_or_default() & 15);
        let four = hash.get(at..at.saturating_add(4)).and_then(|four| four.try_into().ok());
        let number = u32::from_be_bytes(four.unwrap_or_default());
        format!("{:06}", (number & 0x7fff_ffff) % CODES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret::kept(b"12345678901234567890").unwrap()
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B, the last six of eight digits.
        for (time, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret().check(code, time, 0), Some(time / 30), "{time}");
        }
    }

    #[test]
    fn a_code_counts_once_and_for_a_minute_around() {
        let at = |now, used| secret().check("287082", now, used);
        assert_eq!((at(29, 0), at(30, 0), at(89, 0), at(90, 0)), (Some(1), Some(1), Some(1), None));
        assert_eq!(at(59, 1), None);
        for wrong in ["287083", "28708", "2870820", "", "28708x"] {
            assert_eq!(secret().check(wrong, 59, 0), None, "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_typed_as_base32_and_never_printed() {
        assert_eq!(*secret().base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let address = secret().address("ann b@example.org");
        assert!(address.starts_with("otpauth://totp/Troodon:ann%20b%40example.org?secret=GEZD"));
        assert_eq!(format!("{:?}", secret()), "Secret(..)");
    }
}
