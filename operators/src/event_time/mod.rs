//! Giving records their event time, and making watermarks from it.

mod clock;
mod watermarks;

pub use watermarks::{Ahead, Bounded, Lateness, WatermarkStrategy, Watermarks};

use std::time::Duration;

use millstream_engine::batch::AnyBatch;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{Outbox, PortMaker};
use millstream_engine::plan::OperatorVertex;
use millstream_engine::source::PartitionNews;
use millstream_engine::state::{StateKind, StateReader, StateWriter};
use millstream_engine::time::{Frontier, Timestamp};
use millstream_engine::why::Explanation;
use millstream_engine::{Error, Result};

use crate::pipe::Pipe;
use crate::scope::Tail;
use crate::stream::Stream;
use clock::{Clock, Seen};

/// What the closure of [`Stream::event_time`] may return: the time, or `None` for a record that has none.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no event time",
    label = "this should be a `Timestamp` or an `Option<Timestamp>`",
    note = "`Timestamp::from_millis`, `from_secs` and `from_micros` make one of a number, `.parse()` of RFC 3339 text"
)]
pub trait EventTime {
    /// The time.
    fn timestamp(self) -> Option<Timestamp>;
}

impl EventTime for Timestamp {
    #[inline]
    fn timestamp(self) -> Option<Timestamp> {
        Some(self)
    }
}

impl EventTime for Option<Timestamp> {
    #[inline]
    fn timestamp(self) -> Option<Timestamp> {
        self
    }
}

impl<T: Send + 'static, P: Pipe<Out = T>> Stream<T, P> {
    /// Says when each record happened, and how far behind that time has come. Windows and joins by time need it.
    ///
    /// The watermark is the lowest over the partitions of the source of what `watermarks` makes of their records: with
    /// [`Lateness::bounded`] the latest time so far, less the bound. It moves on once per batch, behind the batch: how
    /// finely it moves, and so which records are late, depends on how the records come, but none is late that is not
    /// behind by more than the lateness. (So the few records of a small test come in one batch, and none is late to
    /// another; a source that pauses between them shows it.) A partition that has fallen idle is not waited for. Place it near the source:
    /// behind a [`rebalance`](Stream::rebalance) or a [`union`](Stream::union) the source's partitions can no longer be
    /// told apart, and what came in order is out of order.
    ///
    /// A record without a time (`f` returns `None`) is left out and counted as such; so is one that is more than a day
    /// ahead of the wall clock ([`Watermarks::with_max_ahead`] says otherwise), the `ahead` of the report.
    ///
    /// ```
    /// # use millstream_operators::{Lateness, Stream};
    /// # use millstream_engine::time::{Timestamp, minutes};
    /// struct Trade { at: Timestamp, price: f64 }
    ///
    /// fn timed(trades: Stream<Trade>) -> Stream<Trade> {
    ///     trades.event_time(|trade| trade.at, Lateness::bounded(minutes(5)))
    /// }
    /// ```
    ///
    /// Source: bounded out-of-orderness as in Akidau et al., *The Dataflow Model*, VLDB 2015, and Flink.
    pub fn event_time<E, F, S>(self, f: F, watermarks: Watermarks<S>) -> Stream<T>
    where
        E: EventTime,
        F: Fn(&T) -> E + Clone + Send + 'static,
        S: WatermarkStrategy<T>,
    {
        Stream::plain(self.stamped(f, watermarks, false))
    }

    /// Like [`event_time`](Self::event_time), with the records that are too far ahead of the wall clock as a stream of
    /// their own. They move no watermark, and are counted as well.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// let (timed, ahead) = flow
    ///     .source("years", from_iter([2013, 3000, 2014]))
    ///     .event_time_with_ahead(
    ///         |year| Timestamp::from_secs((year - 1970) * 31_556_952),
    ///         Lateness::none().with_max_ahead(hours(1)),
    ///     );
    /// ahead.inspect(|year| eprintln!("{year} is yet to come")).discard();
    /// timed.sink("out", out.sink());
    /// # });
    /// # assert_eq!(flow.with_parallelism(2).simulate(1)?.ahead(), 1);
    /// assert_eq!(results.take(), [2013, 2014]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn event_time_with_ahead<E, F, S>(
        self,
        f: F,
        watermarks: Watermarks<S>,
    ) -> (Stream<T>, Stream<T>)
    where
        E: EventTime,
        F: Fn(&T) -> E + Clone + Send + 'static,
        S: WatermarkStrategy<T>,
    {
        let timed = self.stamped(f, watermarks, true);
        let mut ahead = timed.clone();
        for (output, _) in &mut ahead.from {
            *output = output.vertex.output(AHEAD);
        }
        (Stream::plain(timed), Stream::plain(ahead))
    }

    fn stamped<E, F, S>(self, f: F, watermarks: Watermarks<S>, gives_ahead: bool) -> Tail
    where
        E: EventTime,
        F: Fn(&T) -> E + Clone + Send + 'static,
        S: WatermarkStrategy<T>,
    {
        let mut fused = self.fuse(OperatorVertex::unnamed, "event_time", move |_, pipe| {
            StampTime::new(pipe, f.clone(), watermarks.clone(), gives_ahead)
        });
        let kind = StateKind {
            name: "event_time".to_owned(),
            version: 2,
        };
        fused.vertex = fused
            .vertex
            .with_state(kind)
            .with_clock()
            .with_port(PortMaker::moving::<T>());
        if gives_ahead {
            fused.vertex = fused.vertex.with_port(PortMaker::moving::<T>());
        }
        let mut tail = fused.tail.through(fused.vertex);
        tail.timed = true;
        tail
    }
}

/// The output of records that are too far ahead.
const AHEAD: usize = 1;

/// Stamps records, and keeps the clock of their partitions.
struct StampTime<P, F, S> {
    pipe: P,
    time_of: F,
    strategy: S,
    bound: Option<Duration>,
    on_ahead: Ahead,
    gives_ahead: bool,
    clock: Clock,
}

impl<P: Pipe, F, S: WatermarkStrategy<P::Out>> StampTime<P, F, S> {
    fn new(pipe: P, time_of: F, watermarks: Watermarks<S>, gives_ahead: bool) -> Self {
        StampTime {
            pipe,
            time_of,
            bound: watermarks.bound(),
            on_ahead: watermarks.on_ahead,
            gives_ahead,
            clock: Clock::new(watermarks.follow()),
            strategy: watermarks.strategy,
        }
    }

    /// Does with records that are too far ahead what was asked for.
    #[cold]
    fn leave_out(&self, ahead: Vec<(P::Out, Timestamp)>, out: &mut Outbox) -> Result<()> {
        out.count_ahead(ahead.len() as u64);
        let (now, most) = (out.processing_time(), self.bound.unwrap_or_default());
        for (value, time) in ahead {
            if self.on_ahead == Ahead::Fail {
                return Err(Error::data(format!(
                    "a record's time, {time}, is more than {most:?} ahead of the clock, which says {now} \
                     (`with_max_ahead` sets how much may be, `on_ahead` what becomes of it)"
                )));
            }
            if self.gives_ahead {
                out.port(AHEAD)?.push(value, time);
            }
        }
        Ok(())
    }
}

impl<P, F, E, S> Operator for StampTime<P, F, S>
where
    P: Pipe,
    F: Fn(&P::Out) -> E + Send,
    E: EventTime,
    S: WatermarkStrategy<P::Out>,
{
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let batch = batch.of::<P::In>()?;
        let bound = self.bound.map(|most| out.processing_time() + most);
        let last = bound.unwrap_or(Timestamp::MAX);
        let port = out.port(0)?;
        let mut seen = Seen {
            latest: Timestamp::MIN,
            promise: Timestamp::MIN,
            arrival: batch.arrival,
        };
        let mut untimed = 0;
        let mut ahead = Vec::new();
        for record in batch.records.drain(..) {
            let stamp = &mut |value, _| match (self.time_of)(&value).timestamp() {
                Some(time) if time <= last => {
                    seen.latest = seen.latest.max(time);
                    if let Some(promise) = self.strategy.watermark(&value, time) {
                        seen.promise = seen.promise.max(promise.min(last));
                    }
                    port.push(value, time);
                }
                Some(time) => ahead.push((value, time)),
                None => untimed += 1,
            };
            self.pipe.push(record.value, record.time, stamp);
        }
        self.clock.saw(batch.partition, seen, out.waited());
        out.count_untimed(untimed);
        if !ahead.is_empty() {
            self.leave_out(ahead, out)?;
        }
        Ok(())
    }

    fn next_timer(&self) -> Option<Timestamp> {
        self.clock.next_timer()
    }

    fn on_timer(&mut self, out: &mut Outbox) -> Result<Step> {
        let (now, arrival) = (out.processing_time(), out.arrival());
        self.clock.tick(now, arrival, out.waited());
        Ok(Step::Done)
    }

    fn frontier(&self, input: Frontier) -> Frontier {
        self.clock.frontier(input)
    }

    fn on_partition(&mut self, news: &PartitionNews) {
        self.clock.heard(news);
    }

    fn explain(&self, why: &mut Explanation) {
        self.clock.explain(why);
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        self.clock.save(state)
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.clock.restore(state)
    }
}

#[cfg(test)]
mod tests;
