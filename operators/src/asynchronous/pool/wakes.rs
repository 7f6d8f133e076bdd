//! Which of many calls were woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Wake, Waker};

use futures::task::AtomicWaker;

use super::Slot;
use crate::bits::set_bits;

/// A bit for each slot that was woken, and a bit for each word that has one: waking takes no lock, and looking who
/// was woken takes no look at those who were not.
pub(super) struct Wakes {
    groups: Vec<Arc<Group>>,
    task: Arc<AtomicWaker>,
}

/// 64 words of 64 slots.
struct Group {
    words_woken: AtomicU64,
    slots_woken: [AtomicU64; WORD],
    task: Arc<AtomicWaker>,
}

struct SlotWake {
    group: Arc<Group>,
    word: u8,
    bit: u8,
}

const WORD: usize = 64;
const GROUP: usize = WORD * WORD;

impl Wakes {
    pub(super) fn new() -> Self {
        Wakes {
            groups: Vec::new(),
            task: Arc::new(AtomicWaker::new()),
        }
    }

    /// The waker of a slot, whichever call it has.
    pub(super) fn waker(&mut self, slot: Slot) -> Waker {
        while self.groups.len() <= slot / GROUP {
            self.groups.push(Arc::new(Group {
                words_woken: AtomicU64::new(0),
                slots_woken: [const { AtomicU64::new(0) }; WORD],
                task: self.task.clone(),
            }));
        }
        Waker::from(Arc::new(SlotWake {
            group: self.groups[slot / GROUP].clone(),
            word: (slot % GROUP / WORD) as u8,
            bit: (slot % WORD) as u8,
        }))
    }

    /// Who is woken when a slot is.
    pub(super) fn register(&self, task: &Waker) {
        self.task.register(task);
    }

    /// Takes the slots that were woken.
    pub(super) fn take(&self, into: &mut impl Extend<Slot>) {
        for (number, group) in self.groups.iter().enumerate() {
            if group.words_woken.load(Ordering::Acquire) == 0 {
                continue;
            }
            for word in set_bits(group.words_woken.swap(0, Ordering::AcqRel)) {
                let slots = set_bits(group.slots_woken[word].swap(0, Ordering::AcqRel));
                into.extend(slots.map(|bit| number * GROUP + word * WORD + bit));
            }
        }
    }
}

impl Wake for SlotWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let (word, bit) = (usize::from(self.word), 1 << self.bit);
        // The slot before its word: whoever takes the word then finds the slot.
        let before = self.group.slots_woken[word].fetch_or(bit, Ordering::AcqRel);
        if before & bit == 0 {
            self.group.words_woken.fetch_or(1 << word, Ordering::AcqRel);
            self.group.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn who_was_woken_is_found_once(slots in proptest::collection::vec(0..10_000usize, 0..50)) {
            let mut wakes = Wakes::new();
            for &slot in &slots {
                wakes.waker(slot).wake();
            }
            let mut taken = Vec::new();
            wakes.take(&mut taken);
            let expected: BTreeSet<_> = slots.into_iter().collect();
            prop_assert_eq!(&taken, &expected.into_iter().collect::<Vec<_>>());
            taken.clear();
            wakes.take(&mut taken);
            prop_assert!(taken.is_empty());
        }
    }

    #[test]
    fn nobody_is_lost_when_threads_wake() {
        let mut wakes = Wakes::new();
        let wakers: Vec<_> = (0..5_000).map(|slot| wakes.waker(slot)).collect();
        let mut taken = Vec::new();
        std::thread::scope(|scope| {
            let half = wakers.len() / 2;
            for part in [&wakers[..half], &wakers[half..]] {
                scope.spawn(move || part.iter().for_each(Waker::wake_by_ref));
            }
            while taken.len() < wakers.len() {
                wakes.take(&mut taken);
            }
        });
        taken.sort_unstable();
        assert!(taken.into_iter().eq(0..5_000));
    }
}
