//! The windows that are kept, found by their key.

use hashbrown::{HashTable, hash_table};
use millstream_engine::key::KeyHash;

use super::slot::Slot;
use crate::keyed::Key;
use crate::window::Window;

/// Slots by number, and an index of them.
pub(super) struct Slots<K, S> {
    slots: Vec<Option<Slot<K, S>>>,
    free: Vec<u32>,
    index: Index,
}

enum Index {
    /// Windows that stand alone: by key and window, for a key may have many of them.
    ByWindow(HashTable<u32>),
    /// Windows that merge: all of a key, in their order. No two overlap.
    ByKey(HashTable<Vec<u32>>),
}

impl<K: Key, S> Slots<K, S> {
    pub(super) fn new(merges: bool) -> Self {
        let index = match merges {
            true => Index::ByKey(HashTable::new()),
            false => Index::ByWindow(HashTable::new()),
        };
        Slots {
            slots: Vec::new(),
            free: Vec::new(),
            index,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn get(&self, id: u32) -> Option<&Slot<K, S>> {
        get(&self.slots, id)
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Slot<K, S>> {
        self.slots.get_mut(id as usize)?.as_mut()
    }

    /// The slot of just this window; not for windows that merge.
    #[inline]
    pub(super) fn find(&self, hash: KeyHash, key: &K, window: Window) -> Option<u32> {
        let Index::ByWindow(table) = &self.index else {
            return None;
        };
        let is_it = |&id: &u32| {
            get(&self.slots, id)
                .is_some_and(|slot| slot.kept.window == window && slot.is_of(hash, key))
        };
        table.find(place(hash, window), is_it).copied()
    }

    /// All slots of the key whose windows overlap this one, in their order; for windows that merge.
    pub(super) fn find_overlapping(
        &self,
        hash: KeyHash,
        key: &K,
        window: Window,
        found: &mut Vec<u32>,
    ) {
        let Index::ByKey(table) = &self.index else {
            return;
        };
        let Some(ids) = table.find(hash.0, |ids| self.is_of_key(ids, hash, key)) else {
            return;
        };
        let window_of = |id: &u32| get(&self.slots, *id).map(|slot| slot.kept.window);
        let first = ids.partition_point(|id| window_of(id).is_some_and(|w| w.end <= window.start));
        let overlapping = ids.iter().skip(first);
        found.extend(
            overlapping.take_while(|id| window_of(id).is_some_and(|other| other.overlaps(window))),
        );
    }

    /// Adds a slot; if its window merges, one that overlaps no other of its key.
    pub(super) fn insert(&mut self, slot: Slot<K, S>) -> u32 {
        let id = self.free.pop().unwrap_or(self.slots.len() as u32);
        match self.index {
            Index::ByWindow(_) => self.index_by_window(id, &slot),
            Index::ByKey(_) => self.index_by_key(id, &slot),
        }
        match self.slots.get_mut(id as usize) {
            Some(free) => *free = Some(slot),
            None => self.slots.push(Some(slot)),
        }
        id
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<Slot<K, S>> {
        let slot = get(&self.slots, id)?;
        match &mut self.index {
            Index::ByWindow(table) => {
                let place = place(slot.hash, slot.kept.window);
                if let Ok(entry) = table.find_entry(place, |&it| it == id) {
                    entry.remove();
                }
            }
            Index::ByKey(table) => {
                if let Ok(mut entry) = table.find_entry(slot.hash.0, |ids| ids.contains(&id)) {
                    entry.get_mut().retain(|&it| it != id);
                    if entry.get().is_empty() {
                        entry.remove();
                    }
                }
            }
        }
        self.free.push(id);
        self.slots.get_mut(id as usize)?.take()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot<K, S>> {
        self.slots.iter().flatten()
    }

    fn index_by_window(&mut self, id: u32, slot: &Slot<K, S>) {
        let (slots, place_of) = (&self.slots, place(slot.hash, slot.kept.window));
        let place_again =
            |&id: &u32| get(slots, id).map_or(0, |slot| place(slot.hash, slot.kept.window));
        if let Index::ByWindow(table) = &mut self.index {
            table.insert_unique(place_of, id, place_again);
        }
    }

    fn index_by_key(&mut self, id: u32, slot: &Slot<K, S>) {
        let (slots, window) = (&self.slots, slot.kept.window);
        let of_first = |ids: &Vec<u32>| get(slots, *ids.first()?);
        let is_it = |ids: &Vec<u32>| of_first(ids).is_some_and(|it| it.is_of(slot.hash, &slot.key));
        let place_again = |ids: &Vec<u32>| of_first(ids).map_or(0, |it| it.hash.0);
        if let Index::ByKey(table) = &mut self.index {
            match table.entry(slot.hash.0, is_it, place_again) {
                hash_table::Entry::Vacant(place) => {
                    place.insert(vec![id]);
                }
                hash_table::Entry::Occupied(mut entry) => {
                    let ids = entry.get_mut();
                    let is_before =
                        |id: &u32| get(slots, *id).is_some_and(|it| it.kept.window < window);
                    let at = ids.partition_point(is_before);
                    ids.insert(at, id);
                }
            }
        }
    }

    fn is_of_key(&self, ids: &[u32], hash: KeyHash, key: &K) -> bool {
        let first = ids.first().and_then(|&id| get(&self.slots, id));
        first.is_some_and(|slot| slot.is_of(hash, key))
    }
}

impl<K: Key, S> Slot<K, S> {
    fn is_of(&self, hash: KeyHash, key: &K) -> bool {
        self.hash == hash && self.key == *key
    }
}

fn get<K, S>(slots: &[Option<Slot<K, S>>], id: u32) -> Option<&Slot<K, S>> {
    slots.get(id as usize)?.as_ref()
}

/// Where a window of a key stands in the index.
fn place(hash: KeyHash, window: Window) -> u64 {
    // The windows of one key must differ in the bits a table uses, the lowest and the highest: a folded multiply.
    let start = u128::from(window.start.as_micros() as u64) * 0x9e37_79b9_7f4a_7c15;
    hash.0 ^ (start as u64) ^ ((start >> 64) as u64)
}
