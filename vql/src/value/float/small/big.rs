//! Whole numbers of any length, as far as floats need them.

use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// Digits to base 2^32, the lowest first; the highest is not zero.
#[derive(Clone)]
pub(super) struct Big(Vec<u32>);

impl From<u64> for Big {
    fn from(number: u64) -> Self {
        let mut big = Self(vec![low(number), low(number.wrapping_shr(32))]);
        big.trim();
        big
    }
}

impl Big {
    pub(super) fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// Bits up to the highest that is set.
    pub(super) fn bits(&self) -> i32 {
        let Some(highest) = self.0.last() else { return 0 };
        let all = u32::try_from(self.0.len()).unwrap_or(0).saturating_mul(32);
        i32::try_from(all.saturating_sub(highest.leading_zeros())).unwrap_or(0)
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let order = self.0.len().cmp(&other.0.len());
        order.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    pub(super) fn add(&mut self, number: u32) {
        self.multiply_add(1, number);
    }

    pub(super) fn times(&mut self, factor: u32) {
        self.multiply_add(factor, 0);
    }

    pub(super) fn times_power_of_ten(&mut self, power: u32) {
        for _ in 0..power {
            self.times(10);
        }
    }

    fn multiply_add(&mut self, factor: u32, number: u32) {
        let mut carry = u64::from(number);
        for digit in &mut self.0 {
            let product = u64::from(*digit).wrapping_mul(factor.into()).wrapping_add(carry);
            *digit = low(product);
            carry = product.wrapping_shr(32);
        }
        if carry > 0 {
            self.0.push(low(carry));
        }
    }

    pub(super) fn shifted(mut self, bits: u32) -> Self {
        self.times(1_u32.wrapping_shl(bits % 32));
        if !self.is_zero() {
            self.0.splice(0..0, core::iter::repeat_n(0, usize::try_from(bits / 32).unwrap_or(0)));
        }
        self
    }

    pub(super) fn plus(mut self, other: &Self) -> Self {
        let len = self.0.len().max(other.0.len());
        self.0.resize(len, 0);
        let mut carry = 0;
        let others = other.0.iter().copied().chain(core::iter::repeat(0));
        for (digit, other) in self.0.iter_mut().zip(others) {
            let sum = u64::from(*digit).wrapping_add(other.into()).wrapping_add(carry);
            *digit = low(sum);
            carry = sum.wrapping_shr(32);
        }
        if carry > 0 {
            self.0.push(low(carry));
        }
        self
    }

    /// Takes away a number that is not larger.
    pub(super) fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        let others = other.0.iter().copied().chain(core::iter::repeat(0));
        for (digit, other) in self.0.iter_mut().zip(others) {
            let (left, is_below) = digit.overflowing_sub(other);
            let (left, is_still_below) = left.overflowing_sub(borrow.into());
            *digit = left;
            borrow = is_below || is_still_below;
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.0.pop_if(|digit| *digit == 0).is_some() {}
    }
}

/// The lower half.
fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default()
}
