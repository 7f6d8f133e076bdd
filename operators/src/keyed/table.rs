//! State by key: a hash table that uses the hash each record carries.

use hashbrown::HashTable;
use hashbrown::hash_table;
use millstream_engine::batch::Record;
use millstream_engine::key::{KeyHash, Keyed};

use crate::keyed::prefetch;

/// State of type `S` for each key.
///
/// The order of its entries follows from what was done to it alone: the hash has no random seed.
pub(crate) struct KeyTable<K, S>(HashTable<Entry<K, S>>);

/// A key and its state.
// In this order, so that all of it is near once hash and key are: a quarter of those of 24 bytes lie in two lines.
#[repr(C)]
pub(crate) struct Entry<K, S> {
    pub(crate) hash: KeyHash,
    pub(crate) state: S,
    pub(crate) key: K,
}

/// Where the keys of a group of records are likely to be.
pub(crate) type Guesses = [usize; prefetch::GROUP];

/// A place nothing is at.
const NOWHERE: usize = usize::MAX;

/// Nothing is known of where they are.
pub(crate) const NO_GUESSES: Guesses = [NOWHERE; prefetch::GROUP];

impl<K: Eq, S> KeyTable<K, S> {
    pub(crate) fn new() -> Self {
        KeyTable(HashTable::new())
    }

    /// The place of a key.
    #[inline]
    pub(crate) fn place(&mut self, hash: KeyHash, key: &K) -> hash_table::Entry<'_, Entry<K, S>> {
        let is_it = |entry: &Entry<K, S>| entry.hash == hash && entry.key == *key;
        self.0.entry(hash.0, is_it, |entry| entry.hash.0)
    }

    /// The state of a key, if it is where it was guessed to be.
    #[inline]
    pub(crate) fn guessed(&mut self, guess: usize, hash: KeyHash, key: &K) -> Option<&mut S> {
        let entry = self.0.get_bucket_mut(guess)?;
        (entry.hash == hash && entry.key == *key).then_some(&mut entry.state)
    }

    /// Brings what is kept of the keys of the next group of these records near; says where it seems to be.
    #[inline]
    pub(crate) fn prefetch<T>(&self, records: &[Record<Keyed<K, T>>]) -> Guesses {
        let mut guesses = NO_GUESSES;
        if self.0.len() * size_of::<Entry<K, S>>() < prefetch::FROM {
            return guesses;
        }
        for (guess, record) in guesses.iter_mut().zip(records) {
            // The first that looks like it, so that nothing waits for what it is.
            let place = self.0.find_bucket_index(record.value.hash.0, |_| true);
            *guess = place.unwrap_or(NOWHERE);
        }
        let mut read = 0;
        for (guess, record) in guesses.iter().zip(records) {
            if let Some(entry) = self.0.get_bucket(*guess) {
                read ^= entry.hash.0 ^ u64::from(entry.key == record.value.key);
            }
        }
        std::hint::black_box(read);
        guesses
    }

    /// The entry of a key, if it has one.
    #[inline]
    pub(crate) fn find(&self, hash: KeyHash, key: &K) -> Option<&S> {
        let entry = self
            .0
            .find(hash.0, |entry| entry.hash == hash && entry.key == *key);
        entry.map(|entry| &entry.state)
    }

    /// The same, to be changed.
    #[inline]
    pub(crate) fn find_mut(&mut self, hash: KeyHash, key: &K) -> Option<&mut S> {
        let entry = self
            .0
            .find_mut(hash.0, |entry| entry.hash == hash && entry.key == *key);
        entry.map(|entry| &mut entry.state)
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds an entry that is known to be new.
    pub(crate) fn insert(&mut self, entry: Entry<K, S>) {
        self.0
            .insert_unique(entry.hash.0, entry, |entry| entry.hash.0);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry<K, S>> {
        self.0.iter()
    }

    /// Forgets all entries; the memory is kept.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes out the entries for whose state `is_it` holds.
    pub(crate) fn extract(
        &mut self,
        mut is_it: impl FnMut(&S) -> bool,
    ) -> impl Iterator<Item = Entry<K, S>> {
        self.0.extract_if(move |entry| is_it(&entry.state))
    }

    /// Takes all entries out; the memory is kept.
    pub(crate) fn drain(&mut self) -> impl ExactSizeIterator<Item = Entry<K, S>> {
        self.0.drain()
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::time::Timestamp;

    use super::*;

    fn records(keys: impl Iterator<Item = u64>) -> Vec<Record<Keyed<u64, ()>>> {
        let time = Timestamp::EPOCH;
        keys.map(|key| Record {
            time,
            value: Keyed::new(key, ()),
        })
        .collect()
    }

    #[test]
    fn a_guess_is_right_or_leads_to_nothing() {
        let mut table = KeyTable::<u64, u64>::new();
        let mut right = 0;
        for key in 0..50_000u64 {
            // Of a key that is not there yet, and of some that are.
            let group = records((0..prefetch::GROUP as u64).map(|n| key - n.min(key)));
            let guesses = table.prefetch(&group);
            let hash = KeyHash::of(&key);
            let state = 10 * key;
            // The table may grow now, and all guesses be wrong.
            table.insert(Entry { hash, key, state });
            for (guess, record) in guesses.into_iter().zip(group) {
                let Keyed { hash, key, .. } = record.value;
                if let Some(state) = table.guessed(guess, hash, &key) {
                    assert_eq!(*state, 10 * key);
                    right += 1;
                }
            }
        }
        assert!(right > 1_000_000, "{right}");
    }
}
