//! The latest of two streams.

use std::marker::PhantomData;

use millstream_engine::Result;
use millstream_engine::batch::{AnyBatch, Record};
use millstream_engine::key::Keyed;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{Outbox, PortMaker};
use millstream_engine::plan::{MakeOperator, OperatorVertex};
use millstream_engine::state::{State, StateKind, StateReader, StateWriter};
use millstream_engine::time::Watermark;
use serde::{Deserialize, Serialize};

use super::by_time::ByTime;
use super::check_timed;
use crate::join::{SameKey, through};
use crate::keyed::{Key, KeyedStream};
use crate::process::{KeyState, Process, Processing, Timer, Turn};
use crate::stream::Either;

impl<K: Key, L: State> KeyedStream<K, L> {
    /// Puts the latest record of each key in both streams together: with every record of either, as soon as there is
    /// one of the other, `f` of the latest of both. The result has the timestamp of the record.
    ///
    /// It goes by event time, and waits for the watermark to pass a record: the results do not depend on which stream
    /// came first. Of equal times, those of this stream come before those of `right`. A record earlier than the
    /// watermark is late: counted, and left out.
    ///
    /// The state is two records for each key there ever was, and those the watermark has not passed.
    ///
    /// ```
    /// # use millstream::prelude::*;
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
    ///     .zip_latest("climate", humidity, |_, degrees, humidity| (degrees.2, humidity.2))
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
        f: F,
    ) -> KeyedStream<K, U>
    where
        J: SameKey<K>,
        R: State,
        U: Send + 'static,
        F: Fn(&K, &L, &R) -> U + Clone + Send + 'static,
    {
        let (left, others) = (self.tail, [right.tail]);
        check_timed(std::iter::once(&left).chain(&others), name);
        let make: MakeOperator = Box::new(move |replica| {
            let latest = Latest::new(f.clone());
            Box::new(ZipLatest::<K, L, R, _> {
                both: Processing::new(latest, &replica.vertex),
            })
        });
        let vertex = OperatorVertex::named(name, "zip latest", make)
            .with_port(PortMaker::moving::<Keyed<K, U>>())
            .with_state(StateKind::of::<(K, L, R)>("zip latest", 1));
        KeyedStream::keyed(through(left, &others, vertex))
    }
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

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.both.on_end(out)
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
    f: F,
    of: PhantomData<fn() -> (L, R)>,
}

impl<L, R, F> Latest<L, R, F> {
    fn new(f: F) -> Self {
        Latest { f, of: PhantomData }
    }
}

impl<L, R, F: Clone> Clone for Latest<L, R, F> {
    fn clone(&self) -> Self {
        Latest::new(self.f.clone())
    }
}

/// One side of a key.
#[derive(Serialize, Deserialize)]
struct Side<T> {
    latest: Option<T>,
    waiting: ByTime<T>,
}

#[derive(Serialize, Deserialize)]
struct Both<L, R> {
    left: Side<L>,
    right: Side<R>,
}

impl<L, R> Default for Both<L, R> {
    fn default() -> Self {
        Both {
            left: Side::default(),
            right: Side::default(),
        }
    }
}

impl<T> Default for Side<T> {
    fn default() -> Self {
        Side {
            latest: None,
            waiting: ByTime::default(),
        }
    }
}

impl<T: State> Side<T> {
    fn is_empty(&self) -> bool {
        self.latest.is_none() && self.waiting.is_empty()
    }
}

impl<L: State, R: State> KeyState for Both<L, R> {
    fn is_empty(&self) -> bool {
        self.left.is_empty() && self.right.is_empty()
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

    fn on_record(&self, record: Either<L, R>, both: &mut Both<L, R>, turn: &mut Turn<'_, K, U>) {
        match record {
            Either::Left(record) => both.left.waiting.take_in(record, turn),
            Either::Right(record) => both.right.waiting.take_in(record, turn),
        }
    }

    fn on_timer(&self, timer: Timer, both: &mut Both<L, R>, turn: &mut Turn<'_, K, U>) {
        // What goes off now has one time: each earlier one had a timer of its own.
        let Both { left, right } = both;
        loop {
            let time = if let Some((time, record)) = left.waiting.release(timer) {
                left.latest = Some(record);
                time
            } else if let Some((time, record)) = right.waiting.release(timer) {
                right.latest = Some(record);
                time
            } else {
                break;
            };
            if let (Some(left), Some(right)) = (&left.latest, &right.latest) {
                turn.emit_at((self.f)(turn.key(), left, right), time);
            }
        }
        left.waiting.set_timer(turn);
        right.waiting.set_timer(turn);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use millstream_engine::harness::Harness;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Given, entry, given_in_time, script, show};

    /// All records of both sides sorted, one after the other.
    fn naive(left: &[Given], right: &[Given]) -> String {
        let mut all = Vec::new();
        for (side, given) in [left, right].into_iter().enumerate() {
            for given in given {
                if let Given::Record { key, value, time } = *given {
                    all.push((time, side, key, value));
                }
            }
        }
        all.sort_by_key(|(time, side, ..)| (*time, *side));
        let (mut latest, mut out) = (BTreeMap::<char, [Option<i64>; 2]>::new(), String::new());
        for (time, side, key, value) in all {
            let latest = latest.entry(key).or_default();
            latest[side] = Some(value);
            if let [Some(left), Some(right)] = latest {
                out += &format!("{key}={left},{right}@{time} ");
            }
        }
        out + "|"
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_latest_of_both_whichever_comes_first(
            left in given_in_time(10), right in given_in_time(10),
        ) {
            let shown = |_: &String, left: &i64, right: &i64| format!("{left},{right}");
            let harness = Harness::new(move |replica| ZipLatest::<String, i64, i64, _> {
                both: Processing::new(Latest::new(shown), &replica.vertex),
            })
            .with_keyed_input(entry)
            .with_keyed_input(entry)
            .with_output(show::<String>);
            let inputs = [script(&left), script(&right)];
            harness.check(&[&inputs[0], &inputs[1]], &[&naive(&left, &right)]).unwrap();
        }
    }
}
