//! Records joined with the answers of a service, which are kept for a while.

mod cache;
mod looked_up;

use std::future::Future;
use std::hash::Hash;
use std::time::Duration;

use millstream_engine::key::KeyHash;

use crate::asynchronous::{CallError, Calls, Repeats, answering, answering_by_key};
use crate::keyed::{Key, KeyedStream};
use crate::pipe::Pipe;
use crate::stream::Stream;
use looked_up::LookUp;

/// How the answers of a [`lookup`](Stream::lookup) are kept, in each replica for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupCache {
    most: usize,
    ttl: Duration,
    negative_ttl: Option<Duration>,
}

impl LookupCache {
    /// Keeps at most so many answers: one that was not used for long makes room for another. With 0 none is kept.
    pub const fn up_to(most: usize) -> Self {
        LookupCache {
            most,
            ttl: Duration::MAX,
            negative_ttl: None,
        }
    }

    /// Asks again when an answer is older than this, in processing time. (Default: as long as it is kept, it is used.)
    #[must_use]
    pub const fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The same for the answer that there is nothing under a key. (Default: as for others.)
    #[must_use]
    pub const fn with_negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative_ttl = Some(ttl);
        self
    }
}

impl<T: Send + 'static, P: Pipe<Out = T>> Stream<T, P> {
    /// Joins each record with what a service answers to its key: `call` asks for a key, `f` makes a result of the
    /// record and the answer, with the record's timestamp.
    ///
    /// An answer is `Ok(Some(value))` or `Ok(None)` (there is nothing: that is kept too). A call fails that gives an
    /// error or takes longer than its [timeout](Calls::with_timeout); it is made [again](Calls::with_retry) if so wished,
    /// and behind the last attempt its error goes to the records that wait for it, unless failures are
    /// [skipped](Calls::skip_failures). An error is not kept: the next record asks anew.
    ///
    /// Records whose key is being asked for wait for that call, with all its attempts, instead of making another. So a
    /// [rate](Calls::with_rate_limit) counts calls, not records; [`Ordered::up_to`](crate::Ordered::up_to), as everywhere, the
    /// records that wait. Those whose answer is known keep their order too.
    ///
    /// An error that `f` is given is counted nowhere: what is to be made of it is up to `f`. Records that are left out by
    /// [`skip_failures`](Calls::skip_failures) are counted as bad.
    ///
    /// A barrier (of a snapshot, of a commit of positions) waits for the calls in flight, with their retries and pauses.
    ///
    /// The state is the cache, of a fixed number of answers in each replica; it is not saved. To have equal keys meet
    /// in one replica, and be asked for once, look up by [key](KeyedStream::lookup).
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::{LookupCache, Retry};
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// let calls = Ordered::up_to(100)
    ///     .with_timeout(seconds(1))
    ///     .with_retry(Retry::exponential(millis(50)).up_to(4));
    /// flow.source("flights", from_iter(["JFK", "XYZ", "JFK", "LHR"]))
    ///     .lookup(
    ///         "cities",
    ///         calls,
    ///         LookupCache::up_to(10_000).with_ttl(minutes(10)).with_negative_ttl(seconds(5)),
    ///         |code| code.to_string(),
    ///         |code| async move {
    ///             millstream::runtime::sleep(millis(5)).await; // a slow service
    ///             match &*code {
    ///                 "LHR" => Err("we do not serve London"),
    ///                 _ => Ok((code == "JFK").then(|| "New York".to_owned())),
    ///             }
    ///         },
    ///         |code, city| match city {
    ///             Ok(Some(city)) => format!("{code}: {city}"),
    ///             Ok(None) => format!("{code}: ?"),
    ///             Err(error) => format!("{code}: {error}"),
    ///         },
    ///     )
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// # let results = results.take();
    /// assert_eq!(results[..3], ["JFK: New York", "XYZ: ?", "JFK: New York"]);
    /// assert_eq!(results[3], "LHR: we do not serve London");
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: the lookup join of Flink; one call for many askers is Go's `singleflight`.
    pub fn lookup<K, V, E, U, G, C, Fut, F, R>(
        self,
        name: &str,
        calls: Calls<R>,
        cache: LookupCache,
        key_of: G,
        call: C,
        f: F,
    ) -> Stream<U>
    where
        K: Hash + Eq + Clone + Send + 'static,
        V: Send + Sync + 'static,
        E: Send + Sync + 'static,
        U: Send + 'static,
        G: Fn(&T) -> K + Clone + Send + 'static,
        C: Fn(K) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<Option<V>, E>> + Send + 'static,
        F: Fn(T, Result<Option<&V>, &CallError<E>>) -> U + Clone + Send + 'static,
        R: Repeats<K>,
    {
        self.answered(name, "lookup", &calls, move |replica, pipe| {
            let look_up = LookUp::new(cache, &calls, replica, call.clone(), f.clone());
            let key_of = key_of.clone();
            answering(pipe, &calls, replica, move |record| {
                let key = key_of(&record);
                look_up.of(KeyHash::of(&key), &key, record)
            })
        })
    }
}

impl<K: Key, T: Send + 'static> KeyedStream<K, T> {
    /// Joins each record with what a service answers to the stream's key, under the same key; otherwise as
    /// [`Stream::lookup`]. Equal keys are in one replica, so each is asked for once.
    ///
    /// With [`Ordered`](crate::Ordered) calls, records of one key go on in their order, and those of different keys
    /// overtake each other, as in [`map_async`](Self::map_async).
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::LookupCache;
    /// # use std::convert::Infallible;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("payments", from_iter([("ann", 30), ("bob", 20), ("ann", 90)]))
    ///     .key_by(|(account, _)| account.to_string())
    ///     .lookup(
    ///         "limits",
    ///         Ordered::up_to(1_000),
    ///         LookupCache::up_to(10_000),
    ///         |account| async move { Ok::<_, Infallible>((account == "ann").then_some(50)) },
    ///         |account, (_, amount), limit| match limit {
    ///             Ok(Some(limit)) if amount > *limit => format!("{account}: {amount} is too much"),
    ///             _ => format!("{account}: {amount}"),
    ///         },
    ///     )
    ///     .values()
    ///     .filter(|text| text.starts_with("ann"))
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), ["ann: 30", "ann: 90 is too much"]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: the lookup join of Flink, as for streams without keys.
    pub fn lookup<V, E, U, C, Fut, F, R>(
        self,
        name: &str,
        calls: Calls<R>,
        cache: LookupCache,
        call: C,
        f: F,
    ) -> KeyedStream<K, U>
    where
        V: Send + Sync + 'static,
        E: Send + Sync + 'static,
        U: Send + 'static,
        C: Fn(K) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<Option<V>, E>> + Send + 'static,
        F: Fn(&K, T, Result<Option<&V>, &CallError<E>>) -> U + Clone + Send + 'static,
        R: Repeats<K>,
    {
        let f = move |(key, record): (K, T), answer: Result<Option<&V>, &CallError<E>>| {
            f(&key, record, answer)
        };
        self.answered(name, "lookup", &calls, move |replica| {
            let look_up = LookUp::new(cache, &calls, replica, call.clone(), f.clone());
            answering_by_key(&calls, replica, move |hash, key: &K, record: T| {
                look_up.of(hash, key, (key.clone(), record))
            })
        })
    }
}

#[cfg(test)]
mod tests;
