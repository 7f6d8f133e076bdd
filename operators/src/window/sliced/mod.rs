//! Windows that slide: each record touches one slice, whatever the size and the slide.
//!
//! By duty: [`cut`] says what the slices are; [`key_slices`] is what a key has; [`fold`] is what its
//! slices come to, by retraction or by [`daba`]; [`rounds`] says which keys speak for a window.
//!
//! A key's slices are kept in the order of time, only those that hold records. The first of them are in its fold:
//! those a window that has spoken had in it. The others are open, and only they are touched by a record that is not
//! behind the watermark. When the watermark passes the end of a window, each key that has something in it is visited
//! once: the slices that are behind go out of its fold, those that are new in the window (two at most, but for gaps
//! and stragglers) come in, and it says what that comes to.

mod cut;
mod daba;
mod fold;
mod key_slices;
mod rounds;

use std::collections::BTreeMap;
use std::marker::PhantomData;

use millstream_engine::batch::AnyBatch;
use millstream_engine::key::{KeyHash, Keyed};
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{AnyPort, Outbox, Port};
use millstream_engine::plan::MakeOperator;
use millstream_engine::runtime::Instant;
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};
use millstream_engine::why::{Explanation, Until, Wait};
use millstream_engine::{Error, Result};

use crate::aggregate::Aggregate;
use crate::keyed::{Entry, Key, KeySlots, NO_SLOT, prefetch};
use crate::window::{LATE, Pane, Sliding, Window, WindowAssigner, WindowResult};
use cut::Cut;
use daba::Daba;
use fold::{Fold, Retracting, Slices};
use key_slices::{KeySlices, Visit};
use rounds::{Rounds, Turn};

/// Makes the operator of windows that slide and speak once, when the watermark passes their end: with the kind of its
/// state. Results leave by output 0, late records (if they are given) by output 1.
pub(super) fn sliced<K, T, A>(
    windows: Sliding,
    aggregate: A,
    gives_late: bool,
) -> (MakeOperator, String)
where
    K: Key,
    T: Send + 'static,
    A: Aggregate<T, State: Clone>,
{
    if A::RETRACT.is_some() {
        by::<K, T, A, Retracting<A::State>>(windows, aggregate, gives_late)
    } else {
        by::<K, T, A, Daba<A::State>>(windows, aggregate, gives_late)
    }
}

fn by<K, T, A, F>(windows: Sliding, aggregate: A, gives_late: bool) -> (MakeOperator, String)
where
    K: Key,
    T: Send + 'static,
    A: Aggregate<T>,
    F: Fold<T, A>,
{
    let kind = format!("{}, sliced, {}", windows.kind(), F::WAY);
    let make: MakeOperator = Box::new(move |_| {
        let aggregate = aggregate.clone();
        Box::new(SlicedAggregate::<K, T, A, F>::new(
            windows, aggregate, gives_late,
        ))
    });
    (make, kind)
}

/// The slice `time` lies in, and when the last window it is in ends: in none, it is never late.
pub(super) fn slice_of(windows: Sliding, time: Timestamp) -> (Window, Timestamp) {
    let cut = Cut::new(windows);
    let (index, bounds) = cut.slice_of(time);
    let last = cut.last_window(index).map(|window| cut.window(window).end);
    (bounds, last.unwrap_or(Timestamp::MAX))
}

/// The piece of saved state that says which windows were closed.
const CLOSED: &str = "closed";

struct SlicedAggregate<K, T, A: Aggregate<T>, F> {
    cut: Cut,
    aggregate: A,
    gives_late: bool,
    keys: KeySlots<K, KeySlices<A::State, F>>,
    rounds: Rounds,
    /// Where the record before was.
    last: Option<(Window, Place)>,
    /// Windows that end here or before are closed, so `open` is the first that is not.
    closed: Timestamp,
    open: i64,
    /// When the first record of each slice arrived.
    arrivals: BTreeMap<i64, Instant>,
    of: PhantomData<fn(T)>,
}

/// Where a record belongs.
#[derive(Clone, Copy)]
enum Place {
    Slice(i64),
    /// In windows that are all closed.
    Late,
    /// In no window.
    Gap,
}

impl<K: Key, T: Send + 'static, A: Aggregate<T>, F: Fold<T, A>> Operator
    for SlicedAggregate<K, T, A, F>
{
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let (arrival, mut late) = (batch.arrival(), 0);
        let mut records = batch.of::<Keyed<K, T>>()?.records.drain(..);
        while !records.as_slice().is_empty() {
            let hashes = prefetch::hashes(records.as_slice());
            let guesses = self.keys.prefetch_with(hashes, KeySlices::read_newest);
            for (guess, record) in guesses.into_iter().zip(records.by_ref()) {
                let Keyed { hash, key, value } = record.value;
                let place = match self.last {
                    Some((bounds, place)) if bounds.contains(record.time) => place,
                    _ => self.find(record.time, arrival),
                };
                match place {
                    Place::Slice(index) => self.add(guess, hash, key, index, &value)?,
                    Place::Late => {
                        late += 1;
                        if self.gives_late {
                            let keyed = Keyed { hash, key, value };
                            out.port(LATE)?.push_keyed(hash, keyed, record.time);
                        }
                    }
                    Place::Gap => {}
                }
            }
        }
        out.count_late(late);
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        self.fire(watermark.time, out)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.fire(Timestamp::MAX, out)
    }

    fn explain(&self, why: &mut Explanation) {
        let turn = |key| Some(self.keys.get(key)?.state.turn);
        if let Some(window) = self.rounds.next_window(turn) {
            let window = self.cut.window(window);
            why.waits(Wait::new(window.told(), Until::Watermark(window.end)));
        }
    }

    /// Each key with the window it is due for: one that has had its turn in a round that goes on is due for the
    /// next.
    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        state.put_piece(CLOSED, &self.closed)?;
        for (number, due) in self.rounds.live() {
            if let Some(entry) = self.keys.get_mut(number) {
                save(state, due, entry)?;
            }
        }
        for entry in self.keys.iter_mut() {
            if let Turn::From(due) = entry.state.turn {
                save(state, due, entry)?;
            }
        }
        Ok(())
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.closed = state.least_piece()?.unwrap_or(Timestamp::MIN);
        self.open = self.cut.open_at(self.closed);
        for value in state.values::<(i64, K, Slices<A::State>, F)>() {
            let (due, key, slices, fold) = value?;
            let (number, kept) = place(&mut self.keys, NO_SLOT, KeyHash::of(&key), key)?;
            kept.restore(slices, fold);
            self.rounds.wait(number, &mut kept.turn, due);
        }
        Ok(())
    }
}

impl<K: Key, T: Send + 'static, A: Aggregate<T>, F: Fold<T, A>> SlicedAggregate<K, T, A, F> {
    fn new(windows: Sliding, aggregate: A, gives_late: bool) -> Self {
        let cut = Cut::new(windows);
        SlicedAggregate {
            cut,
            aggregate,
            gives_late,
            keys: KeySlots::new(),
            rounds: Rounds::new(),
            last: None,
            closed: Timestamp::MIN,
            open: cut.open_at(Timestamp::MIN),
            arrivals: BTreeMap::new(),
            of: PhantomData,
        }
    }

    /// The place of a record of this time, to be remembered for those that follow.
    #[cold]
    fn find(&mut self, time: Timestamp, arrival: Instant) -> Place {
        let (index, bounds) = self.cut.slice_of(time);
        let place = match self.cut.last_window(index) {
            None => Place::Gap,
            Some(window) if window < self.open => Place::Late,
            Some(_) => {
                self.arrivals.entry(index).or_insert(arrival);
                Place::Slice(index)
            }
        };
        self.last = Some((bounds, place));
        place
    }

    #[inline]
    fn add(&mut self, guess: u32, hash: KeyHash, key: K, index: i64, value: &T) -> Result<()> {
        let (number, kept) = place(&mut self.keys, guess, hash, key)?;
        if kept.add(index, value, &self.aggregate) {
            let due = self.cut.first_window(index).max(self.open);
            self.rounds.wait(number, &mut kept.turn, due);
        }
        Ok(())
    }

    /// Closes all windows that end at `watermark` or before, in their order.
    fn fire(&mut self, watermark: Timestamp, out: &mut Outbox) -> Result<Step> {
        self.closed = self.closed.max(watermark);
        self.open = self.cut.open_at(self.closed);
        self.last = None;
        let keys = &mut self.keys;
        while let Some(window) = self.rounds.window_before(self.open, |number, change| {
            if let Some(entry) = keys.get_mut(number) {
                change(&mut entry.state.turn);
            }
        }) {
            let (first, behind) = (self.cut.first_slice(window), self.cut.behind(window));
            let arrival = self.arrivals.range(first..behind).next();
            let arrival = arrival.map(|(_, arrival)| *arrival);
            let visit = Visit {
                window: self.cut.window(window),
                first,
                behind,
                first_of_next: self.cut.first_slice(window.saturating_add(1)),
            };
            let (given, step) = visit_all(
                keys,
                &mut self.rounds,
                &self.cut,
                &self.aggregate,
                &visit,
                out.port(0)?,
            );
            if let Some(arrival) = arrival {
                out.note_held(arrival, given);
            }
            if step == Step::More {
                return Ok(Step::More);
            }
            self.rounds.end();
        }
        let first = self.cut.first_slice(self.open);
        while let Some(slice) = self.arrivals.first_entry()
            && *slice.key() < first
        {
            slice.remove();
        }
        Ok(Step::Done)
    }
}

/// The number of a key, which may be the guessed one, and its slices.
#[inline]
fn place<K: Key, S, F: Default>(
    keys: &mut KeySlots<K, KeySlices<S, F>>,
    guess: u32,
    hash: KeyHash,
    key: K,
) -> Result<(u32, &mut KeySlices<S, F>)> {
    let (number, _) = keys.guessed_slot_of(guess, hash, key, KeySlices::default);
    let entry = keys.get_mut(number);
    let entry = entry.ok_or_else(|| Error::internal("a key without its slot"))?;
    Ok((number, &mut entry.state))
}

fn save<K: Key, S, F>(
    state: &mut StateWriter,
    due: i64,
    entry: &mut Entry<K, KeySlices<S, F>>,
) -> Result<()>
where
    Slices<S>: serde::Serialize,
    F: serde::Serialize,
{
    let (slices, fold) = entry.state.saved();
    state.put(entry.hash, &(due, &entry.key, slices, fold))
}

/// Gives the results of the keys whose turn it still is, as many as there is room for.
fn visit_all<K: Key, T, A: Aggregate<T>, F: Fold<T, A>>(
    keys: &mut KeySlots<K, KeySlices<A::State, F>>,
    rounds: &mut Rounds,
    cut: &Cut,
    aggregate: &A,
    visit: &Visit,
    port: &mut Port<Keyed<K, WindowResult<K, A::Out>>>,
) -> (u64, Step) {
    let (mut given, time) = (0, visit.window.last());
    let mut near = 0;
    while let Some(number) = rounds.key() {
        if near == 0 {
            near = prefetch::GROUP;
            keys.prefetch_slots(rounds.ahead(), KeySlices::read_ends);
        }
        near -= 1;
        let Some(entry) = keys.get_mut(number) else {
            rounds.leaves();
            continue;
        };
        let (hash, kept) = (entry.hash, &mut entry.state);
        if let Some(total) = kept.slide(visit, aggregate) {
            let value = result(&entry.key, visit.window, aggregate.finish(total));
            let key = entry.key.clone();
            port.push_keyed(hash, Keyed { hash, key, value }, time);
            given += 1;
        }
        if kept.has_folded_since(visit.first_of_next) {
            rounds.stays();
        } else {
            rounds.leaves();
            kept.forget_folded();
            kept.turn = Turn::Never;
            match kept.first_open() {
                Some(first) => {
                    // It cannot be in this window, or it would have been in the fold.
                    let due = cut.first_window(first);
                    rounds.wait(number, &mut kept.turn, due);
                }
                None => drop(keys.remove(number)),
            }
        }
        if port.is_full() {
            return (given, Step::More);
        }
    }
    (given, Step::Done)
}

#[inline]
fn result<K: Key, V>(key: &K, window: Window, value: V) -> WindowResult<K, V> {
    WindowResult {
        key: key.clone(),
        window,
        pane: Pane::ONLY,
        value,
    }
}

#[cfg(test)]
mod tests;
