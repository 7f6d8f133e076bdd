//! How an interval join matches records.

use millstream_engine::Result;
use millstream_engine::batch::{AnyBatch, Record};
use millstream_engine::key::Keyed;
use millstream_engine::operator::Step;
use millstream_engine::outbox::Outbox;
use millstream_engine::state::State;
use millstream_engine::time::Timestamp;

use super::bounds::Interval;
use super::side::{Kept, Side};
use crate::join::keyed::{KeyedJoin, Matching, put};
use crate::join::pairing::Pairing;
use crate::keyed::Key;
use crate::stream::Either;

/// Pairs are given when their second record comes; a record is forgotten when the watermark rules out another partner.
pub(super) struct Near<P> {
    pub(super) interval: Interval,
    pub(super) pairing: P,
}

/// What a key has on both sides.
type Sides<L, R> = (Side<L>, Side<R>);

/// How many buckets of deadlines the interval is cut into: few are open at once, and each holds a small part of the keys.
const BUCKETS: i64 = 64;

impl<K: Key, L: State, R: State, P: Pairing<K, L, R>> Matching<K, L, R> for Near<P> {
    type Kept = Sides<L, R>;
    type Out = P::Out;
    const WHAT_WAITS: &'static str = "the record that has no partner yet";

    fn bucket_micros(&self) -> i64 {
        self.interval.length() / BUCKETS
    }

    fn take(
        join: &mut KeyedJoin<K, L, R, Self>,
        input: usize,
        batch: &mut AnyBatch,
        out: &mut Outbox,
    ) -> Result<()> {
        match input {
            0 => take(
                join,
                batch,
                out,
                Interval::of_left,
                |(left, right)| (left, right),
                |pairing, key, left, right| pairing.pair(key, Some(left), Some(right)),
                Either::Left,
            ),
            _ => take(
                join,
                batch,
                out,
                Interval::of_right,
                |(left, right)| (right, left),
                |pairing, key, right, left| pairing.pair(key, Some(left), Some(right)),
                Either::Right,
            ),
        }
    }

    fn settle(
        &self,
        key: &K,
        (left, right): &mut Sides<L, R>,
        until: Option<Timestamp>,
        put: &mut impl FnMut(Option<P::Out>, Timestamp) -> Step,
    ) {
        let Near { interval, pairing } = self;
        let last_of = |time| interval.of_left(time).1;
        let step = left.forget(until, last_of, |left, time| match P::LEFT {
            true => put(pairing.pair(key, Some(left), None), time),
            false => Step::Done,
        });
        if step == Step::More {
            return;
        }
        let last_of = |time| interval.of_right(time).1;
        right.forget(until, last_of, |right, time| match P::RIGHT {
            true => put(pairing.pair(key, None, Some(right)), time),
            false => Step::Done,
        });
    }

    fn due(&self, (left, right): &Sides<L, R>) -> Option<Timestamp> {
        let left = left.first().map(|first| self.interval.of_left(first.time));
        let right = right
            .first()
            .map(|first| self.interval.of_right(first.time));
        left.into_iter().chain(right).map(|(_, last)| last).min()
    }

    fn waits(&self) -> bool {
        P::LEFT || P::RIGHT
    }

    fn first_waits(&self, (left, right): &Sides<L, R>) -> Option<Timestamp> {
        let left = left.first_alone().filter(|_| P::LEFT);
        let right = right.first_alone().filter(|_| P::RIGHT);
        let left = left.map(|time| self.interval.of_left(time));
        let right = right.map(|time| self.interval.of_right(time));
        left.into_iter().chain(right).map(|(_, last)| last).min()
    }

    fn is_empty((left, right): &Sides<L, R>) -> bool {
        left.first().is_none() && right.first().is_none()
    }
}

/// Takes the records of one side in, and pairs them with what is there of the other.
fn take<K: Key, L: State, R: State, P: Pairing<K, L, R>, T: Send + 'static, O>(
    join: &mut KeyedJoin<K, L, R, Near<P>>,
    batch: &mut AnyBatch,
    out: &mut Outbox,
    partners_of: impl Fn(Interval, Timestamp) -> (Timestamp, Timestamp),
    sides_of: impl Fn(&mut Sides<L, R>) -> (&mut Side<T>, &mut Side<O>),
    pair: impl Fn(&P, &K, &T, &O) -> Option<P::Out>,
    late_of: impl Fn(T) -> Either<L, R>,
) -> Result<()> {
    join.take_each(
        batch,
        out,
        |_, _| true,
        late_of,
        |join, port, record: Record<Keyed<K, T>>| {
            let Near { interval, pairing } = &join.matching;
            let Keyed { hash, key, value } = record.value;
            let (first, last) = partners_of(*interval, record.time);
            let number = join.keys.place(hash, key);
            let Some((_, key, sides)) = join.keys.get_mut(number) else {
                return;
            };
            let (own, other) = sides_of(sides);
            let mut matched = false;
            for partner in other.between(first, last) {
                (matched, partner.matched) = (true, true);
                let result = pair(pairing, key, &value, &partner.value);
                put(port, hash, key, result, record.time.max(partner.time));
            }
            own.insert(Kept {
                time: record.time,
                matched,
                value,
            });
            join.keys.due_behind(number, last);
        },
    )
}
