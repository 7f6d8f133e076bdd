//! State by key: a hash table that uses the hash each record carries.

use hashbrown::HashTable;
use hashbrown::hash_table;
use millstream_engine::key::KeyHash;

use crate::keyed::prefetch;

/// State of type `S` for each key.
///
/// The order of its entries follows from what was done to it alone: the hash has no random seed.
pub(crate) struct KeyTable<K, S>(HashTable<Entry<K, S>>);

/// A key and its state.
pub(crate) struct Entry<K, S> {
    pub(crate) hash: KeyHash,
    pub(crate) key: K,
    pub(crate) state: S,
}

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

    /// Brings what is kept of these keys near.
    #[inline]
    pub(crate) fn prefetch(&self, hashes: impl Iterator<Item = KeyHash>) {
        if self.0.len() * size_of::<Entry<K, S>>() < prefetch::FROM {
            return;
        }
        let mut read = 0;
        for hash in hashes {
            // The first that looks like it, so that nothing waits for what it is.
            if let Some(entry) = self.0.find(hash.0, |_| true) {
                read ^= entry.hash.0;
            }
        }
        std::hint::black_box(read);
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
