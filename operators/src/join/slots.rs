//! State by key that is visited when time has passed a moment.

use hashbrown::HashTable;
use millstream_engine::key::KeyHash;
use millstream_engine::time::Timestamp;

use super::deadlines::Deadlines;

/// State of type `S` for each key, and when it is to be visited.
///
/// Keys have numbers while they are here, so that a visit finds them without hashing. No step of time looks at keys
/// that are not due.
pub(super) struct Slots<K, S> {
    index: HashTable<u32>,
    slots: Vec<Option<Slot<K, S>>>,
    free: Vec<u32>,
    deadlines: Deadlines,
}

/// A key and its state.
pub(super) struct Slot<K, S> {
    pub(super) hash: KeyHash,
    pub(super) key: K,
    pub(super) state: S,
    /// When it is visited next. A deadline that is not this one is out of date.
    visit: Option<Timestamp>,
}

impl<K: Eq, S: Default> Slots<K, S> {
    /// `width`: that of the buckets of [`Deadlines`].
    pub(super) fn new(width: i64) -> Self {
        Slots {
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            deadlines: Deadlines::new(width),
        }
    }

    /// The number of a key, if it is here.
    #[inline]
    pub(super) fn find(&self, hash: KeyHash, key: &K) -> Option<u32> {
        let is_it = |&number: &u32| match &self.slots[number as usize] {
            Some(slot) => slot.hash == hash && slot.key == *key,
            None => false,
        };
        self.index.find(hash.0, is_it).copied()
    }

    /// The number of a key, which is taken up if it is new.
    #[inline]
    pub(super) fn place(&mut self, hash: KeyHash, key: K) -> u32 {
        match self.find(hash, &key) {
            Some(number) => number,
            None => self.insert(hash, key, S::default()),
        }
    }

    /// Takes up a key that is not here.
    pub(super) fn insert(&mut self, hash: KeyHash, key: K, state: S) -> u32 {
        let slot = Some(Slot {
            hash,
            key,
            state,
            visit: None,
        });
        let number = match self.free.pop() {
            Some(number) => {
                self.slots[number as usize] = slot;
                number
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        let slots = &self.slots;
        self.index.insert_unique(hash.0, number, |&number| {
            slots[number as usize]
                .as_ref()
                .map_or(0, |slot| slot.hash.0)
        });
        number
    }

    /// What is under a number.
    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Slot<K, S>> {
        self.slots.get_mut(number as usize)?.as_mut()
    }

    /// Forgets a key.
    pub(super) fn remove(&mut self, number: u32) -> Option<Slot<K, S>> {
        let slot = self.slots.get_mut(number as usize)?.take()?;
        if let Ok(entry) = self.index.find_entry(slot.hash.0, |&other| other == number) {
            entry.remove();
        }
        self.free.push(number);
        Some(slot)
    }

    /// Has a key visited when time has passed `deadline`, or before.
    #[inline]
    pub(super) fn visit_behind(&mut self, number: u32, deadline: Timestamp) {
        if let Some(Some(slot)) = self.slots.get_mut(number as usize)
            && slot.visit.is_none_or(|visit| deadline < visit)
        {
            slot.visit = Some(deadline);
            self.deadlines.add(deadline, number);
        }
    }

    /// The next key to be visited now that time has come to `now`. Whoever visits it says when it is due again.
    pub(super) fn next_visit(&mut self, now: Timestamp) -> Option<u32> {
        loop {
            let (deadline, number) = self.deadlines.pop(now)?;
            if let Some(slot) = self.get_mut(number)
                && slot.visit == Some(deadline)
            {
                slot.visit = None;
                return Some(number);
            }
        }
    }

    /// Any key, once all inputs have ended.
    pub(super) fn any(&mut self) -> Option<u32> {
        while let Some(None) = self.slots.last() {
            self.slots.pop();
            self.free.clear();
        }
        self.slots.len().checked_sub(1).map(|last| last as u32)
    }

    /// A moment that no visit is due before; later than `now` once there was no next visit.
    pub(super) fn earliest_visit(&self) -> Option<Timestamp> {
        self.deadlines.earliest()
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// All keys, in an order that follows from what was done to them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot<K, S>> {
        self.slots.iter().flatten()
    }
}
