//! A process of closures.

use std::marker::PhantomData;

use crate::keyed::{Key, KeyedStream};
use crate::process::{KeyState, Process, Timer, Turn};

impl<K: Key, T: Send + 'static> KeyedStream<K, T> {
    /// A [`Process`] in two closures: what to do with every record, and with every timer. The state of a key is its
    /// type's default at first, and is forgotten when it is that again.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::Timer;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// // A click is followed by a second in which there is none.
    /// flow.source("clicks", from_iter([(0, "a"), (400, "b"), (2_000, "c")]))
    ///     .event_time(|(at, _)| Timestamp::from_millis(*at), Lateness::none())
    ///     .key_by(|_| ())
    ///     .process_fn(
    ///         "hush",
    ///         |click, hushed: &mut Option<Timestamp>, turn| {
    ///             if hushed.is_none_or(|until| turn.time() >= until) {
    ///                 let until = turn.time() + seconds(1);
    ///                 *hushed = Some(until);
    ///                 turn.set_timer(Timer::EventTime(until));
    ///                 turn.emit(click.1);
    ///             }
    ///         },
    ///         |timer, hushed, _turn| {
    ///             if *hushed == Some(timer.time()) {
    ///                 *hushed = None; // nothing is kept of who does not click
    ///             }
    ///         },
    ///     )
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), ["a", "c"]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: the process function of Flink, with closures for its two methods.
    pub fn process_fn<S, U, F, G>(self, name: &str, on_record: F, on_timer: G) -> KeyedStream<K, U>
    where
        S: KeyState,
        U: Send + 'static,
        F: Fn(T, &mut S, &mut Turn<'_, K, U>) + Clone + Send + 'static,
        G: Fn(Timer, &mut S, &mut Turn<'_, K, U>) + Clone + Send + 'static,
    {
        let of = PhantomData;
        self.process(
            name,
            Closures::<F, G, S, U> {
                on_record,
                on_timer,
                of,
            },
        )
    }
}

struct Closures<F, G, S, U> {
    on_record: F,
    on_timer: G,
    of: PhantomData<fn() -> (S, U)>,
}

impl<F: Clone, G: Clone, S, U> Clone for Closures<F, G, S, U> {
    fn clone(&self) -> Self {
        Closures {
            on_record: self.on_record.clone(),
            on_timer: self.on_timer.clone(),
            of: PhantomData,
        }
    }
}

impl<K, T, S, U, F, G> Process<K, T> for Closures<F, G, S, U>
where
    S: KeyState,
    U: Send + 'static,
    F: Fn(T, &mut S, &mut Turn<'_, K, U>) + Clone + Send + 'static,
    G: Fn(Timer, &mut S, &mut Turn<'_, K, U>) + Clone + Send + 'static,
{
    type State = S;
    type Out = U;

    fn on_record(&self, record: T, state: &mut S, turn: &mut Turn<'_, K, U>) {
        (self.on_record)(record, state, turn);
    }

    fn on_timer(&self, timer: Timer, state: &mut S, turn: &mut Turn<'_, K, U>) {
        (self.on_timer)(timer, state, turn);
    }
}
