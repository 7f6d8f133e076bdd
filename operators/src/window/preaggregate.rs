//! Aggregating before the shuffle: what meets in the sender's task is sent as one.
//!
//! Idea: local and global aggregation of Flink's table runtime (`LocalGlobal`), Hazelcast Jet's `accumulateByFrame`.
//! The table is direct-mapped and gives way to whoever comes often, as in Misra and Gries, *Finding repeated
//! elements*, 1982.

use std::marker::PhantomData;

use millstream_engine::Result;
use millstream_engine::batch::{AnyBatch, PartitionId};
use millstream_engine::key::{KeyHash, Keyed};
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{AnyPort, Outbox, Port, PortMaker};
use millstream_engine::plan::{MakeOperator, OperatorVertex, Route};
use millstream_engine::runtime::Instant;
use millstream_engine::time::{Timestamp, Watermark};

use crate::aggregate::Aggregate;
use crate::keyed::Key;
use crate::scope::Tail;
use crate::window::{Tumbling, Window, WindowAssigner, WindowedStream};

/// What comes to a window: a record, or the state of several (and how many) that met before the shuffle.
pub(super) enum Part<T, S> {
    Record(T),
    State(S, u32),
}

impl<K: Key, T: Send + 'static, W: WindowAssigner> WindowedStream<K, T, W> {
    /// Sets whether records are aggregated before they are sent to the task of their key, and only the states sent.
    ///
    /// A key that has most of the records then burdens no single task, and the shuffle carries less. Neither results
    /// nor watermarks wait for it, and what is late stays late. Without this call it is done where it pays: with
    /// more than one replica, for states of fixed size (`count`, `sum`, `max` of a number, tuples of them…), as long as
    /// at least two records meet for each one sent. Ask for it where states that grow, as those of
    /// [`approx_count_distinct`](crate::approx_count_distinct), are merged from many records of few keys.
    ///
    /// It keeps up to 2,048 states in every sending task. It is for tumbling windows that speak once; others, and what
    /// gives its late records as a stream, do without.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("clicks", from_iter(0..1_000))
    ///     .event_time(|at| Timestamp::from_millis(*at), Lateness::none())
    ///     .key_by(|at| if at % 10 == 0 { *at } else { 7 })
    ///     .window(Tumbling::of(seconds(1)))
    ///     .preaggregated(true)
    ///     .aggregate("clicks", count())
    ///     .map(|key, result| (key, result.value))
    ///     .filter(|(key, _)| *key == 7)
    ///     .sink("of-the-hot-key", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [(7, 900)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn preaggregated(mut self, preaggregated: bool) -> Self {
        self.preaggregated = Some(preaggregated);
        self
    }
}

/// Whether it is done without being asked for: where states go over an edge and are no larger than a few records.
pub(super) fn pays<S>(tail: &Tail) -> bool {
    tail.scope.parallelism() > 1 && !std::mem::needs_drop::<S>() && size_of::<S>() <= 256
}

/// The stream of [`Part`]s of what comes from `tail`.
pub(super) fn preaggregate<K, T, A>(tail: Tail, windows: Tumbling, aggregate: &A) -> Tail
where
    K: Key,
    T: Send + 'static,
    A: Aggregate<T>,
{
    // One for each branch of a union: with two inputs it would need a task of its own.
    let branches = tail.from.iter().map(|&from| {
        let aggregate = aggregate.clone();
        let make: MakeOperator = Box::new(move |_| {
            Box::new(Combiner::<K, T, A>::new(
                windows,
                aggregate.clone(),
                SLOTS,
                TRIAL,
            ))
        });
        let vertex = OperatorVertex::unnamed("preaggregate", make)
            .with_port(PortMaker::moving::<Keyed<K, Part<T, A::State>>>());
        let branch = Tail {
            from: vec![from],
            ..tail.clone()
        };
        branch.routed(Route::Forward).through(vertex)
    });
    branches.reduce(Tail::union).unwrap_or(tail)
}

/// How many states are kept, at the most. A power of two.
const SLOTS: usize = 2048;
/// How often a key may be passed by before it must make room, at the most.
const CREDIT: u32 = 16;

type Out<K, T, S> = Port<Keyed<K, Part<T, S>>>;

/// Brings together what falls into the same window under the same key.
///
/// It decides nothing about time: what is behind the watermark already goes on as it came, and no state is kept when
/// the watermark passes its window.
struct Combiner<K, T, A: Aggregate<T>> {
    windows: Tumbling,
    aggregate: A,
    slots: Vec<Option<Slot<K, A::State>>>,
    /// The slots that hold something.
    taken: Vec<usize>,
    /// The window of the record before, and what its keys' hashes are mixed with. Never one that has passed.
    current: Option<(Window, u64)>,
    watermark: Timestamp,
    /// No slot's window ends before the moment behind this.
    earliest: Timestamp,
    /// When the oldest of what is kept arrived.
    arrival: Option<Instant>,
    trial: Trial,
    of: PhantomData<fn(T)>,
}

struct Slot<K, S> {
    hash: KeyHash,
    /// The window, by its last moment.
    last: Timestamp,
    key: K,
    state: S,
    records: u32,
    credit: u32,
}

impl<K: Key, T: Send + 'static, A: Aggregate<T>> Combiner<K, T, A> {
    /// It has so many slots, a power of two, and tries for so many records whether that pays.
    fn new(windows: Tumbling, aggregate: A, slots: usize, trial: usize) -> Self {
        Combiner {
            windows,
            aggregate,
            slots: std::iter::repeat_with(|| None).take(slots).collect(),
            taken: Vec::new(),
            current: None,
            watermark: Timestamp::MIN,
            earliest: Timestamp::MAX,
            arrival: None,
            trial: Trial::of(trial),
            of: PhantomData,
        }
    }

    /// The window of a record, if the watermark has not passed it.
    #[inline]
    fn window(&mut self, time: Timestamp) -> Option<(Window, u64)> {
        match self.current {
            Some((window, salt)) if window.contains(time) => Some((window, salt)),
            _ => self.find(time),
        }
    }

    #[cold]
    fn find(&mut self, time: Timestamp) -> Option<(Window, u64)> {
        let window = self.windows.window_of(time);
        if window.end <= self.watermark {
            return None;
        }
        self.earliest = self.earliest.min(window.last());
        self.current = Some((window, KeyHash::of(&window.start.as_micros()).0));
        self.current
    }

    /// Takes a record in; gives what must be sent instead, if its slot is not free.
    #[inline]
    fn combine(
        &mut self,
        keyed: Keyed<K, T>,
        window: Window,
        salt: u64,
    ) -> Option<Sent<K, T, A::State>> {
        let Keyed { hash, key, value } = keyed;
        let (last, place) = (
            window.last(),
            (hash.0 ^ salt) as usize & (self.slots.len() - 1),
        );
        let slot = self.slots.get_mut(place)?;
        match slot {
            Some(held) if held.hash == hash && held.last == last && held.key == key => {
                self.aggregate.add(&mut held.state, &value);
                held.records = held.records.saturating_add(1);
                held.credit = (held.credit + 1).min(CREDIT);
                return None;
            }
            Some(held) if held.credit > 0 => {
                held.credit -= 1;
                return Some(Sent::Record(Keyed { hash, key, value }));
            }
            Some(_) => {}
            None => self.taken.push(place),
        }
        let state = self.aggregate.init(&value);
        slot.replace(Slot {
            hash,
            last,
            key,
            state,
            records: 1,
            credit: 0,
        })
        .map(Sent::State)
    }

    /// Puts out the states of windows whose last moment is before `before`, as many as there is room for.
    fn put_out(&mut self, before: Timestamp, out: &mut Outbox) -> Result<Step> {
        if self.earliest >= before {
            return Ok(Step::Done);
        }
        if let Some(arrival) = self.arrival {
            out.begin(arrival, PartitionId(0));
        }
        let port: &mut Out<K, T, A::State> = out.port(0)?;
        let (mut index, mut earliest) = (0, Timestamp::MAX);
        while let Some(&place) = self.taken.get(index) {
            if port.is_full() {
                return Ok(Step::More);
            }
            match self.slots.get_mut(place) {
                Some(Some(slot)) if slot.last >= before => {
                    earliest = earliest.min(slot.last);
                    index += 1;
                }
                slot => {
                    if let Some(slot) = slot.and_then(Option::take) {
                        self.trial.sent += 1;
                        slot.send(port);
                    }
                    self.taken.swap_remove(index);
                }
            }
        }
        self.earliest = earliest;
        self.current = None;
        if self.taken.is_empty() {
            self.arrival = None;
        }
        Ok(Step::Done)
    }
}

/// What goes on at once.
enum Sent<K, T, S> {
    Record(Keyed<K, T>),
    State(Slot<K, S>),
}

impl<K, S: Send + 'static> Slot<K, S> {
    fn send<T: Send + 'static>(self, port: &mut Out<K, T, S>)
    where
        K: Send + 'static,
    {
        let (hash, key) = (self.hash, self.key);
        let value = Part::State(self.state, self.records);
        port.push_keyed(hash, Keyed { hash, key, value }, self.last);
    }
}

#[inline]
fn pass<K: Send + 'static, T: Send + 'static, S: Send + 'static>(
    keyed: Keyed<K, T>,
    time: Timestamp,
    port: &mut Out<K, T, S>,
) {
    let Keyed { hash, key, value } = keyed;
    let value = Part::Record(value);
    port.push_keyed(hash, Keyed { hash, key, value }, time);
}

impl<K: Key, T: Send + 'static, A: Aggregate<T>> Operator for Combiner<K, T, A> {
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let arrival = self
            .arrival
            .map_or(batch.arrival(), |kept| kept.min(batch.arrival()));
        out.begin(arrival, batch.partition());
        let records = &mut batch.of::<Keyed<K, T>>()?.records;
        let combines = self.trial.goes_on(records.len(), self.taken.len());
        if !combines && !self.taken.is_empty() {
            // Before what follows, so that a key's records stay in order.
            while let Some(place) = self.taken.pop() {
                if let Some(slot) = self.slots.get_mut(place).and_then(Option::take) {
                    slot.send::<T>(out.port(0)?);
                }
            }
            self.arrival = None;
        }
        let port: &mut Out<K, T, A::State> = out.port(0)?;
        if !combines {
            for record in records.drain(..) {
                pass(record.value, record.time, port);
            }
            return Ok(());
        }
        let mut sent = 0;
        for record in records.drain(..) {
            let there = match self.window(record.time) {
                Some((window, salt)) => self.combine(record.value, window, salt),
                None => Some(Sent::Record(record.value)),
            };
            match there {
                None => continue,
                Some(Sent::Record(keyed)) => pass(keyed, record.time, port),
                Some(Sent::State(slot)) => slot.send(port),
            }
            sent += 1;
        }
        self.trial.sent += sent;
        self.arrival = (!self.taken.is_empty()).then_some(arrival);
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        self.watermark = watermark.time;
        if self
            .current
            .is_some_and(|(window, _)| window.end <= watermark.time)
        {
            self.current = None;
        }
        self.put_out(watermark.time, out)
    }

    fn on_flush(&mut self, out: &mut Outbox) -> Result<Step> {
        self.put_out(Timestamp::MAX, out)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.put_out(Timestamp::MAX, out)
    }
}

/// Whether combining pays: tried from time to time, because keys change.
struct Trial {
    /// Records of a trial.
    records: usize,
    /// Records taken in, and records and states sent, in this trial.
    taken: usize,
    sent: usize,
    /// So many records go by before the next.
    rest: usize,
}

/// Records of a trial.
const TRIAL: usize = 16 * 1024;
/// Trials' worth of records that go by uncombined behind one that did not pay.
const REST: usize = 15;

impl Trial {
    fn of(records: usize) -> Self {
        Trial {
            records,
            taken: 0,
            sent: 0,
            rest: 0,
        }
    }

    /// Whether the next `records` are to be combined, while so many states are `kept`.
    fn goes_on(&mut self, records: usize, kept: usize) -> bool {
        if self.rest > 0 {
            self.rest = self.rest.saturating_sub(records);
            return false;
        }
        if self.taken >= self.records {
            // What is kept will be sent as well.
            let pays = (self.sent + kept) * 2 <= self.taken;
            (self.taken, self.sent) = (0, 0);
            if !pays {
                self.rest = self.records * REST;
                return false;
            }
        }
        self.taken += records;
        true
    }
}

#[cfg(test)]
mod tests;
