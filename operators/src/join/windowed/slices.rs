//! Records by the windows they fall into, each kept once.

use std::collections::{BTreeMap, VecDeque};

use hashbrown::hash_table;
use millstream_engine::Result;
use millstream_engine::key::KeyHash;
use millstream_engine::operator::Step;
use millstream_engine::outbox::Outbox;
use millstream_engine::runtime::Instant;
use millstream_engine::time::Timestamp;
use millstream_engine::why::Explanation;

use super::{Cursor, KeyInWindow, Place, Sides};
use crate::keyed::{AT_ONCE, Entry, Key, KeyTable};
use crate::waits::explain_first;
use crate::window::{Window, WindowAssigner};

/// The open windows of an assigner, with what fell into them.
///
/// Records that fall into the same windows lie together, in a slice: a record is kept once, however many windows it
/// is in. With windows that do not overlap a slice is a window.
///
/// Idea: Traub et al., *Scotty: General and Efficient Open-Source Window Aggregation*, TODS 2021.
pub(in crate::join) struct Slices<W, K, S> {
    windows: W,
    /// The slices by the windows they are still in. The first of them is the next to close.
    pub(super) open: BTreeMap<WindowsLeft, usize>,
    pub(super) slices: Vec<Slice<K, S>>,
    /// Places of slices that are empty and can be used again, with their memory.
    free: Vec<usize>,
    /// The slice of the record before, and a time in which all records go there.
    last: Option<(Window, WindowsLeft, usize)>,
    /// The windows of the record in hand.
    found: WindowsLeft,
    /// Windows that end here or before are closed.
    pub(super) closed: Timestamp,
    pub(super) firing: Option<Firing<K, S>>,
}

/// Windows in the order they close: by end, then by start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WindowsLeft(pub(super) VecDeque<(Timestamp, Timestamp)>);

pub(super) struct Slice<K, S> {
    pub(super) table: KeyTable<K, OfKey<S>>,
    /// When its first record arrived; not known of what was restored.
    arrival: Option<Instant>,
}

/// What a key has in a slice.
#[derive(Default)]
pub(super) struct OfKey<S> {
    pub(super) sides: S,
    /// How far the results of the window that is being given have come.
    pub(super) cursor: Cursor,
}

/// A window whose results are being given.
pub(super) struct Firing<K, S> {
    pub(super) window: Window,
    /// What is left of a slice that is in no other window.
    pub(super) alone: Vec<Entry<K, OfKey<S>>>,
    /// Slices that are in other windows too, and the keys that are left of them.
    pub(super) shared: Vec<usize>,
    pub(super) keys: Vec<(KeyHash, K)>,
}

impl<W: WindowAssigner, K: Key, S: Sides> Slices<W, K, S> {
    pub(super) fn new(windows: W) -> Self {
        Slices {
            windows,
            open: BTreeMap::new(),
            slices: Vec::new(),
            free: Vec::new(),
            last: None,
            found: WindowsLeft::default(),
            closed: Timestamp::MIN,
            firing: None,
        }
    }

    /// Tells which window is the next to close.
    pub(super) fn explain(&self, why: &mut Explanation) {
        let first = self.open.keys().next().and_then(|spans| spans.0.front());
        if let Some(&(end, start)) = first {
            explain_first(why, Window { start, end }, self.open.len());
        }
    }

    /// Where a record goes that arrived at `arrival`. It is late if all its windows are closed; a record
    /// that is in no window at all goes nowhere, which is not late.
    #[inline]
    pub(super) fn place(&mut self, time: Timestamp, arrival: Instant) -> Place {
        if let Some((slice, _, place)) = &self.last
            && slice.contains(time)
        {
            return Place::In(*place);
        }
        let (found, closed) = (&mut self.found, self.closed);
        let mut any = false;
        found.0.clear();
        self.windows.assign(time, &mut |window| {
            any = true;
            if window.end > closed {
                found.0.push_back((window.end, window.start));
            }
        });
        match &mut self.last {
            Some((slice, spans, place)) if spans == found => {
                *slice = self.windows.slice(time);
                return Place::In(*place);
            }
            _ if found.0.is_empty() && any => return Place::Late,
            _ if found.0.is_empty() => return Place::Nowhere,
            _ => {}
        }
        // An assigner gives windows by their starts.
        found.0.make_contiguous().sort_unstable();
        let spans = found.clone();
        let place = self.open_at(spans.clone(), Some(arrival));
        self.last = Some((self.windows.slice(time), spans, place));
        Place::In(place)
    }

    /// What a key has in a slice.
    #[inline]
    pub(super) fn sides(&mut self, place: usize, hash: KeyHash, key: K) -> &mut S {
        let entry = match self.slices[place].table.place(hash, &key) {
            hash_table::Entry::Occupied(entry) => entry.into_mut(),
            hash_table::Entry::Vacant(vacant) => {
                let state = OfKey::default();
                vacant.insert(Entry { hash, key, state }).into_mut()
            }
        };
        &mut entry.state.sides
    }

    pub(super) fn open_at(&mut self, spans: WindowsLeft, arrival: Option<Instant>) -> usize {
        let (slices, free) = (&mut self.slices, &mut self.free);
        *self.open.entry(spans).or_insert_with(|| {
            let place = free.pop().unwrap_or_else(|| {
                slices.push(Slice {
                    table: KeyTable::new(),
                    arrival,
                });
                slices.len() - 1
            });
            slices[place].arrival = arrival;
            place
        })
    }

    /// Closes all windows that end at `watermark` or before, in their order. For each key of one, `give` makes results
    /// of what lies in its slices, and says whether it stopped for want of room.
    pub(super) fn fire(
        &mut self,
        watermark: Timestamp,
        out: &mut Outbox,
        mut give: impl FnMut(&mut Outbox, Window, KeyInWindow<'_, K, S>) -> Result<Step>,
    ) -> Result<Step> {
        self.closed = self.closed.max(watermark);
        self.last = None;
        let mut left = AT_ONCE;
        while let Some(mut firing) = self.firing.take().or_else(|| self.next_due(out)) {
            let step = self.give_all(&mut firing, &mut left, out, &mut give);
            if matches!(step, Ok(Step::Done)) {
                self.close(&firing);
            } else {
                self.firing = Some(firing);
                return step;
            }
        }
        Ok(Step::Done)
    }

    /// Gives what is left of a window, of so many keys at most.
    fn give_all(
        &mut self,
        firing: &mut Firing<K, S>,
        left: &mut usize,
        out: &mut Outbox,
        give: &mut impl FnMut(&mut Outbox, Window, KeyInWindow<'_, K, S>) -> Result<Step>,
    ) -> Result<Step> {
        while let Some(Entry { hash, key, state }) = firing.alone.last_mut() {
            let given = KeyInWindow {
                hash: *hash,
                key,
                sides: &[&state.sides],
                cursor: &mut state.cursor,
            };
            if give(out, firing.window, given)? == Step::More {
                return Ok(Step::More);
            }
            firing.alone.pop();
            *left = left.saturating_sub(1);
            if *left == 0 || out.is_full() {
                return Ok(Step::More);
            }
        }
        while let Some((hash, key)) = firing.keys.last() {
            let mut cursor = Cursor::default();
            let mut sides = Vec::with_capacity(firing.shared.len());
            for place in &firing.shared {
                if let Some(held) = self.slices[*place].table.find(*hash, key) {
                    cursor = cursor.max(held.cursor);
                    sides.push(&held.sides);
                }
            }
            let given = KeyInWindow {
                hash: *hash,
                key,
                sides: &sides,
                cursor: &mut cursor,
            };
            let step = give(out, firing.window, given)?;
            let cursor = match step {
                Step::More => cursor,
                Step::Done => Cursor::default(),
            };
            for place in &firing.shared {
                if let Some(held) = self.slices[*place].table.find_mut(*hash, key) {
                    held.cursor = cursor;
                }
            }
            if step == Step::More {
                return Ok(Step::More);
            }
            firing.keys.pop();
            *left = left.saturating_sub(1);
            if *left == 0 || out.is_full() {
                return Ok(Step::More);
            }
        }
        Ok(Step::Done)
    }

    /// Takes up the next window that is to be closed.
    fn next_due(&mut self, out: &mut Outbox) -> Option<Firing<K, S>> {
        let (end, start) = *self.open.first_key_value()?.0.0.front()?;
        if end > self.closed {
            return None;
        }
        let mut firing = Firing {
            window: Window { start, end },
            alone: Vec::new(),
            shared: Vec::new(),
            keys: Vec::new(),
        };
        let of_window = |spans: &WindowsLeft| spans.0.front() == Some(&(end, start));
        let mut slices = self.open.iter().take_while(|(spans, _)| of_window(spans));
        if let (Some((spans, _)), None) = (slices.next(), slices.next())
            && spans.0.len() == 1
            && let Some((_, place)) = self.open.pop_first()
        {
            let Slice { table, arrival } = &mut self.slices[place];
            firing.alone = table.drain().collect();
            if let Some(arrival) = arrival.take() {
                out.note_held(arrival, firing.alone.len() as u64);
            }
            self.free.push(place);
            return Some(firing);
        }
        let mut seen = KeyTable::new();
        for (_, &place) in self.open.iter().take_while(|(spans, _)| of_window(spans)) {
            firing.shared.push(place);
            for Entry { hash, key, .. } in self.slices[place].table.iter() {
                if let hash_table::Entry::Vacant(vacant) = seen.place(*hash, key) {
                    vacant.insert(Entry {
                        hash: *hash,
                        key: key.clone(),
                        state: (),
                    });
                }
            }
        }
        let arrivals = firing
            .shared
            .iter()
            .filter_map(|place| self.slices[*place].arrival);
        if let Some(arrival) = arrivals.min() {
            out.note_held(arrival, seen.len() as u64);
        }
        firing.keys = seen
            .drain()
            .map(|Entry { hash, key, .. }| (hash, key))
            .collect();
        Some(firing)
    }

    /// Takes a window whose results were given out of the slices that are in others too.
    fn close(&mut self, firing: &Firing<K, S>) {
        for _ in &firing.shared {
            let Some((mut spans, place)) = self.open.pop_first() else {
                return;
            };
            spans.0.pop_front();
            if spans.0.is_empty() {
                self.slices[place].table.clear();
                self.free.push(place);
            } else if let Some(&other) = self.open.get(&spans) {
                // Late records have opened it already, for the windows that were left to them.
                let entries: Vec<_> = self.slices[place].table.drain().collect();
                for Entry { hash, key, state } in entries {
                    self.sides(other, hash, key).append(state.sides);
                }
                self.free.push(place);
            } else {
                self.open.insert(spans, place);
            }
        }
    }
}

impl Ord for WindowsLeft {
    /// By the first window, so that the next to close is found; then by the last, because those in between are long
    /// the same where many windows overlap.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let ends = |spans: &WindowsLeft| (spans.0.front().copied(), spans.0.back().copied());
        let by_ends = ends(self).cmp(&ends(other));
        by_ends.then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for WindowsLeft {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
