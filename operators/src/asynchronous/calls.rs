//! How calls are made: how many at once, in which order, how often, how long.

use std::marker::PhantomData;
use std::time::Duration;

use super::retry::Retry;
use crate::rate::{RateLimit, share};

/// How the calls of an asynchronous step are made: how many may be in flight, in which order their answers go on, how
/// long one may take, how often it is tried, how many begin in a second.
///
/// It starts with [`Ordered::up_to`] or [`Unordered::up_to`].
///
/// A barrier (of a [snapshot](millstream_engine::execution::Execution::stop_with_snapshot), of a commit of positions)
/// waits for the calls in flight, with all their retries and the pauses between: give them timeouts.
///
/// ```
/// use millstream::operators::{RateLimit, Retry};
/// use millstream::prelude::*;
///
/// let calls = Unordered::up_to(1_000)
///     .with_timeout(seconds(2))
///     .with_retry(Retry::exponential(millis(100)).up_to(5))
///     .with_rate_limit(RateLimit::per_second(300));
/// # let _ = calls;
/// ```
pub struct Calls<R = Once> {
    pub(super) most: usize,
    pub(super) in_order: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Option<Retry>,
    pub(super) rate: Option<RateLimit>,
    pub(crate) skips_failures: bool,
    repeats: PhantomData<fn() -> R>,
}

/// Answers in the order of their records: each waits for those before it, on a keyed stream for those of its key.
#[derive(Clone, Copy, Debug)]
pub struct Ordered;

/// Answers as they come.
#[derive(Clone, Copy, Debug)]
pub struct Unordered;

impl Ordered {
    /// At most `most` calls in flight, over all replicas together (but one for each).
    pub const fn up_to(most: usize) -> Calls {
        Calls::new(most, true)
    }
}

impl Unordered {
    /// At most `most` calls in flight, over all replicas together (but one for each).
    pub const fn up_to(most: usize) -> Calls {
        Calls::new(most, false)
    }
}

impl Calls {
    const fn new(most: usize, in_order: bool) -> Self {
        Calls {
            most,
            in_order,
            timeout: None,
            retry: None,
            rate: None,
            skips_failures: false,
            repeats: PhantomData,
        }
    }
}

impl<R> Calls<R> {
    /// A call may take so long; then it is dropped, and counts as failed. Each attempt has its own time.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// A failed call is made again, with a copy of its record (which must be `Clone`).
    ///
    /// It keeps its place among the calls in flight while it waits for its next attempt.
    #[must_use]
    pub const fn with_retry(self, retry: Retry) -> Calls<Repeated> {
        Calls {
            most: self.most,
            in_order: self.in_order,
            timeout: self.timeout,
            retry: Some(retry),
            rate: self.rate,
            skips_failures: self.skips_failures,
            repeats: PhantomData,
        }
    }

    /// No more calls begin in a time than this, attempts after the first included, over all replicas together: each
    /// has an even share.
    #[must_use]
    pub const fn with_rate_limit(mut self, rate: RateLimit) -> Self {
        self.rate = Some(rate);
        self
    }

    /// A record whose call failed, with all its attempts, is left out and counted as bad. (Without this the flow
    /// fails; a [`lookup`](crate::Stream::lookup) gives the error to its closure, and counts it nowhere.)
    #[must_use]
    pub const fn skip_failures(mut self) -> Self {
        self.skips_failures = true;
        self
    }

    /// The same for records that wait for calls which heed the rest themselves: how many, and in which order.
    pub(super) fn of_records(&self) -> Calls {
        Calls::new(self.most, self.in_order)
    }

    /// How many calls one replica may have in flight.
    pub(super) fn share(&self, replica: usize, parallelism: usize) -> usize {
        share(self.most, replica, parallelism)
    }

    /// What is wrong with these settings of the vertex `name`.
    pub(super) fn mistakes(&self, name: &str) -> impl Iterator<Item = String> {
        let mistakes = [
            (self.most == 0)
                .then_some("allows no call in flight: `up_to(1)` is the least".to_owned()),
            (self.timeout == Some(Duration::ZERO))
                .then_some("gives its calls no time: a timeout is more than nothing".to_owned()),
            self.retry.and_then(|retry| retry.mistake()),
            self.rate.and_then(|rate| rate.mistake()),
        ];
        let text = move |mistake| format!("`{name}` {mistake}");
        mistakes
            .into_iter()
            .flatten()
            .map(text)
            .collect::<Vec<_>>()
            .into_iter()
    }
}

impl<R> Clone for Calls<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Calls<R> {}

impl<R> std::fmt::Debug for Calls<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calls")
            .field("most", &self.most)
            .field("in_order", &self.in_order)
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .field("rate", &self.rate)
            .field("skips_failures", &self.skips_failures)
            .finish()
    }
}

/// Each call is made once.
#[derive(Debug)]
pub enum Once {}

/// A failed call is made again.
#[derive(Debug)]
pub enum Repeated {}

/// Whether calls made like this need copies of their records of type `T`.
#[diagnostic::on_unimplemented(
    message = "calls with `with_retry` need copies of their records, and `{T}` cannot be cloned",
    note = "derive `Clone` for the record, or leave out `with_retry`"
)]
pub trait Repeats<T>: 'static {
    /// Makes the copy that is kept for the next attempt, if there may be one.
    #[doc(hidden)]
    fn keep(record: &T) -> Option<T>;
}

impl<T> Repeats<T> for Once {
    fn keep(_record: &T) -> Option<T> {
        None
    }
}

// Else the compiler would say of what is not `Clone` only that.
#[diagnostic::do_not_recommend]
impl<T: Clone> Repeats<T> for Repeated {
    fn keep(record: &T) -> Option<T> {
        Some(record.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_share_the_calls() {
        let shares = |most: usize, parallelism: usize| -> Vec<usize> {
            let calls = Ordered::up_to(most);
            (0..parallelism)
                .map(|index| calls.share(index, parallelism))
                .collect()
        };
        assert_eq!(shares(10, 4), [3, 3, 2, 2]);
        assert_eq!(shares(2, 4), [1, 1, 1, 1]);
    }

    #[test]
    fn settings_that_cannot_be_are_told_together() {
        let calls = Ordered::up_to(0)
            .with_timeout(Duration::ZERO)
            .with_retry(Retry::exponential(Duration::from_secs(1)).up_to(0))
            .with_rate_limit(RateLimit::per_second(0));
        let told: Vec<_> = calls.mistakes("ask").collect();
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(
            told.iter().all(|text| text.starts_with("`ask` ")),
            "{told:?}"
        );
        assert_eq!(Ordered::up_to(1).mistakes("ask").count(), 0);
    }
}
