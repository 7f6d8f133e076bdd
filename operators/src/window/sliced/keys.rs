//! The keys that have slices, each with a number of its own.

use hashbrown::HashTable;
use millstream_engine::key::KeyHash;

/// Something for each key, found by the key or, at once, by the number it has as long as it is here.
///
/// Numbers are dense and the entries lie in their order, so that all keys can be visited without a look-up.
pub(super) struct Keys<K, V> {
    numbers: HashTable<u32>,
    entries: Vec<Option<KeyEntry<K, V>>>,
    free: Vec<u32>,
}

pub(super) struct KeyEntry<K, V> {
    pub(super) hash: KeyHash,
    pub(super) key: K,
    pub(super) value: V,
}

impl<K: Eq, V: Default> Keys<K, V> {
    pub(super) fn new() -> Self {
        Keys {
            numbers: HashTable::new(),
            entries: Vec::new(),
            free: Vec::new(),
        }
    }

    /// The number of a key, and what is kept for it; a new one if it is not here. (None: there are four billion keys.)
    #[inline]
    pub(super) fn place(&mut self, hash: KeyHash, key: K) -> Option<(u32, &mut V)> {
        let entries = &self.entries;
        let entry = |number: u32| entries.get(number as usize).and_then(Option::as_ref);
        let is_it = |number: &u32| {
            entry(*number).is_some_and(|entry| entry.hash == hash && entry.key == key)
        };
        let number = match self.numbers.find(hash.0, is_it) {
            Some(number) => *number,
            None => self.insert(hash, key)?,
        };
        let entry = self.entries.get_mut(number as usize)?.as_mut()?;
        Some((number, &mut entry.value))
    }

    #[cold]
    fn insert(&mut self, hash: KeyHash, key: K) -> Option<u32> {
        let value = V::default();
        let entry = Some(KeyEntry { hash, key, value });
        let number = match self.free.pop() {
            Some(number) => {
                if let Some(place) = self.entries.get_mut(number as usize) {
                    *place = entry;
                }
                number
            }
            None => {
                let number = u32::try_from(self.entries.len()).ok()?;
                self.entries.push(entry);
                number
            }
        };
        let entries = &self.entries;
        self.numbers.insert_unique(hash.0, number, |number| {
            let entry = entries.get(*number as usize).and_then(Option::as_ref);
            entry.map_or(0, |entry| entry.hash.0)
        });
        Some(number)
    }

    /// What is kept under a number.
    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut KeyEntry<K, V>> {
        self.entries.get_mut(number as usize)?.as_mut()
    }

    pub(super) fn remove(&mut self, number: u32) {
        let Some(entry) = self.entries.get_mut(number as usize).and_then(Option::take) else {
            return;
        };
        if let Ok(found) = self
            .numbers
            .find_entry(entry.hash.0, |other| *other == number)
        {
            found.remove();
        }
        self.free.push(number);
    }

    /// All that are here, with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &KeyEntry<K, V>)> {
        let numbered = (0u32..).zip(&self.entries);
        numbered.filter_map(|(number, entry)| Some((number, entry.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_number_and_leaves_it_to_another() {
        let mut keys: Keys<u64, u32> = Keys::new();
        for round in 1..4 {
            for key in 0..100 {
                let (number, count) = keys.place(KeyHash::of(&key), key).unwrap();
                *count += 1;
                assert_eq!((u64::from(number), *count), (key, round));
            }
        }
        for number in (0..100).step_by(2) {
            keys.remove(number);
            keys.remove(number);
        }
        assert_eq!(keys.iter().count(), 50);
        let (number, count) = keys.place(KeyHash::of(&7u64), 7).unwrap();
        assert_eq!((number, *count), (7, 3));
        let (number, count) = keys.place(KeyHash::of(&8u64), 8).unwrap();
        assert_eq!((number, *count), (98, 0), "the number that fell free last");
        assert_eq!(keys.get_mut(98).unwrap().key, 8);
        assert!(keys.get_mut(0).is_none() && keys.entries.len() == 100);
    }
}
