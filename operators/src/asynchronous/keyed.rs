//! Asynchronous calls on a keyed stream.

use std::future::Future;

use futures::FutureExt;
use millstream_engine::key::Keyed;
use millstream_engine::operator::Operator;
use millstream_engine::outbox::PortMaker;
use millstream_engine::plan::{OperatorVertex, Replica};
use millstream_engine::state::{State, StateKind};

use super::ask::{Ask, Call, Surely};
use super::calls::{Calls, Repeats};
use super::failure::{Cause, FailedCall, OnFailure};
use super::keying::ByKey;
use super::lent_state::{StateGuard, WithState};
use super::operator::{AsyncCalls, Failure, Terms};
use super::plain::{check, vertex};
use crate::keyed::{Key, KeyedStream};
use crate::pipe::Identity;

impl<K: Key, T: Send + 'static> KeyedStream<K, T> {
    /// Turns every record into another by an asynchronous call, as [`Stream::map_async`](crate::Stream::map_async)
    /// does, under the same key.
    ///
    /// With [`Ordered`](crate::Ordered) calls, records of one key are answered in their order, and those of different
    /// keys overtake each other. All calls allowed are made at once, those of one key too: where one must wait for
    /// the answer of another, it is [`async_by_key`](KeyedStream::async_by_key).
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("calls", from_iter([("slow", 9), ("quick", 1), ("quick", 0)]))
    ///     .key_by(|(service, _)| service.to_string())
    ///     .map_async("ask", Ordered::up_to(1_000), |(service, time)| async move {
    ///         millstream::runtime::sleep(millis(time)).await;
    ///         format!("{service} {time}")
    ///     })
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(1).simulate(1)?;
    /// assert_eq!(results.take(), ["quick 1", "quick 0", "slow 9"]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: Flink's asynchronous I/O (FLIP-12).
    pub fn map_async<U, F, Fut, R>(self, name: &str, calls: Calls<R>, f: F) -> KeyedStream<K, U>
    where
        U: Send + 'static,
        F: Fn(T) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = U> + Send + 'static,
        R: Repeats<T>,
    {
        let on_failure = OnFailure::new(calls.skips_failures);
        let call = move || {
            let f = f.clone();
            Ask::new(move |record| f(record).map(Surely))
        };
        let vertex = Self::vertex(name, "map_async", calls, R::keep, on_failure, call);
        self.through(name, &calls, vertex)
    }

    /// [`map_async`](KeyedStream::map_async) by calls that can fail; see
    /// [`Stream::try_map_async`](crate::Stream::try_map_async) for what is done then.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// # async fn price_of(item: u32) -> Result<u32, String> { Ok(item * 100) }
    /// flow.source("items", from_iter([7, 8]))
    ///     .key_by(|item| item % 2)
    ///     .try_map_async("price", Ordered::up_to(1_000), |item| price_of(item))
    ///     .values()
    ///     .sink("prices", out.sink());
    /// # });
    /// # flow.with_parallelism(1).simulate(1)?;
    /// # let mut results = results.take();
    /// # results.sort();
    /// assert_eq!(results, [700, 800]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn try_map_async<U, E, F, Fut, R>(
        self,
        name: &str,
        calls: Calls<R>,
        f: F,
    ) -> KeyedStream<K, U>
    where
        U: Send + 'static,
        E: Into<Cause> + Send + 'static,
        F: Fn(T) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<U, E>> + Send + 'static,
        R: Repeats<T>,
    {
        let on_failure = OnFailure::new(calls.skips_failures);
        let call = move || Ask::new(f.clone());
        let vertex = Self::vertex(name, "try_map_async", calls, R::keep, on_failure, call);
        self.through(name, &calls, vertex)
    }

    /// [`try_map_async`](KeyedStream::try_map_async) with the records whose calls failed as a stream of its own; see
    /// [`Stream::try_map_async_with_failed`](crate::Stream::try_map_async_with_failed).
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// let (even, odd) = flow
    ///     .source("numbers", from_iter(1..=4))
    ///     .key_by(|_| ())
    ///     .try_map_async_with_failed("even", Ordered::up_to(10), |n| async move {
    ///         if n % 2 == 0 { Ok(n) } else { Err("it is odd") }
    ///     });
    /// even.discard();
    /// odd.map(|_, failed| failed.record).sink("odd", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [1, 3]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn try_map_async_with_failed<U, E, F, Fut, R>(
        self,
        name: &str,
        calls: Calls<R>,
        f: F,
    ) -> (KeyedStream<K, U>, KeyedStream<K, FailedCall<T, E>>)
    where
        T: Clone,
        U: Send + 'static,
        E: Send + 'static,
        F: Fn(T) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<U, E>> + Send + 'static,
        R: Repeats<T>,
    {
        let keep = |record: &T| Some(record.clone());
        let call = move || Ask::new(f.clone());
        let vertex = Self::vertex(
            name,
            "try_map_async",
            calls,
            keep,
            OnFailure::GiveBack,
            call,
        );
        self.through_with_failed(name, &calls, vertex)
    }

    /// An asynchronous call for every record that reads and writes the state of its key: a balance that is checked
    /// against a service, a conversation with a device, a session that is looked up once and then remembered.
    ///
    /// Records of one key are worked on strictly one after the other, each call beginning when the one before has
    /// ended; thousands of keys at once, as many as `calls` allow. So answers of a key come in order, and those of
    /// different keys overtake each other, be the calls [`Ordered`](crate::Ordered) or
    /// [`Unordered`](crate::Unordered). The call has its key's [`StateGuard`] for itself, also while it waits.
    ///
    /// A key begins with `S::default()`. The state is saved with every snapshot; one that is equal to the default when
    /// a call ends is forgotten, so `state.take()` or `mem::take(&mut *state)` frees a key. Records that wait
    /// behind the call of their key are bounded too: there are at most as many of them as there may be calls; then the
    /// stream waits. No watermark overtakes a record, and what [`map_async`](crate::Stream::map_async) says
    /// about timeouts and panics holds here as well. A call that is dropped by its timeout, or made again, leaves in
    /// the state what it has written so far: write last, after what may fail.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::StateGuard;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// # async fn limit_of(_account: &str) -> u64 { 100 }
    /// flow.source("payments", from_iter([("ann", 70), ("bob", 90), ("ann", 60), ("ann", 30)]))
    ///     .key_by(|(account, _)| account.to_string())
    ///     .async_by_key(
    ///         "check",
    ///         Ordered::up_to(10_000),
    ///         |mut spent: StateGuard<u64>, (account, amount)| async move {
    ///             let limit = limit_of(account).await; // asks a service
    ///             let is_allowed = *spent + amount <= limit;
    ///             if is_allowed {
    ///                 *spent += amount;
    ///             }
    ///             (account, amount, is_allowed)
    ///         },
    ///     )
    ///     .values()
    ///     .filter(|(account, ..)| *account == "ann")
    ///     .map(|(_, amount, is_allowed)| (amount, is_allowed))
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [(70, true), (60, false), (30, true)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: virtual actors, one turn at a time each (Orleans: Bernstein et al., MSR-TR-2014-41).
    pub fn async_by_key<S, U, F, Fut, R>(
        self,
        name: &str,
        calls: Calls<R>,
        f: F,
    ) -> KeyedStream<K, U>
    where
        S: State + Default + PartialEq,
        U: Send + 'static,
        F: Fn(StateGuard<S>, T) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = U> + Send + 'static,
        R: Repeats<T>,
    {
        let on_failure = OnFailure::new(calls.skips_failures);
        let call = move || {
            let f = f.clone();
            WithState::<K, S, _, _>::new(move |state, record| f(state, record).map(Surely))
        };
        let vertex = Self::vertex(name, "async_by_key", calls, R::keep, on_failure, call);
        self.through(name, &calls, vertex.with_state(kind::<K, S>()))
    }

    /// [`async_by_key`](KeyedStream::async_by_key) by calls that can fail: with `?` inside, and what
    /// [`Stream::try_map_async`](crate::Stream::try_map_async) does about it.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::{StateGuard, Retry};
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// # async fn token_for(user: u32) -> Result<String, String> { Ok(format!("t{user}")) }
    /// let calls = Ordered::up_to(10_000).with_retry(Retry::exponential(millis(20)));
    /// flow.source("requests", from_iter([(7, "list"), (7, "get")]))
    ///     .key_by(|(user, _)| *user)
    ///     .try_async_by_key(
    ///         "sign",
    ///         calls,
    ///         |mut token: StateGuard<Option<String>>, (user, request)| async move {
    ///             if token.is_none() {
    ///                 *token = Some(token_for(user).await?); // once for each user
    ///             }
    ///             Ok::<_, String>(format!("{request} {}", token.as_deref().unwrap_or_default()))
    ///         },
    ///     )
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), ["list t7", "get t7"]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn try_async_by_key<S, U, E, F, Fut, R>(
        self,
        name: &str,
        calls: Calls<R>,
        f: F,
    ) -> KeyedStream<K, U>
    where
        S: State + Default + PartialEq,
        U: Send + 'static,
        E: Into<Cause> + Send + 'static,
        F: Fn(StateGuard<S>, T) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<U, E>> + Send + 'static,
        R: Repeats<T>,
    {
        let on_failure = OnFailure::new(calls.skips_failures);
        let call = move || WithState::<K, S, _, _>::new(f.clone());
        let vertex = Self::vertex(name, "async_by_key", calls, R::keep, on_failure, call);
        self.through(name, &calls, vertex.with_state(kind::<K, S>()))
    }

    /// [`try_async_by_key`](KeyedStream::try_async_by_key) with the records whose calls failed as a stream of its own;
    /// see [`Stream::try_map_async_with_failed`](crate::Stream::try_map_async_with_failed).
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::StateGuard;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// let (accepted, refused) = flow
    ///     .source("withdrawals", from_iter([30, 50, 40]))
    ///     .key_by(|_| "account".to_owned())
    ///     .try_async_by_key_with_failed(
    ///         "limit",
    ///         Ordered::up_to(1_000),
    ///         |mut taken: StateGuard<u32>, amount: u32| async move {
    ///             if *taken + amount > 100 {
    ///                 return Err("over the limit");
    ///             }
    ///             *taken += amount;
    ///             Ok(*taken)
    ///         },
    ///     );
    /// accepted.discard();
    /// refused.map(|_, failed| failed.record).sink("refused", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [40]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn try_async_by_key_with_failed<S, U, E, F, Fut, R>(
        self,
        name: &str,
        calls: Calls<R>,
        f: F,
    ) -> (KeyedStream<K, U>, KeyedStream<K, FailedCall<T, E>>)
    where
        T: Clone,
        S: State + Default + PartialEq,
        U: Send + 'static,
        E: Send + 'static,
        F: Fn(StateGuard<S>, T) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<U, E>> + Send + 'static,
        R: Repeats<T>,
    {
        let keep = |record: &T| Some(record.clone());
        let call = move || WithState::<K, S, _, _>::new(f.clone());
        let vertex = Self::vertex(name, "async_by_key", calls, keep, OnFailure::GiveBack, call);
        self.through_with_failed(name, &calls, vertex.with_state(kind::<K, S>()))
    }

    fn vertex<C: Call<ByKey<K, T>> + 'static, R: 'static>(
        name: &str,
        label: &str,
        calls: Calls<R>,
        keep: fn(&T) -> Option<T>,
        on_failure: OnFailure<Failure<ByKey<K, T>, C>>,
        call: impl Fn() -> C + Send + 'static,
    ) -> OperatorVertex {
        let make = move |replica: &Replica| {
            let terms = Terms::new(&calls, replica, keep, on_failure);
            let operator = AsyncCalls::<_, ByKey<K, T>, _>::new(Identity::new(), call(), terms);
            Box::new(operator) as Box<_>
        };
        vertex(name)(label.to_owned(), Box::new(make))
    }

    /// Puts an asynchronous operator behind it.
    pub(crate) fn answered<U, O, R>(
        self,
        name: &str,
        label: &str,
        calls: &Calls<R>,
        operator: impl Fn(&Replica) -> O + Send + 'static,
    ) -> KeyedStream<K, U>
    where
        U: Send + 'static,
        O: Operator + 'static,
    {
        let make = move |replica: &Replica| Box::new(operator(replica)) as Box<_>;
        let vertex = vertex(name)(label.to_owned(), Box::new(make));
        self.through(name, calls, vertex)
    }

    fn through<U: Send + 'static, R>(
        self,
        name: &str,
        calls: &Calls<R>,
        vertex: OperatorVertex,
    ) -> KeyedStream<K, U> {
        check(&self.tail, name, calls);
        let vertex = vertex.with_port(PortMaker::moving::<Keyed<K, U>>());
        KeyedStream::keyed(self.tail.through(vertex))
    }

    fn through_with_failed<U: Send + 'static, E: Send + 'static, R>(
        self,
        name: &str,
        calls: &Calls<R>,
        vertex: OperatorVertex,
    ) -> (KeyedStream<K, U>, KeyedStream<K, FailedCall<T, E>>) {
        check(&self.tail, name, calls);
        let vertex = vertex
            .with_port(PortMaker::moving::<Keyed<K, U>>())
            .with_port(PortMaker::moving::<Keyed<K, FailedCall<T, E>>>());
        let answers = self.tail.through(vertex);
        let failed = answers.other_output(1);
        (KeyedStream::keyed(answers), KeyedStream::keyed(failed))
    }
}

/// The state of `async_by_key`, however its calls end.
fn kind<K: Key, S: State>() -> StateKind {
    StateKind::of::<(K, S)>("async_by_key", 1)
}
