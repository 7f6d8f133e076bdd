//! Windows that slide and speak once, when the watermark passes their end.

use std::marker::PhantomData;

use millstream_engine::Result;
use millstream_engine::batch::AnyBatch;
use millstream_engine::key::Keyed;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{AnyPort, Outbox, Port};
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};
use millstream_engine::why::{Explanation, Until, Wait};

use crate::aggregate::Aggregate;
use crate::keyed::Key;
use crate::late::{put_late, set_aside};
use crate::reached;
use crate::window::sliced::fold::{Fold, Slices};
use crate::window::sliced::live::{LiveSlices, Place};
use crate::window::{Pane, Sliding, WindowResult};

pub(super) struct SlicedAggregate<K, T, A: Aggregate<T>, F> {
    live: LiveSlices<K, A::State, F>,
    aggregate: A,
    gives_late: bool,
    /// Windows that end here or before are closed.
    closed: Timestamp,
    of: PhantomData<fn(T)>,
}

impl<K: Key, T: Send + 'static, A: Aggregate<T>, F: Fold<T, A>> SlicedAggregate<K, T, A, F> {
    pub(super) fn new(windows: Sliding, aggregate: A, gives_late: bool) -> Self {
        SlicedAggregate {
            live: LiveSlices::new(windows),
            aggregate,
            gives_late,
            closed: Timestamp::MIN,
            of: PhantomData,
        }
    }

    /// Closes all windows that end at `watermark` or before, in their order.
    fn fire(&mut self, watermark: Timestamp, out: &mut Outbox) -> Result<Step> {
        self.closed = self.closed.max(watermark);
        self.live.come_to(self.closed);
        while let Some(sliced) = self.live.round() {
            let (window, time) = (sliced.window, sliced.window.last());
            let (arrival, mut given) = (self.live.arrival(&sliced), 0);
            let aggregate = &self.aggregate;
            let port: &mut Port<Keyed<K, WindowResult<K, A::Out>>> = out.port(0)?;
            let step = self.live.visit(&sliced, aggregate, |entry, total| {
                let value = WindowResult {
                    key: entry.key.clone(),
                    window,
                    pane: Pane::ONLY,
                    value: aggregate.finish(total),
                };
                let (hash, key) = (entry.hash, entry.key.clone());
                port.push_keyed(hash, Keyed { hash, key, value }, time);
                given += 1;
                !port.is_full()
            });
            if let Some(arrival) = arrival {
                out.note_held(arrival, given);
            }
            if step == Step::More {
                return Ok(Step::More);
            }
            self.live.end_round();
        }
        Ok(Step::Done)
    }
}

impl<K: Key, T: Send + 'static, A: Aggregate<T>, F: Fold<T, A>> Operator
    for SlicedAggregate<K, T, A, F>
{
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let (arrival, mut late) = (batch.arrival(), Vec::new());
        let mut records = batch.of::<Keyed<K, T>>()?.records.drain(..);
        while !records.as_slice().is_empty() {
            let guesses = self.live.prefetch(records.as_slice());
            for (guess, record) in guesses.into_iter().zip(records.by_ref()) {
                match self.live.place_of(record.time, arrival) {
                    Place::Open(index) => {
                        let Keyed { hash, key, value } = record.value;
                        (self.live).add(guess, hash, key, index, &value, &self.aggregate)?;
                    }
                    Place::Ended(_) => set_aside(&mut late, record),
                    Place::Gap => {}
                }
            }
        }
        put_late(late, self.gives_late, out)
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        self.fire(watermark.time, out)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.fire(Timestamp::MAX, out)
    }

    fn explain(&self, why: &mut Explanation) {
        if let Some(window) = self.live.next_window() {
            why.waits(Wait::new(window.told(), Until::Watermark(window.end)));
        }
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        reached::save(state, self.closed)?;
        self.live.save(|due, entry| {
            let (slices, fold, ()) = entry.state.settled();
            state.put(entry.hash, &(due, &entry.key, slices, fold))
        })
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.closed = reached::restored(state)?;
        self.live.come_to(self.closed);
        for value in state.values::<(i64, K, Slices<A::State>, F)>() {
            let (due, key, slices, fold) = value?;
            self.live.restore(due, key, slices, fold)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
