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
    pub fn with_ttl(ttl: Ttl) -> Self {
        ValueState {
            ttl,
            value: None,
            expiry: Timestamp::MIN,
        }
    }

    /// The value, if there is one and it lives.
    pub fn get<K, U>(&mut self, turn: &Turn<'_, K, U>) -> Option<&V> {
        self.live(turn.clocks(), self.ttl.is_refreshed_on_read())
            .map(|value| &*value)
    }

    /// The value, to be changed: that is a write.
    pub fn get_mut<K, U>(&mut self, turn: &Turn<'_, K, U>) -> Option<&mut V> {
        self.live(turn.clocks(), true)
    }

    /// Sets the value.
    pub fn set<K, U>(&mut self, value: V, turn: &Turn<'_, K, U>) {
        self.value = Some(value);
        self.refresh(turn.clocks());
    }

    /// Takes the value out.
    pub fn take<K, U>(&mut self, turn: &Turn<'_, K, U>) -> Option<V> {
        let value = self.value.take();
        let is_live = self.ttl.is_live(self.expiry, turn.clocks());
        self.clear();
        value.filter(|_| is_live)
    }

    /// Leaves no value.
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
