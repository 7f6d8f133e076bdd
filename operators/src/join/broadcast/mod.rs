//! A stream joined with a small table that every replica has whole.

mod operator;
mod table;

use std::time::Duration;

use millstream_engine::outbox::PortMaker;
use millstream_engine::plan::{MakeOperator, OperatorVertex, Route};
use millstream_engine::state::{State, StateKind};
use millstream_engine::time::{Timestamp, whole_micros};

use super::through;
use crate::keyed::Key;
use crate::pipe::Pipe;
use crate::scope::Tail;
use crate::stream::Stream;
use operator::{Closures, TableJoin};

/// When the table of a [`join_table`](Stream::join_table) has loaded, so that records need not wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableLoad {
    /// At once: nothing waits, and what is not there yet is not found.
    AtOnce,
    /// When its stream has ended, as that of a file does. Results do not depend on which stream came first.
    AtEnd,
    /// When the watermark of both streams has come to this moment, or its stream has ended: for a table that goes on
    /// changing, and has event time. A table that has fallen idle is not waited for
    /// ([`with_idle_after`](crate::Flow::with_idle_after)).
    At(Timestamp),
}

/// How the table of a [`join_table`](Stream::join_table) is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BroadcastTable {
    most_keys: usize,
    most_waiting: usize,
    load: TableLoad,
    ttl: Option<i64>,
}

impl BroadcastTable {
    /// A table of at most so many keys: one more, and the flow fails, rather than answer wrongly. At most a million
    /// records wait in each replica until it has loaded.
    pub const fn up_to(most_keys: usize, load: TableLoad) -> Self {
        BroadcastTable {
            most_keys,
            most_waiting: 1_000_000,
            load,
            ttl: None,
        }
    }

    /// Forgets a key that was not updated for this long of processing time. (Default: never.)
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(whole_micros(ttl));
        self
    }

    /// Sets how many records may wait in each replica until the table has loaded: one more, and the flow fails. (What is
    /// restored into fewer replicas may be more; it counts.)
    #[must_use]
    pub fn with_waiting_up_to(mut self, most: usize) -> Self {
        self.most_waiting = most;
        self
    }
}

impl<T: Send + 'static, P: Pipe<Out = T>> Stream<T, P> {
    /// Joins each record with what a small table has under its key now: `f` makes a result of it, with the record's
    /// timestamp.
    ///
    /// The table is the latest value of each key of a stream of its own: `(key, Some(value))` sets one, `(key, None)`
    /// takes it out. Every replica gets all of it, so the records stay where they are. Updates of one key must come
    /// from one partition of their source, or their order is not told.
    ///
    /// Records that come before the table has [loaded](TableLoad) wait, and with them the watermark. The state of each
    /// replica is the table and what waits, both bounded by [`BroadcastTable`]. Event time behind this is that of both
    /// streams: a table that goes on needs event time too, or it holds the flow's back.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::{BroadcastTable, TableLoad};
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// let airports = flow
    ///     .source("airports", from_iter([("JFK", "New York"), ("SFO", "San Francisco")]))
    ///     .map(|(code, city)| (code.to_owned(), Some(city.to_owned())));
    /// flow.source("flights", from_iter(["JFK", "XYZ"]))
    ///     .map(|code| code.to_owned())
    ///     .join_table(
    ///         "cities",
    ///         airports,
    ///         BroadcastTable::up_to(10_000, TableLoad::AtEnd),
    ///         |code| code.clone(),
    ///         |code, city| format!("{code}: {}", city.map_or("?", |city| city)),
    ///     )
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), ["JFK: New York", "XYZ: ?"]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: `GlobalKTable` of Kafka Streams, the broadcast state of Flink.
    pub fn join_table<K, V, Q, U, G, F>(
        self,
        name: &str,
        table: Stream<(K, Option<V>), Q>,
        settings: BroadcastTable,
        key_of: G,
        f: F,
    ) -> Stream<U>
    where
        T: State,
        K: Key,
        V: State + Clone,
        Q: Pipe<Out = (K, Option<V>)>,
        U: Send + 'static,
        G: Fn(&T) -> K + Clone + Send + 'static,
        F: Fn(T, Option<&V>) -> U + Clone + Send + 'static,
    {
        let table = table.close();
        table.copy::<(K, Option<V>)>();
        let make: MakeOperator = Box::new(move |replica| {
            let closures = Closures {
                key_of: key_of.clone(),
                result_of: f.clone(),
            };
            let (index, of) = (replica.index, replica.parallelism);
            Box::new(TableJoin::<T, K, V, G, F>::new(
                settings, closures, index, of,
            ))
        });
        let vertex = OperatorVertex::named(name, "table join", make)
            .with_port(PortMaker::moving::<U>())
            .with_state(StateKind::of::<(T, K, V)>("table join", 1));
        // A table that ends needs no time.
        let records = self.close();
        let timed = records.timed;
        let joined = through(records, &[table.routed(Route::Broadcast)], vertex);
        Stream::plain(Tail { timed, ..joined })
    }
}

#[cfg(test)]
mod tests;
