//! The operator of windows by count.

use std::marker::PhantomData;

use hashbrown::hash_table;
use millstream_engine::Result;
use millstream_engine::batch::AnyBatch;
use millstream_engine::key::{KeyHash, Keyed};
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{AnyPort, Outbox};
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};
use millstream_engine::why::{Explanation, Until, Wait};

use super::Counts;
use super::begun::{Begun, Results};
use super::expiry::ExpiryQueue;
use crate::aggregate::Aggregate;
use crate::keyed::{Entry, Key, KeyTable};
use crate::process::{Clocks, Ttl};
use crate::reached;
use crate::window::Timing;

pub(super) struct CountWindows<K, T, A: Aggregate<T>> {
    counts: Counts,
    ttl: Ttl,
    aggregate: A,
    table: KeyTable<K, Begun<A::State>>,
    /// All keys of the table, if they expire.
    queue: ExpiryQueue<K>,
    /// At the end: the keys whose windows are still to be given.
    ending: Option<Vec<Entry<K, Begun<A::State>>>>,
    watermark: Timestamp,
    of: PhantomData<fn(T)>,
}

impl<K: Key, T, A: Aggregate<T, State: Clone>> CountWindows<K, T, A> {
    pub(super) fn new(counts: Counts, ttl: Ttl, aggregate: A) -> Self {
        CountWindows {
            counts,
            ttl,
            aggregate,
            table: KeyTable::new(),
            queue: ExpiryQueue::new(),
            ending: None,
            watermark: Timestamp::MIN,
            of: PhantomData,
        }
    }

    /// Gives what the windows of keys have that have expired, as far as there is room.
    fn forget_expired(&mut self, out: &mut Outbox) -> Result<Step> {
        let (ttl, counts, aggregate) = (self.ttl, self.counts, &self.aggregate);
        let clocks = Clocks {
            event_time: self.watermark,
            processing_time: out.processing_time(),
        };
        let port: &mut Results<K, A::Out> = out.port(0)?;
        while let Some((hash, key)) = self.queue.pop(|at| !ttl.is_live(at, &clocks)) {
            let hash_table::Entry::Occupied(mut entry) = self.table.place(hash, &key) else {
                continue;
            };
            let begun = &mut entry.get_mut().state;
            if ttl.is_live(begun.expiry, &clocks) {
                begun.queued = Some(begun.expiry);
                self.queue.push(begun.expiry, hash, key);
                continue;
            }
            let (Entry { state, .. }, _) = entry.remove();
            for whole in state.rest(counts, aggregate) {
                whole.push_early(hash, key.clone(), self.watermark, aggregate, port);
            }
            if port.is_full() {
                return Ok(Step::More);
            }
        }
        Ok(Step::Done)
    }
}

impl<K: Key, T: Send + 'static, A: Aggregate<T, State: Clone>> Operator for CountWindows<K, T, A> {
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let processing_time = out.processing_time();
        let port: &mut Results<K, A::Out> = out.port(0)?;
        let (counts, aggregate, arrival) = (self.counts, &self.aggregate, batch.arrival());
        let (ttl, watermark) = (self.ttl, self.watermark);
        let (mut oldest, mut results) = (arrival, 0);
        for record in batch.of::<Keyed<K, T>>()?.records.drain(..) {
            let Keyed { hash, key, value } = record.value;
            let mut entry = match self.table.place(hash, &key) {
                hash_table::Entry::Occupied(entry) => entry,
                hash_table::Entry::Vacant(place) => {
                    let key = key.clone();
                    let state = Begun::new();
                    place.insert(Entry { hash, key, state })
                }
            };
            let begun = &mut entry.get_mut().state;
            if !ttl.is_for_ever() {
                let clocks = Clocks {
                    event_time: record.time.max(watermark),
                    processing_time,
                };
                if begun.queued.is_some() && !ttl.is_live(begun.expiry, &clocks) {
                    for whole in begun.begin_anew().rest(counts, aggregate) {
                        whole.push_early(hash, key.clone(), watermark, aggregate, port);
                    }
                }
                begun.expiry = ttl.renewed(begun.expiry, &clocks);
                if begun.queued.is_none() {
                    begun.queued = Some(begun.expiry);
                    self.queue.push(begun.expiry, hash, key.clone());
                }
            }
            begun.arrival.get_or_insert(arrival);
            if !begun.add(counts, aggregate, &value, record.time) {
                continue;
            }
            oldest = begun.arrival.take().map_or(oldest, |held| held.min(oldest));
            results += 1;
            if let Some(whole) = begun.slide(counts, aggregate) {
                let result = whole.result(key.clone(), Timing::OnTime, aggregate);
                let time = result.window.last();
                let value = result;
                port.push_keyed(hash, Keyed { hash, key, value }, time);
            }
            if begun.is_fresh() {
                let (Entry { key, state, .. }, _) = entry.remove();
                if let Some(queued) = state.queued {
                    self.queue.remove(queued, hash, &key);
                }
            }
        }
        if results > 0 {
            out.note_held(oldest, results);
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        self.watermark = watermark.time;
        match self.ttl.is_by_processing_time() {
            true => Ok(Step::Done),
            false => self.forget_expired(out),
        }
    }

    fn next_timer(&self) -> Option<Timestamp> {
        let first = self.queue.first();
        first.filter(|_| self.ttl.is_by_processing_time())
    }

    fn on_timer(&mut self, out: &mut Outbox) -> Result<Step> {
        self.forget_expired(out)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        let port: &mut Results<K, A::Out> = out.port(0)?;
        self.queue.clear();
        let table = &mut self.table;
        let ending = self.ending.get_or_insert_with(|| table.drain().collect());
        while let Some(Entry { hash, key, state }) = ending.pop() {
            for whole in state.rest(self.counts, &self.aggregate) {
                whole.push_early(hash, key.clone(), self.watermark, &self.aggregate, port);
            }
            if port.is_full() {
                return Ok(Step::More);
            }
        }
        Ok(Step::Done)
    }

    fn explain(&self, why: &mut Explanation) {
        let (size, keys) = (self.counts.size, self.table.len());
        if keys > 0 {
            let what = format!("the window of {size} records of a key");
            why.waits(Wait::new(what, Until::Records).first_of(keys));
        }
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        reached::save(state, self.watermark)?;
        for entry in self.table.iter().chain(self.ending.iter().flatten()) {
            state.put(entry.hash, &(&entry.key, &entry.state))?;
        }
        Ok(())
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.watermark = reached::restored(state)?;
        for value in state.values::<(K, Begun<A::State>)>() {
            let (key, mut state) = value?;
            let hash = KeyHash::of(&key);
            if !self.ttl.is_for_ever() {
                state.queued = Some(state.expiry);
                self.queue.push(state.expiry, hash, key.clone());
            }
            self.table.insert(Entry { hash, key, state });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
