//! Who must not be overtaken by whom.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use millstream_engine::key::KeyHash;

use super::pool::Slot;

/// Records in lines, one line for each label: only the first of a line may leave it. Unordered, every record is the
/// first of a line of its own.
///
/// Each record has a slot; a line is a chain through the slots, so that joining and leaving cost the same however
/// long it is.
pub(super) struct Lines<L, R> {
    places: Vec<Option<Place<L, R>>>,
    free: Vec<Slot>,
    /// The last of each line, by the hash of its label.
    last: Option<HashTable<Slot>>,
}

struct Place<L, R> {
    label: L,
    record: R,
    is_first: bool,
    next: Option<Slot>,
}

/// What records of one line have in common.
pub(super) trait Label: Eq + Send + 'static {
    fn hash(&self) -> KeyHash;
}

/// Without keys all records are of one line.
impl Label for () {
    fn hash(&self) -> KeyHash {
        KeyHash(0)
    }
}

impl<L: Label, R> Lines<L, R> {
    pub(super) fn new(in_order: bool) -> Self {
        Lines {
            places: Vec::new(),
            free: Vec::new(),
            last: in_order.then(HashTable::new),
        }
    }

    /// How many there are in all lines.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether there is a line of this label.
    pub(super) fn has(&self, label: &L) -> bool {
        let Lines { places, last, .. } = self;
        let is_it = |&slot: &Slot| label_at(places, slot) == Some(label);
        last.as_ref()
            .is_some_and(|last| last.find(label.hash().0, is_it).is_some())
    }

    /// Puts a record at the end of its line.
    pub(super) fn join(&mut self, label: L, record: R) -> Slot {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.places.push(None);
                self.places.len() - 1
            }
        };
        let mut before = None;
        if let Some(last) = &mut self.last {
            let places = &self.places;
            let is_it = |&slot: &Slot| label_at(places, slot) == Some(&label);
            match last.entry(label.hash().0, is_it, |&slot| hash_at(places, slot)) {
                Entry::Occupied(mut last) => before = Some(std::mem::replace(last.get_mut(), slot)),
                Entry::Vacant(place) => _ = place.insert(slot),
            }
        }
        if let Some(before) = before.and_then(|before| self.places.get_mut(before)?.as_mut()) {
            before.next = Some(slot);
        }
        self.places[slot] = Some(Place {
            label,
            record,
            is_first: before.is_none(),
            next: None,
        });
        slot
    }

    /// All records in all lines.
    pub(super) fn iter(&self) -> impl Iterator<Item = &R> + Clone {
        self.places.iter().flatten().map(|place| &place.record)
    }

    /// The record in this slot.
    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<(&L, &mut R)> {
        let place = self.places.get_mut(slot)?.as_mut()?;
        Some((&place.label, &mut place.record))
    }

    /// Whether it is the first of its line.
    pub(super) fn is_first(&self, slot: Slot) -> bool {
        let place = self.places.get(slot).and_then(Option::as_ref);
        place.is_some_and(|place| place.is_first)
    }

    /// Takes the first of a line out, and says who is the first now.
    pub(super) fn leave(&mut self, slot: Slot) -> Option<(L, R, Option<Slot>)> {
        let place = self.places.get_mut(slot)?.take()?;
        self.free.push(slot);
        let next = place
            .next
            .and_then(|next| self.places.get_mut(next)?.as_mut());
        if let Some(next) = next {
            next.is_first = true;
        } else if let Some(last) = &mut self.last
            && let Ok(entry) = last.find_entry(place.label.hash().0, |&last| last == slot)
        {
            entry.remove();
        }
        Some((place.label, place.record, place.next))
    }
}

fn label_at<L, R>(places: &[Option<Place<L, R>>], slot: Slot) -> Option<&L> {
    Some(&places.get(slot)?.as_ref()?.label)
}

fn hash_at<L: Label, R>(places: &[Option<Place<L, R>>], slot: Slot) -> u64 {
    label_at(places, slot).map_or(0, |label| label.hash().0)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, VecDeque};

    use proptest::prelude::*;

    use super::*;

    impl Label for u8 {
        fn hash(&self) -> KeyHash {
            // Few hashes, so that labels collide.
            KeyHash(u64::from(*self % 2))
        }
    }

    proptest! {
        /// `Some(label)` joins, `None` lets the first of the longest line leave.
        #[test]
        fn lines_are_queues(steps in proptest::collection::vec(proptest::option::of(0..5u8), 0..60)) {
            let mut lines = Lines::new(true);
            let mut queues: BTreeMap<u8, VecDeque<(Slot, usize)>> = BTreeMap::new();
            for (number, step) in steps.into_iter().enumerate() {
                if let Some(label) = step {
                    let slot = lines.join(label, number);
                    queues.entry(label).or_default().push_back((slot, number));
                } else if let Some((label, queue)) = queues.iter_mut().max_by_key(|(_, queue)| queue.len())
                    && let Some((slot, number)) = queue.pop_front()
                {
                    let next = queue.front().map(|(next, _)| *next);
                    prop_assert_eq!(lines.leave(slot), Some((*label, number, next)));
                }
                prop_assert_eq!(lines.len(), queues.values().map(VecDeque::len).sum::<usize>());
                for (label, queue) in &queues {
                    prop_assert_eq!(lines.has(label), !queue.is_empty());
                    for (place, (slot, _)) in queue.iter().enumerate() {
                        prop_assert_eq!(lines.is_first(*slot), place == 0);
                    }
                }
            }
        }
    }
}
