//! Keyed streams: partitioned so that equal keys meet.
//!
//! Which store is for what an operator keeps of its keys:
//!
//! | store | for |
//! |---|---|
//! | [`KeyTable`] | state that nothing points at: found by its key alone |
//! | [`KeySlots`] | state that something points at, by the number of its slot: a timer, a turn, a window |
//! | `DueKeys` (of `join`) | slots that have their turn once time has passed a moment, mostly set once for each |
//! | `Wheel` (of `timer`) | slots that hang until a tick, often hung up and taken down again; keeps no state |
//! | `ExpiryQueue` (of `window::count`) | which keys of a table may have expired, looked at no more often than that |

pub(crate) mod prefetch;
mod rolling;
mod slots;
mod table;
mod unkeyed;

pub(crate) use slots::{KeySlots, NO_SLOT};
pub(crate) use table::{Entry, Guesses, KeyTable, NO_GUESSES};

use std::hash::Hash;
use std::marker::PhantomData;

use millstream_engine::Result;
use millstream_engine::batch::AnyBatch;
use millstream_engine::key::Keyed;
use millstream_engine::operator::Operator;
use millstream_engine::outbox::Outbox;
use millstream_engine::plan::{OperatorVertex, Route};
use millstream_engine::state::State;

use crate::pipe::Pipe;
use crate::scope::Tail;
use crate::stream::Stream;

/// Keys that have their turn before the task is let look around, though they put nothing out.
pub(crate) const AT_ONCE: usize = 4_096;

/// What can be a key: it is hashed, compared, and saved along with its state.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key",
    label = "a key needs Hash, Eq, Clone, Serialize and DeserializeOwned, and must own its data",
    note = "derive them (`#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]`); return a clone of a \
            field, not a reference to it; floating-point numbers are no keys"
)]
pub trait Key: Hash + Eq + Clone + State {}

impl<K: Hash + Eq + Clone + State> Key for K {}

/// Records of type `T` under keys of type `K`: equal keys meet in one task, where their state is.
///
/// It stays keyed through windows, joins and rolling state. [`map`](KeyedStream::map),
/// [`values`](KeyedStream::values) and [`entries`](KeyedStream::entries) lead out of it.
#[must_use = "a stream does nothing until it ends in a sink (or in `discard`)"]
pub struct KeyedStream<K, T> {
    pub(crate) tail: Tail,
    of: PhantomData<fn() -> (K, T)>,
}

impl<T: Send + 'static, P: Pipe<Out = T>> Stream<T, P> {
    /// Partitions the stream: records with equal keys meet, in the order they come.
    ///
    /// The key is hashed here, once.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("words", from_iter(["a", "bb", "c"]))
    ///     .key_by(|word| word.len())
    ///     .fold("count", 0, |count, _word| {
    ///         *count += 1;
    ///         *count
    ///     })
    ///     .entries()
    ///     .sink("counts", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// let mut counts = results.take();
    /// counts.sort();
    /// assert_eq!(counts, [(1, 1), (1, 2), (2, 1)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn key_by<K, F>(self, key: F) -> KeyedStream<K, T>
    where
        K: Key,
        F: Fn(&T) -> K + Clone + Send + 'static,
    {
        let fused = self.fuse(OperatorVertex::unnamed, "key_by", move |_, pipe| KeyBy {
            pipe,
            key: key.clone(),
        });
        KeyedStream::keyed(fused.through_port::<Keyed<K, T>>())
    }
}

impl<K: Key, T: Send + 'static> KeyedStream<K, T> {
    /// The stream of [`Keyed`] records behind `tail`, pushed with their hash.
    pub(crate) fn keyed(tail: Tail) -> Self {
        KeyedStream {
            tail: tail.routed(Route::ByKey),
            of: PhantomData,
        }
    }

    /// The records of both streams, each in its own order.
    ///
    /// It has event time if both have.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// let by_length = |name: &str, words: [&'static str; 2]| {
    ///     flow.source(name, from_iter(words)).key_by(|word| word.len())
    /// };
    /// by_length("one", ["to", "not"])
    ///     .union(by_length("other", ["be", "or"]))
    ///     .fold("count", 0, |count, _word| {
    ///         *count += 1;
    ///         *count
    ///     })
    ///     .entries()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// let mut counts = results.take();
    /// counts.sort();
    /// assert_eq!(counts, [(2, 1), (2, 2), (2, 3), (3, 1)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn union(self, other: KeyedStream<K, T>) -> KeyedStream<K, T> {
        KeyedStream::keyed(self.tail.union(other.tail))
    }

    /// Sets how many replicas make this stream: those of the vertex it comes from, with the steps fused to it
    /// (default: the flow's, or as many as the vertex before it has).
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("numbers", from_iter(0..100))
    ///     .key_by(|n| n % 3)
    ///     .reduce("sums", |sum, n| *sum += n)
    ///     .with_parallelism(1) // three keys: more would be idle
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(4).simulate(1)?;
    /// assert_eq!(results.take().len(), 100);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn with_parallelism(self, replicas: usize) -> Self {
        self.tail.set_parallelism(replicas);
        self
    }
}

/// Both go their own way, each with every record.
impl<K: Key, T: Clone + Send + 'static> Clone for KeyedStream<K, T> {
    fn clone(&self) -> Self {
        self.tail.copy::<Keyed<K, T>>();
        KeyedStream::keyed(self.tail.clone())
    }
}

struct KeyBy<P, F> {
    pipe: P,
    key: F,
}

impl<P, F, K> Operator for KeyBy<P, F>
where
    P: Pipe,
    F: Fn(&P::Out) -> K + Send,
    K: Key,
{
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let port = out.port(0)?;
        for record in batch.of::<P::In>()?.records.drain(..) {
            let next = &mut |value, time| {
                let keyed = Keyed::new((self.key)(&value), value);
                port.push_keyed(keyed.hash, keyed, time);
            };
            self.pipe.push(record.value, record.time, next);
        }
        Ok(())
    }
}
