//! Asynchronous calls on a stream without keys.

use std::future::Future;

use futures::FutureExt;
use millstream_engine::operator::Operator;
use millstream_engine::outbox::PortMaker;
use millstream_engine::plan::{MakeOperator, OperatorVertex, Replica};

use super::ask::{Ask, Surely};
use super::calls::{Calls, Repeats};
use super::failure::{Cause, FailedCall, OnFailure};
use super::keying::Plain;
use super::operator::{AsyncCalls, Terms};
use crate::pipe::Pipe;
use crate::scope::Tail;
use crate::stream::{Fused, Stream};

impl<T: Send + 'static, P: Pipe<Out = T>> Stream<T, P> {
    /// Turns every record into another by an asynchronous call: a request to a service, a look-up.
    ///
    /// A result keeps the timestamp of its record; its service time, in the latency ledger, is from being taken in
    /// here to its answer. No watermark overtakes a record whose call is in flight. When as many calls as allowed are
    /// in flight, the stream waits. A call that never ends holds the stream for ever: give it a
    /// [timeout](Calls::with_timeout). What can fail is called by [`try_map_async`](Stream::try_map_async).
    ///
    /// Waiting must be left to the runtime (`runtime::sleep`, futures crates, async-std): a call that
    /// blocks its thread blocks the others too.
    ///
    /// A barrier (of a snapshot, of a commit of positions) waits for the calls in flight, with their retries and pauses.
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
    ///
    /// Source: Flink's asynchronous I/O (FLIP-12).
    pub fn map_async<U, F, Fut, R>(self, name: &str, calls: Calls<R>, f: F) -> Stream<U>
    where
        U: Send + 'static,
        F: Fn(T) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = U> + Send + 'static,
        R: Repeats<T>,
    {
        let on_failure = OnFailure::new(calls.skips_failures);
        self.answered(name, "map_async", &calls, move |replica, pipe| {
            let f = f.clone();
            let call = Ask::new(move |record| f(record).map(Surely));
            let terms = Terms::new(&calls, replica, R::keep, on_failure);
            AsyncCalls::<_, Plain<T>, _>::new(pipe, call, terms)
        })
    }

    /// [`map_async`](Stream::map_async) by calls that can fail.
    ///
    /// A failed call (one that gives `Err`, or takes longer than its [timeout](Calls::with_timeout)) is made
    /// [again](Calls::with_retry) if so wished. When its last attempt has failed too, the flow fails, with the vertex
    /// and the cause; or the record is [left out](Calls::skip_failures) and counted as bad; or it goes another way:
    /// [`try_map_async_with_failed`](Stream::try_map_async_with_failed).
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::Retry;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// # async fn price_of(item: u32) -> Result<u32, String> { Ok(item * 100) }
    /// let calls = Ordered::up_to(1_000)
    ///     .with_timeout(seconds(1))
    ///     .with_retry(Retry::exponential(millis(50)).up_to(4));
    /// flow.source("items", from_iter([7, 8]))
    ///     .try_map_async("price", calls, |item| price_of(item)) // a `Result<u32, String>`
    ///     .sink("prices", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [700, 800]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn try_map_async<U, E, F, Fut, R>(self, name: &str, calls: Calls<R>, f: F) -> Stream<U>
    where
        U: Send + 'static,
        E: Into<Cause> + Send + 'static,
        F: Fn(T) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<U, E>> + Send + 'static,
        R: Repeats<T>,
    {
        let on_failure = OnFailure::new(calls.skips_failures);
        self.answered(name, "try_map_async", &calls, move |replica, pipe| {
            let terms = Terms::new(&calls, replica, R::keep, on_failure);
            AsyncCalls::<_, Plain<T>, _>::new(pipe, Ask::new(f.clone()), terms)
        })
    }

    /// [`try_map_async`](Stream::try_map_async) with the records whose calls failed as a stream of its own: each with
    /// the error of its last attempt, and counted as bad (so there is nothing to skip). With
    /// [`Ordered`](crate::Ordered) each of the two streams is in order.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// let (even, odd) = flow
    ///     .source("numbers", from_iter(1..=4))
    ///     .try_map_async_with_failed("even", Ordered::up_to(10), |n| async move {
    ///         if n % 2 == 0 { Ok(n) } else { Err("it is odd") }
    ///     });
    /// even.discard();
    /// odd.map(|failed| format!("{}: {}", failed.record, failed.error))
    ///     .sink("failed", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), ["1: it is odd", "3: it is odd"]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn try_map_async_with_failed<U, E, F, Fut, R>(
        self,
        name: &str,
        calls: Calls<R>,
        f: F,
    ) -> (Stream<U>, Stream<FailedCall<T, E>>)
    where
        T: Clone,
        U: Send + 'static,
        E: Send + 'static,
        F: Fn(T) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<U, E>> + Send + 'static,
        R: Repeats<T>,
    {
        let mut fused = self.fuse(vertex(name), "try_map_async", move |replica, pipe| {
            let keep = |record: &T| Some(record.clone());
            let terms = Terms::new(&calls, replica, keep, OnFailure::GiveBack);
            AsyncCalls::<_, Plain<T>, _>::new(pipe, Ask::new(f.clone()), terms)
        });
        check(&fused.tail, name, &calls);
        fused.vertex = (fused.vertex)
            .with_port(PortMaker::moving::<U>())
            .with_port(PortMaker::moving::<FailedCall<T, E>>());
        let Fused { tail, vertex } = fused;
        let answers = tail.through(vertex);
        let failed = answers.other_output(1);
        (Stream::plain(answers), Stream::plain(failed))
    }

    /// Puts an asynchronous operator behind it.
    pub(crate) fn answered<U, O, R>(
        self,
        name: &str,
        label: &'static str,
        calls: &Calls<R>,
        operator: impl Fn(&Replica, P) -> O + Send + 'static,
    ) -> Stream<U>
    where
        U: Send + 'static,
        O: Operator + 'static,
    {
        let fused = self.fuse(vertex(name), label, operator);
        check(&fused.tail, name, calls);
        Stream::plain(fused.through_port::<U>())
    }
}

/// The vertex of an asynchronous operator: it heads a task of its own.
pub(super) fn vertex(name: &str) -> impl FnOnce(String, MakeOperator) -> OperatorVertex {
    move |label, make| OperatorVertex::named(name, label, make).in_own_task()
}

/// Notes what is wrong with the settings.
pub(super) fn check<R>(tail: &Tail, name: &str, calls: &Calls<R>) {
    for mistake in calls.mistakes(name) {
        tail.mistake(mistake);
    }
}
