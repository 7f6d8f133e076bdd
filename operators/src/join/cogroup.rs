//! All records of several streams, by key and window.

use std::marker::PhantomData;

use millstream_engine::operator::Step;
use millstream_engine::state::State;

use super::SameKey;
use super::windowed::{Cursor, Group, MakeResults, windowed};
use crate::keyed::{Key, KeyedStream};
use crate::late::with_late;
use crate::scope::Tail;
use crate::stream::{Either, OneOf3, OneOf4};
use crate::window::{Window, WindowAssigner};

impl<K: Key, A: Send + 'static> KeyedStream<K, A> {
    /// Brings two streams together, more by [`and`](Cogroup::and): all their records of a key and window go to one
    /// closure, given to [`window`](Cogroup::window).
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// # let timed = |name: &str, rows: [(u64, i64); 2]| {
    /// #     flow.source(name, from_iter(rows))
    /// #         .event_time(|(_, at)| Timestamp::from_secs(*at), Lateness::none())
    /// #         .key_by(|(key, _)| *key)
    /// # };
    /// // Each stream has records `(user, second)`.
    /// let views = timed("views", [(1, 5), (1, 6)]);
    /// let clicks = timed("clicks", [(1, 7), (2, 8)]);
    /// let orders = timed("orders", [(2, 9), (2, 70)]);
    /// views
    ///     .cogroup(clicks)
    ///     .and(orders)
    ///     .window("visits", Tumbling::of(minutes(1)), |user, _, views, clicks, orders| {
    ///         (*user, views.len(), clicks.len(), orders.len())
    ///     })
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// # let mut results = results.take();
    /// # results.sort();
    /// assert_eq!(results, [(1, 2, 1, 0), (2, 0, 0, 1), (2, 0, 1, 1)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: `coGroup` of Flink, `CoGroupByKey` of Beam.
    pub fn cogroup<J, B>(self, other: KeyedStream<J, B>) -> Cogroup<K, (Vec<A>, Vec<B>)>
    where
        A: State,
        J: SameKey<K>,
        B: State,
    {
        Cogroup::of(vec![self.tail, other.tail])
    }
}

/// Two to four keyed streams on their way into common windows; see [`KeyedStream::cogroup`].
#[must_use = "a co-group does nothing until it is given windows"]
pub struct Cogroup<K, S> {
    inputs: Vec<Tail>,
    of: PhantomData<fn() -> (K, S)>,
}

impl<K, S> Cogroup<K, S> {
    fn of(inputs: Vec<Tail>) -> Self {
        Cogroup {
            inputs,
            of: PhantomData,
        }
    }
}

impl<K: Key, A: State, B: State> Cogroup<K, (Vec<A>, Vec<B>)> {
    /// With a third stream.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// # let timed = |name: &str, times: [i64; 2]| {
    /// #     flow.source(name, from_iter(times.map(|at| (1, at))))
    /// #         .event_time(|(_, at)| Timestamp::from_secs(*at), Lateness::none())
    /// #         .key_by(|(user, _)| *user)
    /// # };
    /// // Each stream has records `(user, second)`.
    /// let views = timed("views", [5, 6]);
    /// let clicks = timed("clicks", [12, 70]);
    /// let orders = timed("orders", [30, 80]);
    /// views
    ///     .cogroup(clicks)
    ///     .and(orders)
    ///     .window("visits", Tumbling::of(minutes(1)), |_, _, views, clicks, orders| {
    ///         (views.len(), clicks.len(), orders.len())
    ///     })
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [(2, 1, 1), (0, 1, 1)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn and<J, C>(mut self, other: KeyedStream<J, C>) -> Cogroup<K, (Vec<A>, Vec<B>, Vec<C>)>
    where
        J: SameKey<K>,
        C: State,
    {
        self.inputs.push(other.tail);
        Cogroup::of(self.inputs)
    }
}

impl<K: Key, A: State, B: State, C: State> Cogroup<K, (Vec<A>, Vec<B>, Vec<C>)> {
    /// With a fourth stream.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// # let timed = |name: &str, times: [i64; 2]| {
    /// #     flow.source(name, from_iter(times.map(|at| (1, at))))
    /// #         .event_time(|(_, at)| Timestamp::from_secs(*at), Lateness::none())
    /// #         .key_by(|(user, _)| *user)
    /// # };
    /// // Each stream has records `(user, second)`.
    /// let views = timed("views", [5, 6]);
    /// let clicks = timed("clicks", [12, 70]);
    /// let orders = timed("orders", [30, 80]);
    /// let returns = timed("returns", [90, 95]);
    /// views
    ///     .cogroup(clicks)
    ///     .and(orders)
    ///     .and(returns)
    ///     .window("visits", Tumbling::of(minutes(1)), |_, _, views, clicks, orders, returns| {
    ///         (views.len(), clicks.len(), orders.len(), returns.len())
    ///     })
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [(2, 1, 1, 0), (0, 1, 1, 2)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn and<J, D>(
        mut self,
        other: KeyedStream<J, D>,
    ) -> Cogroup<K, (Vec<A>, Vec<B>, Vec<C>, Vec<D>)>
    where
        J: SameKey<K>,
        D: State,
    {
        self.inputs.push(other.tail);
        Cogroup::of(self.inputs)
    }
}

macro_rules! windows {
    (
        $late:ident: $($input:tt $type:ident),+;
        $(#[$window:meta])*
        window
        $(#[$with_late:meta])*
        window_with_late
    ) => {
        impl<K: Key, $($type: State),+> Cogroup<K, ($(Vec<$type>,)+)> {
            $(#[$window])*
            pub fn window<W, U, F>(self, name: &str, windows: W, f: F) -> KeyedStream<K, U>
            where
                W: WindowAssigner,
                U: Send + 'static,
                F: Fn(&K, Window, $(Group<'_, $type>),+) -> U + Clone + Send + 'static,
            {
                KeyedStream::keyed(self.grouped(name, windows, f, false))
            }

            $(#[$with_late])*
            pub fn window_with_late<W, U, F>(
                self,
                name: &str,
                windows: W,
                f: F,
            ) -> (KeyedStream<K, U>, KeyedStream<K, $late<$($type),+>>)
            where
                W: WindowAssigner,
                U: Send + 'static,
                F: Fn(&K, Window, $(Group<'_, $type>),+) -> U + Clone + Send + 'static,
            {
                with_late(self.grouped(name, windows, f, true))
            }

            fn grouped<W, U, F>(self, name: &str, windows: W, f: F, gives_late: bool) -> Tail
            where
                W: WindowAssigner,
                U: Send + 'static,
                F: Fn(&K, Window, $(Group<'_, $type>),+) -> U + Clone + Send + 'static,
            {
                let f = move |key: &K, window, all: &[&($(Vec<$type>,)+)]| {
                    f(key, window, $(Group::of(all, |sides| &sides.$input)),+)
                };
                windowed(name, "cogroup", self.inputs, windows, Grouped(f), gives_late)
            }
        }
    };
}

windows! {
    Either: 0 A, 1 B;
    /// Makes one result of all records of a key in a window, when the watermark passes its end; its timestamp is the
    /// [last](Window::last) moment of it. A [`Group`] may be empty, but not all of them.
    ///
    /// A record is late, and counted, when all its windows are closed;
    /// [`window_with_late`](Self::window_with_late) gives it as well. The state is all records, each once, until
    /// the watermark passes the last of their windows. See [`cogroup`](KeyedStream::cogroup) for an example.
    window
    /// Like [`window`](Self::window), with the late records as a stream of its own.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let (results, missed) = (Collect::new(), Collect::new());
    /// # let (out, missed_out) = (results.clone(), missed.clone());
    /// # let flow = Flow::new("docs", move |flow| {
    /// # let timed = |name: &str, times: [i64; 4]| {
    /// #     flow.source(name, Generator::new(move |n, _| (1, times[n as usize])).with_rate(10).with_count(4))
    /// #         .event_time(|(_, at)| Timestamp::from_secs(*at), Lateness::none())
    /// #         .key_by(|(key, _)| *key)
    /// # };
    /// // Each stream has records `(user, second)`, one after the other.
    /// let views = timed("views", [5, 6, 130, 7]);
    /// let clicks = timed("clicks", [12, 13, 190, 50]);
    /// let (visits, late) = views.cogroup(clicks).window_with_late(
    ///     "visits",
    ///     Tumbling::of(minutes(1)),
    ///     |_, window, views, clicks| (window.start.as_millis() / 60_000, views.len(), clicks.len()),
    /// );
    /// visits.values().sink("out", out.sink());
    /// late.values().sink("missed", missed_out.sink());
    /// # });
    /// # flow.with_parallelism(1).simulate(1)?;
    /// assert_eq!(results.take(), [(0, 2, 2), (2, 1, 0), (3, 0, 1)]);
    /// # let mut missed = missed.take();
    /// # missed.sort_by_key(|late| matches!(late, Either::Right(_)));
    /// assert_eq!(missed, [Either::Left((1, 7)), Either::Right((1, 50))]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    window_with_late
}

windows! {
    OneOf3: 0 A, 1 B, 2 C;
    /// Makes one result of all records of a key in a window, as it does of
    /// [two](Cogroup#method.window) streams.
    window
    /// Like [`window`](Self::window), with the late records as a stream of its own, as it is of
    /// [two](Cogroup#method.window_with_late) streams.
    window_with_late
}

windows! {
    OneOf4: 0 A, 1 B, 2 C, 3 D;
    /// Makes one result of all records of a key in a window, as it does of
    /// [two](Cogroup#method.window) streams.
    window
    /// Like [`window`](Self::window), with the late records as a stream of its own, as it is of
    /// [two](Cogroup#method.window_with_late) streams.
    window_with_late
}

/// One result of all records.
#[derive(Clone)]
pub(super) struct Grouped<F>(pub(super) F);

impl<K, S, U, F> MakeResults<K, S> for Grouped<F>
where
    U: Send + 'static,
    F: Fn(&K, Window, &[&S]) -> U + Clone + Send + 'static,
{
    type Out = U;

    fn make(
        &self,
        key: &K,
        window: Window,
        sides: &[&S],
        _cursor: &mut Cursor,
        put: &mut impl FnMut(U) -> Step,
    ) -> Step {
        // The only result: if there is to be a pause, it is behind this key.
        put((self.0)(key, window, sides));
        Step::Done
    }
}
