//! Steps that look at one record at a time. All of them fuse.

use crate::pipe::{Filter, FlatMap, Inspect, Map, Pipe};
use crate::stream::Stream;

impl<T: Send + 'static, P: Pipe<Out = T>> Stream<T, P> {
    /// Turns every record into another.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("words", from_iter(["to", "be", "or"]))
    ///     .map(|word| word.len())
    ///     .sink("lengths", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [2, 2, 2]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn map<U, F>(self, f: F) -> Stream<U, impl Pipe<In = P::In, Out = U>>
    where
        U: Send + 'static,
        F: Fn(T) -> U + Clone + Send + 'static,
    {
        self.step("map", |before| Map { before, step: f })
    }

    /// Keeps the records for which `f` says so.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("numbers", from_iter(1..=6))
    ///     .filter(|n| n % 3 == 0)
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [3, 6]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn filter<F>(self, f: F) -> Stream<T, impl Pipe<In = P::In, Out = T>>
    where
        F: Fn(&T) -> bool + Clone + Send + 'static,
    {
        self.step("filter", |before| Filter { before, step: f })
    }

    /// Turns every record into another, or leaves it out.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("lines", from_iter(["7", "seven", "11"]))
    ///     .filter_map(|line| line.parse::<u32>().ok())
    ///     .sink("numbers", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [7, 11]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn filter_map<U, F>(self, f: F) -> Stream<U, impl Pipe<In = P::In, Out = U>>
    where
        U: Send + 'static,
        F: Fn(T) -> Option<U> + Clone + Send + 'static,
    {
        self.step("filter_map", |before| FlatMap { before, step: f })
    }

    /// Turns every record into any number of others, in their order, all with its timestamp.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("lines", from_iter(["to be", "or not"]))
    ///     .flat_map(|line| line.split(' '))
    ///     .sink("words", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), ["to", "be", "or", "not"]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn flat_map<I, F>(self, f: F) -> Stream<I::Item, impl Pipe<In = P::In, Out = I::Item>>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(T) -> I + Clone + Send + 'static,
    {
        self.step("flat_map", |before| FlatMap { before, step: f })
    }

    /// Shows every record to `f` and passes it on.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("numbers", from_iter(1..=3))
    ///     .inspect(|n| println!("{n} passed"))
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [1, 2, 3]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn inspect<F>(self, f: F) -> Stream<T, impl Pipe<In = P::In, Out = T>>
    where
        F: Fn(&T) + Clone + Send + 'static,
    {
        self.step("inspect", |before| Inspect { before, step: f })
    }
}
