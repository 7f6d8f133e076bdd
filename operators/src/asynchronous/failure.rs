//! Calls that failed.

use std::error::Error as StdError;
use std::fmt;

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError<E> {
    /// It gave this error.
    Failed(E),
    /// It took longer than its timeout.
    TimedOut,
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Failed(error) => error.fmt(f),
            CallError::TimedOut => f.write_str("it took longer than its timeout"),
        }
    }
}

impl<E: StdError + 'static> StdError for CallError<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            CallError::Failed(error) => Some(error),
            CallError::TimedOut => None,
        }
    }
}

/// A record that got no answer: what `try_map_async_with_failed` gives beside the answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedCall<T, E> {
    /// The record.
    pub record: T,
    /// Why the last call failed.
    pub error: CallError<E>,
    /// How many calls were made.
    pub attempts: u32,
}

pub(super) type Cause = Box<dyn StdError + Send + Sync>;

/// What is done with a record whose last call failed.
pub(super) enum OnFailure<E> {
    /// The flow fails, with the cause that is made of the call's error.
    Fail(fn(E) -> Cause),
    /// It is left out, and counted.
    Skip,
    /// It goes out by the second output, and is counted.
    GiveBack,
}

impl<E> Clone for OnFailure<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for OnFailure<E> {}

impl<E: Into<Cause>> OnFailure<E> {
    pub(super) fn new(skips: bool) -> Self {
        match skips {
            true => OnFailure::Skip,
            false => OnFailure::Fail(E::into),
        }
    }
}

/// The flow's error when it fails.
pub(super) fn fatal<E>(
    error: CallError<E>,
    attempts: u32,
    cause: fn(E) -> Cause,
) -> millstream_engine::Error {
    let what = match attempts {
        1 => "a call failed".to_owned(),
        _ => format!("a call failed {attempts} times, the last time"),
    };
    let cause = match error {
        CallError::Failed(error) => cause(error),
        CallError::TimedOut => CallError::<std::convert::Infallible>::TimedOut.into(),
    };
    millstream_engine::Error::user(what).caused_by(cause)
}
