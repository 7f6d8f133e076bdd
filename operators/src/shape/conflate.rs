//! Records merged as long as what follows is behind.

use hashbrown::hash_table;
use millstream_engine::Result;
use millstream_engine::batch::{AnyBatch, PartitionId};
use millstream_engine::key::Keyed;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{AnyPort, Outbox, Port, PortMaker};
use millstream_engine::plan::{MakeOperator, OperatorVertex};
use millstream_engine::runtime::Instant;
use millstream_engine::time::{Timestamp, Watermark};

use crate::keyed::{Entry, Key, KeyTable, KeyedStream};

impl<K: Key, T: Send + 'static> KeyedStream<K, T> {
    /// Merges the records of a key into one, `merge(held, next)`, as long as what follows is behind; a record passes at
    /// once when it keeps up.
    ///
    /// What is held goes on as soon as nothing more lies ready to be merged, and with every checkpoint and at the end:
    /// how much that is depends on how fast the flow runs. It goes by no clock. What lies ready is what the edge before
    /// this step holds while the steps behind it work or wait; when that is full, the stream waits.
    ///
    /// For the latency ledger nothing is held by design here, as it is in a throttle: it waits because what follows is
    /// behind, and counts from when the oldest of what was merged arrived.
    ///
    /// What is held is bounded in each replica: it is fewer than 1,024 keys, of some 16,384 records.
    ///
    /// The result has the latest timestamp of what was merged. It leaves before a watermark passes it: none is late that
    /// was not before. Nothing is kept over a checkpoint.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("moves", from_iter([("a", 1), ("b", 5), ("a", 2)]))
    ///     .key_by(|(player, _)| player.to_string())
    ///     .conflate("all-moves", |held, next| held.1 += next.1)
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// let moves: i32 = results.take().iter().map(|(_, steps)| steps).sum();
    /// assert_eq!(moves, 8); // in two records or three
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: `conflate` of Akka Streams.
    pub fn conflate<F>(self, name: &str, merge: F) -> KeyedStream<K, T>
    where
        F: Fn(&mut T, T) + Clone + Send + 'static,
    {
        let make: MakeOperator =
            Box::new(move |_| Box::new(Conflate::<K, T, F>::new(merge.clone())));
        let vertex = OperatorVertex::named(name, "conflate", make)
            .with_port(PortMaker::moving::<Keyed<K, T>>());
        KeyedStream::keyed(self.tail.through(vertex))
    }
}

/// How many keys are held, at the most.
const KEYS: usize = 1_024;
/// So many records are merged before what is held goes on though more lies ready: or who is never empty says nothing.
const RECORDS: usize = 16_384;
/// So many keys go on at least when there are too many, though the outbox is full: a batch is taken in whole.
const MAKE_ROOM: usize = 128;

struct Conflate<K, T, F> {
    held: KeyTable<K, (Timestamp, T)>,
    merge: F,
    /// Records taken in since what is held last went on.
    taken: usize,
    /// Nothing that is held is earlier.
    earliest: Timestamp,
    /// When the oldest of what is held arrived.
    arrival: Option<Instant>,
}

impl<K: Key, T: Send + 'static, F: Fn(&mut T, T)> Conflate<K, T, F> {
    fn new(merge: F) -> Self {
        Conflate {
            held: KeyTable::new(),
            merge,
            taken: 0,
            earliest: Timestamp::MAX,
            arrival: None,
        }
    }

    /// Puts out what is earlier than `before`, until the outbox is full, but at least so much of it.
    fn put_out(
        &mut self,
        before: Option<Timestamp>,
        at_least: usize,
        out: &mut Outbox,
    ) -> Result<Step> {
        let Some(arrival) = self.arrival else {
            return Ok(Step::Done);
        };
        let leaves = |time: Timestamp| before.is_none_or(|before| time < before);
        if !leaves(self.earliest) {
            return Ok(Step::Done);
        }
        out.begin(arrival, PartitionId(0));
        let port: &mut Port<Keyed<K, T>> = out.port(0)?;
        let mut leaving = self.held.extract(|(time, _)| leaves(*time));
        let mut left = 0;
        while (left < at_least || !port.is_full())
            && let Some(entry) = leaving.next()
        {
            let Entry { hash, key, state } = entry;
            let (time, value) = state;
            port.push_keyed(hash, Keyed { hash, key, value }, time);
            left += 1;
        }
        drop(leaving);
        let times = self.held.iter().map(|entry| entry.state.0);
        self.earliest = times.min().unwrap_or(Timestamp::MAX);
        if self.held.len() == 0 {
            (self.taken, self.arrival) = (0, None);
            return Ok(Step::Done);
        }
        Ok(match leaves(self.earliest) {
            true => Step::More,
            false => Step::Done,
        })
    }
}

impl<K: Key, T: Send + 'static, F: Fn(&mut T, T) + Send> Operator for Conflate<K, T, F> {
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let arrival = batch.arrival();
        for record in batch.of::<Keyed<K, T>>()?.records.drain(..) {
            let Keyed { hash, key, value } = record.value;
            let arrival = self.arrival.map_or(arrival, |held| held.min(arrival));
            self.arrival = Some(arrival);
            self.earliest = self.earliest.min(record.time);
            self.taken += 1;
            match self.held.place(hash, &key) {
                hash_table::Entry::Occupied(mut entry) => {
                    let (time, held) = &mut entry.get_mut().state;
                    *time = record.time.max(*time);
                    (self.merge)(held, value);
                }
                hash_table::Entry::Vacant(place) => {
                    let state = (record.time, value);
                    place.insert(Entry { hash, key, state });
                }
            }
            if self.held.len() >= KEYS || self.taken >= RECORDS {
                self.put_out(None, MAKE_ROOM, out)?;
            }
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        self.put_out(Some(watermark.time), 0, out)
    }

    fn on_flush(&mut self, out: &mut Outbox) -> Result<Step> {
        self.put_out(None, 0, out)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.put_out(None, 0, out)
    }
}

#[cfg(test)]
mod tests;
