//! The records of one side under one key, by time.

use std::collections::VecDeque;

use millstream_engine::operator::Step;
use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::by_time::insert_by_time;
use crate::waits::LOOKED_AT;

/// Records by time; of equal times, in the order they came.
///
/// Most keys have one record at a time: it lies in the key's own place, without an allocation.
#[derive(Default, Serialize, Deserialize)]
pub(super) enum Side<T> {
    #[default]
    Empty,
    One(Kept<T>),
    Many(VecDeque<Kept<T>>),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Kept<T> {
    pub(super) time: Timestamp,
    /// Whether it has had a partner.
    pub(super) matched: bool,
    pub(super) value: T,
}

impl<T> Side<T> {
    #[inline]
    pub(super) fn insert(&mut self, record: Kept<T>) {
        match std::mem::take(self) {
            Side::Empty => *self = Side::One(record),
            Side::One(first) => {
                let mut records = VecDeque::with_capacity(2);
                records.push_back(first);
                insert_by_time(&mut records, record, |record| record.time);
                *self = Side::Many(records);
            }
            Side::Many(mut records) => {
                insert_by_time(&mut records, record, |record| record.time);
                *self = Side::Many(records);
            }
        }
    }

    /// Those from `first` to `last`, both included.
    #[inline]
    pub(super) fn between(
        &mut self,
        first: Timestamp,
        last: Timestamp,
    ) -> impl Iterator<Item = &mut Kept<T>> {
        let (front, back): (&mut [_], &mut [_]) = match self {
            Side::Empty => (&mut [], &mut []),
            Side::One(record) => (std::slice::from_mut(record), &mut []),
            Side::Many(records) => records.as_mut_slices(),
        };
        let from = |records: &[Kept<T>]| records.partition_point(|record| record.time < first);
        let (front_from, back_from) = (from(front), from(back));
        front[front_from..]
            .iter_mut()
            .chain(&mut back[back_from..])
            .take_while(move |record| record.time <= last)
    }

    /// The earliest.
    pub(super) fn first(&self) -> Option<&Kept<T>> {
        match self {
            Side::Empty => None,
            Side::One(record) => Some(record),
            Side::Many(records) => records.front(),
        }
    }

    /// When the earliest is that has had no partner.
    pub(super) fn first_alone(&self) -> Option<Timestamp> {
        let (one, many) = match self {
            Side::Empty => (None, None),
            Side::One(record) => (Some(record), None),
            Side::Many(records) => (None, Some(records.iter().take(LOOKED_AT))),
        };
        let mut all = one.into_iter().chain(many.into_iter().flatten());
        Some(all.find(|record| !record.matched)?.time)
    }

    /// Forgets those for which the last moment a partner could be at is over, and gives those of them that had none,
    /// until `alone` says to pause.
    pub(super) fn forget(
        &mut self,
        until: Option<Timestamp>,
        last_of: impl Fn(Timestamp) -> Timestamp,
        mut alone: impl FnMut(&T, Timestamp) -> Step,
    ) -> Step {
        while let Some(last) = self.first().map(|first| last_of(first.time))
            && until.is_none_or(|watermark| last < watermark)
            && let Some(record) = self.pop_first()
        {
            if !record.matched && alone(&record.value, record.time.max(last)) == Step::More {
                return Step::More;
            }
        }
        Step::Done
    }

    fn pop_first(&mut self) -> Option<Kept<T>> {
        if let Side::Many(records) = self
            && records.len() > 1
        {
            return records.pop_front();
        }
        match std::mem::take(self) {
            Side::Empty => None,
            Side::One(record) => Some(record),
            Side::Many(mut records) => records.pop_front(),
        }
    }
}
