//! Records that are answered by futures of which others of this crate know more: look-ups.

use std::future::Future;
use std::marker::PhantomData;

use millstream_engine::key::{KeyHash, Keyed};
use millstream_engine::operator::Operator;
use millstream_engine::plan::Replica;

use super::ask::{Ask, Call, Reply};
use super::calls::Calls;
use super::failure::OnFailure;
use super::keying::{ByKey, KeyLabel, Plain};
use super::operator::{AsyncCalls, Terms};
use super::pool::Slot;
use crate::keyed::Key;
use crate::pipe::{Identity, Pipe};

/// An answer, or none: then the record is left out, and counted as bad.
impl<U: Send + 'static> Reply for Option<U> {
    type Answer = U;
    type Error = ();

    fn read(self) -> Result<U, ()> {
        self.ok_or(())
    }
}

/// The operator that answers each record by a future of its own. Of `calls` it heeds how many, and in which order.
pub(crate) fn answering<P, U, F, Fut, R>(
    pipe: P,
    calls: &Calls<R>,
    replica: &Replica,
    ask: F,
) -> impl Operator + use<P, U, F, Fut, R>
where
    P: Pipe,
    U: Send + 'static,
    F: Fn(P::Out) -> Fut + Send,
    Fut: Future<Output = Option<U>> + Send + 'static,
{
    let terms = Terms::new(&calls.of_records(), replica, |_| None, OnFailure::Skip);
    AsyncCalls::<_, Plain<P::Out>, _>::new(pipe, Ask::new(ask), terms)
}

/// The same for records under a key, whose answers keep it.
pub(crate) fn answering_by_key<K, T, U, F, Fut, R>(
    calls: &Calls<R>,
    replica: &Replica,
    ask: F,
) -> impl Operator + use<K, T, U, F, Fut, R>
where
    K: Key,
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(KeyHash, &K, T) -> Fut + Send,
    Fut: Future<Output = Option<U>> + Send + 'static,
{
    let terms = Terms::new(&calls.of_records(), replica, |_| None, OnFailure::Skip);
    let call = AskByKey {
        f: ask,
        of: PhantomData,
    };
    AsyncCalls::<_, ByKey<K, T>, _>::new(Identity::<Keyed<K, T>>::new(), call, terms)
}

/// A closure that is asked about the record and its key.
struct AskByKey<F, Fut> {
    f: F,
    of: PhantomData<fn() -> Fut>,
}

impl<K, T, F, Fut> Call<ByKey<K, T>> for AskByKey<F, Fut>
where
    K: Key,
    T: Send + 'static,
    F: Fn(KeyHash, &K, T) -> Fut + Send,
    Fut: Future<Output: Reply> + Send + 'static,
{
    type Future = Fut;

    fn begin(&mut self, _slot: Slot, label: &KeyLabel<K>, value: T) -> Fut {
        (self.f)(label.hash, &label.key, value)
    }
}
