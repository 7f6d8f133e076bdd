//! Tumbling windows of event time that speak once, when the watermark passes their end.
//!
//! Most windows are such, so they have an operator of their own: no window is looked up twice in a row, and a
//! state is all that is kept of a key.

use std::marker::PhantomData;

use hashbrown::hash_table;
use millstream_engine::Result;
use millstream_engine::batch::{AnyBatch, Record};
use millstream_engine::key::Keyed;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{AnyPort, Outbox, Port};
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};
use millstream_engine::why::Explanation;

use crate::aggregate::Aggregate;
use crate::keyed::{Entry, Key};
use crate::window::open::OpenWindows;
use crate::window::preaggregate::Part;
use crate::window::{LATE, Pane, Tumbling, Window, WindowResult};

pub(super) struct WindowAggregate<K, T, A: Aggregate<T>> {
    open: OpenWindows<K, A::State>,
    aggregate: A,
    gives_late: bool,
    /// Whether parts come in, and not plain records.
    preaggregated: bool,
    of: PhantomData<fn(T)>,
}

impl<K: Key, T: Send + 'static, A: Aggregate<T>> WindowAggregate<K, T, A> {
    pub(super) fn new(windows: Tumbling, aggregate: A, gives_late: bool) -> Self {
        WindowAggregate {
            open: OpenWindows::new(windows),
            aggregate,
            gives_late,
            preaggregated: false,
            of: PhantomData,
        }
    }

    /// For what was [aggregated before the shuffle](super::preaggregate).
    pub(super) fn of_parts(windows: Tumbling, aggregate: A) -> Self {
        WindowAggregate {
            preaggregated: true,
            ..Self::new(windows, aggregate, false)
        }
    }
}

impl<K: Key, T: Send + 'static, A: Aggregate<T>> Operator for WindowAggregate<K, T, A> {
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        self.open.begin(batch.arrival());
        if self.preaggregated {
            let parts = batch.of::<Keyed<K, Part<T, A::State>>>()?;
            let mut parts = parts.records.drain(..);
            return parts.try_for_each(|record| self.bring_in(record.value, record.time, out));
        }
        let mut records = batch.of::<Keyed<K, T>>()?.records.drain(..);
        records.try_for_each(|Record { value, time }| {
            let Keyed { hash, key, value } = value;
            let value = Part::Record(value);
            self.bring_in(Keyed { hash, key, value }, time, out)
        })
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
    #[inline]
    fn bring_in(
        &mut self,
        part: Keyed<K, Part<T, A::State>>,
        time: Timestamp,
        out: &mut Outbox,
    ) -> Result<()> {
        let Keyed { hash, key, value } = part;
        let Some(table) = self.open.table(time) else {
            return self.too_late(Keyed { hash, key, value }, time, out);
        };
        let aggregate = &self.aggregate;
        match (table.place(hash, &key), value) {
            (hash_table::Entry::Occupied(mut entry), Part::Record(value)) => {
                aggregate.add(&mut entry.get_mut().state, &value);
            }
            (hash_table::Entry::Occupied(mut entry), Part::State(state, _)) => {
                aggregate.merge(&mut entry.get_mut().state, state);
            }
            (hash_table::Entry::Vacant(place), value) => {
                let state = match value {
                    Part::Record(value) => aggregate.init(&value),
                    Part::State(state, _) => state,
                };
                place.insert(Entry { hash, key, state });
            }
        }
        Ok(())
    }

    #[cold]
    fn too_late(
        &self,
        part: Keyed<K, Part<T, A::State>>,
        time: Timestamp,
        out: &mut Outbox,
    ) -> Result<()> {
        let Keyed { hash, key, value } = part;
        match value {
            Part::State(_, records) => out.count_late(records.into()),
            Part::Record(value) => {
                out.count_late(1);
                if self.gives_late {
                    let late = Keyed { hash, key, value };
                    out.port(LATE)?.push_keyed(hash, late, time);
                }
            }
        }
        Ok(())
    }

    fn fire(&mut self, watermark: Timestamp, out: &mut Outbox) -> Result<Step> {
        let port: &mut Port<Keyed<K, WindowResult<K, A::Out>>> = out.port(0)?;
        let aggregate = &self.aggregate;
        let step = self.open.fire(watermark, |window: Window, entries| {
            while let Some(Entry { hash, key, state }) = entries.pop() {
                let value = WindowResult {
                    key: key.clone(),
                    window,
                    pane: Pane::ONLY,
                    value: aggregate.finish(state),
                };
                port.push_keyed(hash, Keyed { hash, key, value }, window.last());
                if port.is_full() {
                    return Ok(Step::More);
                }
            }
            Ok(Step::Done)
        })?;
        self.open.note_held(out);
        Ok(step)
    }
}

#[cfg(test)]
mod tests;
