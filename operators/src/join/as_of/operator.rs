//! How an as-of join matches records with versions.

use std::collections::VecDeque;
use std::marker::PhantomData;

use millstream_engine::Result;
use millstream_engine::batch::AnyBatch;
use millstream_engine::key::Keyed;
use millstream_engine::operator::Step;
use millstream_engine::outbox::Outbox;
use millstream_engine::state::State;
use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::AsOf;
use super::versions::Versions;
use crate::join::due_keys::DueKeys;
use crate::join::keyed::{Matching, put};
use crate::join::late::put_late;
use crate::join::pairing::Pairing;
use crate::keyed::Key;

/// Records meet the versions of their keys, at once or when the watermark has passed them.
pub(super) struct Versioned<L, R, P> {
    pub(super) as_of: AsOf,
    pub(super) pairing: P,
    pub(super) gives_late: bool,
    pub(super) of: PhantomData<fn(L, R)>,
}

/// What a key has.
#[derive(Serialize, Deserialize)]
pub(super) struct Held<L, R> {
    pub(super) versions: Versions<R>,
    /// Records that wait, by time; of equal times, in the order they came.
    waiting: VecDeque<(Timestamp, L)>,
}

/// Deadlines lie as far ahead as records come out of order, and as versions hold: a bucket each second is fine for both.
const BUCKET_MICROS: i64 = 1_000_000;

impl<L: State, R: State, P> Versioned<L, R, P> {
    fn take_records<K: Key>(
        &self,
        batch: &mut AnyBatch,
        keys: &mut DueKeys<K, Held<L, R>>,
        watermark: Timestamp,
        out: &mut Outbox,
    ) -> Result<()>
    where
        P: Pairing<K, L, R>,
    {
        let (port, mut late) = (out.port(0)?, Vec::new());
        for record in batch.of::<Keyed<K, L>>()?.records.drain(..) {
            if record.time < watermark {
                late.push(record);
                continue;
            }
            let (time, Keyed { hash, key, value }) = (record.time, record.value);
            if self.as_of.waits {
                let number = keys.place(hash, key);
                if let Some((_, _, Held { waiting, .. })) = keys.get_mut(number) {
                    let place = waiting.partition_point(|(other, _)| *other <= time);
                    waiting.insert(place, (time, value));
                }
                keys.due_behind(number, time);
                continue;
            }
            let number = keys.find(hash, &key);
            let held = number.and_then(|number| keys.get_mut(number));
            let version = held.and_then(|(_, _, held)| held.versions.at(time, self.as_of.ttl));
            let result = self.pairing.pair(&key, Some(&value), version);
            put(port, hash, &key, result, time);
        }
        put_late(late, self.gives_late.then_some(|record| record), out)
    }

    fn take_versions<K: Key>(
        &self,
        batch: &mut AnyBatch,
        keys: &mut DueKeys<K, Held<L, R>>,
        watermark: Timestamp,
        out: &mut Outbox,
    ) -> Result<()> {
        let (mut late, ttl) = (0, self.as_of.ttl);
        for record in batch.of::<Keyed<K, R>>()?.records.drain(..) {
            let Keyed { hash, key, value } = record.value;
            late += u64::from(record.time < watermark);
            let number = keys.place(hash, key);
            let Some((_, _, held)) = keys.get_mut(number) else {
                continue;
            };
            held.versions.insert(record.time, value);
            held.versions.forget(watermark, ttl);
            match held.versions.due(ttl) {
                Some(due) => keys.due_behind(number, due),
                None if held.is_empty() => keys.remove(number),
                None => {}
            }
        }
        out.count_late(late);
        Ok(())
    }
}

impl<K: Key, L: State, R: State, P: Pairing<K, L, R>> Matching<K> for Versioned<L, R, P> {
    type Kept = Held<L, R>;
    type Out = P::Out;
    const WHAT_WAITS: &'static str =
        "the first record, until its table has caught up with it (and its own stream too),";

    fn bucket_micros(&self) -> i64 {
        BUCKET_MICROS
    }

    fn take(
        &self,
        input: usize,
        batch: &mut AnyBatch,
        keys: &mut DueKeys<K, Held<L, R>>,
        watermark: Timestamp,
        out: &mut Outbox,
    ) -> Result<()> {
        match input {
            0 => self.take_records(batch, keys, watermark, out),
            _ => self.take_versions(batch, keys, watermark, out),
        }
    }

    fn settle(
        &self,
        key: &K,
        held: &mut Held<L, R>,
        until: Option<Timestamp>,
        put: &mut impl FnMut(Option<P::Out>, Timestamp) -> Step,
    ) {
        let mut step = Step::Done;
        while step == Step::Done
            && let Some((time, record)) = held.waiting.front()
            && until.is_none_or(|watermark| *time < watermark)
        {
            let version = held.versions.at(*time, self.as_of.ttl);
            step = put(self.pairing.pair(key, Some(record), version), *time);
            held.waiting.pop_front();
        }
        // What still waits, though time has passed it, must find its versions.
        let first = held.waiting.front().map(|(time, _)| *time);
        if let Some(needed) = first.into_iter().chain(until).min() {
            held.versions.forget(needed, self.as_of.ttl);
        }
    }

    fn due(&self, held: &Held<L, R>) -> Option<Timestamp> {
        let versions = held.versions.due(self.as_of.ttl);
        Matching::<K>::waits(self, held)
            .into_iter()
            .chain(versions)
            .min()
    }

    fn is_empty(held: &Held<L, R>) -> bool {
        held.is_empty()
    }

    fn waits(&self, held: &Held<L, R>) -> Option<Timestamp> {
        held.waiting.front().map(|(time, _)| *time)
    }
}

impl<L, R> Held<L, R> {
    fn is_empty(&self) -> bool {
        self.versions.is_empty() && self.waiting.is_empty()
    }
}

impl<L, R, P: Clone> Clone for Versioned<L, R, P> {
    fn clone(&self) -> Self {
        Versioned {
            pairing: self.pairing.clone(),
            ..*self
        }
    }
}

impl<L, R> Default for Held<L, R> {
    fn default() -> Self {
        Held {
            versions: Versions::default(),
            waiting: VecDeque::new(),
        }
    }
}
