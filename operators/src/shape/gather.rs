//! Several records of a key in one: batches, and the latest.

use std::marker::PhantomData;
use std::time::Duration;

use millstream_engine::runtime::Instant;
use millstream_engine::state::State;
use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::keyed::{Key, KeyedStream};
use crate::pipe::Pipe;
use crate::process::{KeyState, Process, Timer, Turn};
use crate::stream::Stream;

impl<K: Key, T: Send + 'static> KeyedStream<K, T> {
    /// Gathers the records of each key into batches of at most `most`, in the order they come. A batch goes on when it
    /// is full, or `within` after its first record.
    ///
    /// It goes by processing time: which records come together depends on how fast the flow runs. At the end what is left
    /// goes on at once. A checkpoint puts nothing out early: batches that are begun are saved, and restored they go on
    /// when they were due, or at once if that is over.
    ///
    /// A batch has the latest timestamp of its records, or that of the watermark if that has passed it meanwhile: no
    /// watermark waits for it, and it is not late. `most` is at least 1.
    ///
    /// The state is the records of each key's batch: fewer than `most`, for at most `within`.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("numbers", from_iter(0..5))
    ///     .key_by(|n| n % 2)
    ///     .batch("by-two", 2, seconds(1))
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// let mut batches = results.take();
    /// batches.sort();
    /// assert_eq!(batches, [vec![0, 2], vec![1, 3], vec![4]]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: Akka Streams' `groupedWithin`, Rx's `bufferTimeOrCount`.
    pub fn batch(self, name: &str, most: usize, within: Duration) -> KeyedStream<K, Vec<T>>
    where
        T: State,
    {
        if most == 0 {
            self.tail.mistake(format!(
                "`{name}` makes batches of no records: at least one in each"
            ));
        }
        let add = move |batch: &mut Option<Vec<T>>, record| {
            let batch = batch.get_or_insert_default();
            batch.push(record);
            batch.len() >= most
        };
        self.process(name, Gather::new(within, add))
    }

    /// Gives the latest record of each key, once in `every`: that long after a record came, the last one that has come
    /// until then.
    ///
    /// It goes by processing time: which records are given depends on how fast the flow runs. It is always a part of
    /// those that came, in order, no two of a key within `every`, and the last of all among them: that goes on at the
    /// end, at once. A checkpoint puts nothing out early: what waits is saved, and restored it goes on when it was due,
    /// or at once if that is over.
    ///
    /// A sample has the latest timestamp of what came in its time, or that of the watermark if that has passed it
    /// meanwhile. The state is one record for each key that was heard of within `every`.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("prices", from_iter([('v', 5), ('l', 2), ('v', 7)]))
    ///     .key_by(|(item, _)| *item)
    ///     .sample_latest("now-and-then", seconds(1))
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// let mut prices = results.take();
    /// prices.sort();
    /// assert_eq!(prices, [('l', 2), ('v', 7)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: Rx's `audit` (`sample` whose clock starts with a record).
    pub fn sample_latest(self, name: &str, every: Duration) -> KeyedStream<K, T>
    where
        T: State,
    {
        let add = |latest: &mut Option<T>, record| {
            *latest = Some(record);
            false
        };
        self.process(name, Gather::new(every, add))
    }
}

impl<T: Send + 'static, P: Pipe<Out = T>> Stream<T, P> {
    /// Gathers all records into batches, in one replica: see [`KeyedStream::batch`].
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("numbers", from_iter(0..5))
    ///     .batch("by-two", 2, seconds(1))
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [vec![0, 1], vec![2, 3], vec![4]]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn batch(
        self,
        name: &str,
        most: usize,
        within: Duration,
    ) -> Stream<Vec<T>, impl Pipe<Out = Vec<T>>>
    where
        T: State,
    {
        self.key_by(|_| ())
            .batch(name, most, within)
            .with_parallelism(1)
            .values()
    }
}

/// Adds the records of a key to a group, until it is full or its time is over.
struct Gather<T, G, F> {
    within: Duration,
    /// Adds a record to the group, if there is one yet; says whether it is full.
    add: F,
    of: PhantomData<fn(T) -> G>,
}

impl<T, G, F: Fn(&mut Option<G>, T) -> bool> Gather<T, G, F> {
    fn new(within: Duration, add: F) -> Self {
        let of = PhantomData;
        Gather { within, add, of }
    }
}

impl<T, G, F: Clone> Clone for Gather<T, G, F> {
    fn clone(&self) -> Self {
        Gather {
            within: self.within,
            add: self.add.clone(),
            of: PhantomData,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Group<G> {
    value: Option<G>,
    latest: Timestamp,
    due: Timestamp,
    /// When its first record arrived; not known of what was restored.
    #[serde(skip)]
    arrival: Option<Instant>,
}

impl<G> Default for Group<G> {
    fn default() -> Self {
        Group {
            value: None,
            latest: Timestamp::MIN,
            due: Timestamp::MIN,
            arrival: None,
        }
    }
}

impl<G: State> KeyState for Group<G> {
    fn is_empty(&self) -> bool {
        self.value.is_none()
    }
}

impl<G: Send + 'static> Group<G> {
    fn put_out<K: Key>(&mut self, turn: &mut Turn<'_, K, G>) {
        let Group {
            value,
            latest,
            arrival,
            ..
        } = std::mem::take(self);
        let time = latest.max(turn.watermark().unwrap_or(Timestamp::MIN));
        if let Some(value) = value {
            turn.emit_at(value, time);
            turn.note_held(arrival);
        }
    }
}

impl<K, T, G, F> Process<K, T> for Gather<T, G, F>
where
    K: Key,
    T: Send + 'static,
    G: State,
    F: Fn(&mut Option<G>, T) -> bool + Clone + Send + 'static,
{
    type State = Group<G>;
    type Out = G;

    fn on_record(&self, record: T, group: &mut Group<G>, turn: &mut Turn<'_, K, G>) {
        let due = turn.processing_time() + self.within;
        if group.is_empty() {
            group.due = due;
            turn.set_timer(Timer::ProcessingTime(due));
            group.arrival = Some(turn.arrival());
        } else if due < group.due {
            // The clock was set back, and the flow started anew.
            turn.cancel_timer(Timer::ProcessingTime(group.due));
            group.due = due;
            turn.set_timer(Timer::ProcessingTime(due));
        }
        group.latest = group.latest.max(turn.time());
        if (self.add)(&mut group.value, record) {
            turn.cancel_timer(Timer::ProcessingTime(group.due));
            group.put_out(turn);
        }
    }

    fn timer_name(&self) -> &str {
        "the group of a key"
    }

    fn on_timer(&self, _: Timer, group: &mut Group<G>, turn: &mut Turn<'_, K, G>) {
        group.put_out(turn);
    }

    fn on_end(&self, group: &mut Group<G>, turn: &mut Turn<'_, K, G>) {
        group.put_out(turn);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::process::tests::harness;
    use crate::testing::{Given, given_with_clocks, script};

    /// Groups of at most `most`, or within 10 µs, as text.
    fn naive(all: &[Given], most: usize) -> String {
        let mut open: BTreeMap<char, (i64, i64, String, usize)> = BTreeMap::new();
        let (mut passed, mut now, mut out) = (i64::MIN, 0, String::new());
        for given in all {
            match *given {
                Given::Watermark(watermark) => {
                    passed = watermark;
                    out += &format!("^{watermark} ");
                }
                Given::ProcessingTime(time) => {
                    now = time;
                    open.retain(|key, (due, latest, text, _)| {
                        if *due <= now {
                            out += &format!("{key}={text}@{} ", passed.max(*latest));
                        }
                        *due > now
                    });
                }
                Given::Record { key, value, time } => {
                    let new = (now + 10, time, String::new(), 0);
                    let (_, latest, text, len) = open.entry(key).or_insert(new);
                    *latest = time.max(*latest);
                    *text += &value.to_string();
                    *len += 1;
                    if *len == most {
                        out += &format!("{key}={text}@{} ", passed.max(*latest));
                        open.remove(&key);
                    }
                }
            }
        }
        for (key, (_, latest, text, _)) in open {
            out += &format!("{key}={text}@{} ", passed.max(latest));
        }
        out + "|"
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_group_leaves_when_it_is_full_or_its_time_is_over(all in given_with_clocks(30), most in 1..5usize) {
            let add = move |text: &mut Option<String>, op: i64| {
                let text = text.get_or_insert_default();
                *text += &op.to_string();
                text.len() >= most
            };
            let gather = Gather::new(Duration::from_micros(10), add);
            harness(gather).check(&[&script(&all)], &[&naive(&all, most)]).unwrap();
        }
    }
}
