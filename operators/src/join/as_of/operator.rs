//! How an as-of join matches records with versions.

use std::collections::VecDeque;

use millstream_engine::Result;
use millstream_engine::batch::{AnyBatch, Record};
use millstream_engine::key::Keyed;
use millstream_engine::operator::Step;
use millstream_engine::outbox::Outbox;
use millstream_engine::state::State;
use millstream_engine::time::Timestamp;

use super::AsOf;
use super::versions::Versions;
use crate::by_time::insert_by_time;
use crate::join::keyed::{KeyedJoin, Matching, put};
use crate::join::pairing::Pairing;
use crate::keyed::Key;
use crate::stream::Either;

/// Records meet the versions of their keys, at once or when the watermark has passed them.
pub(super) struct Versioned<P> {
    pub(super) as_of: AsOf,
    pub(super) pairing: P,
}

/// Records that wait, by time; of equal times, in the order they came.
type Waiting<L> = VecDeque<(Timestamp, L)>;

/// Deadlines lie as far ahead as records come out of order, and as versions hold: a bucket each second is fine for both.
const BUCKET_MICROS: i64 = 1_000_000;

impl<K: Key, L: State, R: State, P: Pairing<K, L, R>> Matching<K, L, R> for Versioned<P> {
    type Kept = (Versions<R>, Waiting<L>);
    type Out = P::Out;
    const WHAT_WAITS: &'static str =
        "the first record that is answered when its table has come past it";

    fn bucket_micros(&self) -> i64 {
        BUCKET_MICROS
    }

    fn take(
        join: &mut KeyedJoin<K, L, R, Self>,
        input: usize,
        batch: &mut AnyBatch,
        out: &mut Outbox,
    ) -> Result<()> {
        match input {
            0 => take_records(join, batch, out),
            _ => take_versions(join, batch, out),
        }
    }

    fn settle(
        &self,
        key: &K,
        (versions, waiting): &mut Self::Kept,
        until: Option<Timestamp>,
        put: &mut impl FnMut(Option<P::Out>, Timestamp) -> Step,
    ) {
        let mut step = Step::Done;
        while step == Step::Done
            && let Some((time, record)) = waiting.front()
            && until.is_none_or(|watermark| *time < watermark)
        {
            let version = versions.at(*time, self.as_of.ttl);
            step = put(self.pairing.pair(key, Some(record), version), *time);
            waiting.pop_front();
        }
        // What still waits, though time has passed it, must find its versions.
        let first = waiting.front().map(|(time, _)| *time);
        if let Some(needed) = first.into_iter().chain(until).min() {
            versions.forget(needed, self.as_of.ttl);
        }
    }

    fn due(&self, (versions, waiting): &Self::Kept) -> Option<Timestamp> {
        let first = waiting.front().map(|(time, _)| *time);
        first.into_iter().chain(versions.due(self.as_of.ttl)).min()
    }

    fn is_empty((versions, waiting): &Self::Kept) -> bool {
        versions.is_empty() && waiting.is_empty()
    }

    fn waits(&self) -> bool {
        self.as_of.waits
    }

    fn first_waits(&self, (_, waiting): &Self::Kept) -> Option<Timestamp> {
        waiting.front().map(|(time, _)| *time)
    }
}

fn take_records<K: Key, L: State, R: State, P: Pairing<K, L, R>>(
    join: &mut KeyedJoin<K, L, R, Versioned<P>>,
    batch: &mut AnyBatch,
    out: &mut Outbox,
) -> Result<()> {
    join.take_each(
        batch,
        out,
        |_, _| true,
        Either::<L, R>::Left,
        |join, port, record: Record<Keyed<K, L>>| {
            let Versioned { as_of, pairing } = &join.matching;
            let (time, Keyed { hash, key, value }) = (record.time, record.value);
            if as_of.waits {
                let number = join.keys.place(hash, key);
                if let Some((_, _, (_, waiting))) = join.keys.get_mut(number) {
                    insert_by_time(waiting, (time, value), |(time, _)| *time);
                }
                join.keys.due_behind(number, time);
                return;
            }
            let number = join.keys.find(hash, &key);
            let kept = number.and_then(|number| join.keys.get_mut(number));
            let version = kept.and_then(|(_, _, (versions, _))| versions.at(time, as_of.ttl));
            let result = pairing.pair(&key, Some(&value), version);
            put(port, hash, &key, result, time);
        },
    )
}

fn take_versions<K: Key, L: State, R: State, P: Pairing<K, L, R>>(
    join: &mut KeyedJoin<K, L, R, Versioned<P>>,
    batch: &mut AnyBatch,
    out: &mut Outbox,
) -> Result<()> {
    let ttl = join.matching.as_of.ttl;
    join.take_each(
        batch,
        out,
        |join, Record { time, value }| {
            let number = join.keys.find(value.hash, &value.key);
            let kept = number.and_then(|number| join.keys.get_mut(number));
            let none = Versions::<R>::default();
            let versions = kept.map_or(&none, |(_, _, (versions, _))| versions);
            versions.are_past(*time, join.watermark, ttl)
        },
        Either::<L, R>::Right,
        |join, _, record: Record<Keyed<K, R>>| {
            let Keyed { hash, key, value } = record.value;
            let number = join.keys.place(hash, key);
            let Some((_, _, (versions, _))) = join.keys.get_mut(number) else {
                return;
            };
            versions.insert(record.time, value);
            versions.forget(join.watermark, ttl);
            if let Some(due) = versions.due(ttl) {
                join.keys.due_behind(number, due);
            }
        },
    )
}
