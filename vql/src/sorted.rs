//! Small ordered maps and a stable sort, for a tenth of the code that the standard library's take for each type.

use alloc::vec;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::cmp::Ordering;

/// A map that may have many entries where the host has the memory for them.
#[cfg(feature = "large-dicts")]
pub(crate) type Map<K, V> = alloc::collections::BTreeMap<K, V>;
#[cfg(not(feature = "large-dicts"))]
pub(crate) type Map<K, V> = SortedMap<K, V>;

/// Where the names of a dict stand while it is being built.
pub(crate) type Places = Map<crate::value::Text, usize>;

/// A map as a sorted list: for some hundred entries, since to insert one moves those behind it.
#[derive(Clone, Debug)]
pub(crate) struct SortedMap<K, V>(Vec<(K, V)>);

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(one, _)| one.borrow().cmp(key))
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    pub(crate) fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    /// Sets what is under a key; false if there was something.
    pub(crate) fn insert(&mut self, key: K, value: V) -> bool {
        match self.place(&key) {
            Ok(place) => {
                if let Some((_, old)) = self.0.get_mut(place) {
                    *old = value;
                }
                false
            }
            Err(place) => {
                self.0.insert(place, (key, value));
                true
            }
        }
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        Some(self.0.remove(place).1)
    }

    pub(crate) fn retain(&mut self, mut is_kept: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain_mut(|(key, value)| is_kept(key, value));
    }

    /// Drops the greatest keys beyond so many.
    pub(crate) fn truncate(&mut self, max: usize) {
        self.0.truncate(max);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }
}

impl<K: Ord, V> Extend<(K, V)> for SortedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

/// Puts a list in order; what is equal keeps its order.
pub(crate) fn sort_by<T>(list: &mut Vec<T>, mut compare: impl FnMut(&T, &T) -> Ordering) {
    let places =
        sorted_places(list.len(), &mut |left, right| match (list.get(left), list.get(right)) {
            (Some(left), Some(right)) => compare(left, right),
            _ => Ordering::Equal,
        });
    let mut taken: Vec<Option<T>> = core::mem::take(list).into_iter().map(Some).collect();
    list.extend(places.into_iter().filter_map(|place| taken.get_mut(place)?.take()));
}

/// The places of a list in the order of what is there: merged from short runs to long ones.
pub(crate) fn sorted_places(
    len: usize,
    compare: &mut dyn FnMut(usize, usize) -> Ordering,
) -> Vec<usize> {
    let mut places: Vec<usize> = (0..len).collect();
    let mut merged = vec![];
    let mut run = 1_usize;
    while run < len {
        for pair in places.chunks(run.saturating_mul(2)) {
            let (left, right) = pair.split_at_checked(run).unwrap_or((pair, &[]));
            merge(left, right, compare, &mut merged);
        }
        core::mem::swap(&mut places, &mut merged);
        merged.clear();
        run = run.saturating_mul(2);
    }
    places
}

fn merge(
    mut left: &[usize],
    mut right: &[usize],
    compare: &mut dyn FnMut(usize, usize) -> Ordering,
    merged: &mut Vec<usize>,
) {
    // Lists that are in order are only looked at.
    let is_in_order = match (left.last(), right.first()) {
        (Some(last), Some(first)) => compare(*last, *first) != Ordering::Greater,
        _ => true,
    };
    while !is_in_order
        && let (Some((one, left_rest)), Some((other, right_rest))) =
            (left.split_first(), right.split_first())
    {
        if compare(*one, *other) == Ordering::Greater {
            merged.push(*other);
            right = right_rest;
        } else {
            merged.push(*one);
            left = left_rest;
        }
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sorting_is_stable(list in prop::collection::vec((0..5_u8, any::<u8>()), 0..40)) {
            let (mut sorted, mut wanted) = (list.clone(), list);
            sort_by(&mut sorted, |left, right| left.0.cmp(&right.0));
            wanted.sort_by_key(|one| one.0);
            prop_assert_eq!(sorted, wanted);
        }

        #[test]
        fn a_map_answers_as_that_of_the_standard_library(
            steps in prop::collection::vec((any::<bool>(), 0..9_u8, any::<u8>()), 0..40),
        ) {
            let (mut map, mut wanted) = (SortedMap::default(), BTreeMap::new());
            for (is_insert, key, value) in steps {
                if is_insert {
                    prop_assert_eq!(map.insert(key, value), wanted.insert(key, value).is_none());
                } else {
                    prop_assert_eq!(map.remove(&key), wanted.remove(&key));
                }
                prop_assert!(map.iter().eq(wanted.iter()));
                prop_assert_eq!(map.get(&key), wanted.get(&key));
            }
        }
    }
}
