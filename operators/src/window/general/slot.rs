//! The windows that are kept, each under its key.

use hashbrown::HashTable;
use millstream_engine::key::KeyHash;
use millstream_engine::runtime::Instant;
use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::keyed::Key;
use crate::window::{Pane, Window};

/// A window of a key.
pub(super) struct Slot<K, S> {
    pub(super) hash: KeyHash,
    pub(super) key: K,
    pub(super) kept: Kept<S>,
    /// When its turn comes in [`Ends`](super::moments::Ends).
    pub(super) alarm: Option<Timestamp>,
    /// The [pulses](super::moments::Pulses) it waits for, a bit for each.
    pub(super) waits: u8,
    /// When the first record arrived of which nothing was said yet; not known of what was restored.
    pub(super) arrival: Option<Instant>,
}

/// What is saved of a window.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept<S> {
    pub(super) window: Window,
    /// What it has come to; `None` if all of that was said and discarded.
    pub(super) state: Option<S>,
    /// What was said of it and would have to be taken back. (Several, if sessions were merged.)
    pub(super) said: Vec<Said<S>>,
    /// Records of which nothing was said yet.
    pub(super) unsaid: u64,
    /// The number of the next pane.
    pub(super) number: u32,
    /// The time of its latest record.
    pub(super) latest: Timestamp,
    /// Whether the watermark has passed its end.
    pub(super) ended: bool,
}

/// A pane that was said, and of what.
#[derive(Serialize, Deserialize)]
pub(super) struct Said<S> {
    pub(super) window: Window,
    pub(super) pane: Pane,
    pub(super) state: S,
}

impl<K, S> Slot<K, S> {
    pub(super) fn new(hash: KeyHash, key: K, kept: Kept<S>) -> Self {
        Slot {
            hash,
            key,
            kept,
            alarm: None,
            waits: 0,
            arrival: None,
        }
    }
}

impl<S> Kept<S> {
    pub(super) fn new(window: Window) -> Self {
        Kept {
            window,
            state: None,
            said: Vec::new(),
            unsaid: 0,
            number: 0,
            latest: Timestamp::MIN,
            ended: false,
        }
    }

    /// Takes in another window of the same key; `merge` brings the second state into the first.
    pub(super) fn merge(&mut self, other: Kept<S>, merge: impl FnOnce(&mut S, S)) {
        self.window = self.window.hull(other.window);
        match (&mut self.state, other.state) {
            (Some(state), Some(other)) => merge(state, other),
            (none, other) => *none = none.take().or(other),
        }
        self.said.extend(other.said);
        self.unsaid += other.unsaid;
        self.number = self.number.max(other.number);
        self.latest = self.latest.max(other.latest);
    }
}

/// Slots by number, and an index of them. Windows that merge are found by their key, others by key and window: a key
/// may have many of those.
pub(super) struct Slots<K, S> {
    merges: bool,
    slots: Vec<Option<Slot<K, S>>>,
    free: Vec<u32>,
    index: HashTable<u32>,
}

impl<K: Key, S> Slots<K, S> {
    pub(super) fn new(merges: bool) -> Self {
        Slots {
            merges,
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
        }
    }

    pub(super) fn get(&self, id: u32) -> Option<&Slot<K, S>> {
        self.slots.get(id as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Slot<K, S>> {
        self.slots.get_mut(id as usize)?.as_mut()
    }

    /// The slot of just this window.
    pub(super) fn find(&self, hash: KeyHash, key: &K, window: Window) -> Option<u32> {
        let is_it = |&id: &u32| {
            self.get(id).is_some_and(|slot| {
                slot.hash == hash && slot.kept.window == window && slot.key == *key
            })
        };
        let place = place(self.merges, hash, window);
        self.index.find(place, is_it).copied()
    }

    /// All slots of the key whose windows overlap this one, in the order of their windows.
    pub(super) fn find_overlapping(
        &self,
        hash: KeyHash,
        key: &K,
        window: Window,
        found: &mut Vec<u32>,
    ) {
        let of_key = self.index.iter_hash(place(self.merges, hash, window));
        found.extend(of_key.copied().filter(|&id| {
            self.get(id).is_some_and(|slot| {
                slot.hash == hash && slot.kept.window.overlaps(window) && slot.key == *key
            })
        }));
        found.sort_unstable_by_key(|&id| self.get(id).map(|slot| slot.kept.window));
    }

    pub(super) fn insert(&mut self, slot: Slot<K, S>) -> u32 {
        let (merges, place_of) = (self.merges, place(self.merges, slot.hash, slot.kept.window));
        let id = self.free.pop().unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(id as usize) {
            Some(free) => *free = Some(slot),
            None => self.slots.push(Some(slot)),
        }
        let slots = &self.slots;
        let place_again = |&id: &u32| match slots.get(id as usize) {
            Some(Some(slot)) => place(merges, slot.hash, slot.kept.window),
            _ => 0,
        };
        self.index.insert_unique(place_of, id, place_again);
        id
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<Slot<K, S>> {
        let slot = self.slots.get_mut(id as usize)?.take()?;
        let place = place(self.merges, slot.hash, slot.kept.window);
        if let Ok(entry) = self.index.find_entry(place, |&it| it == id) {
            entry.remove();
        }
        self.free.push(id);
        Some(slot)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot<K, S>> {
        self.slots.iter().flatten()
    }
}

/// Where a window stands in the index.
fn place(merges: bool, hash: KeyHash, window: Window) -> u64 {
    if merges {
        return hash.0;
    }
    // The windows of one key must spread in the table's lowest and highest bits: a folded multiply.
    let start = u128::from(window.start.as_micros() as u64) * 0x9e37_79b9_7f4a_7c15;
    hash.0 ^ (start as u64) ^ ((start >> 64) as u64)
}
