//! The latest of two streams.

mod both;

use std::marker::PhantomData;

use millstream_engine::Result;
use millstream_engine::batch::{AnyBatch, Record};
use millstream_engine::key::Keyed;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::Outbox;
use millstream_engine::plan::{MakeOperator, OperatorVertex};
use millstream_engine::state::{State, StateKind, StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};
use millstream_engine::why::Explanation;

use crate::join::{SameKey, through_timed};
use crate::keyed::{Key, KeyedStream};
use crate::late::{LateRecords, with_late};
use crate::process::{Process, Processing, Timer, Ttl, Turn};
use crate::scope::Tail;
use crate::stream::Either;
use both::Both;

impl<K: Key, L: Send + 'static> KeyedStream<K, L> {
    /// Puts the latest record of each key in both streams together: with every record of either, if there is one of the
    /// other that is younger than `ttl`, `f` of the latest of both. The result has the timestamp of the record.
    ///
    /// It goes by event time, and waits for the watermark to pass a record: the results do not depend on which stream
    /// came first. Of equal times, those of this stream come before those of `right`. A record earlier than the
    /// watermark is late: counted, and left out; [`zip_latest_with_late`](Self::zip_latest_with_late) gives it as well.
    ///
    /// The state is two records for each key, until their `ttl` is over, and those the watermark has not passed: as many
    /// as come within the lateness that the streams' event time allows for. By event time, a record of one stream meets
    /// those of the other that are less than `ttl` later, whatever the schedule, and is forgotten when the watermark has
    /// come so far; by processing time it is remembered for `ttl` after the watermark passed it. With `Ttl::default()`
    /// it is never forgotten: only for keys that are few.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::Ttl;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// # let timed = |name: &str, rows: [(char, i64, u32); 2]| {
    /// #     flow.source(name, from_iter(rows))
    /// #         .event_time(|(_, at, _)| Timestamp::from_secs(*at), Lateness::none())
    /// #         .key_by(|(room, ..)| *room)
    /// # };
    /// // Each stream has records `(room, second, value)`.
    /// let degrees = timed("degrees", [('h', 1, 20), ('h', 5, 22)]);
    /// let humidity = timed("humidity", [('h', 2, 40), ('h', 4, 45)]);
    /// degrees
    ///     .zip_latest("climate", humidity, Ttl::event_time(minutes(5)), |_, degrees, humidity| {
    ///         (degrees.2, humidity.2)
    ///     })
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [(20, 40), (20, 45), (22, 45)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: Rx's `combineLatest`, Akka Streams' `zipLatest`; here in event time.
    pub fn zip_latest<J, R, U, F>(
        self,
        name: &str,
        right: KeyedStream<J, R>,
        ttl: Ttl,
        f: F,
    ) -> KeyedStream<K, U>
    where
        L: State,
        J: SameKey<K>,
        R: State,
        U: Send + 'static,
        F: Fn(&K, &L, &R) -> U + Clone + Send + 'static,
    {
        KeyedStream::keyed(zipped(name, self, right, ttl, f, LateRecords::Counted))
    }

    /// Like [`zip_latest`](Self::zip_latest), with the late records of both streams as a stream of its own.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::Ttl;
    /// # let results = Collect::new();
    /// # let missed = Collect::new();
    /// # let (out, missed_out) = (results.clone(), missed.clone());
    /// # let flow = Flow::new("docs", move |flow| {
    /// # let timed = |name: &str, seconds: [i64; 4]| {
    /// #     let rows = Generator::new(move |n, _| ('h', seconds[n as usize]));
    /// #     flow.source(name, rows.with_rate(10).with_count(4))
    /// #         .event_time(|(_, at)| Timestamp::from_secs(*at), Lateness::none())
    /// #         .key_by(|(room, _)| *room)
    /// # };
    /// // Each stream has records `(room, second)`, one after the other.
    /// let degrees = timed("degrees", [10, 20, 30, 40]);
    /// let humidity = timed("humidity", [12, 22, 32, 5]);
    /// let (climate, late) = degrees.zip_latest_with_late(
    ///     "climate",
    ///     humidity,
    ///     Ttl::event_time(minutes(5)),
    ///     |_, degrees, humidity| (degrees.1, humidity.1),
    /// );
    /// climate.values().sink("out", out.sink());
    /// late.values().sink("missed", missed_out.sink());
    /// # });
    /// # flow.with_parallelism(1).simulate(1)?;
    /// assert_eq!(results.take(), [(10, 12), (20, 12), (20, 22), (30, 22), (30, 32), (40, 32)]);
    /// assert_eq!(missed.take(), [Either::Right(('h', 5))]); // both streams had come to 30
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn zip_latest_with_late<J, R, U, F>(
        self,
        name: &str,
        right: KeyedStream<J, R>,
        ttl: Ttl,
        f: F,
    ) -> (KeyedStream<K, U>, KeyedStream<K, Either<L, R>>)
    where
        L: State,
        J: SameKey<K>,
        R: State,
        U: Send + 'static,
        F: Fn(&K, &L, &R) -> U + Clone + Send + 'static,
    {
        with_late(zipped(name, self, right, ttl, f, LateRecords::Given))
    }
}

fn zipped<K, J, L, R, U, F>(
    name: &str,
    left: KeyedStream<K, L>,
    right: KeyedStream<J, R>,
    ttl: Ttl,
    f: F,
    late: LateRecords,
) -> Tail
where
    K: Key,
    J: SameKey<K>,
    L: State,
    R: State,
    U: Send + 'static,
    F: Fn(&K, &L, &R) -> U + Clone + Send + 'static,
{
    let make: MakeOperator = Box::new(move |replica| {
        let latest = Latest::new(ttl, f.clone());
        Box::new(ZipLatest::<K, L, R, _> {
            both: Processing::new(latest, &replica.vertex, late),
        })
    });
    let vertex =
        OperatorVertex::named(name, "zip latest", make)
            .with_state(StateKind::of::<(K, L, R)>("zip latest", 2));
    let (inputs, gives_late) = (vec![left.tail, right.tail], late == LateRecords::Given);
    through_timed::<K, U, Either<L, R>>(name, inputs, vertex, gives_late)
}

/// Leads two inputs into one process.
struct ZipLatest<K: Key, L: State, R: State, P: Process<K, Either<L, R>>> {
    both: Processing<K, Either<L, R>, P>,
}

impl<K, L, R, P> Operator for ZipLatest<K, L, R, P>
where
    K: Key,
    L: State,
    R: State,
    P: Process<K, Either<L, R>>,
{
    fn on_batch(&mut self, input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        match input {
            0 => {
                let records = batch.of::<Keyed<K, L>>()?.records.drain(..);
                self.both
                    .take(records.map(|record| on_side(record, Either::Left)), out)
            }
            _ => {
                let records = batch.of::<Keyed<K, R>>()?.records.drain(..);
                self.both
                    .take(records.map(|record| on_side(record, Either::Right)), out)
            }
        }
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        self.both.on_watermark(watermark, out)
    }

    fn next_timer(&self) -> Option<Timestamp> {
        self.both.next_timer()
    }

    fn on_timer(&mut self, out: &mut Outbox) -> Result<Step> {
        self.both.on_timer(out)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.both.on_end(out)
    }

    fn explain(&self, why: &mut Explanation) {
        self.both.explain(why);
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        self.both.snapshot(state)
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.both.restore(state)
    }
}

fn on_side<K, T, S>(record: Record<Keyed<K, T>>, side: impl Fn(T) -> S) -> Record<Keyed<K, S>> {
    let Keyed { hash, key, value } = record.value;
    let value = side(value);
    Record {
        time: record.time,
        value: Keyed { hash, key, value },
    }
}

struct Latest<L, R, F> {
    ttl: Ttl,
    f: F,
    of: PhantomData<fn() -> (L, R)>,
}

impl<L, R, F> Latest<L, R, F> {
    fn new(ttl: Ttl, f: F) -> Self {
        let of = PhantomData;
        Latest { ttl, f, of }
    }
}

impl<L, R, F: Clone> Clone for Latest<L, R, F> {
    fn clone(&self) -> Self {
        Latest::new(self.ttl, self.f.clone())
    }
}

impl<K, L, R, U, F> Process<K, Either<L, R>> for Latest<L, R, F>
where
    K: Key,
    L: State,
    R: State,
    U: Send + 'static,
    F: Fn(&K, &L, &R) -> U + Clone + Send + 'static,
{
    type State = Both<L, R>;
    type Out = U;

    fn state(&self) -> Both<L, R> {
        Both::with_ttl(self.ttl)
    }

    fn on_record(&self, record: Either<L, R>, both: &mut Both<L, R>, turn: &mut Turn<'_, K, U>) {
        match record {
            Either::Left(record) => both.left.waiting.take_in(record, turn),
            Either::Right(record) => both.right.waiting.take_in(record, turn),
        }
    }

    fn timer_name(&self) -> &str {
        "the first record to be zipped"
    }

    fn on_timer(&self, timer: Timer, both: &mut Both<L, R>, turn: &mut Turn<'_, K, U>) {
        // What goes off now has one time: each earlier one had a timer of its own.
        let Both { left, right } = both;
        loop {
            let time = if let Some((time, record)) = left.waiting.release(timer, turn) {
                left.latest.set(record, turn);
                time
            } else if let Some((time, record)) = right.waiting.release(timer, turn) {
                right.latest.set(record, turn);
                time
            } else {
                break;
            };
            if let (Some(left), Some(right)) = (left.latest.get(turn), right.latest.get(turn)) {
                turn.emit_at((self.f)(turn.key(), left, right), time);
            }
        }
        left.waiting.set_timer(turn);
        right.waiting.set_timer(turn);
    }
}

#[cfg(test)]
mod tests;
