//! The operator of an as-of join.

use std::collections::VecDeque;

use millstream_engine::Result;
use millstream_engine::batch::AnyBatch;
use millstream_engine::key::{KeyHash, Keyed};
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{AnyPort, Outbox, Port};
use millstream_engine::state::{State, StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};

use super::AsOf;
use super::versions::Versions;
use crate::join::pairing::Pairing;
use crate::join::slots::{Slot, Slots};
use crate::keyed::Key;

/// Answers records from the versions of their keys, at once or when the watermark has passed them.
pub(super) struct AsOfJoin<K, L, R, P> {
    slots: Slots<K, Held<L, R>>,
    as_of: AsOf,
    pairing: P,
    watermark: Timestamp,
}

/// What a key has.
struct Held<L, R> {
    versions: Versions<R>,
    /// Records that wait, by time; of equal times, in the order they came.
    waiting: VecDeque<(Timestamp, L)>,
}

impl<L, R> Default for Held<L, R> {
    fn default() -> Self {
        Held {
            versions: Versions::default(),
            waiting: VecDeque::new(),
        }
    }
}

/// Deadlines lie as far ahead as records come out of order, and as versions hold: a bucket each second is fine for both.
const BUCKET_MICROS: i64 = 1_000_000;
/// The piece of saved state that says how far time had come.
const WATERMARK: &str = "watermark";

impl<K: Key, L: State, R: State, P: Pairing<K, L, R>> AsOfJoin<K, L, R, P> {
    pub(super) fn new(as_of: AsOf, pairing: P) -> Self {
        AsOfJoin {
            slots: Slots::new(BUCKET_MICROS),
            as_of,
            pairing,
            watermark: Timestamp::MIN,
        }
    }

    /// How many versions are kept.
    #[cfg(test)]
    pub(super) fn versions(&self) -> usize {
        self.slots
            .iter()
            .map(|slot| slot.state.versions.len())
            .sum()
    }

    fn take_records(&mut self, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let port: &mut Port<Keyed<K, P::Out>> = out.port(0)?;
        let mut late = 0;
        for record in batch.of::<Keyed<K, L>>()?.records.drain(..) {
            let Keyed { hash, key, value } = record.value;
            if record.time < self.watermark {
                late += 1;
                continue;
            }
            if self.as_of.waits {
                let number = self.slots.place(hash, key);
                if let Some(Slot { state, .. }) = self.slots.get_mut(number) {
                    let waiting = &mut state.waiting;
                    let place = waiting.partition_point(|(time, _)| *time <= record.time);
                    waiting.insert(place, (record.time, value));
                }
                self.slots.visit_behind(number, record.time);
                continue;
            }
            let number = self.slots.find(hash, &key);
            let slot = number.and_then(|number| self.slots.get_mut(number));
            let version = slot.and_then(|slot| slot.state.versions.at(record.time, self.as_of.ttl));
            if let Some(value) = self.pairing.pair(&key, Some(&value), version) {
                port.push_keyed(hash, Keyed { hash, key, value }, record.time);
            }
        }
        out.count_late(late);
        Ok(())
    }

    fn take_versions(&mut self, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let (watermark, ttl) = (self.watermark, self.as_of.ttl);
        let mut late = 0;
        for record in batch.of::<Keyed<K, R>>()?.records.drain(..) {
            let Keyed { hash, key, value } = record.value;
            late += u64::from(record.time < watermark);
            let number = self.slots.place(hash, key);
            let Some(Slot { state, .. }) = self.slots.get_mut(number) else {
                continue;
            };
            state.versions.insert(record.time, value);
            match state.versions.forget(watermark, ttl) {
                Some(next) => self.slots.visit_behind(number, next),
                None if state.is_empty() => drop(self.slots.remove(number)),
                None => {}
            }
        }
        out.count_late(late);
        Ok(())
    }

    /// Answers what waits and forgets what holds no longer, as far as time has come; or all that waits, once the
    /// inputs have ended.
    fn catch_up(&mut self, until: Option<Timestamp>, out: &mut Outbox) -> Result<Step> {
        let port: &mut Port<Keyed<K, P::Out>> = out.port(0)?;
        let ttl = self.as_of.ttl;
        while let Some(number) = match until {
            Some(watermark) => self.slots.next_visit(watermark),
            None => self.slots.any(),
        } {
            let Some(slot) = self.slots.get_mut(number) else {
                continue;
            };
            let (hash, key, held) = (slot.hash, &slot.key, &mut slot.state);
            let mut next = None;
            while let Some((time, record)) = held.waiting.front() {
                if until.is_some_and(|watermark| *time >= watermark) || port.is_full() {
                    next = Some(*time);
                    break;
                }
                let version = held.versions.at(*time, ttl);
                if let Some(value) = self.pairing.pair(key, Some(record), version) {
                    let key = key.clone();
                    port.push_keyed(hash, Keyed { hash, key, value }, *time);
                }
                held.waiting.pop_front();
            }
            // What still waits, though time has passed it, must find its versions.
            let needed = next
                .unwrap_or(Timestamp::MAX)
                .min(until.unwrap_or(Timestamp::MAX));
            let versions = held.versions.forget(needed, ttl);
            let is_over = match until {
                Some(_) => held.is_empty(),
                None => held.waiting.is_empty(),
            };
            if is_over {
                self.slots.remove(number);
            }
            for next in next.into_iter().chain(versions) {
                self.slots.visit_behind(number, next);
            }
            if port.is_full() {
                return Ok(Step::More);
            }
        }
        Ok(Step::Done)
    }
}

impl<L, R> Held<L, R> {
    fn is_empty(&self) -> bool {
        self.versions.is_empty() && self.waiting.is_empty()
    }
}

impl<K, L, R, P> Operator for AsOfJoin<K, L, R, P>
where
    K: Key,
    L: State,
    R: State,
    P: Pairing<K, L, R>,
{
    fn on_batch(&mut self, input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        match input {
            0 => self.take_records(batch, out),
            _ => self.take_versions(batch, out),
        }
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        self.watermark = self.watermark.max(watermark.time);
        self.catch_up(Some(watermark.time), out)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.catch_up(None, out)
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        state.put_piece(WATERMARK, &self.watermark)?;
        for Slot {
            hash,
            key,
            state: held,
            ..
        } in self.slots.iter()
        {
            state.put(*hash, &(key, &held.versions, &held.waiting))?;
        }
        Ok(())
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        let pieces = state.pieces::<Timestamp>().map(|piece| Ok(piece?.1));
        let watermarks: Vec<Timestamp> = pieces.collect::<Result<_>>()?;
        self.watermark = watermarks.into_iter().min().unwrap_or(Timestamp::MIN);
        for value in state.values::<(K, Versions<R>, VecDeque<(Timestamp, L)>)>() {
            let (key, mut versions, waiting) = value?;
            let waits = waiting.front().map(|(time, _)| *time);
            // Nothing that is saved may go before it is asked for: a watermark may be in the middle of its answers.
            let forget = versions.forget(Timestamp::MIN, self.as_of.ttl);
            let number = self
                .slots
                .insert(KeyHash::of(&key), key, Held { versions, waiting });
            for next in waits.into_iter().chain(forget) {
                self.slots.visit_behind(number, next);
            }
        }
        Ok(())
    }
}
