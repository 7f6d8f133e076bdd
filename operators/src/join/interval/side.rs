//! The records of one side under one key, by time.

use std::collections::VecDeque;

use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Records by time; of equal times, in the order they came.
#[derive(Serialize, Deserialize)]
pub(super) struct Side<T>(VecDeque<Kept<T>>);

#[derive(Serialize, Deserialize)]
pub(super) struct Kept<T> {
    pub(super) time: Timestamp,
    /// Whether it has had a partner.
    pub(super) matched: bool,
    pub(super) value: T,
}

impl<T> Default for Side<T> {
    fn default() -> Self {
        Side(VecDeque::new())
    }
}

impl<T> Side<T> {
    #[inline]
    pub(super) fn insert(&mut self, record: Kept<T>) {
        if self.0.is_empty() {
            // Most keys have one record at a time: room for four would be most of the state.
            self.0.reserve_exact(1);
        }
        match self.0.back() {
            Some(last) if last.time > record.time => {
                let place = self.0.partition_point(|other| other.time <= record.time);
                self.0.insert(place, record);
            }
            _ => self.0.push_back(record),
        }
    }

    /// Those from `first` to `last`, both included.
    #[inline]
    pub(super) fn between(
        &mut self,
        first: Timestamp,
        last: Timestamp,
    ) -> impl Iterator<Item = &mut Kept<T>> {
        let begin = match self.0.front() {
            Some(earliest) if earliest.time < first => {
                self.0.partition_point(|record| record.time < first)
            }
            _ => 0,
        };
        self.0
            .range_mut(begin..)
            .take_while(move |record| record.time <= last)
    }

    /// The earliest.
    pub(super) fn first(&self) -> Option<&Kept<T>> {
        self.0.front()
    }

    /// Forgets those for which the last moment a partner could be at is over, and gives those of them that had none,
    /// until `alone` says to pause. Returns that moment of the first record that is left.
    pub(super) fn forget(
        &mut self,
        until: Option<Timestamp>,
        last_of: impl Fn(Timestamp) -> Timestamp,
        mut alone: impl FnMut(&T, Timestamp) -> bool,
    ) -> Option<Timestamp> {
        let mut pause = false;
        loop {
            let last = last_of(self.0.front()?.time);
            if pause || until.is_some_and(|watermark| last >= watermark) {
                return Some(last);
            }
            let record = self.0.pop_front()?;
            pause = !record.matched && alone(&record.value, record.time.max(last));
        }
    }
}
