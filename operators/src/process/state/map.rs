//! A map.

use std::collections::{BTreeMap, BTreeSet};

use millstream_engine::state::State;
use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::process::Turn;
use crate::process::state::{Clocks, Expiry, KeyState, Ttl};

/// A map in which each entry may live for a time only.
///
/// It has as many entries as were written within that time. It is sorted, so that going over it is the same whatever
/// came before.
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream::operators::MapState;
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// // How often each visitor has seen each page.
/// flow.source("pages", from_iter([("ann", "home"), ("ann", "news"), ("bob", "home"), ("ann", "home")]))
///     .key_by(|(visitor, _)| visitor.to_string())
///     .process_fn(
///         "views",
///         |(_, page), seen: &mut MapState<String, u64>, turn| {
///             let count = seen.get(&page.to_owned(), turn).map_or(1, |count| count + 1);
///             seen.insert(page.to_owned(), count, turn);
///             turn.emit(format!("{page} {count}"));
///         },
///         |_, _, _| {},
///     )
///     .entries()
///     .filter(|(visitor, _)| visitor == "ann")
///     .map(|(_, seen)| seen)
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), ["home 1", "news 1", "home 2"]);
/// # Ok::<(), millstream::Error>(())
/// ```
///
/// [`with_ttl`](MapState::with_ttl) lets entries live for a time; see [`Ttl`].
///
/// Source: Flink's `MapState`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(
    serialize = "M: Serialize + Ord, V: Serialize",
    deserialize = "M: Deserialize<'de> + Ord, V: Deserialize<'de>"
))]
pub struct MapState<M, V> {
    #[serde(skip)]
    ttl: Ttl,
    entries: BTreeMap<M, Kept<V>>,
    /// Each entry once, by a time before which it does not expire.
    #[serde(skip)]
    queue: BTreeSet<(Timestamp, M)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept<V> {
    value: V,
    expiry: Timestamp,
    /// Under which time it is in the queue: not with each write it gets a new place.
    queued: Timestamp,
}

/// Entries dropped at once, so that a big map that expires holds nobody up.
const AT_ONCE: usize = 1_000;

impl<M: Ord + Clone, V> MapState<M, V> {
    /// An empty map, each entry of which lives so long.
    ///
    /// As [`ListState::with_ttl`](crate::ListState::with_ttl), which has an example.
    pub fn with_ttl(ttl: Ttl) -> Self {
        MapState {
            ttl,
            entries: BTreeMap::new(),
            queue: BTreeSet::new(),
        }
    }

    /// The value of an entry, if there is one and it lives.
    ///
    /// [`MapState`] has an example.
    pub fn get<K, U>(&mut self, entry: &M, turn: &Turn<'_, K, U>) -> Option<&V> {
        let refreshed = self.ttl.is_refreshed_on_read();
        self.live(entry, turn.clocks(), refreshed)
            .map(|value| &*value)
    }

    /// The value of an entry, to be changed: that is a write.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::MapState;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("pages", from_iter(["home", "news", "home"]))
    ///     .key_by(|_| "ann".to_owned())
    ///     .process_fn(
    ///         "views",
    ///         |page, seen: &mut MapState<String, u64>, turn| match seen.get_mut(&page.to_owned(), turn) {
    ///             Some(count) => {
    ///                 *count += 1;
    ///                 turn.emit((page, *count));
    ///             }
    ///             None => seen.insert(page.to_owned(), 1, turn),
    ///         },
    ///         |_, _, _| {},
    ///     )
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [("home", 2)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn get_mut<K, U>(&mut self, entry: &M, turn: &Turn<'_, K, U>) -> Option<&mut V> {
        self.live(entry, turn.clocks(), true)
    }

    /// Writes an entry.
    ///
    /// [`MapState`] has an example.
    pub fn insert<K, U>(&mut self, entry: M, value: V, turn: &Turn<'_, K, U>) {
        let clocks = turn.clocks();
        if let Some(kept) = self.entries.get_mut(&entry) {
            kept.value = value;
            kept.expiry = self.ttl.renewed(kept.expiry, clocks);
            return;
        }
        let expiry = self.ttl.expiry(clocks);
        if !self.ttl.is_for_ever() {
            self.queue.insert((expiry, entry.clone()));
        }
        let queued = expiry;
        self.entries.insert(
            entry,
            Kept {
                value,
                expiry,
                queued,
            },
        );
    }

    /// Takes an entry out. Gives its value, if it lived.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::MapState;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// // How many seconds passed between the two calls of a request.
    /// flow.source("calls", from_iter([("a", 3), ("b", 5), ("a", 9)]))
    ///     .key_by(|_| ())
    ///     .process_fn(
    ///         "took",
    ///         |(request, second), begun: &mut MapState<String, i64>, turn| {
    ///             match begun.remove(&request.to_owned(), turn) {
    ///                 Some(first) => turn.emit((request, second - first)),
    ///                 None => begun.insert(request.to_owned(), second, turn),
    ///             }
    ///         },
    ///         |_, _, _| {},
    ///     )
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [("a", 6)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn remove<K, U>(&mut self, entry: &M, turn: &Turn<'_, K, U>) -> Option<V> {
        let (entry, kept) = self.entries.remove_entry(entry)?;
        self.queue.remove(&(kept.queued, entry));
        (self.ttl.is_live(kept.expiry, turn.clocks())).then_some(kept.value)
    }

    /// The entries that live, sorted.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::MapState;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("parts", from_iter([(2, 'b'), (3, 'c'), (1, 'a')]))
    ///     .key_by(|_| ())
    ///     .process_fn(
    ///         "in-order",
    ///         |(number, part), parts: &mut MapState<u64, char>, turn| {
    ///             parts.insert(number, part, turn);
    ///             let so_far: String = parts.iter(turn).map(|(_, part)| *part).collect();
    ///             turn.emit(so_far);
    ///         },
    ///         |_, _, _| {},
    ///     )
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), ["b", "bc", "abc"]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn iter<K, U>(
        &mut self,
        turn: &Turn<'_, K, U>,
    ) -> impl DoubleEndedIterator<Item = (&M, &V)> {
        let (ttl, clocks) = (self.ttl, *turn.clocks());
        if ttl.is_refreshed_on_read() {
            for kept in self.entries.values_mut() {
                if ttl.is_live(kept.expiry, &clocks) {
                    kept.expiry = ttl.renewed(kept.expiry, &clocks);
                }
            }
        }
        let live = move |(_, kept): &(&M, &Kept<V>)| ttl.is_live(kept.expiry, &clocks);
        let entries = self.entries.iter().filter(live);
        entries.map(|(entry, kept)| (entry, &kept.value))
    }

    /// How many entries there are, those that have expired and are not dropped yet among them.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Leaves no entry.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.queue.clear();
    }

    fn live(&mut self, entry: &M, clocks: &Clocks, refreshed: bool) -> Option<&mut V> {
        let ttl = self.ttl;
        let kept = self.entries.get_mut(entry)?;
        if !ttl.is_live(kept.expiry, clocks) {
            return None;
        }
        if refreshed {
            kept.expiry = ttl.renewed(kept.expiry, clocks);
        }
        Some(&mut kept.value)
    }
}

/// An empty map whose entries live for ever.
impl<M: Ord + Clone, V> Default for MapState<M, V> {
    fn default() -> Self {
        MapState::with_ttl(Ttl::default())
    }
}

impl<M: State + Ord + Clone, V: State> KeyState for MapState<M, V> {
    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn expire(&mut self, clocks: &Clocks) {
        for _ in 0..AT_ONCE {
            let Some((queued, entry)) = self.queue.first() else {
                break;
            };
            if self.ttl.is_live(*queued, clocks) {
                break;
            }
            let expiry = self.entries.get(entry).map(|kept| kept.expiry);
            let still = expiry.filter(|expiry| self.ttl.is_live(*expiry, clocks));
            let Some((_, entry)) = self.queue.pop_first() else {
                break;
            };
            let Some(queued) = still else {
                self.entries.remove(&entry);
                continue;
            };
            if let Some(kept) = self.entries.get_mut(&entry) {
                kept.queued = queued;
            }
            self.queue.insert((queued, entry));
        }
    }

    fn next_expiry(&self) -> Expiry {
        self.ttl.next(self.queue.first().map(|(queued, _)| *queued))
    }

    fn adopt(&mut self, fresh: &Self) {
        self.ttl = fresh.ttl;
        self.queue.clear();
        if self.ttl.is_for_ever() {
            return;
        }
        for (entry, kept) in &mut self.entries {
            kept.queued = kept.expiry;
            self.queue.insert((kept.expiry, entry.clone()));
        }
    }
}
