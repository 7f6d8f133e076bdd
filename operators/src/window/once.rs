//! Tumbling windows of event time (and the slices of sliding ones) that speak once, when the watermark passes their end.
//!
//! Most windows are such, so they have an operator of their own: no window is looked up twice in a row, and a
//! state is all that is kept of a key.

use std::marker::PhantomData;

use hashbrown::hash_table;
use millstream_engine::Result;
use millstream_engine::batch::AnyBatch;
use millstream_engine::key::Keyed;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{AnyPort, Outbox, Port};
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};
use millstream_engine::why::Explanation;

use crate::aggregate::Aggregate;
use crate::keyed::{Entry, Key};
use crate::late::{put_late, set_aside};
use crate::window::open::{OpenWindows, Spans};
use crate::window::{Pane, Window, WindowResult};

pub(super) struct WindowAggregate<K, T, A: Aggregate<T>> {
    pub(super) open: OpenWindows<K, A::State>,
    aggregate: A,
    gives_late: bool,
    of: PhantomData<fn(T)>,
}

impl<K: Key, T: Send + 'static, A: Aggregate<T>> WindowAggregate<K, T, A> {
    pub(super) fn new(windows: Spans, aggregate: A, gives_late: bool) -> Self {
        WindowAggregate {
            open: OpenWindows::new(windows),
            aggregate,
            gives_late,
            of: PhantomData,
        }
    }
}

impl<K: Key, T: Send + 'static, A: Aggregate<T>> Operator for WindowAggregate<K, T, A> {
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let mut late = Vec::new();
        self.open.begin(batch.arrival());
        let mut records = batch.of::<Keyed<K, T>>()?.records.drain(..);
        while !records.as_slice().is_empty() {
            let guesses = self.open.prefetch(records.as_slice());
            for (guess, record) in guesses.into_iter().zip(records.by_ref()) {
                let Some(table) = self.open.table(record.time) else {
                    set_aside(&mut late, record);
                    continue;
                };
                let Keyed { hash, key, value } = record.value;
                if let Some(state) = table.guessed(guess, hash, &key) {
                    self.aggregate.add(state, &value);
                    continue;
                }
                match table.place(hash, &key) {
                    hash_table::Entry::Occupied(mut entry) => {
                        self.aggregate.add(&mut entry.get_mut().state, &value);
                    }
                    hash_table::Entry::Vacant(place) => {
                        let state = self.aggregate.init(&value);
                        place.insert(Entry { hash, key, state });
                    }
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
        self.open.explain(why);
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        self.open.save(state)
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.open.restore(state)
    }
}

impl<K: Key, T: Send + 'static, A: Aggregate<T>> WindowAggregate<K, T, A> {
    fn fire(&mut self, watermark: Timestamp, out: &mut Outbox) -> Result<Step> {
        let aggregate = &self.aggregate;
        let result = |key: &K, window, state| WindowResult {
            key: key.clone(),
            window,
            pane: Pane::ONLY,
            value: aggregate.finish(state),
        };
        let step = self.open.fire(watermark, each_as(out.port(0)?, result))?;
        self.open.note_held(out);
        Ok(step)
    }
}

/// Gives each entry of a window as what `say` makes of it, as long as there is room.
pub(super) fn each_as<K: Key, S, V: Send + 'static>(
    port: &mut Port<Keyed<K, V>>,
    say: impl Fn(&K, Window, S) -> V,
) -> impl FnMut(Window, &mut Vec<Entry<K, S>>) -> Result<Step> {
    move |window, entries| {
        while let Some(Entry { hash, key, state }) = entries.pop() {
            let value = say(&key, window, state);
            port.push_keyed(hash, Keyed { hash, key, value }, window.last());
            if port.is_full() {
                return Ok(Step::More);
            }
        }
        Ok(Step::Done)
    }
}

#[cfg(test)]
mod tests;
