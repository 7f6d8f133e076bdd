//! Records in the order of their times.

use std::marker::PhantomData;

use millstream_engine::state::State;

use super::by_time::ByTime;
use crate::keyed::{Key, KeyedStream};
use crate::late::{LateRecords, with_late};
use crate::process::{Process, Timer, Turn};
use crate::scope::Tail;

impl<K: Key, T: Send + 'static> KeyedStream<K, T> {
    /// Puts the records of each key in the order of event time; of equal times, in the order they come. One goes on as
    /// soon as the watermark has passed it.
    ///
    /// A record earlier than the watermark is late: counted, and left out; [`sort_with_late`](Self::sort_with_late) gives it
    /// as well.
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
    pub fn sort(self, name: &str) -> KeyedStream<K, T>
    where
        T: State,
    {
        KeyedStream::keyed(self.sorted(name, LateRecords::Counted))
    }

    /// Like [`sort`](Self::sort), with the late records as a stream of its own.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let missed = Collect::new();
    /// # let (out, missed_out) = (results.clone(), missed.clone());
    /// # let flow = Flow::new("docs", move |flow| {
    /// let seconds = [1, 20, 3, 25];
    /// let one_by_one = Generator::new(move |n, _| seconds[n as usize]).with_rate(10).with_count(4);
    /// let (in_order, late) = flow
    ///     .source("readings", one_by_one)
    ///     .event_time(|second| Timestamp::from_secs(*second), Lateness::none())
    ///     .key_by(|_| ())
    ///     .sort_with_late("in-order");
    /// in_order.values().sink("out", out.sink());
    /// late.values().sink("missed", missed_out.sink());
    /// # });
    /// let report = flow.with_parallelism(1).simulate(1)?;
    /// assert_eq!(results.take(), [1, 20, 25]);
    /// assert_eq!((missed.take(), report.late()), (vec![3], 1));
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn sort_with_late(self, name: &str) -> (KeyedStream<K, T>, KeyedStream<K, T>)
    where
        T: State,
    {
        with_late(self.sorted(name, LateRecords::Given))
    }

    fn sorted(self, name: &str, late: LateRecords) -> Tail
    where
        T: State,
    {
        self.tail.must_be_timed(name);
        self.processed(name, Sort(PhantomData), late)
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
        while let Some((time, record)) = waiting.release(timer, turn) {
            turn.emit_at(record, time);
        }
        waiting.set_timer(turn);
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::harness::Harness;
    use proptest::prelude::*;

    use super::*;
    use crate::process::tests::harness_with;
    use crate::testing::{Given, given, script, show};

    fn harness(late: LateRecords) -> Harness {
        harness_with(Sort(PhantomData), late)
    }

    /// All that is not late, sorted; and what is late.
    fn naive(all: &[Given]) -> (String, String) {
        let (mut waiting, mut late, mut out) = (Vec::new(), String::new(), String::new());
        let mut passed = i64::MIN;
        for given in all.iter().chain([&Given::Watermark(i64::MAX)]) {
            match *given {
                Given::Record { key, value, time } if time < passed => {
                    late += &format!("{key}={value}@{time} ");
                }
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
                Given::ProcessingTime(_) => {}
            }
        }
        (out + "|", late + "|")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn records_leave_in_order_once_the_watermark_has_passed_them(all in given(25)) {
            let (expected, late) = naive(&all);
            let giving = harness(LateRecords::Given).with_output(show::<i64>);
            giving.check(&[&script(&all)], &[&expected, &late]).unwrap();
            let counting = harness(LateRecords::Counted);
            counting.check(&[&script(&all)], &[&expected]).unwrap();
            let counted = late.matches('@').count() as u64;
            for harness in [giving, counting] {
                prop_assert_eq!(harness.outcome(&[&script(&all)]).unwrap().late, counted);
            }
        }
    }

    #[test]
    fn a_key_leaves_in_order_and_equal_times_as_they_came() {
        harness(LateRecords::Given)
            .with_output(show::<i64>)
            .in_order()
            .check(
                &["a=3@3 a=1@1 a=2@1 ^1 a=0@0 a=4@1 ^3 a=5@2 ^4 |"],
                &[
                    "^1 a=1@1 a=2@1 a=4@1 ^3 a=3@3 ^4 |",
                    "^1 a=0@0 ^3 a=5@2 ^4 |",
                ],
            )
            .unwrap();
    }
}
