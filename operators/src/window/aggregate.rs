//! Windows that compute.

use std::marker::PhantomData;

use hashbrown::hash_table;
use millstream_engine::Result;
use millstream_engine::batch::AnyBatch;
use millstream_engine::key::Keyed;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{AnyPort, Outbox, Port, PortMaker};
use millstream_engine::plan::{MakeOperator, OperatorVertex, Route};
use millstream_engine::state::{StateKind, StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};
use millstream_engine::why::Explanation;

use crate::aggregate::Aggregate;
use crate::keyed::{Entry, Key, KeyedStream};
use crate::scope::Tail;
use crate::window::open::OpenWindows;
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
        let WindowedStream { stream, windows } = self;
        check(&stream.tail, name, &windows);
        let make: MakeOperator = Box::new(move |_| {
            Box::new(WindowAggregate::<K, T, A> {
                open: OpenWindows::new(windows),
                aggregate: aggregate.clone(),
                gives_late,
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
        stream.tail.routed(Route::ByKey).through(vertex)
    }
}

/// The output of late records.
const LATE: usize = 1;

struct WindowAggregate<K, T, A: Aggregate<T>> {
    open: OpenWindows<K, A::State>,
    aggregate: A,
    gives_late: bool,
    of: PhantomData<fn(T)>,
}

impl<K: Key, T: Send + 'static, A: Aggregate<T>> Operator for WindowAggregate<K, T, A> {
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let mut late = 0;
        self.open.begin(batch.arrival());
        for record in batch.of::<Keyed<K, T>>()?.records.drain(..) {
            let Keyed { hash, key, value } = record.value;
            let Some(table) = self.open.table(record.time) else {
                late += 1;
                if self.gives_late {
                    let keyed = Keyed { hash, key, value };
                    out.port(LATE)?.push_keyed(hash, keyed, record.time);
                }
                continue;
            };
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
        out.count_late(late);
        Ok(())
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
