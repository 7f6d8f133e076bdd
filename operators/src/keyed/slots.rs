//! State by key at a fixed place: what belongs to a key can point at it by a number.

use hashbrown::{HashTable, hash_table};
use millstream_engine::key::KeyHash;

use crate::keyed::{Entry, prefetch};

/// State of type `S` for each key, in numbered slots.
///
/// A key keeps its slot until it is removed; the slot is then used again. The order of the slots follows from what was
/// done to them alone.
pub(crate) struct KeySlots<K, S> {
    table: HashTable<u32>,
    slots: Vec<Option<Entry<K, S>>>,
    free: Vec<u32>,
}

/// The slots in which the keys of a group of records are likely to be.
type Guesses = [u32; prefetch::GROUP];

/// A slot that is never used.
pub(crate) const NO_SLOT: u32 = u32::MAX;

/// Nothing is known of where they are.
const NO_GUESSES: Guesses = [NO_SLOT; prefetch::GROUP];

impl<K: Eq, S> KeySlots<K, S> {
    pub(crate) fn new() -> Self {
        KeySlots {
            table: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    /// The slot of a key, made if it has none. Gives the key back if it is not needed.
    #[inline]
    pub(crate) fn slot_of(
        &mut self,
        hash: KeyHash,
        key: K,
        state: impl FnOnce() -> S,
    ) -> (u32, Option<K>) {
        let slots = &self.slots;
        let entry_of = |&slot: &u32| slots.get(slot as usize).and_then(Option::as_ref);
        let is_it =
            |slot: &u32| entry_of(slot).is_some_and(|entry| entry.hash == hash && entry.key == key);
        let hashed = |slot: &u32| entry_of(slot).map_or(0, |entry| entry.hash.0);
        match self.table.entry(hash.0, is_it, hashed) {
            hash_table::Entry::Occupied(found) => (*found.get(), Some(key)),
            hash_table::Entry::Vacant(place) => {
                let state = state();
                let slot = take_slot(&mut self.slots, &mut self.free, Entry { hash, key, state });
                place.insert(slot);
                (slot, None)
            }
        }
    }

    /// The same; the key is likely to be in the slot that was guessed.
    #[inline]
    pub(crate) fn guessed_slot_of(
        &mut self,
        guess: u32,
        hash: KeyHash,
        key: K,
        state: impl FnOnce() -> S,
    ) -> (u32, Option<K>) {
        let is_it = |entry: &Entry<K, S>| entry.hash == hash && entry.key == key;
        match self.get(guess).is_some_and(is_it) {
            true => (guess, Some(key)),
            false => self.slot_of(hash, key, state),
        }
    }

    /// Brings what is kept of the next few of these keys near; says in which slots it seems to be.
    #[inline]
    pub(crate) fn prefetch(&self, hashes: impl Iterator<Item = KeyHash>) -> Guesses {
        self.prefetch_with(hashes, |_| 0)
    }

    /// The same, and what `more` reads of each state.
    #[inline]
    pub(crate) fn prefetch_with(
        &self,
        hashes: impl Iterator<Item = KeyHash>,
        more: impl Fn(&S) -> u64,
    ) -> Guesses {
        let mut guesses = NO_GUESSES;
        if !self.is_near() {
            for (guess, hash) in guesses.iter_mut().zip(hashes) {
                // The first that looks like it, so that nothing waits for what it is.
                *guess = self
                    .table
                    .find(hash.0, |_| true)
                    .map_or(NO_SLOT, |slot| *slot);
            }
            self.read(&guesses, more);
        }
        guesses
    }

    /// Brings what is kept of keys near whose slots are known, and what `more` reads of each state.
    #[inline]
    pub(crate) fn prefetch_slots(
        &self,
        slots: impl Iterator<Item = u32>,
        more: impl Fn(&S) -> u64,
    ) {
        if !self.is_near() {
            let mut group = NO_GUESSES;
            for (place, slot) in group.iter_mut().zip(slots) {
                *place = slot;
            }
            self.read(&group, more);
        }
    }

    #[inline]
    fn read(&self, slots: &Guesses, more: impl Fn(&S) -> u64) {
        let mut read = 0;
        for entry in slots.iter().filter_map(|slot| self.get(*slot)) {
            read ^= entry.hash.0;
        }
        for entry in slots.iter().filter_map(|slot| self.get(*slot)) {
            read ^= more(&entry.state);
        }
        std::hint::black_box(read);
    }

    /// Whether all of it is in the caches in any case.
    fn is_near(&self) -> bool {
        self.slots.len() * size_of::<Option<Entry<K, S>>>() < prefetch::FROM
    }

    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&Entry<K, S>> {
        self.slots.get(slot as usize)?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Entry<K, S>> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<Entry<K, S>> {
        let entry = self.slots.get_mut(slot as usize)?.take()?;
        if let Ok(place) = (self.table).find_entry(entry.hash.0, |&other| other == slot) {
            place.remove();
        }
        self.free.push(slot);
        Some(entry)
    }

    /// The slot of a key, if it has one.
    #[inline]
    pub(crate) fn find(&self, hash: KeyHash, key: &K) -> Option<u32> {
        self.find_by(hash, |entry| entry.hash == hash && entry.key == *key)
    }

    /// The slot of an entry with this hash of which `is_it` holds: for a key that has several.
    #[inline]
    pub(crate) fn find_by(
        &self,
        hash: KeyHash,
        is_it: impl Fn(&Entry<K, S>) -> bool,
    ) -> Option<u32> {
        let is_it = |&slot: &u32| self.get(slot).is_some_and(&is_it);
        self.table.find(hash.0, is_it).copied()
    }

    /// The slot of an entry that is known to be new.
    pub(crate) fn insert(&mut self, entry: Entry<K, S>) -> u32 {
        let hash = entry.hash;
        let slot = take_slot(&mut self.slots, &mut self.free, entry);
        let slots = &self.slots;
        let entry_of = |&slot: &u32| slots.get(slot as usize).and_then(Option::as_ref);
        let hashed = |slot: &u32| entry_of(slot).map_or(0, |entry| entry.hash.0);
        self.table.insert_unique(hash.0, slot, hashed);
        slot
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Entry<K, S>)> {
        (0..)
            .zip(&self.slots)
            .filter_map(|(slot, entry)| Some((slot, entry.as_ref()?)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry<K, S>> {
        self.slots.iter_mut().filter_map(Option::as_mut)
    }

    /// Takes all keys out.
    pub(crate) fn take_all(&mut self) -> Vec<Entry<K, S>> {
        self.table.clear();
        self.free.clear();
        std::mem::take(&mut self.slots)
            .into_iter()
            .flatten()
            .collect()
    }
}

/// Puts an entry into a slot that is free, or a new one.
#[inline]
fn take_slot<E>(slots: &mut Vec<Option<E>>, free: &mut Vec<u32>, entry: E) -> u32 {
    let slot = free.pop().unwrap_or(slots.len() as u32);
    match slots.get_mut(slot as usize) {
        Some(empty) => *empty = Some(entry),
        None => slots.push(Some(entry)),
    }
    slot
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn slots_stay_and_are_used_again() {
        let mut slots = KeySlots::<u64, u64>::new();
        let mut model: BTreeMap<u64, u32> = BTreeMap::new();
        for n in 0..10_000u64 {
            let key = n * n % 257;
            // A guess may be right, of another key, or of none.
            let guess = (n % 258) as u32;
            let (slot, spare) = slots.guessed_slot_of(guess, KeyHash::of(&key), key, || 10 * key);
            assert_eq!(spare.is_some(), model.contains_key(&key));
            assert_eq!(*model.entry(key).or_insert(slot), slot);
            assert_eq!(slots.get_mut(slot).unwrap().state, 10 * key);
            if n % 3 == 0 {
                assert_eq!(slots.remove(slot).unwrap().key, key);
                assert!(slots.remove(slot).is_none());
                model.remove(&key);
            }
            assert_eq!(
                slots.find(KeyHash::of(&key), &key),
                model.get(&key).copied()
            );
            assert_eq!(slots.len(), model.len());
        }
        assert!(slots.slots.len() < 257);
        let all: BTreeMap<u64, u32> = slots
            .iter()
            .map(|(slot, entry)| (entry.key, slot))
            .collect();
        assert_eq!(all, model);
        assert_eq!(slots.take_all().len(), model.len());
        assert_eq!(slots.iter().count(), 0);
    }
}
