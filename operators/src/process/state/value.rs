//! One value.

use millstream_engine::state::State;
use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::process::Turn;
use crate::process::state::{Clocks, Expiry, KeyState, Ttl};

/// A value, or none, that may live for a time only.
///
/// It keeps that value and until when it lives.
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream::operators::ValueState;
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// // By how much a sensor's reading differs from the one before.
/// flow.source("readings", from_iter([("a", 20), ("b", 5), ("a", 23), ("a", 21)]))
///     .key_by(|(sensor, _)| sensor.to_string())
///     .process_fn(
///         "changes",
///         |(_, reading), last: &mut ValueState<i64>, turn| {
///             if let Some(last) = last.get(turn) {
///                 turn.emit(reading - last);
///             }
///             last.set(reading, turn);
///         },
///         |_, _, _| {},
///     )
///     .entries()
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), [("a".to_owned(), 3), ("a".to_owned(), -2)]);
/// # Ok::<(), millstream::Error>(())
/// ```
///
/// Source: Flink's `ValueState`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ValueState<V> {
    #[serde(skip)]
    ttl: Ttl,
    value: Option<V>,
    expiry: Timestamp,
}

impl<V> ValueState<V> {
    /// No value; the one to come lives so long.
    ///
    /// [`Ttl`] has an example.
    pub fn with_ttl(ttl: Ttl) -> Self {
        ValueState {
            ttl,
            value: None,
            expiry: Timestamp::MIN,
        }
    }

    /// The value, if there is one and it lives.
    ///
    /// [`ValueState`] has an example.
    pub fn get<K, U>(&mut self, turn: &Turn<'_, K, U>) -> Option<&V> {
        self.live(turn.clocks(), self.ttl.is_refreshed_on_read())
            .map(|value| &*value)
    }

    /// The value, to be changed: that is a write.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::ValueState;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// // Every third.
    /// flow.source("numbers", from_iter(1..=7))
    ///     .key_by(|_| ())
    ///     .process_fn(
    ///         "third",
    ///         |n, before: &mut ValueState<u32>, turn| match before.get_mut(turn) {
    ///             Some(2) => {
    ///                 before.clear();
    ///                 turn.emit(n);
    ///             }
    ///             Some(count) => *count += 1,
    ///             None => before.set(1, turn),
    ///         },
    ///         |_, _, _| {},
    ///     )
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [3, 6]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn get_mut<K, U>(&mut self, turn: &Turn<'_, K, U>) -> Option<&mut V> {
        self.live(turn.clocks(), true)
    }

    /// Sets the value.
    ///
    /// [`ValueState`] has an example.
    pub fn set<K, U>(&mut self, value: V, turn: &Turn<'_, K, U>) {
        self.value = Some(value);
        self.refresh(turn.clocks());
    }

    /// Takes the value out.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::ValueState;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// // In pairs.
    /// flow.source("numbers", from_iter(1..=5))
    ///     .key_by(|_| ())
    ///     .process_fn(
    ///         "pairs",
    ///         |n, first: &mut ValueState<u32>, turn| match first.take(turn) {
    ///             Some(first) => turn.emit((first, n)),
    ///             None => first.set(n, turn),
    ///         },
    ///         |_, _, _| {},
    ///     )
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [(1, 2), (3, 4)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn take<K, U>(&mut self, turn: &Turn<'_, K, U>) -> Option<V> {
        let value = self.value.take();
        let is_live = self.ttl.is_live(self.expiry, turn.clocks());
        self.clear();
        value.filter(|_| is_live)
    }

    /// Leaves no value.
    ///
    /// With nothing else in it the key is forgotten. The example of [`get_mut`](ValueState::get_mut) clears one.
    pub fn clear(&mut self) {
        self.value = None;
        self.expiry = Timestamp::MIN;
    }

    fn live(&mut self, clocks: &Clocks, refreshed: bool) -> Option<&mut V> {
        if !self.ttl.is_live(self.expiry, clocks) {
            return None;
        }
        if refreshed && self.value.is_some() {
            self.refresh(clocks);
        }
        self.value.as_mut()
    }

    fn refresh(&mut self, clocks: &Clocks) {
        self.expiry = self.ttl.renewed(self.expiry, clocks);
    }
}

/// No value; the one to come lives for ever.
impl<V> Default for ValueState<V> {
    fn default() -> Self {
        ValueState::with_ttl(Ttl::default())
    }
}

impl<V: State> KeyState for ValueState<V> {
    fn is_empty(&self) -> bool {
        self.value.is_none()
    }

    fn expire(&mut self, clocks: &Clocks) {
        if !self.ttl.is_live(self.expiry, clocks) {
            self.clear();
        }
    }

    fn next_expiry(&self) -> Expiry {
        self.ttl.next(self.value.as_ref().map(|_| self.expiry))
    }

    fn adopt(&mut self, fresh: &Self) {
        self.ttl = fresh.ttl;
    }
}
