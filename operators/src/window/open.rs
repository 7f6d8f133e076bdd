//! The windows that are open, each with its state by key.

use std::collections::BTreeMap;

use millstream_engine::Result;
use millstream_engine::batch::Record;
use millstream_engine::key::{KeyHash, Keyed};
use millstream_engine::operator::Step;
use millstream_engine::outbox::Outbox;
use millstream_engine::runtime::Instant;
use millstream_engine::state::{State, StateReader, StateWriter};
use millstream_engine::time::Timestamp;
use millstream_engine::why::{Explanation, Until, Wait};

use crate::keyed::{Entry, Guesses, Key, KeyTable, NO_GUESSES};
use crate::reached;
use crate::waits::explain_first;
use crate::window::cut::Cut;
use crate::window::{Sliding, Tumbling, Window};

/// Open windows, and the one whose results are being given.
///
/// Records mostly fall into the window of the record before: it is remembered, and costs no look-up.
pub(super) struct OpenWindows<K, S> {
    windows: Spans,
    /// Each open window by its start. (None lies in another: so by its end as well.)
    open: BTreeMap<Timestamp, Opened>,
    tables: Vec<KeyTable<K, S>>,
    /// Places of tables that are empty and can be used again, with their memory.
    free: Vec<usize>,
    /// The window of the record before, and its place.
    last: Option<(Window, usize)>,
    /// Windows that end here or before are closed.
    closed: Timestamp,
    firing: Option<(Window, Vec<Entry<K, S>>)>,
    /// Arrival of the batch in hand.
    arrival: Option<Instant>,
    /// Windows that fired: when their first record arrived, and how many results they held back.
    held: Vec<(Instant, u64)>,
}

/// What time is cut into.
#[derive(Clone, Copy)]
pub(super) enum Spans {
    Windows(Tumbling),
    /// The slices of windows that slide. Each is open, time and again, until the last window it is in is closed.
    Slices(Sliding),
}

impl Spans {
    /// The span `time` lies in, and until when a record of this time is not late.
    fn of(self, time: Timestamp) -> (Window, Timestamp) {
        match self {
            Spans::Windows(windows) => {
                let window = windows.window_of(time);
                (window, window.end)
            }
            Spans::Slices(windows) => {
                let cut = Cut::new(windows);
                let (slice, span) = cut.slice_of(time);
                (span, cut.last_end(slice))
            }
        }
    }
}

/// An open window.
struct Opened {
    /// Its place in `tables`.
    place: usize,
    /// When its first record arrived; not known of what was restored.
    arrival: Option<Instant>,
}

impl<K: Key, S: State> OpenWindows<K, S> {
    pub(super) fn new(windows: Spans) -> Self {
        OpenWindows {
            windows,
            open: BTreeMap::new(),
            tables: Vec::new(),
            free: Vec::new(),
            last: None,
            closed: Timestamp::MIN,
            firing: None,
            arrival: None,
            held: Vec::new(),
        }
    }

    /// The records that follow arrived at `arrival`.
    pub(super) fn begin(&mut self, arrival: Instant) {
        self.arrival = Some(arrival);
    }

    /// Tells of what fired how long it was held back by design.
    pub(super) fn note_held(&mut self, out: &mut Outbox) {
        for (arrival, results) in self.held.drain(..) {
            out.note_held(arrival, results);
        }
    }

    /// The state of the window `time` lies in; `None` if that is closed, and the record late.
    #[inline]
    pub(super) fn table(&mut self, time: Timestamp) -> Option<&mut KeyTable<K, S>> {
        let place = match self.last {
            Some((window, place)) if window.contains(time) => place,
            _ => self.find(time)?,
        };
        self.tables.get_mut(place)
    }

    /// Brings near what the keys of the next group have in the window of the record before, and says where.
    #[inline]
    pub(super) fn prefetch<T>(&self, records: &[Record<Keyed<K, T>>]) -> Guesses {
        let place = self.last.map(|(_, place)| place);
        let table = place.and_then(|place| self.tables.get(place));
        table.map_or(NO_GUESSES, |table| table.prefetch(records))
    }

    #[cold]
    fn find(&mut self, time: Timestamp) -> Option<usize> {
        let (window, until) = self.windows.of(time);
        if until <= self.closed {
            return None;
        }
        let place = self.open_at(window);
        self.last = Some((window, place));
        Some(place)
    }

    /// The place of a window, opened if it was not.
    fn open_at(&mut self, window: Window) -> usize {
        let (tables, free, arrival) = (&mut self.tables, &mut self.free, self.arrival);
        let opened = self.open.entry(window.start).or_insert_with(|| {
            let place = free.pop().unwrap_or_else(|| {
                tables.push(KeyTable::new());
                tables.len() - 1
            });
            Opened { place, arrival }
        });
        opened.place
    }

    /// Closes all windows that end at `watermark` or before, in their order: `give` takes as many entries of
    /// one as there is room for, and says whether it stopped for want of it.
    pub(super) fn fire(
        &mut self,
        watermark: Timestamp,
        give: impl FnMut(Window, &mut Vec<Entry<K, S>>) -> Result<Step>,
    ) -> Result<Step> {
        self.closed = self.closed.max(watermark);
        self.give(self.closed, give)
    }

    /// Empties all windows, which stay open; otherwise as [`fire`](Self::fire).
    pub(super) fn empty(
        &mut self,
        give: impl FnMut(Window, &mut Vec<Entry<K, S>>) -> Result<Step>,
    ) -> Result<Step> {
        self.give(Timestamp::MAX, give)
    }

    fn give(
        &mut self,
        until: Timestamp,
        mut give: impl FnMut(Window, &mut Vec<Entry<K, S>>) -> Result<Step>,
    ) -> Result<Step> {
        self.last = None;
        while let Some((window, mut entries)) =
            self.firing.take().or_else(|| self.next_until(until))
        {
            let step = give(window, &mut entries)?;
            if !entries.is_empty() {
                self.firing = Some((window, entries));
            }
            if step == Step::More {
                return Ok(Step::More);
            }
        }
        Ok(Step::Done)
    }

    fn next_until(&mut self, until: Timestamp) -> Option<(Window, Vec<Entry<K, S>>)> {
        let first = self.open.first_entry()?;
        let (window, _) = self.windows.of(*first.key());
        if window.end > until {
            return None;
        }
        let Opened { place, arrival } = first.remove();
        self.free.push(place);
        let entries: Vec<_> = self.tables.get_mut(place)?.drain().collect();
        if let Some(arrival) = arrival {
            self.held.push((arrival, entries.len() as u64));
        }
        Some((window, entries))
    }

    /// Tells which window is the next to be given.
    pub(super) fn explain(&self, why: &mut Explanation) {
        if let Some((start, _)) = self.open.first_key_value() {
            let (span, _) = self.windows.of(*start);
            match self.windows {
                Spans::Windows(_) => explain_first(why, span, self.open.len()),
                Spans::Slices(_) => {
                    let what = format!("the slice from {} to {}", span.start, span.end);
                    why.waits(
                        Wait::new(what, Until::Watermark(span.end)).first_of(self.open.len()),
                    );
                }
            }
        }
    }

    pub(super) fn save(&self, state: &mut StateWriter) -> Result<()> {
        reached::save(state, self.closed)?;
        let open = self
            .open
            .iter()
            .filter_map(|(start, opened)| Some((start, self.tables.get(opened.place)?)));
        for (start, table) in open {
            for entry in table.iter() {
                state.put(entry.hash, &(start, &entry.key, &entry.state))?;
            }
        }
        if let Some((window, entries)) = &self.firing {
            for entry in entries {
                state.put(entry.hash, &(window.start, &entry.key, &entry.state))?;
            }
        }
        Ok(())
    }

    pub(super) fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.closed = reached::restored(state)?;
        for value in state.values::<(Timestamp, K, S)>() {
            let (start, key, state) = value?;
            let place = self.open_at(self.windows.of(start).0);
            if let Some(table) = self.tables.get_mut(place) {
                table.insert(Entry {
                    hash: KeyHash::of(&key),
                    key,
                    state,
                });
            }
        }
        Ok(())
    }
}
