//! Records in the order of their times.

use std::marker::PhantomData;

use millstream_engine::state::State;

use super::by_time::ByTime;
use crate::keyed::{Key, KeyedStream};
use crate::process::{Process, Timer, Turn};

impl<K: Key, T: State> KeyedStream<K, T> {
    /// Puts the records of each key in the order of event time; of equal times, in the order they come. One goes on as
    /// soon as the watermark has passed it.
    ///
    /// A record earlier than the watermark is late: counted, and left out.
    ///
    /// The state is the records the watermark has not passed: as many as come within the lateness that the stream's
    /// event time allows for.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("readings", from_iter([(3, 'c'), (1, 'a'), (2, 'b')]))
    ///     .event_time(|(second, _)| Timestamp::from_secs(*second), Lateness::bounded(seconds(5)))
    ///     .key_by(|_| ())
    ///     .sort("in-order")
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [(1, 'a'), (2, 'b'), (3, 'c')]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: the event-time temporal sort of Flink SQL.
    pub fn sort(self, name: &str) -> KeyedStream<K, T> {
        self.tail.must_be_timed(name);
        self.process(name, Sort(PhantomData))
    }
}

struct Sort<T>(PhantomData<fn() -> T>);

impl<T> Clone for Sort<T> {
    fn clone(&self) -> Self {
        Sort(PhantomData)
    }
}

impl<K: Key, T: State> Process<K, T> for Sort<T> {
    type State = ByTime<T>;
    type Out = T;

    fn on_record(&self, record: T, waiting: &mut ByTime<T>, turn: &mut Turn<'_, K, T>) {
        waiting.take_in(record, turn);
    }

    fn timer_name(&self) -> &str {
        "the first record to be sorted"
    }

    fn on_timer(&self, timer: Timer, waiting: &mut ByTime<T>, turn: &mut Turn<'_, K, T>) {
        while let Some((time, record)) = waiting.release(timer) {
            turn.emit_at(record, time);
        }
        waiting.set_timer(turn);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::process::tests::harness;
    use crate::testing::{Given, given, script};

    /// All that is not late, sorted; and how many were late.
    fn naive(all: &[Given]) -> (String, u64) {
        let (mut waiting, mut late, mut out) = (Vec::new(), 0, String::new());
        let mut passed = i64::MIN;
        for given in all.iter().chain([&Given::Watermark(i64::MAX)]) {
            match *given {
                Given::Record { time, .. } if time < passed => late += 1,
                Given::Record { key, value, time } => waiting.push((time, key, value)),
                Given::Watermark(watermark) => {
                    passed = watermark;
                    waiting.sort_by_key(|(time, ..)| *time);
                    let due = waiting.partition_point(|(time, ..)| *time < watermark);
                    for (time, key, value) in waiting.drain(..due) {
                        out += &format!("{key}={value}@{time} ");
                    }
                    if watermark < i64::MAX {
                        out += &format!("^{watermark} ");
                    }
                }
            }
        }
        (out + "|", late)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn records_leave_in_order_once_the_watermark_has_passed_them(all in given(25)) {
            let (expected, late) = naive(&all);
            let harness = harness(Sort(PhantomData));
            harness.check(&[&script(&all)], &[&expected]).unwrap();
            prop_assert_eq!(harness.outcome(&[&script(&all)]).unwrap().late, late);
        }
    }

    #[test]
    fn a_key_leaves_in_order_and_equal_times_as_they_came() {
        harness(Sort(PhantomData))
            .in_order()
            .check(
                &["a=3@3 a=1@1 a=2@1 ^1 a=0@0 a=4@1 ^3 a=5@2 ^4 |"],
                &["^1 a=1@1 a=2@1 a=4@1 ^3 a=3@3 ^4 |"],
            )
            .unwrap();
    }
}
