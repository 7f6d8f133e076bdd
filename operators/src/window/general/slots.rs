//! The windows that are kept, found by their key.

use millstream_engine::key::KeyHash;

use super::slot::Slot;
use crate::keyed::{Entry, Key, KeySlots};
use crate::window::Window;

/// The windows of all keys, each in a slot of its own.
pub(super) struct Slots<K, S> {
    /// Under the key and the window, for a key may have many: so `Entry::hash` is not that of the key, which is
    /// `Slot::hash`.
    windows: KeySlots<K, Slot<S>>,
    /// Where windows merge: all slots of a key, in the order of their windows, no two of which overlap.
    of_keys: Option<KeySlots<K, Vec<u32>>>,
}

impl<K: Key, S> Slots<K, S> {
    pub(super) fn new(merges: bool) -> Self {
        Slots {
            windows: KeySlots::new(),
            of_keys: merges.then(KeySlots::new),
        }
    }

    /// Brings near what the next few keys have in these windows, if they are one.
    #[inline]
    pub(super) fn prefetch(&self, hashes: impl Iterator<Item = KeyHash>, windows: &[Window]) {
        if let Some(keys) = &self.of_keys {
            keys.prefetch(hashes);
        } else if let [window] = windows {
            let places = hashes.map(|hash| hash_in_table(hash, *window));
            self.windows.prefetch_with(places, Slot::read);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }

    pub(super) fn get(&self, id: u32) -> Option<&Slot<S>> {
        Some(&self.windows.get(id)?.state)
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Slot<S>> {
        Some(self.with_key(id)?.1)
    }

    /// The same, with its key.
    #[inline]
    pub(super) fn with_key(&mut self, id: u32) -> Option<(&K, &mut Slot<S>)> {
        let Entry { key, state, .. } = self.windows.get_mut(id)?;
        Some((key, state))
    }

    /// The slot of just this window; not for windows that merge.
    #[inline]
    pub(super) fn find(&self, hash: KeyHash, key: &K, window: Window) -> Option<u32> {
        let is_it = |entry: &Entry<K, Slot<S>>| {
            let slot = &entry.state;
            slot.kept.window == window && slot.hash == hash && entry.key == *key
        };
        self.windows.find_by(hash_in_table(hash, window), is_it)
    }

    /// All slots of the key whose windows overlap this one, in their order; for windows that merge.
    pub(super) fn find_overlapping(
        &self,
        hash: KeyHash,
        key: &K,
        window: Window,
        found: &mut Vec<u32>,
    ) {
        let ids = self.of_keys.as_ref().and_then(|keys| {
            let number = keys.find(hash, key)?;
            keys.get(number)
        });
        let Some(Entry { state: ids, .. }) = ids else {
            return;
        };
        let first =
            ids.partition_point(|id| self.window(*id).is_some_and(|w| w.end <= window.start));
        let overlaps = |id: &u32| self.window(*id).is_some_and(|other| other.overlaps(window));
        found.extend(ids.iter().skip(first).copied().take_while(overlaps));
    }

    /// Adds a slot; if its window merges, one that overlaps no other of its key.
    pub(super) fn insert(&mut self, key: K, slot: Slot<S>) -> u32 {
        let (hash, window) = (slot.hash, slot.kept.window);
        let of_key = self
            .of_keys
            .as_mut()
            .map(|keys| keys.slot_of(hash, key.clone(), Vec::new).0);
        let id = self.windows.insert(Entry {
            hash: hash_in_table(hash, window),
            key,
            state: slot,
        });
        let windows = &self.windows;
        if let (Some(keys), Some(number)) = (&mut self.of_keys, of_key)
            && let Some(Entry { state: ids, .. }) = keys.get_mut(number)
        {
            let window_of = |id: u32| windows.get(id).map(|entry| entry.state.kept.window);
            let at = ids.partition_point(|id| window_of(*id).is_some_and(|other| other < window));
            ids.insert(at, id);
        }
        id
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<Slot<S>> {
        let Entry { key, state, .. } = self.windows.remove(id)?;
        if let Some(keys) = &mut self.of_keys
            && let Some(number) = keys.find(state.hash, &key)
            && let Some(Entry { state: ids, .. }) = keys.get_mut(number)
        {
            ids.retain(|&it| it != id);
            if ids.is_empty() {
                keys.remove(number);
            }
        }
        Some(state)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &Slot<S>)> {
        let entries = self.windows.iter().map(|(_, entry)| entry);
        entries.map(|Entry { key, state, .. }| (key, state))
    }

    fn window(&self, id: u32) -> Option<Window> {
        Some(self.get(id)?.kept.window)
    }
}

/// Where a window of a key stands: a window that grows stays where it began.
fn hash_in_table(hash: KeyHash, window: Window) -> KeyHash {
    // The windows of one key must differ in the bits a table uses, the lowest and the highest: a folded multiply.
    let start = u128::from(window.start.as_micros() as u64) * 0x9e37_79b9_7f4a_7c15;
    KeyHash(hash.0 ^ (start as u64) ^ ((start >> 64) as u64))
}
