//! Processing of one's own: state by key, and timers.

mod closures;
mod operator;
mod state;
mod turn;

pub use state::{Clocks, Expiry, KeyState, ListState, MapState, Ttl, ValueState};
pub use turn::{Timer, Turn};

use std::time::Duration;

use millstream_engine::key::Keyed;
use millstream_engine::outbox::PortMaker;
use millstream_engine::plan::{MakeOperator, OperatorVertex};
use millstream_engine::state::StateKind;
use millstream_engine::time::whole_micros;

use crate::keyed::{Key, KeyedStream};
use crate::late::LateRecords;
use crate::scope::Tail;
pub(crate) use operator::Processing;

/// What to do with the records of each key: for what no window, join or fold says.
///
/// It is called for one key at a time, with that key's state. All it remembers is in the state, which is saved with the
/// flow and moves with its key; the process itself is only told how to go about it.
///
/// # Contract
/// 1. [`on_record`](Process::on_record) is called for the records of a key in the order they come;
///    [`on_timer`](Process::on_timer) when a timer it has set goes off; [`on_end`](Process::on_end) last.
/// 2. Timers of event time go off when the watermark has come to them, before it is promised on; all that a
///    watermark sets off in the order of their times. A timer set meanwhile for a time the watermark has passed goes off in
///    its place in that order. Timers that set each other for the same moment without end are an error.
/// 3. Timers of processing time go off as soon as the wall clock has come to them and the task is free, in the order of
///    their times: all that were due when it took them up, and those set meanwhile once it has looked at its input
///    again. One that is set back makes none of them later ([processing time](Turn::processing_time) goes on), one
///    that is set forward makes them earlier. Behind a restart they go by what it shows then: if it was set back
///    meanwhile, they wait for it to come to their times.
/// 4. When the input has ended, all timers of event time go off, in order, with those they set; timers of processing time
///    are dropped, as Flink drops them. Then `on_end` is called for every key that has state.
/// 5. State that is [empty](KeyState::is_empty) is forgotten, and the key with it once it has no timer. The next record
///    finds [`state`](Process::state).
/// 6. Between the timers that one watermark sets off the task sends what was put out: a million timers at once need no more
///    memory than a few.
///
/// The state grows with the keys that have some, and with the timers that are set (about 25 bytes each, and 40 more for each key).
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream::operators::{Process, Timer, Turn};
/// # let results = Collect::new();
/// # let out = results.clone();
/// /// Tells which orders are not paid in time.
/// #[derive(Clone)]
/// struct Unpaid {
///     within: std::time::Duration,
/// }
///
/// /// Number, second, whether it was placed or paid.
/// type Order = (u64, i64, &'static str);
///
/// impl Process<u64, Order> for Unpaid {
///     type State = Option<Timestamp>; // until when it must be paid
///     type Out = String;
///
///     fn on_record(&self, order: Order, due: &mut Self::State, turn: &mut Turn<'_, u64, String>) {
///         match (order.2, *due) {
///             ("placed", _) => {
///                 let by = turn.time() + self.within;
///                 turn.set_timer(Timer::EventTime(by));
///                 *due = Some(by);
///             }
///             ("paid", Some(by)) if turn.time() <= by => {
///                 turn.cancel_timer(Timer::EventTime(by));
///                 *due = None;
///             }
///             _ => {}
///         }
///     }
///
///     fn on_timer(&self, _: Timer, due: &mut Self::State, turn: &mut Turn<'_, u64, String>) {
///         *due = None;
///         turn.emit(format!("order {} was not paid by {}", turn.key(), turn.time()));
///     }
/// }
///
/// # let flow = Flow::new("docs", move |flow| {
/// let orders = [(1, 0, "placed"), (2, 60, "placed"), (1, 300, "paid"), (2, 3_600, "paid")];
/// flow.source("orders", from_iter(orders))
///     .event_time(|(_, second, _)| Timestamp::from_secs(*second), Lateness::none())
///     .key_by(|(order, ..)| *order)
///     .process("unpaid", Unpaid { within: minutes(15) })
///     .values()
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), ["order 2 was not paid by 1970-01-01T00:16:00Z"]);
/// # Ok::<(), millstream::Error>(())
/// ```
///
/// Source: Flink's `KeyedProcessFunction`; state and timers of Beam.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not process records of type `{T}` under keys of type `{K}`",
    note = "implement `Process<{K}, {T}>` for it; closures go into `process_fn`"
)]
pub trait Process<K, T>: Clone + Send + 'static {
    /// What it remembers of each key.
    type State: KeyState;
    /// What it puts out.
    type Out: Send + 'static;

    /// The state of a key that has none: here is said how long what is in it lives.
    fn state(&self) -> Self::State {
        Self::State::default()
    }

    /// A record came.
    fn on_record(&self, record: T, state: &mut Self::State, turn: &mut Turn<'_, K, Self::Out>);

    /// A timer went off.
    ///
    /// One of event time may see state of records later than itself: watermarks go between batches, so it goes off behind
    /// all records of the batch that let the watermark pass it, and each of them may have written. What is to be told as of
    /// the timer's time is best kept with the times of its records.
    fn on_timer(&self, timer: Timer, state: &mut Self::State, turn: &mut Turn<'_, K, Self::Out>) {
        let _ = (timer, state, turn);
    }

    /// The input has ended, and no timer of event time is left. What lives by event time has expired by then.
    fn on_end(&self, state: &mut Self::State, turn: &mut Turn<'_, K, Self::Out>) {
        let _ = (state, turn);
    }

    /// What a timer of it stands for, in words: "the reminder of a cart". A running flow that is asked
    /// [`why`](millstream_engine::execution::Execution::why) tells it with the time of the next one.
    fn timer_name(&self) -> &str {
        "the timer of a key"
    }

    /// How exact timers are. Their times are rounded up to a multiple of it: the coarser, the fewer they are and the fewer
    /// watermarks matter. (Default, and least: a microsecond.)
    fn timer_resolution(&self) -> Duration {
        Duration::from_micros(1)
    }
}

impl<K: Key, T: Send + 'static> KeyedStream<K, T> {
    /// Hands every record to a [`Process`], which keeps state for each key and sets timers.
    ///
    /// In a stream without event time the timers of event time go off when it ends.
    ///
    /// [`Process`] has an example.
    pub fn process<P: Process<K, T>>(self, name: &str, process: P) -> KeyedStream<K, P::Out> {
        KeyedStream::keyed(self.processed(name, process, LateRecords::Taken))
    }

    /// The same, of records that can be late.
    pub(crate) fn processed<P: Process<K, T>>(
        self,
        name: &str,
        process: P,
        late: LateRecords,
    ) -> Tail {
        let beat = whole_micros(process.timer_resolution());
        let make: MakeOperator = Box::new(move |replica| {
            let process = process.clone();
            Box::new(Processing::<K, T, P>::new(process, &replica.vertex, late))
        });
        let mut vertex = OperatorVertex::named(name, "process", make)
            .with_port(PortMaker::moving::<Keyed<K, P::Out>>())
            .with_state(StateKind::of::<(K, P::State)>("process", 1))
            .with_beat(beat);
        if late == LateRecords::Given {
            vertex = vertex.with_port(PortMaker::moving::<Keyed<K, T>>());
        }
        self.tail.through(vertex)
    }
}

#[cfg(test)]
pub(crate) mod tests;
