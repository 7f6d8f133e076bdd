//! Rolling state by key: a result for every record.

use std::marker::PhantomData;

use hashbrown::hash_table;
use millstream_engine::Result;
use millstream_engine::batch::AnyBatch;
use millstream_engine::key::{KeyHash, Keyed};
use millstream_engine::operator::Operator;
use millstream_engine::outbox::{Outbox, PortMaker};
use millstream_engine::plan::{MakeOperator, OperatorVertex};
use millstream_engine::state::{State, StateKind, StateReader, StateWriter};

use crate::keyed::{Entry, Key, KeyTable, KeyedStream};

impl<K: Key, T: Send + 'static> KeyedStream<K, T> {
    /// Brings each record into what there is under its key so far, and gives the outcome: `f(so_far, record)`.
    /// A key's first record is its first outcome.
    ///
    /// The state grows with the number of keys and is kept for ever.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("bids", from_iter([("vase", 5), ("lamp", 2), ("vase", 4), ("vase", 9)]))
    ///     .map(|(item, bid)| (item.to_owned(), bid))
    ///     .key_by(|(item, _)| item.clone())
    ///     .reduce("highest", |highest, bid| {
    ///         if bid.1 > highest.1 {
    ///             *highest = bid;
    ///         }
    ///     })
    ///     .values()
    ///     .filter(|(item, _)| item == "vase")
    ///     .map(|(_, highest)| highest)
    ///     .sink("highest-for-the-vase", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [5, 5, 9]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: `reduce` of Flink's keyed streams.
    pub fn reduce<F>(self, name: &str, f: F) -> KeyedStream<K, T>
    where
        T: State + Clone,
        F: Fn(&mut T, T) + Clone + Send + 'static,
    {
        let first = |value: T| (value.clone(), value);
        let next = move |state: &mut T, value| {
            f(state, value);
            state.clone()
        };
        self.rolling(name, "reduce", first, next)
    }

    /// Keeps state under each key, `init` at first, and gives what `f(state, record)` returns.
    ///
    /// The state grows with the number of keys and is kept for ever.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("words", from_iter(["to", "be", "to"]))
    ///     .key_by(|word| word.to_string())
    ///     .fold("count", 0, |count, _word| {
    ///         *count += 1;
    ///         *count
    ///     })
    ///     .entries()
    ///     .sink("counts", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// let mut counts = results.take();
    /// counts.sort();
    /// assert_eq!(counts, [("be".into(), 1), ("to".into(), 1), ("to".into(), 2)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: the rolling aggregations of Flink's keyed streams; `scan` of functional languages.
    pub fn fold<S, U, F>(self, name: &str, init: S, f: F) -> KeyedStream<K, U>
    where
        S: State + Clone,
        U: Send + 'static,
        F: Fn(&mut S, T) -> U + Clone + Send + 'static,
    {
        let next = f.clone();
        let first = move |value| {
            let mut state = init.clone();
            let result = f(&mut state, value);
            (state, result)
        };
        self.rolling(name, "fold", first, next)
    }

    fn rolling<S, U, I, F>(self, name: &str, label: &str, first: I, next: F) -> KeyedStream<K, U>
    where
        S: State,
        U: Send + 'static,
        I: Fn(T) -> (S, U) + Clone + Send + 'static,
        F: Fn(&mut S, T) -> U + Clone + Send + 'static,
    {
        let make: MakeOperator =
            Box::new(move |_| Box::new(Rolling::<K, S, T, I, F>::new(first.clone(), next.clone())));
        let vertex = OperatorVertex::named(name, label, make)
            .with_port(PortMaker::moving::<Keyed<K, U>>())
            .with_state(StateKind::of::<(K, S)>(label, 1));
        KeyedStream::keyed(self.tail.through(vertex))
    }
}

/// State by key, with what makes the first of a key and what brings in the next record.
struct Rolling<K, S, T, I, F> {
    table: KeyTable<K, S>,
    first: I,
    next: F,
    of: PhantomData<fn(T)>,
}

impl<K: Eq, S, T, I, F> Rolling<K, S, T, I, F> {
    fn new(first: I, next: F) -> Self {
        Rolling {
            table: KeyTable::new(),
            first,
            next,
            of: PhantomData,
        }
    }
}

impl<K, S, T, U, I, F> Rolling<K, S, T, I, F>
where
    K: Key,
    I: Fn(T) -> (S, U),
    F: Fn(&mut S, T) -> U,
{
    #[inline]
    fn place(&mut self, hash: KeyHash, key: &K, value: T) -> U {
        match self.table.place(hash, key) {
            hash_table::Entry::Occupied(mut entry) => {
                (self.next)(&mut entry.get_mut().state, value)
            }
            hash_table::Entry::Vacant(place) => {
                let (state, result) = (self.first)(value);
                let key = key.clone();
                place.insert(Entry { hash, key, state });
                result
            }
        }
    }
}

impl<K, S, T, U, I, F> Operator for Rolling<K, S, T, I, F>
where
    K: Key,
    S: State,
    T: Send + 'static,
    U: Send + 'static,
    I: Fn(T) -> (S, U) + Send,
    F: Fn(&mut S, T) -> U + Send,
{
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let port = out.port(0)?;
        let mut records = batch.of::<Keyed<K, T>>()?.records.drain(..);
        while !records.as_slice().is_empty() {
            let guesses = self.table.prefetch(records.as_slice());
            for (guess, record) in guesses.into_iter().zip(records.by_ref()) {
                let Keyed { hash, key, value } = record.value;
                let value = match self.table.guessed(guess, hash, &key) {
                    Some(state) => (self.next)(state, value),
                    None => self.place(hash, &key, value),
                };
                port.push_keyed(hash, Keyed { hash, key, value }, record.time);
            }
        }
        Ok(())
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        for entry in self.table.iter() {
            state.put(entry.hash, &(&entry.key, &entry.state))?;
        }
        Ok(())
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        for value in state.values::<(K, S)>() {
            let (key, state) = value?;
            let hash = KeyHash::of(&key);
            self.table.insert(Entry { hash, key, state });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use millstream_engine::harness::Harness;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Given, entry, given, script, show};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn each_record_gives_what_its_key_has_come_to(all in given(20)) {
            let harness = Harness::new(|_| {
                let next = |state: &mut (u64, i64), value: i64| {
                    *state = (state.0 + 1, state.1 * 2 + value);
                    format!("{}:{}", state.0, state.1)
                };
                let first = move |value| {
                    let mut state = (0, 0);
                    let result = next(&mut state, value);
                    (state, result)
                };
                Rolling::<String, (u64, i64), i64, _, _>::new(first, next)
            })
            .with_keyed_input(entry)
            .with_output(show::<String>);
            let mut states: BTreeMap<char, (u64, i64)> = BTreeMap::new();
            let mut expected = String::new();
            for given in &all {
                match *given {
                    Given::Record { key, value, time } => {
                        let state = states.entry(key).or_default();
                        *state = (state.0 + 1, state.1 * 2 + value);
                        expected += &format!("{key}={}:{}@{time} ", state.0, state.1);
                    }
                    Given::Watermark(time) => expected += &format!("^{time} "),
                    Given::ProcessingTime(_) => {}
                }
            }
            harness.check(&[&script(&all)], &[&(expected + "|")]).unwrap();
        }
    }
}
