//! Windows that compute.

use std::marker::PhantomData;

use hashbrown::hash_table;
use millstream_engine::Result;
use millstream_engine::batch::{AnyBatch, Record};
use millstream_engine::key::Keyed;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{AnyPort, Outbox, Port, PortMaker};
use millstream_engine::plan::{MakeOperator, OperatorVertex, Route};
use millstream_engine::state::{StateKind, StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};

use crate::aggregate::Aggregate;
use crate::keyed::{Entry, Key, KeyedStream};
use crate::scope::Tail;
use crate::window::open::OpenWindows;
use crate::window::preaggregate::{self, Part};
use crate::window::{Pane, Window, WindowAssigner, WindowResult, WindowedStream, check};

/// The keyed stream of what windows come to.
pub type WindowResults<K, V> = KeyedStream<K, WindowResult<K, V>>;

impl<K: Key, T: Send + 'static> WindowedStream<K, T> {
    /// Computes one result for each key and window.
    ///
    /// Late records are counted; [`aggregate_with_late`](Self::aggregate_with_late) gives them as well.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("trades", from_iter([(0, 5.0), (30, 7.0), (70, 6.0)]))
    ///     .event_time(|(at, _)| Timestamp::from_secs(*at), Lateness::none())
    ///     .key_by(|_| "all".to_owned())
    ///     .window(Tumbling::of(minutes(1)))
    ///     .aggregate("per-minute", (count(), max(|(_, price): &(i64, f64)| *price)))
    ///     .values()
    ///     .map(|minute| (minute.window.start.as_millis(), minute.value))
    ///     .sink("minutes", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [(0, (2, 7.0)), (60_000, (1, 6.0))]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn aggregate<A: Aggregate<T>>(self, name: &str, aggregate: A) -> WindowResults<K, A::Out> {
        KeyedStream::keyed(self.into_tail(name, aggregate, false))
    }

    /// Like [`aggregate`](Self::aggregate), with the late records as a stream of its own.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// let (counts, late) = flow
    ///     .source("times", from_iter([5, 20, 3]))
    ///     .event_time(|at| Timestamp::from_secs(*at), Lateness::bounded(minutes(1)))
    ///     .key_by(|_| ())
    ///     .window(Tumbling::of(seconds(10)))
    ///     .aggregate_with_late("counts", count());
    /// late.values().inspect(|at| eprintln!("{at} came too late")).discard();
    /// counts.map(|_, result| result.value).sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [2, 1]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn aggregate_with_late<A: Aggregate<T>>(
        self,
        name: &str,
        aggregate: A,
    ) -> (WindowResults<K, A::Out>, KeyedStream<K, T>) {
        let results = self.into_tail(name, aggregate, true);
        let mut late = results.clone();
        for (output, _) in &mut late.from {
            *output = output.vertex.output(LATE);
        }
        (KeyedStream::keyed(results), KeyedStream::keyed(late))
    }

    fn into_tail<A: Aggregate<T>>(self, name: &str, aggregate: A, gives_late: bool) -> Tail {
        let WindowedStream {
            stream,
            windows,
            preaggregated,
        } = self;
        check(&stream.tail, name, &windows);
        let pays = || preaggregate::pays::<A::State>(&stream.tail);
        let preaggregated = !gives_late && preaggregated.unwrap_or_else(pays);
        let mut tail = stream.tail;
        if preaggregated {
            tail = preaggregate::preaggregate::<K, T, A>(tail, windows, &aggregate);
        }
        let make: MakeOperator = Box::new(move |_| {
            Box::new(WindowAggregate::<K, T, A> {
                open: OpenWindows::new(windows),
                aggregate: aggregate.clone(),
                gives_late,
                preaggregated,
                of: PhantomData,
            })
        });
        let mut vertex = OperatorVertex::named(name, "window", make)
            .with_port(PortMaker::moving::<Keyed<K, WindowResult<K, A::Out>>>())
            .with_state(StateKind::of::<(K, A::State)>(&windows.kind(), 1))
            .with_beat(windows.beat());
        if gives_late {
            vertex = vertex.with_port(PortMaker::moving::<Keyed<K, T>>());
        }
        tail.routed(Route::ByKey).through(vertex)
    }
}

/// The output of late records.
const LATE: usize = 1;

struct WindowAggregate<K, T, A: Aggregate<T>> {
    open: OpenWindows<K, A::State>,
    aggregate: A,
    gives_late: bool,
    /// Whether parts come in, and not plain records.
    preaggregated: bool,
    of: PhantomData<fn(T)>,
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
                    pane: Pane::OnTime,
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
