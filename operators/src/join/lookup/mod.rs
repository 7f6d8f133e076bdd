//! Records joined with the answers of a service, which are kept for a while.

mod cache;

use std::future::Future;
use std::time::Duration;

use crate::asynchronous::Calls;
use crate::pipe::Pipe;
use crate::stream::Stream;
use cache::Answers;

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
    /// An answer is `Ok(Some(value))`, `Ok(None)` (there is nothing: that is kept too), or an error, which is not kept:
    /// it goes to the records that wait for this call, and the next one asks again. Records whose key is being asked
    /// for wait for that call instead of making another. Everything else is as in [`map_async`](Self::map_async): a
    /// record whose answer is known passes through it too, so that [`Ordered`](crate::Ordered) keeps its word.
    ///
    /// The state is the cache, of a fixed number of answers in each replica; it is not saved. To have equal keys meet
    /// in one replica, and be asked for once, go through [`key_by`](Self::key_by) first.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::LookupCache;
    /// # use std::convert::Infallible;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("flights", from_iter(["JFK", "XYZ", "JFK"]))
    ///     .lookup(
    ///         "cities",
    ///         Ordered::up_to(100),
    ///         LookupCache::up_to(10_000).with_ttl(minutes(10)).with_negative_ttl(seconds(5)),
    ///         |code| code.to_string(),
    ///         |code| async move {
    ///             millstream::runtime::sleep(millis(5)).await; // a slow service
    ///             Ok::<_, Infallible>((code == "JFK").then(|| "New York".to_owned()))
    ///         },
    ///         |code, city| match city {
    ///             Ok(Some(city)) => format!("{code}: {city}"),
    ///             _ => format!("{code}: ?"),
    ///         },
    ///     )
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), ["JFK: New York", "XYZ: ?", "JFK: New York"]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: the lookup join of Flink; one call for many askers is Go's `singleflight`.
    pub fn lookup<K, V, E, U, G, C, Fut, F>(
        self,
        name: &str,
        calls: Calls,
        cache: LookupCache,
        key_of: G,
        call: C,
        f: F,
    ) -> Stream<U>
    where
        K: std::hash::Hash + Eq + Clone + Send + 'static,
        V: Send + Sync + 'static,
        E: Send + Sync + 'static,
        U: Send + 'static,
        G: Fn(&T) -> K + Clone + Send + 'static,
        C: Fn(K) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<Option<V>, E>> + Send + 'static,
        F: Fn(T, Result<Option<&V>, &E>) -> U + Clone + Send + 'static,
    {
        // A clone for each replica, and with it a cache of its own.
        let answers = Answers::<K, V, E>::new(cache);
        self.map_async(name, calls, move |record| {
            let answer = answers.to(key_of(&record), &call);
            let f = f.clone();
            async move {
                let answer = answer.await;
                f(record, answer.result.as_ref().map(Option::as_ref))
            }
        })
    }
}

#[cfg(test)]
mod tests;
