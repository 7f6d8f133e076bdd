//! Giving records their event time, and making watermarks from it.

mod clock;

use std::time::Duration;

use millstream_engine::Result;
use millstream_engine::batch::AnyBatch;
use millstream_engine::operator::Operator;
use millstream_engine::outbox::Outbox;
use millstream_engine::plan::OperatorVertex;
use millstream_engine::source::PartitionNews;
use millstream_engine::state::{StateKind, StateReader, StateWriter};
use millstream_engine::time::{Frontier, Timestamp, whole_micros};

use crate::pipe::Pipe;
use crate::stream::Stream;
use clock::Clock;

/// How far out of order records may come without being late.
///
/// The watermark of a partition of the source trails its latest record by this much. Waiting longer
/// means fewer late records, later results and more state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lateness(Duration);

impl Lateness {
    /// Records come at most this much of event time behind later ones of their partition.
    pub const fn bounded(most: Duration) -> Self {
        Lateness(most)
    }

    /// Every partition is in order.
    pub const fn none() -> Self {
        Lateness(Duration::ZERO)
    }
}

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
    /// Says when each record happened. Windows and joins by time need it.
    ///
    /// The watermark is the lowest over the partitions of the source of: latest time so far − `lateness`.
    /// It moves on once per batch, behind the batch: how finely it moves, and so which records are late, depends on
    /// how the records come, but none is late that is not behind by more than `lateness`.
    /// A partition that has fallen idle is not waited for. Place it near the source: behind
    /// a [`rebalance`](Stream::rebalance) or a [`union`](Stream::union) the source's partitions can
    /// no longer be told apart, and what came in order is out of order.
    ///
    /// A record without a time (`f` returns `None`) is left out and counted as such.
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
    pub fn event_time<E, F>(self, f: F, lateness: Lateness) -> Stream<T>
    where
        E: EventTime,
        F: Fn(&T) -> E + Clone + Send + 'static,
    {
        let lateness = whole_micros(lateness.0);
        let mut fused = self.fuse(OperatorVertex::unnamed, "event_time", move |_, pipe| {
            StampTime {
                pipe,
                time_of: f.clone(),
                clock: Clock::new(lateness),
            }
        });
        fused.vertex = fused.vertex.with_state(StateKind {
            name: "event_time".to_owned(),
            version: 1,
        });
        let mut tail = fused.through_port::<T>();
        tail.timed = true;
        Stream::plain(tail)
    }
}

/// Stamps records, and keeps the clock of their partitions.
struct StampTime<P, F> {
    pipe: P,
    time_of: F,
    clock: Clock,
}

impl<P, F, E> Operator for StampTime<P, F>
where
    P: Pipe,
    F: Fn(&P::Out) -> E + Send,
    E: EventTime,
{
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let batch = batch.of::<P::In>()?;
        let port = out.port(0)?;
        let mut latest = Timestamp::MIN;
        let mut untimed = 0;
        for record in batch.records.drain(..) {
            let stamp = &mut |value, _| match (self.time_of)(&value).timestamp() {
                Some(time) => {
                    latest = latest.max(time);
                    port.push(value, time);
                }
                None => untimed += 1,
            };
            self.pipe.push(record.value, record.time, stamp);
        }
        self.clock.saw(batch.partition, latest, batch.arrival);
        out.count_untimed(untimed);
        Ok(())
    }

    fn frontier(&self, input: Frontier) -> Frontier {
        self.clock.frontier(input)
    }

    fn on_partition(&mut self, news: &PartitionNews) {
        self.clock.heard(news);
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        self.clock.save(state)
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.clock.restore(state)
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::harness::Harness;

    use super::*;
    use crate::pipe::Identity;
    use crate::testing::at;

    fn harness(lateness: i64) -> Harness {
        Harness::new(move |_| StampTime {
            pipe: Identity::<i64>::new(),
            time_of: |time: &i64| (*time >= 0).then(|| at(*time)),
            clock: Clock::new(lateness),
        })
        .with_input(|text| text.parse::<i64>().unwrap())
        .with_output(i64::to_string)
        .in_order()
    }

    #[test]
    fn records_get_their_time_and_the_watermark_trails_the_latest() {
        let input = "5 9 3 -1 20 |";
        harness(0)
            .check(&[input], &["5@5 ^5 9@9 ^9 3@3 20@20 ^20 |"])
            .unwrap();
        harness(6)
            .check(&[input], &["5@5 ^-1 9@9 ^3 3@3 20@20 ^14 |"])
            .unwrap();
    }

    #[test]
    fn records_without_a_time_are_counted_and_watermarks_before_it_mean_nothing() {
        let outcome = harness(0).outcome(&["-1 ^100 7 -2 |"]).unwrap();
        assert_eq!((outcome.untimed, outcome.late), (2, 0));
        assert_eq!(outcome.outputs[0].to_string(), "7@7 ^7 |");
    }
}
