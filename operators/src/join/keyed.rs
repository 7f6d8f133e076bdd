//! The operator under joins that keep what a key has until time has passed it: interval and as-of joins.

use millstream_engine::Result;
use millstream_engine::batch::{AnyBatch, Record};
use millstream_engine::key::{KeyHash, Keyed};
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{AnyPort, Outbox, Port};
use millstream_engine::state::{State, StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};
use millstream_engine::why::Explanation;

use super::due_keys::DueKeys;
use crate::keyed::{AT_ONCE, Key, prefetch};
use crate::late::{put_late_as, set_aside};
use crate::reached;

/// How the records of a key are matched, and what is kept of them.
pub(super) trait Matching<K: Key, L, R>: Sized + Send + 'static {
    /// What is kept of a key.
    type Kept: State + Default;
    /// What becomes of records that match.
    type Out: Send + 'static;
    /// What [waits](Matching::first_waits), in words.
    const WHAT_WAITS: &'static str;

    /// How wide the buckets of deadlines are.
    fn bucket_micros(&self) -> i64;

    /// Takes the records of an input in, and says behind which moments their keys are due.
    fn take(
        join: &mut KeyedJoin<K, L, R, Self>,
        input: usize,
        batch: &mut AnyBatch,
        out: &mut Outbox,
    ) -> Result<()>;

    /// Gives what is decided of a key now that time has come to `until` (all of it, once there is no more of time),
    /// and forgets what can match no more. It stops when `put` has no room for more.
    fn settle(
        &self,
        key: &K,
        kept: &mut Self::Kept,
        until: Option<Timestamp>,
        put: &mut impl FnMut(Option<Self::Out>, Timestamp) -> Step,
    );

    /// The moment behind which there is something to settle next.
    fn due(&self, kept: &Self::Kept) -> Option<Timestamp>;

    /// Whether nothing is kept.
    fn is_empty(kept: &Self::Kept) -> bool;

    /// Whether records wait for time, to be given; not only to be forgotten.
    fn waits(&self) -> bool;

    /// The moment behind which the first record of the key that waits is given.
    fn first_waits(&self, kept: &Self::Kept) -> Option<Timestamp>;
}

/// Matches records under the same key.
pub(super) struct KeyedJoin<K: Key, L, R, M: Matching<K, L, R>> {
    pub(super) matching: M,
    pub(super) gives_late: bool,
    pub(super) keys: DueKeys<K, M::Kept>,
    pub(super) watermark: Timestamp,
}

impl<K: Key, L, R, M: Matching<K, L, R>> KeyedJoin<K, L, R, M> {
    pub(super) fn new(matching: M, gives_late: bool) -> Self {
        KeyedJoin {
            keys: DueKeys::new(matching.bucket_micros()),
            matching,
            gives_late,
            watermark: Timestamp::MIN,
        }
    }

    /// What is kept, key by key.
    #[cfg(test)]
    pub(super) fn kept(&self) -> impl Iterator<Item = &M::Kept> {
        self.keys.iter().map(|(_, _, kept)| kept)
    }

    /// Gives each record of a batch that is not late to `each`. Those that `is_late` says it of (it is asked about those
    /// the watermark has passed) are given as what `late_of` makes of them.
    #[inline]
    pub(super) fn take_each<T: Send + 'static, A: Send + 'static>(
        &mut self,
        batch: &mut AnyBatch,
        out: &mut Outbox,
        is_late: impl Fn(&mut Self, &Record<Keyed<K, T>>) -> bool,
        late_of: impl Fn(T) -> A,
        mut each: impl FnMut(&mut Self, &mut Port<Keyed<K, M::Out>>, Record<Keyed<K, T>>),
    ) -> Result<()> {
        let (port, mut late) = (out.port(0)?, Vec::new());
        let mut records = batch.of::<Keyed<K, T>>()?.records.drain(..);
        while !records.as_slice().is_empty() {
            self.keys.prefetch(prefetch::hashes(records.as_slice()));
            for record in records.by_ref().take(prefetch::GROUP) {
                match record.time < self.watermark && is_late(self, &record) {
                    true => set_aside(&mut late, record),
                    false => each(self, port, record),
                }
            }
        }
        put_late_as(late, self.gives_late.then_some(late_of), out)
    }

    fn settle(&mut self, until: Option<Timestamp>, out: &mut Outbox) -> Result<Step> {
        let port: &mut Port<Keyed<K, M::Out>> = out.port(0)?;
        for _ in 0..AT_ONCE {
            let Some(number) = self.keys.next_due(until) else {
                return Ok(Step::Done);
            };
            let Some((hash, key, kept)) = self.keys.get_mut(number) else {
                continue;
            };
            let put = &mut |value, time| put(port, hash, key, value, time);
            self.matching.settle(key, kept, until, put);
            let is_full = port.is_full();
            if M::is_empty(kept) || (until.is_none() && !is_full) {
                self.keys.remove(number);
            } else if let Some(due) = self.matching.due(kept) {
                self.keys.due_behind(number, due);
            }
            if is_full {
                break;
            }
        }
        Ok(Step::More)
    }
}

/// Puts out what a join made of records, if it made anything; says whether to pause.
#[inline]
pub(super) fn put<K: Key, U: Send + 'static>(
    port: &mut Port<Keyed<K, U>>,
    hash: KeyHash,
    key: &K,
    value: Option<U>,
    time: Timestamp,
) -> Step {
    let Some(value) = value else {
        return Step::Done;
    };
    let key = key.clone();
    port.push_keyed(hash, Keyed { hash, key, value }, time);
    match port.is_full() {
        true => Step::More,
        false => Step::Done,
    }
}

impl<K: Key, L, R, M: Matching<K, L, R>> Operator for KeyedJoin<K, L, R, M> {
    fn on_batch(&mut self, input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        M::take(self, input, batch, out)
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        self.watermark = self.watermark.max(watermark.time);
        self.settle(Some(watermark.time), out)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.settle(None, out)
    }

    fn explain(&self, why: &mut Explanation) {
        if !self.matching.waits() {
            return;
        }
        let first = self.keys.least(|kept| self.matching.first_waits(kept));
        if let Some(last) = first {
            let until = Timestamp::from_micros(last.as_micros().saturating_add(1));
            why.waits_for(until, M::WHAT_WAITS);
        }
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        reached::save(state, self.watermark)?;
        for (hash, key, kept) in self.keys.iter() {
            state.put(hash, &(key, kept))?;
        }
        Ok(())
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.watermark = reached::restored(state)?;
        for value in state.values::<(K, M::Kept)>() {
            let (key, saved) = value?;
            let due = self.matching.due(&saved);
            let number = self.keys.place(KeyHash::of(&key), key);
            if let Some((_, _, kept)) = self.keys.get_mut(number) {
                *kept = saved;
            }
            if let Some(due) = due {
                self.keys.due_behind(number, due);
            }
        }
        Ok(())
    }
}
