//! Where a stream leaves its task, or its flow.

use std::vec::Drain;

use millstream_engine::Result;
use millstream_engine::batch::{AnyBatch, Record};
use millstream_engine::operator::Operator;
use millstream_engine::outbox::{Outbox, Port, PortMaker};
use millstream_engine::plan::{OperatorVertex, Replica, Route};
use millstream_engine::sink::Sink;

use crate::pipe::Pipe;
use crate::stream::Stream;

impl<T: Send + 'static, P: Pipe<Out = T>> Stream<T, P> {
    /// Ends the fused run of steps, so that the stream has a type that can be written down.
    ///
    /// It costs a few nanoseconds per record; without open steps nothing.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// // Either is a `Stream<u64>`, whatever steps it has.
    /// let numbers = |odd: bool| -> Stream<u64> {
    ///     let numbers = flow.source(if odd { "odd" } else { "even" }, from_iter(0..3u64));
    ///     match odd {
    ///         true => numbers.map(|n| 2 * n + 1).erase(),
    ///         false => numbers.map(|n| 2 * n).filter(|n| *n > 0).erase(),
    ///     }
    /// };
    /// numbers(true).union(numbers(false)).sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// let mut all = results.take();
    /// all.sort();
    /// assert_eq!(all, [1, 2, 3, 4, 5]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn erase(self) -> Stream<T> {
        Stream::plain(self.close())
    }

    /// The records of both streams, each in its own order.
    ///
    /// It has event time if both have.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// let evens = flow.source("evens", from_iter([2, 4]));
    /// let odds = flow.source("odds", from_iter([1, 3]));
    /// evens.union(odds.map(|n| n * 10)).sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// let mut all = results.take();
    /// all.sort();
    /// assert_eq!(all, [2, 4, 10, 30]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn union<Q: Pipe<Out = T>>(self, other: Stream<T, Q>) -> Stream<T> {
        let (first, second) = (self.close(), other.close());
        Stream::plain(first.union(second))
    }

    /// Deals the records out evenly to the replicas of what follows, batch by batch.
    ///
    /// Their order is kept only within a replica.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("numbers", from_iter(1..=3))
    ///     .rebalance()
    ///     .map(|n| n * n) // in as many replicas as the flow has
    ///     .sink("squares", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// let mut squares = results.take();
    /// squares.sort();
    /// assert_eq!(squares, [1, 4, 9]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn rebalance(self) -> Stream<T> {
        Stream::plain(self.close().routed(Route::Rebalance))
    }

    /// Gives every record to every replica of what follows.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("rules", from_iter(["stop"]))
    ///     .broadcast()
    ///     .map(|rule| rule) // here every replica sees every rule
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), ["stop", "stop"]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn broadcast(self) -> Stream<T>
    where
        T: Clone,
    {
        let tail = self.close();
        tail.copy::<T>();
        Stream::plain(tail.routed(Route::Broadcast))
    }

    /// Sets how many replicas make this stream: those of the vertex it comes from, with the steps fused to it
    /// (default: the flow's, or as many as the vertex before it has).
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("numbers", from_iter(0..3))
    ///     .rebalance()
    ///     .map(|n| n + 1)
    ///     .with_parallelism(1) // one after the other
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [1, 2, 3]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn with_parallelism(self, replicas: usize) -> Stream<T> {
        let tail = self.close();
        tail.set_parallelism(replicas);
        Stream::plain(tail)
    }

    /// Works on whole batches: `f` takes the records out and puts what it makes of them into the port.
    ///
    /// For what pays per batch (a vectorised model, a call over a boundary). A batch has between one and
    /// about a thousand records, as they come; its borders mean nothing.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("numbers", from_iter(1..=3))
    ///     .apply(|records, port| {
    ///         for record in records {
    ///             port.push(record.value * 2, record.time);
    ///         }
    ///     })
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [2, 4, 6]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn apply<U, F>(self, f: F) -> Stream<U>
    where
        U: Send + 'static,
        F: Fn(Drain<'_, Record<T>>, &mut Port<U>) + Clone + Send + 'static,
    {
        let tail = self.close();
        let make = move |_: &Replica| Box::new(Apply(f.clone(), of::<T, U>())) as Box<dyn Operator>;
        let vertex = OperatorVertex::unnamed("apply", Box::new(make));
        Stream::plain(tail.through(vertex.with_port(PortMaker::moving::<U>())))
    }

    /// Runs an [`Operator`] of your own, with one input of `T` and one output of `U`; `make` makes each replica.
    ///
    /// The [harness](millstream_engine::harness) puts an operator through all that can happen to it.
    ///
    /// ```
    /// use millstream::batch::AnyBatch;
    /// use millstream::operator::Operator;
    /// use millstream::outbox::Outbox;
    /// # use millstream::prelude::*;
    ///
    /// /// Says how many records each batch has.
    /// struct Sizes;
    ///
    /// impl Operator for Sizes {
    ///     fn on_batch(&mut self, _: usize, batch: &mut AnyBatch, out: &mut Outbox) -> millstream::Result<()> {
    ///         let records = batch.of::<i32>()?.records.drain(..).len();
    ///         let now = out.processing_time();
    ///         out.port::<usize>(0)?.push(records, now);
    ///         Ok(())
    ///     }
    /// }
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("numbers", from_iter(1..=3))
    ///     .operator::<usize, _>("sizes", |_| Sizes)
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.simulate(1)?;
    /// assert_eq!(results.take().iter().sum::<usize>(), 3);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn operator<U, O>(
        self,
        name: &str,
        mut make: impl FnMut(&Replica) -> O + Send + 'static,
    ) -> Stream<U>
    where
        U: Send + 'static,
        O: Operator + 'static,
    {
        let make = move |replica: &Replica| Box::new(make(replica)) as Box<dyn Operator>;
        let mut vertex = OperatorVertex::named(name, "operator", Box::new(make));
        if let Some(kind) = O::state_kind() {
            vertex = vertex.with_state(kind);
        }
        if O::is_polled() {
            vertex = vertex.in_own_task();
        }
        Stream::plain(
            self.close()
                .through(vertex.with_port(PortMaker::moving::<U>())),
        )
    }

    /// Ends the stream in a sink.
    ///
    /// The name is the identity of the sink: what it published is found again by it.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("words", from_iter(["to", "be"])).sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), ["to", "be"]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn sink<S: Sink<In = T>>(self, name: &str, sink: S) {
        let tail = self.close();
        let vertex = tail.scope.with(|graph| {
            let vertex = graph.add_sink(name, sink);
            if tail.timed {
                graph.set_timed(vertex);
            }
            vertex
        });
        tail.connect(vertex, 0);
    }

    /// Ends the stream in nothing. Its steps still run.
    ///
    /// A stream that goes nowhere without saying so is an error when the flow starts.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("numbers", from_iter(1..=3)).inspect(|n| println!("{n}")).discard();
    /// # flow.source("others", from_iter([1])).sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// # results.take();
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn discard(self) {
        self.close().discard();
    }
}

/// Both go their own way, each with every record.
///
/// Only for a stream without open steps: they would run once for each clone. [`Stream::erase`] closes them.
impl<T: Clone + Send + 'static> Clone for Stream<T> {
    fn clone(&self) -> Self {
        self.tail.copy::<T>();
        Stream::plain(self.tail.clone())
    }
}

/// Types an operator knows only by its closure.
type Of<T, U> = std::marker::PhantomData<fn(T) -> U>;

fn of<T, U>() -> Of<T, U> {
    std::marker::PhantomData
}

struct Apply<F, T, U>(F, Of<T, U>);

impl<F, T, U> Operator for Apply<F, T, U>
where
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(Drain<'_, Record<T>>, &mut Port<U>) + Send,
{
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        (self.0)(batch.of::<T>()?.records.drain(..), out.port(0)?);
        Ok(())
    }
}
