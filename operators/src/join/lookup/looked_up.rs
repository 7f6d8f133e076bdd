//! A record that waits for the answer to its key.

use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::FutureExt;
use millstream_engine::key::KeyHash;
use millstream_engine::plan::Replica;

use super::LookupCache;
use super::cache::{Answers, Asking};
use crate::asynchronous::{Attempts, CallError, Calls};

/// Makes a result of a record and the answer to its key: none, if the call failed and it skips failures.
pub(super) struct LookedUp<T, V, E, F> {
    record: Option<T>,
    asking: Asking<V, E>,
    skips_failures: bool,
    f: F,
}

/// Nothing in it is pinned.
impl<T, V, E, F> Unpin for LookedUp<T, V, E, F> {}

impl<T, V, E, F, U> Future for LookedUp<T, V, E, F>
where
    F: Fn(T, Result<Option<&V>, &CallError<E>>) -> U,
{
    type Output = Option<U>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<U>> {
        let answer = ready!(self.asking.poll_unpin(cx));
        let result = answer.result.as_ref().map(Option::as_ref);
        if result.is_err() && self.skips_failures {
            return Poll::Ready(None);
        }
        let record = self.record.take();
        Poll::Ready(record.map(|record| (self.f)(record, result)))
    }
}

/// What the user gave, and the answers of a replica.
pub(super) struct LookUp<K, V, E, C, F> {
    answers: Answers<K, V, E>,
    skips_failures: bool,
    call: C,
    f: F,
}

impl<K, V, E, C, F, Fut> LookUp<K, V, E, C, F>
where
    K: Hash + Eq + Clone + Send + 'static,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
    C: Fn(K) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<Option<V>, E>> + Send + 'static,
    F: Clone,
{
    pub(super) fn new<R>(
        cache: LookupCache,
        calls: &Calls<R>,
        replica: &Replica,
        call: C,
        f: F,
    ) -> Self {
        LookUp {
            answers: Answers::new(
                cache,
                Attempts::new(calls, replica.index, replica.parallelism),
            ),
            skips_failures: calls.skips_failures,
            call,
            f,
        }
    }

    /// A record is in: what becomes of it.
    pub(super) fn of<T>(&self, hash: KeyHash, key: &K, record: T) -> LookedUp<T, V, E, F> {
        LookedUp {
            record: Some(record),
            asking: self.answers.to(hash, key, &self.call),
            skips_failures: self.skips_failures,
            f: self.f.clone(),
        }
    }
}
