//! Floats as decimal text and back, by long division: a twentieth of the code and tables of the standard library, and as
//! exact. It takes some microseconds for numbers of usual size.

mod big;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use self::big::Big;

/// Bits of a float's significand, the hidden one included.
const PRECISION: i32 = 53;
/// The exponent of the smallest normal number.
const EXPONENT_MIN: i32 = -1022;
/// Digits that decide how a number is rounded; a longer one is not zero behind them.
const DIGITS_MAX: usize = 800;

/// The fewest digits that mean this number, without an exponent.
pub(crate) fn plain(number: f64) -> String {
    special(number).unwrap_or_else(|| Decimal::shortest(number).plain(None))
}

/// One digit before the point and so many behind it, or the fewest that mean this number: `1.5e-7`.
pub(crate) fn exponential(number: f64, precision: Option<usize>) -> String {
    if let Some(text) = special(number) {
        return text;
    }
    let decimal = match precision {
        None => Decimal::shortest(number),
        Some(precision) => Decimal::exact(number, |_| count(precision).saturating_add(1)),
    };
    decimal.exponential(precision)
}

/// So many digits behind the point.
pub(crate) fn fixed(number: f64, precision: usize) -> String {
    special(number).unwrap_or_else(|| {
        let decimal = Decimal::exact(number, |point| count(precision).saturating_add(point));
        decimal.plain(Some(precision))
    })
}

fn count(digits: usize) -> i32 {
    i32::try_from(digits).unwrap_or(i32::MAX)
}

fn special(number: f64) -> Option<String> {
    let text = match number {
        _ if number.is_nan() => "NaN",
        f64::INFINITY => "inf",
        f64::NEG_INFINITY => "-inf",
        _ => return None,
    };
    Some(text.into())
}

/// `0.d1d2d3… · 10^point`
struct Decimal {
    is_negative: bool,
    /// ASCII digits, the first of which is not zero; none for zero.
    digits: Vec<u8>,
    point: i32,
}

/// A positive number as `over / under`, and the distance to its neighbours halved, in the same unit.
struct Fraction {
    over: Big,
    under: Big,
    below: Big,
    above: Big,
    is_even: bool,
    /// The number is `0.d… · 10^point` or `0.0d… · 10^point`.
    point: i32,
}

impl Fraction {
    /// Steele and White's start: the number scaled to below one.
    fn new(number: f64) -> Option<Self> {
        let bits = number.to_bits();
        let field = i32::try_from(bits.rotate_left(12) & 0x7ff).unwrap_or(0);
        let fraction = bits & 0x000f_ffff_ffff_ffff;
        let significand = if field == 0 { fraction } else { fraction | 1 << 52 };
        let exponent = field.max(1).saturating_sub(1075);
        if significand == 0 {
            return None;
        }
        // The neighbour below a power of two is half as far.
        let is_edge = fraction == 0 && field > 1;
        let up = u32::try_from(exponent).unwrap_or(0);
        let down = u32::try_from(exponent.saturating_neg()).unwrap_or(0);
        let edge = u32::from(is_edge);
        let mut this = Self {
            over: Big::from(significand).shifted(up.saturating_add(1).saturating_add(edge)),
            under: Big::from(1).shifted(down.saturating_add(1).saturating_add(edge)),
            below: Big::from(1).shifted(up),
            above: Big::from(1).shifted(up.saturating_add(edge)),
            is_even: significand.is_multiple_of(2),
            point: 0,
        };
        // Of the logarithm to base ten, at least.
        let log2 = exponent.saturating_add(count_bits(significand)).saturating_sub(1);
        let least = log2.saturating_mul(1233).div_euclid(4096);
        this.point = least;
        let power = least.unsigned_abs();
        if least > 0 {
            this.under.times_power_of_ten(power);
        } else {
            for part in [&mut this.over, &mut this.below, &mut this.above] {
                part.times_power_of_ten(power);
            }
        }
        while this.over.compare(&this.under) != Ordering::Less {
            this.under.times(10);
            this.point = this.point.saturating_add(1);
        }
        Some(this)
    }

    /// The next digit, which leaves the rest.
    fn digit(&mut self) -> u8 {
        self.over.times(10);
        let mut digit = b'0';
        while self.over.compare(&self.under) != Ordering::Less {
            self.over.subtract(&self.under);
            digit = digit.saturating_add(1);
        }
        digit
    }

    /// How the rest compares with a half.
    fn half(&self) -> Ordering {
        self.over.clone().shifted(1).compare(&self.under)
    }
}

impl Decimal {
    fn shortest(number: f64) -> Self {
        let mut decimal =
            Self { is_negative: number.is_sign_negative(), digits: Vec::new(), point: 0 };
        let Some(mut left) = Fraction::new(number) else { return decimal };
        let is_even = left.is_even;
        let is_met =
            |order: Ordering| order == Ordering::Less || is_even && order == Ordering::Equal;
        // The neighbour above may reach the next power of ten.
        if is_met(left.under.compare(&left.over.clone().plus(&left.above))) {
            left.under.times(10);
            left.point = left.point.saturating_add(1);
        }
        decimal.point = left.point;
        loop {
            let digit = left.digit();
            decimal.digits.push(digit);
            left.below.times(10);
            left.above.times(10);
            let is_low = is_met(left.over.compare(&left.below));
            let is_high = is_met(left.under.compare(&left.over.clone().plus(&left.above)));
            if is_low || is_high {
                if is_high && (!is_low || left.half() != Ordering::Less) {
                    decimal.round_up();
                }
                return decimal;
            }
        }
    }

    /// So many digits as `wanted` says of the place of the point.
    fn exact(number: f64, wanted: impl FnOnce(i32) -> i32) -> Self {
        let mut decimal =
            Self { is_negative: number.is_sign_negative(), digits: Vec::new(), point: 0 };
        let Some(mut left) = Fraction::new(number) else { return decimal };
        decimal.point = left.point;
        let wanted = wanted(left.point);
        if wanted < 0 {
            return decimal;
        }
        for _ in 0..wanted {
            if left.over.is_zero() {
                return decimal;
            }
            decimal.digits.push(left.digit());
        }
        let is_odd = decimal.digits.last().is_some_and(|digit| digit % 2 == 1);
        if left.half() == Ordering::Greater || left.half() == Ordering::Equal && is_odd {
            decimal.round_up();
        }
        decimal
    }

    /// Adds one to the last digit.
    fn round_up(&mut self) {
        let len = self.digits.len();
        while self.digits.pop_if(|digit| *digit == b'9').is_some() {}
        match self.digits.last_mut() {
            Some(digit) => *digit = digit.saturating_add(1),
            None => {
                self.digits.push(b'1');
                self.point = self.point.saturating_add(1);
            }
        }
        // As many as there were; shortest ones have no zeros at their end.
        if len > self.digits.len() {
            self.digits.resize(len, b'0');
        }
    }

    fn plain(&self, precision: Option<usize>) -> String {
        let zeros = usize::try_from(self.point.saturating_neg()).unwrap_or(0);
        let whole_len = usize::try_from(self.point).unwrap_or(0);
        let mut whole = self.text(0, whole_len);
        if whole.is_empty() {
            whole.push('0');
        }
        let mut behind: String = core::iter::repeat_n('0', zeros).collect();
        behind.push_str(&self.text(whole_len, self.digits.len().max(whole_len)));
        match precision {
            Some(precision) => {
                behind.truncate(precision);
                behind = format!("{behind:0<precision$}");
            }
            None => behind.truncate(behind.trim_end_matches('0').len()),
        }
        self.joined(&whole, &behind)
    }

    fn exponential(&self, precision: Option<usize>) -> String {
        let (first, point) =
            if self.digits.is_empty() { ("0".into(), 1) } else { (self.text(0, 1), self.point) };
        let mut behind =
            self.text(1, precision.map_or(self.digits.len().max(1), |more| more.saturating_add(1)));
        if precision.is_none() {
            behind.truncate(behind.trim_end_matches('0').len());
        }
        let text = self.joined(&first, &behind);
        format!("{text}e{}", i64::from(point.saturating_sub(1)))
    }

    /// The digits at these places; zeros where there are none.
    fn text(&self, from: usize, to: usize) -> String {
        let digits = self.digits.iter().copied().chain(core::iter::repeat(b'0'));
        digits.take(to).skip(from).map(char::from).collect()
    }

    fn joined(&self, whole: &str, behind: &str) -> String {
        let sign = if self.is_negative { "-" } else { "" };
        let point = if behind.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{behind}")
    }
}

fn count_bits(number: u64) -> i32 {
    i32::try_from(u64::BITS.saturating_sub(number.leading_zeros())).unwrap_or(0)
}

/// Reads a number as people write it.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let (size, sign) = match text.strip_prefix('-') {
        Some(size) => (size, -1.0),
        None => (text.strip_prefix('+').unwrap_or(text), 1.0),
    };
    let size = if size.eq_ignore_ascii_case("inf") || size.eq_ignore_ascii_case("infinity") {
        f64::INFINITY
    } else if size.eq_ignore_ascii_case("nan") {
        f64::NAN
    } else {
        positive(size)?
    };
    Some(size * sign)
}

/// Reads digits, a point and an exponent.
fn positive(text: &str) -> Option<f64> {
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, power(exponent)?),
        None => (text, 0),
    };
    let (whole, behind) = digits.split_once('.').unwrap_or((digits, ""));
    let mut significand = Big::from(0);
    let mut exponent = exponent;
    let mut len = 0_usize;
    let (mut is_empty, mut is_cut) = (true, false);
    for (at, digit) in whole.bytes().chain(behind.bytes()).enumerate() {
        if !digit.is_ascii_digit() {
            return None;
        }
        is_empty = false;
        let is_behind = at >= whole.len();
        if len > 0 || digit != b'0' {
            len = len.saturating_add(1);
        }
        if len <= DIGITS_MAX {
            significand.times(10);
            significand.add(u32::from(digit & 15));
            exponent = exponent.saturating_sub(is_behind.into());
        } else {
            is_cut |= digit != b'0';
            exponent = exponent.saturating_add((!is_behind).into());
        }
    }
    let len = count(len.min(DIGITS_MAX));
    let top = exponent.saturating_add(len);
    if is_cut {
        // Whatever it was, the number is above what was read.
        significand.times(10);
        significand.add(1);
        exponent = exponent.saturating_sub(1);
    }
    match top {
        _ if is_empty => None,
        _ if len == 0 => Some(0.0),
        ..-330 => Some(0.0),
        310.. => Some(f64::INFINITY),
        _ => Some(nearest(significand, exponent)),
    }
}

/// The exponent of a number; what no number has is cut.
fn power(text: &str) -> Option<i32> {
    let (digits, sign) = match text.strip_prefix('-') {
        Some(digits) => (digits, -1),
        None => (text.strip_prefix('+').unwrap_or(text), 1),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse().unwrap_or(i32::MAX).min(1 << 28);
    Some(size.saturating_mul(sign))
}

/// The float that is nearest to `over · 10^exponent`; of two, the even one.
fn nearest(mut over: Big, exponent: i32) -> f64 {
    let mut under = Big::from(1);
    let scaled = if exponent < 0 { &mut under } else { &mut over };
    scaled.times_power_of_ten(exponent.unsigned_abs());
    // Scaled until it is at least one and below two.
    let mut shift = over.bits().saturating_sub(under.bits());
    over = over.shifted(u32::try_from(shift.saturating_neg()).unwrap_or(0));
    under = under.shifted(u32::try_from(shift).unwrap_or(0));
    if over.compare(&under) == Ordering::Less {
        over = over.shifted(1);
        shift = shift.saturating_sub(1);
    }
    let missing = EXPONENT_MIN.saturating_sub(shift).max(0);
    let Some(wanted) = PRECISION.checked_sub(missing).filter(|wanted| *wanted >= 0) else {
        return 0.0;
    };
    let mut bits = 0_u64;
    for _ in 0..wanted {
        bits = bits.wrapping_shl(1);
        if over.compare(&under) != Ordering::Less {
            over.subtract(&under);
            bits |= 1;
        }
        over = over.shifted(1);
    }
    let order = over.compare(&under);
    if order == Ordering::Greater || order == Ordering::Equal && bits % 2 == 1 {
        bits = bits.saturating_add(1);
    }
    // The hidden bit, and a carry, add one to the exponent.
    let field = shift.saturating_sub(EXPONENT_MIN).max(0);
    let field = u64::try_from(field).unwrap_or(0).wrapping_shl(52);
    f64::from_bits(bits.saturating_add(field).min(f64::INFINITY.to_bits()))
}

#[cfg(all(test, feature = "quick-floats"))]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::super::quick;
    use super::*;

    fn compare(number: f64, precision: usize) {
        assert_eq!(plain(number), quick::plain(number));
        assert_eq!(exponential(number, None), quick::exponential(number, None));
        let (small, quick) =
            (exponential(number, Some(precision)), quick::exponential(number, Some(precision)));
        assert_eq!(small, quick, "{number:e} {precision}");
        assert_eq!(
            fixed(number, precision),
            quick::fixed(number, precision),
            "{number:e} {precision}"
        );
    }

    fn compare_text(text: &str) {
        assert_eq!(parse(text).map(f64::to_bits), quick::parse(text).map(f64::to_bits), "{text}");
    }

    #[test]
    fn edges_are_exact() {
        for number in [
            0.0,
            -0.0,
            0.5,
            1.5,
            2.5,
            0.05,
            0.25,
            9.5,
            99.95,
            1.0,
            10.0,
            1e21,
            1e22,
            1e23,
            5e-324,
            2.2250738585072014e-308,
            2.225073858507201e-308,
            f64::MAX,
            f64::EPSILON,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            9007199254740993.0,
        ] {
            for precision in [0, 1, 2, 6, 20, 400] {
                compare(number, precision);
                compare(-number, precision);
            }
        }
        let long = "1".repeat(900);
        for text in [
            "",
            ".",
            "-",
            "+",
            "1.",
            ".5",
            "+.5e1",
            "1e",
            "1e+",
            "1e5.",
            "e5",
            "inf",
            "-Infinity",
            "nan",
            "1_0",
            " 1",
            "1e400",
            "1e-400",
            "2.4703282292062327e-324",
            "2.4703282292062328e-324",
            "1.7976931348623158e308",
            "1.7976931348623159e308",
            "9007199254740993",
            "9007199254740993.000000000000000000000000000000001",
            "0e999999999999",
            "0.000",
            "00001",
            "1e-5000000000",
            &long,
            "4.9406564584124654e-324",
            "2.2250738585072011e-308",
        ] {
            compare_text(text);
        }
        compare_text(&["0.", &"0".repeat(900), "1e901"].concat());
        compare_text(&[&long, "e-900"].concat());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn numbers_are_written_and_read_exactly(bits in any::<u64>(), precision in 0..30_usize) {
            let number = f64::from_bits(bits);
            compare(number, precision);
            compare_text(&number.to_string());
        }

        #[test]
        fn usual_numbers_are_written_exactly(whole in -100_000..100_000_i32, places in 0..6_i32, precision in 0..8_usize) {
            compare(f64::from(whole) / 10_f64.powi(places), precision);
        }

        #[test]
        fn texts_are_read_exactly(text in "[+-]?[0-9]{0,25}\\.?[0-9]{0,25}([eE][+-]?[0-9]{0,3})?") {
            compare_text(&text);
        }
    }
}
