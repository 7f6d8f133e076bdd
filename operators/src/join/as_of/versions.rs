//! The versions of one key.

use std::collections::VecDeque;

use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Versions by time.
#[derive(Serialize, Deserialize)]
pub(super) struct Versions<R>(VecDeque<(Timestamp, R)>);

impl<R> Default for Versions<R> {
    fn default() -> Self {
        Versions(VecDeque::new())
    }
}

impl<R> Versions<R> {
    /// Adds a version; of two with the same time the later to come is kept.
    pub(super) fn insert(&mut self, time: Timestamp, version: R) {
        let place = self.0.partition_point(|(other, _)| *other <= time);
        match place.checked_sub(1).and_then(|last| self.0.get_mut(last)) {
            Some((same, held)) if *same == time => *held = version,
            _ => self.0.insert(place, (time, version)),
        }
    }

    /// Whether a version of `time` holds at no time from `watermark` on: another has followed it by then, or it has run
    /// out.
    pub(super) fn are_past(&self, time: Timestamp, watermark: Timestamp, ttl: Option<i64>) -> bool {
        let next = self.0.partition_point(|(other, _)| *other <= time);
        let next = self.0.get(next).map(|(next, _)| *next);
        next.is_some_and(|next| next <= watermark) || last_of(time, ttl) < watermark
    }

    /// The version that holds at `time`.
    pub(super) fn at(&self, time: Timestamp, ttl: Option<i64>) -> Option<&R> {
        let place = self.0.partition_point(|(other, _)| *other <= time);
        let (since, version) = self.0.get(place.checked_sub(1)?)?;
        (time <= last_of(*since, ttl)).then_some(version)
    }

    /// Forgets the versions that hold at no time from `watermark` on.
    pub(super) fn forget(&mut self, watermark: Timestamp, ttl: Option<i64>) {
        while let Some((second, _)) = self.0.get(1)
            && *second <= watermark
        {
            self.0.pop_front();
        }
        if let Some((only, _)) = self.0.front()
            && last_of(*only, ttl) < watermark
        {
            self.0.pop_front();
        }
    }

    /// The moment behind which there is one to forget.
    pub(super) fn due(&self, ttl: Option<i64>) -> Option<Timestamp> {
        let runs_out = ttl.and_then(|_| Some(last_of(self.0.front()?.0, ttl)));
        let superseded = self.0.get(1).map(|(second, _)| *second);
        runs_out.into_iter().chain(superseded).min()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The last moment at which a version since `since` holds.
fn last_of(since: Timestamp, ttl: Option<i64>) -> Timestamp {
    let last = ttl.map(|ttl| since.as_micros().saturating_add(ttl));
    last.map_or(Timestamp::MAX, Timestamp::from_micros)
}
