//! How an interval join matches records.

use std::marker::PhantomData;

use millstream_engine::Result;
use millstream_engine::batch::AnyBatch;
use millstream_engine::key::Keyed;
use millstream_engine::operator::Step;
use millstream_engine::outbox::Outbox;
use millstream_engine::state::State;
use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::bounds::Interval;
use super::side::{Kept, Side};
use crate::join::due_keys::DueKeys;
use crate::join::keyed::{Matching, put};
use crate::join::late::put_late;
use crate::join::pairing::Pairing;
use crate::keyed::Key;
use crate::stream::Either;

/// Pairs are given when their second record comes; a record is forgotten when the watermark rules out another partner.
pub(super) struct Near<L, R, P> {
    pub(super) interval: Interval,
    pub(super) pairing: P,
    pub(super) gives_late: bool,
    pub(super) of: PhantomData<fn(L, R)>,
}

/// What a key has on both sides.
#[derive(Serialize, Deserialize)]
pub(super) struct Sides<L, R> {
    left: Side<L>,
    right: Side<R>,
}

/// How many buckets of deadlines the interval is cut into: few are open at once, and each holds a small part of the keys.
const BUCKETS: i64 = 64;

/// One of the sides, as its own records see it.
trait Hand<L, R> {
    type Own: Send + 'static;
    type Other;

    /// The first moment and the last at which a partner can be.
    fn partners(interval: Interval, time: Timestamp) -> (Timestamp, Timestamp);
    /// Its own records, and the others.
    fn sides(all: &mut Sides<L, R>) -> (&mut Side<Self::Own>, &mut Side<Self::Other>);
    /// A pair, the left one first.
    fn pair<'a>(own: &'a Self::Own, other: &'a Self::Other) -> (&'a L, &'a R);
    /// A late record.
    fn late(own: Self::Own) -> Either<L, R>;
}

struct LeftHand;
struct RightHand;

impl<L: State, R: State> Hand<L, R> for LeftHand {
    type Own = L;
    type Other = R;

    fn partners(interval: Interval, time: Timestamp) -> (Timestamp, Timestamp) {
        interval.of_left(time)
    }
    fn sides(all: &mut Sides<L, R>) -> (&mut Side<L>, &mut Side<R>) {
        (&mut all.left, &mut all.right)
    }
    fn pair<'a>(own: &'a L, other: &'a R) -> (&'a L, &'a R) {
        (own, other)
    }
    fn late(own: L) -> Either<L, R> {
        Either::Left(own)
    }
}

impl<L: State, R: State> Hand<L, R> for RightHand {
    type Own = R;
    type Other = L;

    fn partners(interval: Interval, time: Timestamp) -> (Timestamp, Timestamp) {
        interval.of_right(time)
    }
    fn sides(all: &mut Sides<L, R>) -> (&mut Side<R>, &mut Side<L>) {
        (&mut all.right, &mut all.left)
    }
    fn pair<'a>(own: &'a R, other: &'a L) -> (&'a L, &'a R) {
        (other, own)
    }
    fn late(own: R) -> Either<L, R> {
        Either::Right(own)
    }
}

impl<L: State, R: State, P> Near<L, R, P> {
    /// Takes the records of one side in, and pairs them with what is there of the other.
    fn take_side<K: Key, H: Hand<L, R>>(
        &self,
        batch: &mut AnyBatch,
        keys: &mut DueKeys<K, Sides<L, R>>,
        watermark: Timestamp,
        out: &mut Outbox,
    ) -> Result<()>
    where
        P: Pairing<K, L, R>,
    {
        let (port, mut late) = (out.port(0)?, Vec::new());
        for record in batch.of::<Keyed<K, H::Own>>()?.records.drain(..) {
            if record.time < watermark {
                late.push(record);
                continue;
            }
            let Keyed { hash, key, value } = record.value;
            let (first, last) = H::partners(self.interval, record.time);
            let number = keys.place(hash, key);
            let Some((_, key, sides)) = keys.get_mut(number) else {
                continue;
            };
            let (own, other) = H::sides(sides);
            let mut matched = false;
            for partner in other.between(first, last) {
                (matched, partner.matched) = (true, true);
                let (left, right) = H::pair(&value, &partner.value);
                let result = self.pairing.pair(key, Some(left), Some(right));
                put(port, hash, key, result, record.time.max(partner.time));
            }
            own.insert(Kept {
                time: record.time,
                matched,
                value,
            });
            keys.due_behind(number, last);
        }
        put_late(late, self.gives_late.then_some(H::late), out)
    }
}

impl<K: Key, L: State, R: State, P: Pairing<K, L, R>> Matching<K> for Near<L, R, P> {
    type Kept = Sides<L, R>;
    type Out = P::Out;
    const WHAT_WAITS: &'static str = "the first record that may still find a partner";

    fn bucket_micros(&self) -> i64 {
        self.interval.length() / BUCKETS
    }

    fn take(
        &self,
        input: usize,
        batch: &mut AnyBatch,
        keys: &mut DueKeys<K, Sides<L, R>>,
        watermark: Timestamp,
        out: &mut Outbox,
    ) -> Result<()> {
        match input {
            0 => self.take_side::<K, LeftHand>(batch, keys, watermark, out),
            _ => self.take_side::<K, RightHand>(batch, keys, watermark, out),
        }
    }

    fn settle(
        &self,
        key: &K,
        sides: &mut Sides<L, R>,
        until: Option<Timestamp>,
        put: &mut impl FnMut(Option<P::Out>, Timestamp) -> Step,
    ) {
        let (interval, pairing) = (self.interval, &self.pairing);
        let step = (sides.left).forget(
            until,
            |time| interval.of_left(time).1,
            |left, time| match P::LEFT {
                true => put(pairing.pair(key, Some(left), None), time),
                false => Step::Done,
            },
        );
        if step == Step::More {
            return;
        }
        sides.right.forget(
            until,
            |time| interval.of_right(time).1,
            |right, time| match P::RIGHT {
                true => put(pairing.pair(key, None, Some(right)), time),
                false => Step::Done,
            },
        );
    }

    fn due(&self, sides: &Sides<L, R>) -> Option<Timestamp> {
        let left = sides.left.first();
        let left = left.map(|first| self.interval.of_left(first.time).1);
        let right = sides.right.first();
        let right = right.map(|first| self.interval.of_right(first.time).1);
        left.into_iter().chain(right).min()
    }

    fn is_empty(sides: &Sides<L, R>) -> bool {
        sides.left.first().is_none() && sides.right.first().is_none()
    }

    fn waits(&self, sides: &Sides<L, R>) -> Option<Timestamp> {
        self.due(sides)
    }
}

impl<L, R, P: Clone> Clone for Near<L, R, P> {
    fn clone(&self) -> Self {
        Near {
            pairing: self.pairing.clone(),
            ..*self
        }
    }
}

impl<L, R> Default for Sides<L, R> {
    fn default() -> Self {
        Sides {
            left: Side::default(),
            right: Side::default(),
        }
    }
}
