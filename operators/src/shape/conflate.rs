//! Records merged as long as what follows is behind.

use hashbrown::hash_table;
use millstream_engine::Result;
use millstream_engine::batch::{AnyBatch, PartitionId};
use millstream_engine::key::Keyed;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{Outbox, Port, PortMaker};
use millstream_engine::plan::{MakeOperator, OperatorVertex};
use millstream_engine::runtime::Instant;
use millstream_engine::time::{Timestamp, Watermark};

use crate::keyed::{Entry, Key, KeyTable, KeyedStream};

impl<K: Key, T: Send + 'static> KeyedStream<K, T> {
    /// Merges the records of a key into one, `merge(held, next)`, as long as what follows is behind; a record passes at
    /// once when it keeps up.
    ///
    /// What is held goes on as soon as nothing more lies ready to be merged, and with every checkpoint: how much that is
    /// depends on how fast the flow runs, and never more than 16,384 records or 1,024 keys in each replica. What lies
    /// ready is what the edge before this step holds while the steps behind it work or wait; when that is full, the
    /// stream waits.
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

    /// Puts out what `leaves` says, by its time.
    fn put_out(&mut self, leaves: impl Fn(Timestamp) -> bool, out: &mut Outbox) -> Result<()> {
        let Some(arrival) = self.arrival else {
            return Ok(());
        };
        out.begin(arrival, PartitionId(0));
        let port: &mut Port<Keyed<K, T>> = out.port(0)?;
        for entry in self.held.extract(|(time, _)| leaves(*time)) {
            let Entry { hash, key, state } = entry;
            let (time, value) = state;
            port.push_keyed(hash, Keyed { hash, key, value }, time);
        }
        let times = self.held.iter().map(|entry| entry.state.0);
        self.earliest = times.min().unwrap_or(Timestamp::MAX);
        if self.held.len() == 0 {
            (self.taken, self.arrival) = (0, None);
        }
        Ok(())
    }

    fn put_all_out(&mut self, out: &mut Outbox) -> Result<Step> {
        self.put_out(|_| true, out)?;
        Ok(Step::Done)
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
                self.put_all_out(out)?;
            }
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        if self.earliest < watermark.time {
            self.put_out(|time| time < watermark.time, out)?;
        }
        Ok(Step::Done)
    }

    fn on_flush(&mut self, out: &mut Outbox) -> Result<Step> {
        self.put_all_out(out)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.put_all_out(out)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use millstream_engine::batch::{Batch, Record};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Given, at, given_in_time};

    /// What has been put out: key, numbers, time.
    fn collect(out: &mut Outbox) -> Vec<(char, Vec<i64>, Timestamp)> {
        let mut sealed = Vec::new();
        for port in out.ports_mut() {
            port.seal_all();
            port.take_sealed(&mut sealed);
        }
        let mut all = Vec::new();
        for mut sealed in sealed {
            let batch = sealed.batch.of::<Keyed<char, Vec<i64>>>().unwrap();
            let records = batch.records.drain(..);
            all.extend(records.map(|record| (record.value.key, record.value.value, record.time)));
        }
        all
    }

    fn outbox() -> Outbox {
        let port = PortMaker::moving::<Keyed<char, Vec<i64>>>();
        Outbox::new(vec![port.make_single()])
    }

    fn record(key: char, value: i64, time: i64) -> AnyBatch {
        let mut batch = Batch::new(Instant::from_nanos(0));
        let value = Keyed::new(key, vec![value]);
        batch.records.push(Record {
            time: at(time),
            value,
        });
        AnyBatch::new(batch)
    }

    proptest! {
        #[test]
        fn what_goes_on_is_all_that_came_in_time_and_in_order(
            all in given_in_time(40), flushed in proptest::collection::vec(any::<bool>(), 40),
        ) {
            let merge = |held: &mut Vec<i64>, next: Vec<i64>| held.extend(next);
            let (mut operator, mut out) = (Conflate::<char, Vec<i64>, _>::new(merge), outbox());
            let (mut came, mut left) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, Vec<_>>::new());
            let mut passed = Timestamp::MIN;
            for (given, flushed) in all.iter().zip(flushed) {
                match *given {
                    Given::Record { key, value, time } => {
                        came.entry(key).or_default().push((value, at(time)));
                        operator.on_batch(0, &mut record(key, value, time), &mut out).unwrap();
                    }
                    Given::Watermark(time) => {
                        let arrival = Instant::from_nanos(0);
                        let watermark = Watermark { time: at(time), arrival };
                        operator.on_watermark(watermark, &mut out).unwrap();
                        prop_assert!(operator.held.iter().all(|held| held.state.0 >= at(time)));
                    }
                }
                if flushed {
                    operator.on_flush(&mut out).unwrap();
                    prop_assert_eq!(operator.held.len(), 0);
                }
                for (key, numbers, time) in collect(&mut out) {
                    prop_assert!(time >= passed, "late: {time} behind {passed}");
                    let left: &mut Vec<i64> = left.entry(key).or_default();
                    let merged = &came[&key][left.len()..][..numbers.len()];
                    prop_assert_eq!(merged.iter().map(|(_, time)| *time).max(), Some(time));
                    left.extend(numbers);
                }
                if let Given::Watermark(time) = *given {
                    passed = at(time);
                }
            }
            operator.on_end(&mut out).unwrap();
            for (key, numbers, _) in collect(&mut out) {
                left.entry(key).or_default().extend(numbers);
            }
            for (key, came) in came {
                let came: Vec<_> = came.into_iter().map(|(value, _)| value).collect();
                prop_assert_eq!(Some(&came), left.get(&key));
            }
        }
    }

    #[test]
    fn what_is_held_is_bounded_by_keys_and_by_records() {
        let merge = |held: &mut Vec<i64>, next: Vec<i64>| held.extend(next);
        let (mut operator, mut out) = (Conflate::<char, Vec<i64>, _>::new(merge), outbox());
        for key in ('\u{4e00}'..).take(KEYS) {
            operator
                .on_batch(0, &mut record(key, 1, 1), &mut out)
                .unwrap();
        }
        assert_eq!((operator.held.len(), collect(&mut out).len()), (0, KEYS));
        for _ in 0..RECORDS {
            operator
                .on_batch(0, &mut record('a', 1, i64::MAX), &mut out)
                .unwrap();
        }
        let left = collect(&mut out);
        assert_eq!(
            (operator.held.len(), left.len(), left[0].1.len()),
            (0, 1, RECORDS)
        );
    }
}
