//! Ways out of a keyed stream.

use millstream_engine::key::Keyed;
use millstream_engine::plan::Route;

use crate::keyed::{Key, KeyedStream};
use crate::pipe::{Map, Pipe};
use crate::stream::Stream;

impl<K: Key, T: Send + 'static> KeyedStream<K, T> {
    /// Turns every key and value into a record of a stream that is no longer keyed.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("words", from_iter(["to", "be", "or"]))
    ///     .key_by(|word| word.len())
    ///     .map(|length, word| format!("{word}:{length}"))
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), ["to:2", "be:2", "or:2"]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn map<U, F>(self, f: F) -> Stream<U, impl Pipe<Out = U>>
    where
        U: Send + 'static,
        F: Fn(K, T) -> U + Clone + Send + 'static,
    {
        let step = move |keyed: Keyed<K, T>| f(keyed.key, keyed.value);
        self.into_records("map", step)
    }

    /// The values without their keys.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("words", from_iter(["to", "be", "or"]))
    ///     .key_by(|word| word.len())
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), ["to", "be", "or"]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn values(self) -> Stream<T, impl Pipe<Out = T>> {
        self.into_records("values", |keyed| keyed.value)
    }

    /// The values with their keys.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("words", from_iter(["to", "be", "or"]))
    ///     .key_by(|word| word.len())
    ///     .entries()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [(2, "to"), (2, "be"), (2, "or")]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn entries(self) -> Stream<(K, T), impl Pipe<Out = (K, T)>> {
        self.into_records("entries", |keyed| (keyed.key, keyed.value))
    }

    /// Ends the stream in nothing.
    ///
    /// A stream that goes nowhere without saying so is an error when the flow starts; [`Stream::discard`] has an example.
    pub fn discard(self) {
        self.tail.discard();
    }

    /// There is none: it is here for what the compiler says of it.
    #[doc(hidden)]
    pub fn sink<S>(self, _name: &str, _sink: S)
    where
        Self: SaysWhatIsWritten,
    {
    }

    fn into_records<U, F>(self, name: &'static str, step: F) -> Stream<U, impl Pipe<Out = U>>
    where
        U: Send + 'static,
        F: Fn(Keyed<K, T>) -> U + Clone + Send + 'static,
    {
        Stream::plain(self.tail.routed(Route::Forward)).step(name, |before| Map { before, step })
    }
}

/// Holds for no keyed stream, so that the compiler says what to put before a sink.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a keyed stream does not say what of it is written to the sink",
    label = "put `.values()`, `.entries()` or `.map(…)` before it",
    note = "`.values()` are the values, `.entries()` the values with their keys, `.map(|key, value| …)` is what you make \
            of both"
)]
pub trait SaysWhatIsWritten {}
