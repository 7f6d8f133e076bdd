//! A call whose answer several wait for, made until it has one.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use millstream_engine::random::SplitMix64;
use millstream_engine::runtime;

use super::calls::Calls;
use super::failure::CallError;
use super::retry::{Retry, jitter};
use crate::rate::Bucket;

/// How the calls of one replica are made that are not those of one record: when the rate allows it, for as long as they
/// may take, and again when they fail.
///
/// (The calls of records are in a [`CallPool`](super::pool::CallPool), without a future around them.)
pub(crate) struct Attempts {
    timeout: Option<Duration>,
    retry: Option<Retry>,
    replica: usize,
    /// Calls in flight take from these, each in its turn. Never contended: one task polls them all.
    shared: Mutex<Shared>,
}

struct Shared {
    bucket: Option<Bucket>,
    jitter: Option<SplitMix64>,
}

impl Attempts {
    pub(crate) fn new<R>(calls: &Calls<R>, replica: usize, parallelism: usize) -> Self {
        Attempts {
            timeout: calls.timeout,
            retry: calls.retry,
            replica,
            shared: Mutex::new(Shared {
                bucket: calls.rate.map(|rate| rate.bucket(replica, parallelism)),
                jitter: None,
            }),
        }
    }

    /// What comes of the last attempt.
    pub(crate) async fn make<U, E, Fut>(&self, call: impl Fn() -> Fut) -> Result<U, CallError<E>>
    where
        Fut: Future<Output = Result<U, E>>,
    {
        let mut failed = 0;
        loop {
            let pause = self.until_the_rate_allows_it();
            if !pause.is_zero() {
                runtime::sleep(pause).await;
            }
            let attempt = call();
            let reply = match self.timeout {
                Some(timeout) => runtime::timeout(timeout, attempt).await,
                None => Some(attempt.await),
            };
            let error = match reply {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(error)) => CallError::Failed(error),
                None => CallError::TimedOut,
            };
            failed += 1;
            match self.pause_after(failed) {
                Some(pause) => runtime::sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    fn until_the_rate_allows_it(&self) -> Duration {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = shared.bucket.as_mut();
        bucket.map_or(Duration::ZERO, |bucket| bucket.take(runtime::now()))
    }

    fn pause_after(&self, failed: u32) -> Option<Duration> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let seed = || jitter(runtime::wall(), self.replica);
        let drawn = shared.jitter.get_or_insert_with(seed).number();
        self.retry?.pause(failed, drawn)
    }
}
