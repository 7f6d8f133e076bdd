//! State by key that has its turn when time has passed a moment.

use std::cell::Cell;

use millstream_engine::key::KeyHash;
use millstream_engine::time::Timestamp;

use super::deadlines::Deadlines;
use crate::keyed::{Entry, KeySlots};
use crate::waits::LOOKED_AT;

/// State of type `S` for each key, and when the key is due.
///
/// Keys have numbers while they are here, so that those due are found without hashing. No step of time looks at keys
/// that are not due. A deadline that no longer counts stays listed until it comes, or until those are many: then they
/// are swept out, so that what is listed is bounded by the keys.
pub(super) struct DueKeys<K, S> {
    keys: KeySlots<K, Dated<S>>,
    deadlines: Deadlines,
}

#[derive(Default)]
struct Dated<S> {
    state: S,
    /// When the key is due next. A deadline that is not this one is out of date.
    due: Option<Timestamp>,
}

/// So many deadlines that are out of date are too few to be swept out.
const OUT_OF_DATE: usize = 1_024;

impl<K: Eq, S: Default> DueKeys<K, S> {
    /// `width`: that of the buckets of [`Deadlines`].
    pub(super) fn new(width: i64) -> Self {
        DueKeys {
            keys: KeySlots::new(),
            deadlines: Deadlines::new(width),
        }
    }

    /// Brings what is kept of the next few of these keys near.
    #[inline]
    pub(super) fn prefetch(&self, hashes: impl Iterator<Item = KeyHash>) {
        self.keys.prefetch(hashes);
    }

    /// The number of a key, if it is here.
    #[inline]
    pub(super) fn find(&self, hash: KeyHash, key: &K) -> Option<u32> {
        self.keys.find(hash, key)
    }

    /// The number of a key, which is taken up if it is new.
    #[inline]
    pub(super) fn place(&mut self, hash: KeyHash, key: K) -> u32 {
        self.keys.slot_of(hash, key, Dated::default).0
    }

    /// A key and its state.
    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<(KeyHash, &K, &mut S)> {
        let Entry { hash, key, state } = self.keys.get_mut(number)?;
        Some((*hash, key, &mut state.state))
    }

    /// Forgets a key.
    pub(super) fn remove(&mut self, number: u32) {
        self.keys.remove(number);
        self.sweep();
    }

    /// Has a key due when time has passed `deadline`, or before.
    #[inline]
    pub(super) fn due_behind(&mut self, number: u32, deadline: Timestamp) {
        if let Some(Entry { state, .. }) = self.keys.get_mut(number)
            && state.due.is_none_or(|due| deadline < due)
        {
            state.due = Some(deadline);
            self.deadlines.add(deadline, number);
            self.sweep();
        }
    }

    /// Drops the deadlines that are out of date, once they are many.
    #[inline]
    fn sweep(&mut self) {
        if self.deadlines.len() > 2 * self.keys.len() + OUT_OF_DATE {
            self.sweep_all();
        }
    }

    #[cold]
    fn sweep_all(&mut self) {
        self.deadlines.sweep(|deadline, number| {
            let entry = self.keys.get(number);
            entry.is_some_and(|entry| entry.state.due == Some(deadline))
        });
    }

    /// The next key that is due now that time has come to `until`; with `None`, when time has ended, any key.
    /// Whoever takes it says when it is due again.
    pub(super) fn next_due(&mut self, until: Option<Timestamp>) -> Option<u32> {
        loop {
            let (deadline, number) = self.deadlines.pop(until)?;
            if let Some(Entry { state, .. }) = self.keys.get_mut(number)
                && state.due == Some(deadline)
            {
                state.due = None;
                return Some(number);
            }
        }
    }

    /// A moment that no key is due before; not earlier than `until` once [`next_due`](Self::next_due) gave none for it.
    pub(super) fn earliest(&self) -> Option<Timestamp> {
        self.deadlines.earliest()
    }

    /// The least moment that `of` says of a key's state, which is never before the key is due. (Of so many keys that
    /// are due first.)
    pub(super) fn least(&self, of: impl Fn(&S) -> Option<Timestamp>) -> Option<Timestamp> {
        let looked_at = Cell::new(0);
        self.deadlines.least(|deadline, number| {
            looked_at.set(looked_at.get() + 1);
            let Dated { state, due } = &self.keys.get(number)?.state;
            let is_asked = looked_at.get() <= LOOKED_AT && *due == Some(deadline);
            is_asked.then(|| of(state))?
        })
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// All keys, in an order that follows from what was done to them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (KeyHash, &K, &S)> {
        let entries = self.keys.iter().map(|(_, entry)| entry);
        entries.map(|Entry { hash, key, state }| (*hash, key, &state.state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    const STAY: u32 = 10;

    fn place(keys: &mut DueKeys<u32, ()>, key: u32, deadline: i64) -> u32 {
        let number = keys.place(KeyHash::of(&key), key);
        keys.due_behind(number, at(deadline));
        number
    }

    /// Some keys stay, while others come and go long before they are due, behind moments `deadline` says.
    fn coming_and_going(deadline: impl Fn(i64) -> i64) {
        let mut keys = DueKeys::new(100);
        for key in 0..STAY {
            place(&mut keys, key, 1_000_000 + i64::from(key));
        }
        for n in 0..20_000 {
            let number = place(&mut keys, STAY + n as u32 % 3, deadline(n));
            keys.remove(number);
            assert!(keys.deadlines.len() <= 2 * keys.len() + OUT_OF_DATE);
        }
        let due = std::iter::from_fn(|| keys.next_due(Some(at(2_000_000))));
        assert_eq!(due.collect::<Vec<_>>(), (0..STAY).collect::<Vec<_>>());
        assert!(keys.deadlines.len() == 0 && keys.earliest().is_none());
    }

    #[test]
    fn keys_that_are_forgotten_before_they_are_due_leave_nothing() {
        coming_and_going(|n| 500_000 + n);
        coming_and_going(|n| 500_000 - n);
        coming_and_going(|_| 500_000);
    }

    #[test]
    fn a_key_that_is_due_ever_earlier_has_few_deadlines() {
        let mut keys = DueKeys::new(100);
        for n in 0..20_000 {
            place(&mut keys, 0, 1_000_000 - n);
            assert!(keys.deadlines.len() <= 2 + OUT_OF_DATE);
        }
        assert_eq!(keys.next_due(None), Some(0));
        assert_eq!(keys.next_due(None), None);
    }
}
