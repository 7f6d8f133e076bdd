//! The windows of a key that are not full.

use std::collections::VecDeque;

use millstream_engine::key::{KeyHash, Keyed};
use millstream_engine::outbox::Port;
use millstream_engine::runtime::Instant;
use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Counts;
use crate::aggregate::Aggregate;
use crate::keyed::Key;
use crate::window::{Pane, Timing, Window, WindowResult};

pub(super) type Results<K, V> = Port<Keyed<K, WindowResult<K, V>>>;

/// The windows of a key that are not full.
#[derive(Serialize, Deserialize)]
pub(super) struct Begun<S> {
    /// Records to leave out before the next window begins.
    skip: u64,
    /// Records since the first of these windows began.
    seen: u64,
    /// These records, in slices.
    slices: VecDeque<Slice<S>>,
    /// When the oldest record arrived whose result was not given yet; not known of what was restored.
    #[serde(skip)]
    pub(super) arrival: Option<Instant>,
    /// When the key expires, and under which moment it is in the queue.
    pub(super) expiry: Timestamp,
    #[serde(skip)]
    pub(super) queued: Option<Timestamp>,
}

/// Records that are in the same windows.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Slice<S> {
    state: S,
    earliest: Timestamp,
    latest: Timestamp,
}

impl<S: Clone> Begun<S> {
    pub(super) fn new() -> Self {
        Begun {
            skip: 0,
            seen: 0,
            slices: VecDeque::new(),
            arrival: None,
            expiry: Timestamp::MIN,
            queued: None,
        }
    }

    /// Takes out all it has; its place in the queue stays.
    pub(super) fn begin_anew(&mut self) -> Self {
        let fresh = Begun {
            queued: self.queued,
            ..Begun::new()
        };
        std::mem::replace(self, fresh)
    }

    /// Whether it is as for a key that was never seen.
    pub(super) fn is_fresh(&self) -> bool {
        self.seen == 0 && self.skip == 0
    }

    /// Takes in a record; says whether that fills the first window.
    pub(super) fn add<T, A>(
        &mut self,
        counts: Counts,
        aggregate: &A,
        value: &T,
        time: Timestamp,
    ) -> bool
    where
        A: Aggregate<T, State = S>,
    {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        match self.slices.back_mut() {
            Some(slice) if !self.seen.is_multiple_of(counts.slice()) => {
                aggregate.add(&mut slice.state, value);
                slice.earliest = slice.earliest.min(time);
                slice.latest = slice.latest.max(time);
            }
            _ => self.slices.push_back(Slice {
                state: aggregate.init(value),
                earliest: time,
                latest: time,
            }),
        }
        self.seen += 1;
        self.seen >= counts.size
    }

    /// Takes out the first window, which is full, and goes on to the next.
    pub(super) fn slide<T, A>(&mut self, counts: Counts, aggregate: &A) -> Option<Slice<S>>
    where
        A: Aggregate<T, State = S>,
    {
        let Counts { size, slide } = counts;
        if slide >= size {
            (self.seen, self.skip) = (0, slide - size);
            return combined(self.slices.drain(..), aggregate);
        }
        let whole = combined(self.slices.iter().cloned(), aggregate);
        self.seen = size - slide;
        let gone = (slide / counts.slice()) as usize;
        self.slices.drain(..gone.min(self.slices.len()));
        whole
    }

    /// All windows that have begun.
    pub(super) fn rest<T, A>(self, counts: Counts, aggregate: &A) -> impl Iterator<Item = Slice<S>>
    where
        A: Aggregate<T, State = S>,
    {
        let step = (counts.slide / counts.slice()).max(1) as usize;
        let begins = (0..self.slices.len()).step_by(step);
        begins.filter_map(move |first| combined(self.slices.iter().skip(first).cloned(), aggregate))
    }
}

impl<S> Slice<S> {
    /// Gives it though it is not full: at its last moment, or now.
    pub(super) fn push_early<K: Key, T, A>(
        self,
        hash: KeyHash,
        key: K,
        now: Timestamp,
        aggregate: &A,
        port: &mut Results<K, A::Out>,
    ) where
        A: Aggregate<T, State = S>,
    {
        let value = self.result(key.clone(), Timing::Early, aggregate);
        let time = value.window.last().max(now);
        port.push_keyed(hash, Keyed { hash, key, value }, time);
    }

    pub(super) fn result<K, T, A>(
        self,
        key: K,
        timing: Timing,
        aggregate: &A,
    ) -> WindowResult<K, A::Out>
    where
        A: Aggregate<T, State = S>,
    {
        let end = self.latest.as_micros().saturating_add(1);
        let window = Window {
            start: self.earliest,
            end: Timestamp::from_micros(end),
        };
        let pane = Pane {
            timing,
            ..Pane::ONLY
        };
        let value = aggregate.finish(self.state);
        WindowResult {
            key,
            window,
            pane,
            value,
        }
    }
}

/// All slices in one.
fn combined<S, T, A>(mut slices: impl Iterator<Item = Slice<S>>, aggregate: &A) -> Option<Slice<S>>
where
    A: Aggregate<T, State = S>,
{
    let mut whole = slices.next()?;
    for slice in slices {
        aggregate.merge(&mut whole.state, slice.state);
        whole.earliest = whole.earliest.min(slice.earliest);
        whole.latest = whole.latest.max(slice.latest);
    }
    Some(whole)
}
