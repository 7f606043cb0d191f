//! Classes of bytes or characters, as ranges.

use alloc::vec::Vec;

/// The names within `[:…:]`, each with its ranges.
const NAMED: [(&str, &[(u8, u8)]); 14] = [
    ("alnum", &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')]),
    ("alpha", &[(b'A', b'Z'), (b'a', b'z')]),
    ("ascii", &[(0, 0x7f)]),
    ("blank", &[(b'\t', b'\t'), (b' ', b' ')]),
    ("cntrl", &[(0, 0x1f), (0x7f, 0x7f)]),
    ("digit", &[(b'0', b'9')]),
    ("graph", &[(b'!', b'~')]),
    ("lower", &[(b'a', b'z')]),
    ("print", &[(b' ', b'~')]),
    ("punct", &[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')]),
    ("space", &[(b'\t', b'\r'), (b' ', b' ')]),
    ("upper", &[(b'A', b'Z')]),
    ("word", &[(b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')]),
    ("xdigit", &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')]),
];

/// A set of values up to a greatest one: ranges that neither touch nor overlap, in order.
pub(super) struct Class {
    pub(super) ranges: Vec<(u32, u32)>,
    greatest: u32,
}

impl Class {
    /// The empty class.
    pub(super) const fn new(greatest: u32) -> Self {
        Self { ranges: Vec::new(), greatest }
    }

    /// The class with that name within `[:…:]`.
    pub(super) fn named(name: &str, greatest: u32) -> Option<Self> {
        let (_, ranges) = NAMED.iter().find(|(one, _)| *one == name)?;
        let mut class = Self::new(greatest);
        for (low, high) in *ranges {
            class.add((*low).into(), (*high).into());
        }
        Some(class)
    }

    /// The class of `\d`, `\s` or `\w`, or of its capital: all others.
    pub(super) fn escaped(letter: char, greatest: u32) -> Option<Self> {
        let name = match letter.to_ascii_lowercase() {
            'd' => "digit",
            's' => "space",
            'w' => "word",
            _ => return None,
        };
        let mut class = Self::named(name, greatest)?;
        if letter.is_ascii_uppercase() {
            class.negate();
        }
        Some(class)
    }

    /// Adds a range, which takes in those that it touches.
    pub(super) fn add(&mut self, mut low: u32, mut high: u32) {
        self.ranges.retain(|(from, to)| {
            let is_apart = *from > high.saturating_add(1) || low > to.saturating_add(1);
            if !is_apart {
                low = low.min(*from);
                high = high.max(*to);
            }
            is_apart
        });
        let place = self.ranges.partition_point(|(from, _)| *from < low);
        self.ranges.insert(place, (low, high));
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        for (low, high) in &other.ranges {
            self.add(*low, *high);
        }
    }

    /// Adds the other letter case of ASCII letters.
    pub(super) fn fold(&mut self) {
        for (first, last, other) in [(b'a', b'z', b'A'), (b'A', b'Z', b'a')] {
            let (first, last, other) = (u32::from(first), u32::from(last), u32::from(other));
            for (low, high) in self.ranges.clone() {
                let (low, high) = (low.max(first), high.min(last));
                if low <= high {
                    let moved = |letter: u32| letter.saturating_sub(first).saturating_add(other);
                    self.add(moved(low), moved(high));
                }
            }
        }
    }

    pub(super) fn negate(&mut self) {
        let mut others = Vec::new();
        let mut next = Some(0);
        for (low, high) in &self.ranges {
            if let Some(next) = next
                && let Some(last) = low.checked_sub(1)
                && next <= last
            {
                others.push((next, last));
            }
            next = high.checked_add(1);
        }
        if let Some(next) = next.filter(|next| *next <= self.greatest) {
            others.push((next, self.greatest));
        }
        self.ranges = others;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stay_in_order_and_apart() {
        let mut class = Class::new(0xff);
        for (low, high) in [(10, 20), (40, 50), (30, 35), (21, 29), (0, 0)] {
            class.add(low, high);
        }
        assert_eq!(class.ranges, [(0, 0), (10, 35), (40, 50)]);
        class.negate();
        assert_eq!(class.ranges, [(1, 9), (36, 39), (51, 255)]);
        class.add(9, 60);
        class.negate();
        assert_eq!(class.ranges, [(0, 0)]);
    }

    #[test]
    fn letter_case_is_that_of_ascii() {
        let mut class = Class::new(0x0010_ffff);
        class.add(u32::from('x'), u32::from('\u{e4}'));
        class.add(u32::from('B'), u32::from('B'));
        class.fold();
        assert_eq!(class.ranges, [(0x42, 0x42), (0x58, 0x5a), (0x62, 0x62), (0x78, 0xe4)]);
    }
}
