//! What is called.

use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;

use millstream_engine::Result;
use millstream_engine::state::{StateReader, StateWriter};

use super::keying::Keying;
use super::pool::Slot;

/// What the asynchronous operator calls for each record.
pub(super) trait Call<S: Keying>: Send {
    type Future: Future<Output: Reply> + Send + 'static;

    /// Whether a record's call waits until the one before it in its line is answered.
    const ONE_BY_ONE: bool = false;

    fn begin(&mut self, slot: Slot, label: &S::Label, value: S::Value) -> Self::Future;

    /// The call in this slot has ended, or was dropped.
    fn ended(&mut self, slot: Slot, label: &S::Label) -> Result<()> {
        let _ = (slot, label);
        Ok(())
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        let _ = state;
        Ok(())
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        let _ = state;
        Ok(())
    }
}

/// What a call gives: an answer, or an error.
pub(super) trait Reply {
    type Answer: Send + 'static;
    type Error: Send + 'static;

    fn read(self) -> Result<Self::Answer, Self::Error>;
}

/// The reply of a call that always has an answer.
pub(super) struct Surely<U>(pub(super) U);

impl<U: Send + 'static> Reply for Surely<U> {
    type Answer = U;
    type Error = Infallible;

    fn read(self) -> Result<U, Infallible> {
        Ok(self.0)
    }
}

impl<U: Send + 'static, E: Send + 'static> Reply for Result<U, E> {
    type Answer = U;
    type Error = E;

    fn read(self) -> Result<U, E> {
        self
    }
}

/// A closure that is asked about the record alone.
pub(super) struct Ask<F, Fut> {
    f: F,
    of: PhantomData<fn() -> Fut>,
}

impl<F, Fut> Ask<F, Fut> {
    pub(super) fn new(f: F) -> Self {
        Ask { f, of: PhantomData }
    }
}

impl<S, F, Fut> Call<S> for Ask<F, Fut>
where
    S: Keying,
    F: Fn(S::Value) -> Fut + Send,
    Fut: Future<Output: Reply> + Send + 'static,
{
    type Future = Fut;

    fn begin(&mut self, _slot: Slot, _label: &S::Label, value: S::Value) -> Fut {
        (self.f)(value)
    }
}
