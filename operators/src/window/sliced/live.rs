//! The slices of all keys, while a window that is open has them in it.

use std::collections::BTreeMap;

use millstream_engine::batch::Record;
use millstream_engine::key::{KeyHash, Keyed};
use millstream_engine::operator::Step;
use millstream_engine::runtime::Instant;
use millstream_engine::time::Timestamp;
use millstream_engine::{Error, Result};

use crate::aggregate::Aggregate;
use crate::keyed::{Entry, Key, KeySlots, NO_SLOT, prefetch};
use crate::window::cut::{Cut, SlicedWindow};
use crate::window::sliced::fold::{Fold, Folded, Slices};
use crate::window::sliced::key_slices::KeySlices;
use crate::window::sliced::rounds::{Rounds, Visits};
use crate::window::{Sliding, Window};

/// The slices of all keys that are in a window which has not ended, and those windows' turns to end.
///
/// `S` is the state of a slice, `F` the fold of a key's slices, `N` what else is noted of a key.
pub(super) struct LiveSlices<K, S, F, N = ()> {
    pub(super) cut: Cut,
    pub(super) keys: KeySlots<K, KeySlices<S, F, N>>,
    rounds: Rounds,
    /// Where the record before was.
    last: Option<(Window, Place)>,
    /// The first window that has not ended.
    pub(super) open: i64,
    /// When the first record of each slice arrived.
    arrivals: BTreeMap<i64, Instant>,
}

/// Where a record belongs.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// In this slice, of a window that is open.
    Open(i64),
    /// In this slice, whose windows have all ended.
    Ended(i64),
    /// In no window.
    Gap,
}

impl<K: Key, S, F: Folded, N: Default> LiveSlices<K, S, F, N> {
    pub(super) fn new(windows: Sliding) -> Self {
        let cut = Cut::new(windows);
        LiveSlices {
            cut,
            keys: KeySlots::new(),
            rounds: Rounds::new(),
            last: None,
            open: cut.open_at(Timestamp::MIN),
            arrivals: BTreeMap::new(),
        }
    }

    /// Brings near what the next few of these records touch; says in which slots their keys seem to be.
    #[inline]
    pub(super) fn prefetch<T>(&self, records: &[Record<Keyed<K, T>>]) -> [u32; prefetch::GROUP] {
        let hashes = prefetch::hashes(records);
        self.keys.prefetch_with(hashes, KeySlices::read_newest)
    }

    /// The place of a record of this time.
    #[inline]
    pub(super) fn place_of(&mut self, time: Timestamp, arrival: Instant) -> Place {
        match self.last {
            Some((bounds, place)) if bounds.contains(time) => place,
            _ => self.find(time, arrival),
        }
    }

    #[cold]
    fn find(&mut self, time: Timestamp, arrival: Instant) -> Place {
        let (index, bounds) = self.cut.slice_of(time);
        let place = match self.cut.last_window(index) {
            None => Place::Gap,
            Some(window) if window < self.open => Place::Ended(index),
            Some(_) => {
                self.arrivals.entry(index).or_insert(arrival);
                Place::Open(index)
            }
        };
        self.last = Some((bounds, place));
        place
    }

    /// Brings a record into an open slice. Gives the number of its key, which may be the guessed one, and what that has.
    #[inline]
    pub(super) fn add<T, A>(
        &mut self,
        guess: u32,
        hash: KeyHash,
        key: K,
        index: i64,
        value: &T,
        aggregate: &A,
    ) -> Result<(u32, &mut KeySlices<S, F, N>)>
    where
        A: Aggregate<T, State = S>,
        F: Fold<T, A>,
    {
        let (number, kept) = slot_of(&mut self.keys, guess, hash, key)?;
        if kept.add(index, value, aggregate) {
            let due = self.cut.first_window(index).max(self.open);
            self.rounds.wait(number, &mut kept.turn, due);
        }
        Ok((number, kept))
    }

    /// Time has come to here: windows that end by then are open no longer, and have their [turn](Self::round).
    pub(super) fn come_to(&mut self, time: Timestamp) {
        self.open = self.cut.open_at(time);
        self.last = None;
    }

    /// The first window that has ended and of which something is kept, for [`visit`](Self::visit); until
    /// [`end_round`](Self::end_round) it is the same.
    pub(super) fn round(&mut self) -> Option<SlicedWindow> {
        let keys = &mut self.keys;
        let window = self.rounds.window_before(self.open, |number, change| {
            if let Some(entry) = keys.get_mut(number) {
                change(&mut entry.state.turn);
            }
        });
        if window.is_none() {
            let first = self.cut.first_slice(self.open);
            while let Some(slice) = self.arrivals.first_entry()
                && *slice.key() < first
            {
                slice.remove();
            }
        }
        Some(self.cut.sliced(window?))
    }

    /// When the first record of a window arrived; not known of what was restored.
    pub(super) fn arrival(&self, window: &SlicedWindow) -> Option<Instant> {
        let slices = self.arrivals.range(window.first..window.behind);
        slices.map(|(_, arrival)| *arrival).next()
    }

    /// Gives what each key has come to in the window, of those whose turn it still is; `give` says whether there is room
    /// for more.
    pub(super) fn visit<T, A>(
        &mut self,
        window: &SlicedWindow,
        aggregate: &A,
        mut give: impl FnMut(&mut Entry<K, KeySlices<S, F, N>>, S) -> bool,
    ) -> Step
    where
        A: Aggregate<T, State = S>,
        F: Fold<T, A>,
    {
        let mut near = 0;
        while let Some(number) = self.rounds.key() {
            if near == 0 {
                near = prefetch::GROUP;
                self.keys
                    .prefetch_slots(self.rounds.ahead(), KeySlices::read_ends);
            }
            near -= 1;
            let Some(entry) = self.keys.get_mut(number) else {
                self.rounds.leaves();
                continue;
            };
            let has_room = match entry.state.slide(window, aggregate) {
                Some(total) => give(entry, total),
                None => true,
            };
            let kept = &mut entry.state;
            if kept.has_folded_since(window.first_of_next) {
                self.rounds.stays();
            } else {
                self.rounds.leaves();
                kept.forget_folded();
                kept.turn = Visits::Never;
                match kept.first_open() {
                    Some(first) => {
                        // It cannot be in this window, or it would have been in the fold.
                        let due = self.cut.first_window(first);
                        self.rounds.wait(number, &mut kept.turn, due);
                    }
                    None => drop(self.keys.remove(number)),
                }
            }
            if !has_room {
                return Step::More;
            }
        }
        Step::Done
    }

    /// All keys have been visited.
    pub(super) fn end_round(&mut self) {
        self.rounds.end();
    }

    /// The next window to end of which something is kept.
    pub(super) fn next_window(&self) -> Option<Window> {
        let turn = |key| Some(self.keys.get(key)?.state.turn);
        let window = self.rounds.next_window(turn)?;
        Some(self.cut.window(window))
    }

    /// When the next window ends of which something is kept, or before that.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        let window = self.rounds.first()?;
        Some(self.cut.window(window).end)
    }

    /// Saves each key with the window it is due for: one that has had its turn in a round that goes on is due for the
    /// next.
    pub(super) fn save(
        &mut self,
        mut save: impl FnMut(i64, &mut Entry<K, KeySlices<S, F, N>>) -> Result<()>,
    ) -> Result<()> {
        for (number, due) in self.rounds.live() {
            if let Some(entry) = self.keys.get_mut(number) {
                save(due, entry)?;
            }
        }
        for entry in self.keys.iter_mut() {
            if let Visits::From(due) = entry.state.turn {
                save(due, entry)?;
            }
        }
        Ok(())
    }

    /// Takes over what was kept of a key; gives its number, and its place.
    pub(super) fn restore(
        &mut self,
        due: i64,
        key: K,
        slices: Slices<S>,
        fold: F,
    ) -> Result<(u32, &mut KeySlices<S, F, N>)> {
        let (number, kept) = slot_of(&mut self.keys, NO_SLOT, KeyHash::of(&key), key)?;
        kept.restore(slices, fold);
        self.rounds.wait(number, &mut kept.turn, due);
        Ok((number, kept))
    }
}

/// The number of a key, which may be the guessed one, and what it has.
#[inline]
fn slot_of<K: Key, S, F: Default, N: Default>(
    keys: &mut KeySlots<K, KeySlices<S, F, N>>,
    guess: u32,
    hash: KeyHash,
    key: K,
) -> Result<(u32, &mut KeySlices<S, F, N>)> {
    let (number, _) = keys.guessed_slot_of(guess, hash, key, KeySlices::default);
    let entry = keys.get_mut(number);
    let entry = entry.ok_or_else(|| Error::internal("a key without its slot"))?;
    Ok((number, &mut entry.state))
}
