//! Two keyed streams, joined window by window.

use hashbrown::hash_table;
use millstream_engine::Result;
use millstream_engine::batch::AnyBatch;
use millstream_engine::key::Keyed;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{AnyPort, Outbox, Port, PortMaker};
use millstream_engine::plan::{MakeOperator, OperatorVertex, Route};
use millstream_engine::state::{State, StateKind, StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};
use millstream_engine::why::Explanation;
use serde::{Deserialize, Serialize};

use crate::keyed::{Entry, Key, KeyedStream};
use crate::scope::Tail;
use crate::window::open::OpenWindows;
use crate::window::{Tumbling, WindowAssigner, check};

impl<K: Key, L: State> KeyedStream<K, L> {
    /// Joins two streams window by window: `f` makes a result of each pair with equal keys, when the watermark passes
    /// the end of their window. Its timestamp is the [last](crate::Window::last) moment of it.
    ///
    /// A record without a partner makes no result (an inner join). Late records are counted. The state is all
    /// records of the windows the watermark has not passed; `n` and `m` records of a key make `n × m` results.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// let timed = |name: &str, rows: [(&str, i64, f64); 2]| {
    ///     let rows = rows.map(|(airport, hour, value)| (airport.to_owned(), hour, value));
    ///     flow.source(name, from_iter(rows))
    ///         .event_time(|(_, hour, _)| Timestamp::from_secs(hour * 3600), Lateness::none())
    ///         .key_by(|(airport, ..)| airport.clone())
    /// };
    /// let delays = timed("delays", [("JFK", 0, 12.0), ("LGA", 1, 3.0)]);
    /// let rain = timed("rain", [("JFK", 0, 0.5), ("JFK", 1, 0.1)]);
    /// delays
    ///     .join("with-rain", rain, Tumbling::of(hours(1)), |airport, delay, rain| {
    ///         (airport.clone(), delay.2, rain.2)
    ///     })
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [("JFK".to_owned(), 12.0, 0.5)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn join<J, R, U, F>(
        self,
        name: &str,
        right: KeyedStream<J, R>,
        windows: Tumbling,
        f: F,
    ) -> KeyedStream<K, U>
    where
        J: SameKey<K>,
        R: State,
        U: Send + 'static,
        F: Fn(&K, &L, &R) -> U + Clone + Send + 'static,
    {
        let (left, right) = (self.tail, right.tail);
        let timed = left.timed && right.timed;
        check(
            &Tail {
                timed,
                ..left.clone()
            },
            name,
            &windows,
        );
        let make: MakeOperator = Box::new(move |_| {
            Box::new(WindowJoin::<K, L, R, F> {
                open: OpenWindows::new(windows),
                f: f.clone(),
            })
        });
        let vertex = OperatorVertex::named(name, "join", make)
            .with_port(PortMaker::moving::<Keyed<K, U>>())
            .with_state(StateKind::of::<(K, L, R)>(
                &format!("join {}", windows.kind()),
                1,
            ))
            .with_beat(windows.beat());
        let joined = left.routed(Route::ByKey).through(vertex);
        for (output, _) in &joined.from {
            right.connect(output.vertex, 1);
        }
        KeyedStream::keyed(joined)
    }
}

/// Holds for a key type and itself. (A bound of its own, so that the compiler names the mistake.)
#[diagnostic::on_unimplemented(
    message = "the two streams of a join have different keys: `{K}` and `{Self}`",
    note = "give both the same type of key in their `key_by`"
)]
pub trait SameKey<K>: Key {}

impl<K: Key> SameKey<K> for K {}

struct WindowJoin<K, L, R, F> {
    open: OpenWindows<K, Sides<L, R>>,
    f: F,
}

/// What came on both sides, under one key.
#[derive(Serialize, Deserialize)]
struct Sides<L, R> {
    left: Vec<L>,
    right: Vec<R>,
    /// The pair that is to be given next, once the window closes.
    next: (usize, usize),
}

impl<L, R> Sides<L, R> {
    fn new() -> Self {
        Sides {
            left: Vec::new(),
            right: Vec::new(),
            next: (0, 0),
        }
    }
}

impl<K, L, R, U, F> Operator for WindowJoin<K, L, R, F>
where
    K: Key,
    L: State,
    R: State,
    U: Send + 'static,
    F: Fn(&K, &L, &R) -> U + Send,
{
    fn on_batch(&mut self, input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        match input {
            0 => self.take::<L>(batch, out, |sides, value| sides.left.push(value)),
            _ => self.take::<R>(batch, out, |sides, value| sides.right.push(value)),
        }
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

impl<K: Key, L: State, R: State, F> WindowJoin<K, L, R, F> {
    fn take<T: Send + 'static>(
        &mut self,
        batch: &mut AnyBatch,
        out: &mut Outbox,
        keep: impl Fn(&mut Sides<L, R>, T),
    ) -> Result<()> {
        let mut late = 0;
        self.open.begin(batch.arrival());
        for record in batch.of::<Keyed<K, T>>()?.records.drain(..) {
            let Keyed { hash, key, value } = record.value;
            let Some(table) = self.open.table(record.time) else {
                late += 1;
                continue;
            };
            let mut entry = match table.place(hash, &key) {
                hash_table::Entry::Occupied(entry) => entry,
                hash_table::Entry::Vacant(place) => place.insert(Entry {
                    hash,
                    key,
                    state: Sides::new(),
                }),
            };
            keep(&mut entry.get_mut().state, value);
        }
        out.count_late(late);
        Ok(())
    }

    fn fire<U>(&mut self, watermark: Timestamp, out: &mut Outbox) -> Result<Step>
    where
        U: Send + 'static,
        F: Fn(&K, &L, &R) -> U,
    {
        let f = &self.f;
        let port: &mut Port<Keyed<K, U>> = out.port(0)?;
        let step = self.open.fire(watermark, |window, entries| {
            while let Some(Entry { hash, key, state }) = entries.last_mut() {
                let Sides {
                    left,
                    right,
                    next: (l, r),
                } = state;
                while let Some(first) = left.get(*l) {
                    while let Some(second) = right.get(*r) {
                        let (hash, key, value) = (*hash, key.clone(), f(key, first, second));
                        port.push_keyed(hash, Keyed { hash, key, value }, window.last());
                        *r += 1;
                        if port.is_full() {
                            return Ok(Step::More);
                        }
                    }
                    (*l, *r) = (*l + 1, 0);
                }
                entries.pop();
            }
            Ok(Step::Done)
        })?;
        self.open.note_held(out);
        Ok(step)
    }
}

#[cfg(test)]
mod tests;
