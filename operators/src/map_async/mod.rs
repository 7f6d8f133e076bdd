//! Asynchronous calls: many in flight, none forgotten.

mod flight;

use std::collections::VecDeque;
use std::future::Future;
use std::task::{Context, Poll};

use millstream_engine::batch::{AnyBatch, PartitionId};
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::Outbox;
use millstream_engine::plan::OperatorVertex;
use millstream_engine::time::{Frontier, Watermark};
use millstream_engine::{Error, Result, runtime};

use crate::pipe::Pipe;
use crate::stream::Stream;
use flight::{Flight, Stamp};

/// How many calls of [`Stream::map_async`] may be in flight, and in which order their results go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrency {
    most: usize,
    in_order: bool,
}

/// Results in the order of their records: each waits for those before it.
#[derive(Clone, Copy, Debug)]
pub struct Ordered;

/// Results as they come.
#[derive(Clone, Copy, Debug)]
pub struct Unordered;

impl Ordered {
    /// At most `most` calls in flight, over all replicas together (but one for each).
    pub const fn up_to(most: usize) -> Concurrency {
        Concurrency {
            most,
            in_order: true,
        }
    }
}

impl Unordered {
    /// At most `most` calls in flight, over all replicas together (but one for each).
    pub const fn up_to(most: usize) -> Concurrency {
        Concurrency {
            most,
            in_order: false,
        }
    }
}

impl Concurrency {
    /// The share of one replica.
    fn share(self, replica: usize, parallelism: usize) -> usize {
        let parallelism = parallelism.max(1);
        let (each, rest) = (self.most / parallelism, self.most % parallelism);
        (each + usize::from(replica < rest)).max(1)
    }
}

impl<T: Send + 'static, P: Pipe<Out = T>> Stream<T, P> {
    /// Turns every record into another by an asynchronous call: a request to a service, a look-up.
    ///
    /// A result keeps the timestamp of its record; its service time, in the latency ledger, is from being taken in
    /// here to its answer. No watermark overtakes a record whose call is in flight. When
    /// as many calls as allowed are in flight, the stream waits. A call that never ends holds the stream for
    /// ever: bound it by `runtime::timeout`. What can fail returns a `Result`, to be [`split`](Stream::split).
    ///
    /// Waiting must be left to the runtime (`runtime::sleep`, futures crates, async-std): a call that
    /// blocks its thread blocks the others too.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("airports", from_iter(["JFK", "LGA"]))
    ///     .map_async("lower", Ordered::up_to(1_000), |airport| async move {
    ///         millstream::runtime::sleep(millis(5)).await; // a slow service
    ///         airport.to_lowercase()
    ///     })
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), ["jfk", "lga"]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn map_async<U, F, Fut>(self, name: &str, concurrency: Concurrency, f: F) -> Stream<U>
    where
        U: Send + 'static,
        F: Fn(T) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = U> + Send + 'static,
    {
        if concurrency.most == 0 {
            let mistake = format!("`{name}` allows no call in flight: `up_to(1)` is the least");
            self.tail
                .scope
                .with(|graph| graph.error(Error::config(mistake)));
        }
        let vertex = |label, make| OperatorVertex::named(name, label, make).in_own_task();
        let fused = self.fuse(vertex, "map_async", move |replica, pipe| MapAsync {
            pipe,
            call: f.clone(),
            waiting: VecDeque::new(),
            flight: Flight::new(
                concurrency.share(replica.index, replica.parallelism),
                concurrency.in_order,
            ),
            watermark: None,
        });
        Stream::plain(fused.through_port::<U>())
    }
}

struct MapAsync<P: Pipe, F, U> {
    pipe: P,
    call: F,
    /// What came while there was no room: the rest of one batch.
    waiting: VecDeque<(P::Out, Stamp)>,
    flight: Flight<U>,
    watermark: Option<Watermark>,
}

impl<P, F, Fut, U> Operator for MapAsync<P, F, U>
where
    P: Pipe,
    F: Fn(P::Out) -> Fut + Send,
    Fut: Future<Output = U> + Send + 'static,
    U: Send + 'static,
{
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, _out: &mut Outbox) -> Result<()> {
        let batch = batch.of::<P::In>()?;
        let (arrival, since) = (batch.arrival, runtime::now());
        for record in batch.records.drain(..) {
            let (watermark, flight, waiting) =
                (self.watermark, &mut self.flight, &mut self.waiting);
            self.pipe
                .push(record.value, record.time, &mut |value, time| {
                    waiting.push_back((value, flight.stamp(time, arrival, since, watermark)));
                });
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, _out: &mut Outbox) -> Result<Step> {
        self.watermark = Some(watermark);
        Ok(Step::Done)
    }

    fn frontier(&self, input: Frontier) -> Frontier {
        self.flight.frontier(input, self.watermark)
    }

    fn poll(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<Result<()>> {
        let mut begun = None;
        loop {
            while self.flight.has_room()
                && let Some((value, stamp)) = self.waiting.pop_front()
            {
                self.flight.start((self.call)(value), stamp);
            }
            if out.is_full() {
                // The task sends what there is and calls again.
                return Poll::Pending;
            }
            let Some((value, stamp)) = std::task::ready!(self.flight.poll_landed(cx)) else {
                return Poll::Ready(Ok(()));
            };
            if begun.replace(stamp.arrival) != Some(stamp.arrival) {
                out.begin(stamp.arrival, PartitionId(0));
            }
            out.note_answered(stamp.since);
            out.port(0)?.push(value, stamp.time);
        }
    }

    fn has_room(&self) -> bool {
        self.waiting.is_empty() && self.flight.has_room()
    }
}

#[cfg(test)]
mod tests;
