//! What is due when time has passed a moment, kept in buckets of time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use millstream_engine::time::Timestamp;

/// Numbers, each with the moment behind which it is due.
///
/// A calendar queue: what is far off lies unordered in its bucket; only the bucket time has come to is ordered. So
/// adding costs an append, and no step of time looks at more than is due and one bucket.
///
/// Idea: Brown, *Calendar Queues*, CACM 1988.
pub(super) struct Deadlines {
    width: i64,
    /// By the number of the bucket: every moment in it is later than all of those before.
    buckets: BTreeMap<i64, Vec<(Timestamp, u32)>>,
    /// What lay in the buckets that time has come to.
    opened: BinaryHeap<Reverse<(Timestamp, u32)>>,
    /// The last of those buckets.
    last_opened: Option<i64>,
    /// Emptied buckets, to be filled again.
    spare: Vec<Vec<(Timestamp, u32)>>,
    /// How many there are in all.
    len: usize,
}

/// Emptied buckets that are kept: enough for those that fill at the same time.
const SPARE: usize = 4;

impl Deadlines {
    /// With buckets so many microseconds wide: a small part of how far ahead deadlines lie.
    pub(super) fn new(width: i64) -> Self {
        Deadlines {
            width: width.max(1),
            buckets: BTreeMap::new(),
            opened: BinaryHeap::new(),
            last_opened: None,
            spare: Vec::new(),
            len: 0,
        }
    }

    /// How many there are, with those that are out of date.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Keeps those that `is_live` says it of, each once.
    pub(super) fn sweep(&mut self, is_live: impl Fn(Timestamp, u32) -> bool) {
        let sweep = |all: &mut Vec<(Timestamp, u32)>| {
            all.retain(|&(deadline, number)| is_live(deadline, number));
            all.sort_unstable();
            all.dedup();
            all.shrink_to(2 * all.len());
            all.len()
        };
        let opened = std::mem::take(&mut self.opened).into_iter();
        let mut opened = opened.map(|Reverse(due)| due).collect();
        self.len = sweep(&mut opened);
        self.opened = opened.into_iter().map(Reverse).collect();
        self.buckets.retain(|_, due| {
            let left = sweep(due);
            self.len += left;
            left > 0
        });
    }

    /// `number` is due when time has passed `deadline`.
    pub(super) fn add(&mut self, deadline: Timestamp, number: u32) {
        self.len += 1;
        let bucket = self.bucket(deadline);
        if self.last_opened.is_some_and(|opened| bucket <= opened) {
            self.opened.push(Reverse((deadline, number)));
            return;
        }
        let spare = &mut self.spare;
        self.buckets
            .entry(bucket)
            .or_insert_with(|| spare.pop().unwrap_or_default())
            .push((deadline, number));
    }

    /// The first that is due when time has come to `until`, with its deadline; the first of all, once there is no more
    /// of time.
    pub(super) fn pop(&mut self, until: Option<Timestamp>) -> Option<(Timestamp, u32)> {
        loop {
            if let Some(&Reverse((deadline, number))) = self.opened.peek() {
                if until.is_none_or(|until| deadline < until) {
                    self.opened.pop();
                    self.len -= 1;
                    return Some((deadline, number));
                }
                return None;
            }
            let reached = until.map(|until| self.bucket(until));
            let first = self.buckets.first_entry()?;
            if reached.is_some_and(|reached| *first.key() > reached) {
                return None;
            }
            let (bucket, mut due) = first.remove_entry();
            self.last_opened = self.last_opened.max(Some(bucket));
            self.opened.extend(due.drain(..).map(Reverse));
            if self.spare.len() < SPARE {
                self.spare.push(due);
            }
        }
    }

    /// A moment that no deadline is earlier than; not earlier than `until` once [`pop`](Self::pop) gave nothing for it.
    pub(super) fn earliest(&self) -> Option<Timestamp> {
        let opened = self.opened.peek().map(|Reverse((deadline, _))| *deadline);
        let bucket = self.buckets.first_key_value();
        let bucket = bucket.map(|(bucket, _)| bucket.saturating_mul(self.width));
        match (opened, bucket.map(Timestamp::from_micros)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// The least moment that `of` says of a number and its deadline, which is never before that deadline.
    pub(super) fn least(
        &self,
        of: impl Fn(Timestamp, u32) -> Option<Timestamp>,
    ) -> Option<Timestamp> {
        let opened = self.opened.iter();
        let opened = opened.filter_map(|&Reverse((deadline, number))| of(deadline, number));
        let mut least = opened.min();
        for (bucket, due) in &self.buckets {
            let start = Timestamp::from_micros(bucket.saturating_mul(self.width));
            if least.is_some_and(|least| least < start) {
                break;
            }
            let due = due.iter();
            let due = due.filter_map(|&(deadline, number)| of(deadline, number));
            least = least.into_iter().chain(due).min();
        }
        least
    }

    fn bucket(&self, time: Timestamp) -> i64 {
        time.as_micros().div_euclid(self.width)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::at;

    proptest! {
        #[test]
        fn what_is_due_comes_in_order_and_nothing_else(
            width in 1..40i64,
            steps in prop::collection::vec((any::<bool>(), -100..100i64), 0..60),
        ) {
            let mut deadlines = Deadlines::new(width);
            let mut naive: Vec<(i64, u32)> = Vec::new();
            for (number, (adds, time)) in steps.into_iter().enumerate() {
                if adds {
                    deadlines.add(at(time), number as u32);
                    naive.push((time, number as u32));
                    continue;
                }
                naive.sort_unstable();
                let due = naive.partition_point(|(deadline, _)| *deadline < time);
                let due: Vec<_> = naive.drain(..due).map(|(time, number)| (at(time), number)).collect();
                let popped: Vec<_> = std::iter::from_fn(|| deadlines.pop(Some(at(time)))).collect();
                prop_assert_eq!(popped, due);
                let first = naive.iter().map(|(deadline, _)| at(*deadline)).min();
                let odd = |(deadline, number): (Timestamp, u32)| (number % 2 == 1).then_some(deadline);
                let least = naive.iter().map(|&(time, number)| (at(time), number)).filter_map(odd).min();
                prop_assert_eq!(deadlines.least(|deadline, number| odd((deadline, number))), least);
                prop_assert_eq!(deadlines.earliest().is_some(), first.is_some());
                prop_assert!(deadlines.earliest() <= first);
                prop_assert_eq!(deadlines.len(), naive.len());
            }
            naive.sort_unstable();
            let left: Vec<_> = std::iter::from_fn(|| deadlines.pop(None)).collect();
            let expected: Vec<_> = naive.into_iter().map(|(time, number)| (at(time), number)).collect();
            prop_assert_eq!(left, expected);
        }
    }

    #[test]
    fn the_ends_of_time_are_deadlines_too() {
        let mut deadlines = Deadlines::new(7);
        deadlines.add(Timestamp::MAX, 1);
        deadlines.add(Timestamp::MIN, 2);
        assert_eq!(deadlines.pop(Some(at(0))), Some((Timestamp::MIN, 2)));
        assert_eq!(deadlines.pop(Some(Timestamp::MAX)), None);
        assert_eq!(deadlines.pop(None), Some((Timestamp::MAX, 1)));
    }
}
