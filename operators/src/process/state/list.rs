//! A list.

use std::collections::VecDeque;

use millstream_engine::state::State;
use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::process::Turn;
use crate::process::state::{Clocks, Expiry, KeyState, Ttl};

/// A list in which each item may live for a time only.
///
/// It has as many items as were added within that time: a list that lives for ever grows as long as it is added to.
/// Items are dropped from the front; one that expires earlier than those before it (because its record came out of
/// order) is not seen any more, and dropped with them.
///
/// ```
/// # use millstream::prelude::*;
/// use millstream::operators::{ListState, Process, Ttl, Turn};
///
/// /// Tells of each failed login how many there were in the last minute.
/// #[derive(Clone)]
/// struct Failures;
///
/// impl Process<String, u64> for Failures {
///     type State = ListState<u64>;
///     type Out = usize;
///
///     fn state(&self) -> Self::State {
///         ListState::with_ttl(Ttl::event_time(minutes(1)))
///     }
///
///     fn on_record(&self, id: u64, failed: &mut Self::State, turn: &mut Turn<'_, String, usize>) {
///         failed.push(id, turn);
///         turn.emit(failed.iter(turn).count());
///     }
/// }
///
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// flow.source("logins", from_iter([0, 30, 59, 60, 200]))
///     .event_time(|second| Timestamp::from_secs(*second as i64), Lateness::none())
///     .key_by(|_| "ann".to_owned())
///     .process("failures", Failures)
///     .values()
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), [1, 2, 3, 3, 1]);
/// # Ok::<(), millstream::Error>(())
/// ```
///
/// Source: Flink's `ListState`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListState<V> {
    #[serde(skip)]
    ttl: Ttl,
    items: VecDeque<(V, Timestamp)>,
}

/// Items dropped at once, so that a long list that expires holds nobody up.
const AT_ONCE: usize = 1_000;

impl<V> ListState<V> {
    /// An empty list, each item of which lives so long.
    ///
    /// [`ListState`] has an example.
    pub fn with_ttl(ttl: Ttl) -> Self {
        ListState {
            ttl,
            items: VecDeque::new(),
        }
    }

    /// Adds an item at the end.
    ///
    /// [`ListState`] has an example.
    pub fn push<K, U>(&mut self, value: V, turn: &Turn<'_, K, U>) {
        self.items
            .push_back((value, self.ttl.expiry(turn.clocks())));
    }

    /// The items that live, in the order they were added.
    ///
    /// [`ListState`] has an example.
    pub fn iter<K, U>(&mut self, turn: &Turn<'_, K, U>) -> impl DoubleEndedIterator<Item = &V> {
        let (ttl, clocks) = (self.ttl, *turn.clocks());
        if ttl.is_refreshed_on_read() {
            self.refresh(&clocks);
        }
        let live = move |(_, expiry): &&(V, Timestamp)| ttl.is_live(*expiry, &clocks);
        self.items.iter().filter(live).map(|(value, _)| value)
    }

    /// Keeps the items that are asked for, of those that live.
    ///
    /// That is no write: what is kept lives no longer by it.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::ListState;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// // An open order is forgotten when it is cancelled; each order tells how many are open.
    /// flow.source("orders", from_iter([("open", 1), ("open", 2), ("cancel", 1), ("open", 3)]))
    ///     .key_by(|_| ())
    ///     .process_fn(
    ///         "open",
    ///         |(what, order), open: &mut ListState<u64>, turn| {
    ///             match what {
    ///                 "cancel" => open.retain(turn, |other| *other != order),
    ///                 _ => open.push(order, turn),
    ///             }
    ///             turn.emit(open.iter(turn).count());
    ///         },
    ///         |_, _, _| {},
    ///     )
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [1, 2, 1, 2]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn retain<K, U>(&mut self, turn: &Turn<'_, K, U>, mut keep: impl FnMut(&V) -> bool) {
        let (ttl, clocks) = (self.ttl, turn.clocks());
        // What this record does not see an earlier one may.
        self.items
            .retain(|(value, expiry)| !ttl.is_live(*expiry, clocks) || keep(value));
    }

    /// Leaves no item.
    ///
    /// With nothing else in it the key is forgotten.
    pub fn clear(&mut self) {
        self.items.clear();
    }

    fn refresh(&mut self, clocks: &Clocks) {
        for (_, expiry) in &mut self.items {
            if self.ttl.is_live(*expiry, clocks) {
                *expiry = self.ttl.renewed(*expiry, clocks);
            }
        }
    }
}

/// An empty list whose items live for ever.
impl<V> Default for ListState<V> {
    fn default() -> Self {
        ListState::with_ttl(Ttl::default())
    }
}

impl<V: State> KeyState for ListState<V> {
    fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn expire(&mut self, clocks: &Clocks) {
        for _ in 0..AT_ONCE {
            match self.items.front() {
                Some((_, expiry)) if !self.ttl.is_live(*expiry, clocks) => self.items.pop_front(),
                _ => break,
            };
        }
    }

    fn next_expiry(&self) -> Expiry {
        self.ttl.next(self.items.front().map(|(_, expiry)| *expiry))
    }

    fn adopt(&mut self, fresh: &Self) {
        self.ttl = fresh.ttl;
    }
}
