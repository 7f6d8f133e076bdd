//! The first of equal records.

use std::marker::PhantomData;

use crate::keyed::{Key, KeyedStream};
use crate::process::{Process, Ttl, Turn, ValueState};

impl<K: Key, T: Send + 'static> KeyedStream<K, T> {
    /// Lets the first record of each key pass, at once, and drops those that follow it within `ttl`. The first one
    /// behind that is a first one again.
    ///
    /// "First" is what comes first here, whatever its time. With `ttl` by event time, what is late is dropped as long as
    /// its key is remembered, and passes when it is not. [`refreshed_on_read`](Ttl::refreshed_on_read) starts the time
    /// anew with every repeat. What is dropped is counted: `repeats`, in the metrics and in the report.
    ///
    /// The state is a few dozen bytes for each key, until its `ttl` is over; with `Ttl::default()` for ever.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::Ttl;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("orders", from_iter([(7, "new"), (8, "new"), (7, "again")]))
    ///     .key_by(|(order, _)| *order)
    ///     .dedup("once", Ttl::processing_time(hours(24)))
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # let flow = flow.with_parallelism(2);
    /// let report = flow.simulate(1)?;
    /// let mut orders = results.take();
    /// orders.sort();
    /// assert_eq!(orders, [(7, "new"), (8, "new")]);
    /// assert_eq!(report.repeats(), 1);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: Spark's `dropDuplicatesWithinWatermark`; deduplication of Flink SQL.
    pub fn dedup(self, name: &str, ttl: Ttl) -> KeyedStream<K, T> {
        if ttl.needs_event_time() {
            self.tail.must_be_timed(name);
        }
        let of = PhantomData;
        self.process(name, Dedup { ttl, of })
    }
}

struct Dedup<T> {
    ttl: Ttl,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Dedup<T> {
    fn clone(&self) -> Self {
        Dedup { ..*self }
    }
}

impl<K: Key, T: Send + 'static> Process<K, T> for Dedup<T> {
    type State = ValueState<()>;
    type Out = T;

    fn state(&self) -> ValueState<()> {
        ValueState::with_ttl(self.ttl)
    }

    fn on_record(&self, record: T, seen: &mut ValueState<()>, turn: &mut Turn<'_, K, T>) {
        if seen.get(turn).is_none() {
            seen.set((), turn);
            turn.emit(record);
        } else {
            turn.count_repeat();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::process::tests::harness;
    use crate::testing::{Given, given_with_clocks, script};

    const MICROS: i64 = 15;

    fn naive(all: &[Given], by_event_time: bool) -> String {
        let mut until: BTreeMap<char, i64> = BTreeMap::new();
        let (mut passed, mut now, mut out) = (i64::MIN, 0, String::new());
        for given in all {
            match *given {
                Given::Watermark(watermark) => {
                    passed = watermark;
                    out += &format!("^{watermark} ");
                }
                Given::ProcessingTime(time) => now = time,
                Given::Record { key, value, time } => {
                    let clock = if by_event_time { time.max(passed) } else { now };
                    // An earlier record that comes later shortens no life.
                    if until.get(&key).is_none_or(|until| *until <= clock) {
                        until.insert(key, clock + MICROS);
                        out += &format!("{key}={value}@{time} ");
                    }
                }
            }
        }
        out + "|"
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn repeats_within_the_time_to_live_are_dropped(all in given_with_clocks(30), by_event_time: bool) {
            let micros = Duration::from_micros(MICROS as u64);
            let ttl = match by_event_time {
                true => Ttl::event_time(micros),
                false => Ttl::processing_time(micros),
            };
            let harness = harness(Dedup { ttl, of: PhantomData });
            harness.check(&[&script(&all)], &[&naive(&all, by_event_time)]).unwrap();
        }
    }
}
