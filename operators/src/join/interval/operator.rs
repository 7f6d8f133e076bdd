//! The operator of an interval join.

use millstream_engine::Result;
use millstream_engine::batch::AnyBatch;
use millstream_engine::key::{KeyHash, Keyed};
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{AnyPort, Outbox, Port};
use millstream_engine::state::{State, StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};

use super::bounds::Interval;
use super::side::{Kept, Side};
use crate::join::pairing::Pairing;
use crate::join::slots::{Slot, Slots};
use crate::keyed::Key;

/// Pairs are given when their second record comes; a record is forgotten when the watermark rules out another partner.
pub(super) struct IntervalJoin<K, L, R, P> {
    slots: Slots<K, Sides<L, R>>,
    interval: Interval,
    pairing: P,
    watermark: Timestamp,
}

/// What a key has on both sides.
struct Sides<L, R> {
    left: Side<L>,
    right: Side<R>,
}

impl<L, R> Default for Sides<L, R> {
    fn default() -> Self {
        Sides {
            left: Side::default(),
            right: Side::default(),
        }
    }
}

/// How many buckets of deadlines the interval is cut into: few are open at once, and each holds a small part of the keys.
const BUCKETS: i64 = 64;
/// The piece of saved state that says how far time had come.
const WATERMARK: &str = "watermark";

impl<K: Key, L: State, R: State, P: Pairing<K, L, R>> IntervalJoin<K, L, R, P> {
    pub(super) fn new(interval: Interval, pairing: P) -> Self {
        IntervalJoin {
            slots: Slots::new(interval.length() / BUCKETS),
            interval,
            pairing,
            watermark: Timestamp::MIN,
        }
    }

    /// How many keys are kept.
    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        self.slots.len()
    }

    /// Takes the records of one side in, and pairs them with what is there of the other.
    fn take<T: Send + 'static, O>(
        &mut self,
        batch: &mut AnyBatch,
        out: &mut Outbox,
        partners_of: impl Fn(Interval, Timestamp) -> (Timestamp, Timestamp),
        sides_of: impl Fn(&mut Sides<L, R>) -> (&mut Side<T>, &mut Side<O>),
        pair: impl Fn(&P, &K, &T, &O) -> Option<P::Out>,
    ) -> Result<()> {
        let port: &mut Port<Keyed<K, P::Out>> = out.port(0)?;
        let mut late = 0;
        for record in batch.of::<Keyed<K, T>>()?.records.drain(..) {
            let Keyed { hash, key, value } = record.value;
            if record.time < self.watermark {
                late += 1;
                continue;
            }
            let (first, last) = partners_of(self.interval, record.time);
            let number = self.slots.place(hash, key);
            let Some(Slot { key, state, .. }) = self.slots.get_mut(number) else {
                continue;
            };
            let (own, other) = sides_of(state);
            let mut matched = false;
            for partner in other.between(first, last) {
                (matched, partner.matched) = (true, true);
                let result = pair(&self.pairing, key, &value, &partner.value);
                put(port, hash, key, result, record.time.max(partner.time));
            }
            own.insert(Kept {
                time: record.time,
                matched,
                value,
            });
            self.slots.visit_behind(number, last);
        }
        out.count_late(late);
        Ok(())
    }

    /// Forgets what time has passed, or all if the inputs have ended, and gives what stayed alone.
    fn forget(&mut self, until: Option<Timestamp>, out: &mut Outbox) -> Result<Step> {
        let port: &mut Port<Keyed<K, P::Out>> = out.port(0)?;
        let (interval, pairing) = (self.interval, &self.pairing);
        while let Some(number) = match until {
            Some(watermark) => self.slots.next_visit(watermark),
            None => self.slots.any(),
        } {
            let Some(slot) = self.slots.get_mut(number) else {
                continue;
            };
            let (hash, key, sides) = (slot.hash, &slot.key, &mut slot.state);
            let mut alone = |result: Option<P::Out>, time: Timestamp| {
                put(port, hash, key, result, time);
                port.is_full()
            };
            let last_of = |time| interval.of_left(time).1;
            let left = sides.left.forget(until, last_of, |left, time| {
                P::LEFT && alone(pairing.pair(key, Some(left), None), time)
            });
            let last_of = |time| interval.of_right(time).1;
            let right = sides.right.forget(until, last_of, |right, time| {
                P::RIGHT && alone(pairing.pair(key, None, Some(right)), time)
            });
            if left.is_none() && right.is_none() {
                self.slots.remove(number);
            }
            for next in left.into_iter().chain(right) {
                self.slots.visit_behind(number, next);
            }
            if port.is_full() {
                return Ok(Step::More);
            }
        }
        Ok(Step::Done)
    }
}

#[inline]
fn put<K: Key, U: Send + 'static>(
    port: &mut Port<Keyed<K, U>>,
    hash: KeyHash,
    key: &K,
    value: Option<U>,
    time: Timestamp,
) {
    if let Some(value) = value {
        let key = key.clone();
        port.push_keyed(hash, Keyed { hash, key, value }, time);
    }
}

impl<K, L, R, P> Operator for IntervalJoin<K, L, R, P>
where
    K: Key,
    L: State,
    R: State,
    P: Pairing<K, L, R>,
{
    fn on_batch(&mut self, input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        match input {
            0 => self.take(
                batch,
                out,
                Interval::of_left,
                |sides| (&mut sides.left, &mut sides.right),
                |pairing, key, left, right| pairing.pair(key, Some(left), Some(right)),
            ),
            _ => self.take(
                batch,
                out,
                Interval::of_right,
                |sides| (&mut sides.right, &mut sides.left),
                |pairing, key, right, left| pairing.pair(key, Some(left), Some(right)),
            ),
        }
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        self.watermark = self.watermark.max(watermark.time);
        self.forget(Some(watermark.time), out)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.forget(None, out)
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        state.put_piece(WATERMARK, &self.watermark)?;
        for Slot {
            hash,
            key,
            state: sides,
            ..
        } in self.slots.iter()
        {
            state.put(*hash, &(key, &sides.left, &sides.right))?;
        }
        Ok(())
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        let pieces = state.pieces::<Timestamp>().map(|piece| Ok(piece?.1));
        let watermarks: Vec<Timestamp> = pieces.collect::<Result<_>>()?;
        self.watermark = watermarks.into_iter().min().unwrap_or(Timestamp::MIN);
        for value in state.values::<(K, Side<L>, Side<R>)>() {
            let (key, left, right) = value?;
            let first = left
                .first()
                .map(|first| self.interval.of_left(first.time).1);
            let other = right
                .first()
                .map(|first| self.interval.of_right(first.time).1);
            let number = self
                .slots
                .insert(KeyHash::of(&key), key, Sides { left, right });
            for last in first.into_iter().chain(other) {
                self.slots.visit_behind(number, last);
            }
        }
        Ok(())
    }
}
