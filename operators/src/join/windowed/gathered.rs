//! Where the records of a key and window are until it ends.

use millstream_engine::Result;
use millstream_engine::key::KeyHash;
use millstream_engine::operator::Step;
use millstream_engine::outbox::Outbox;
use millstream_engine::runtime::Instant;
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::Timestamp;
use millstream_engine::why::Explanation;

use super::sessions::Sessions;
use super::slices::Slices;
use super::{KeyInWindow, Place, Sides};
use crate::keyed::Key;
use crate::window::{Window, WindowAssigner};

/// The open windows of all keys, with what fell into them.
pub(in crate::join) enum Gathered<W, K, S> {
    /// They do not merge: the same for all keys.
    Slices(Slices<W, K, S>),
    /// They do.
    Sessions(Sessions<W, K, S>),
}

impl<W: WindowAssigner, K: Key, S: Sides> Gathered<W, K, S> {
    pub(super) fn new(windows: W) -> Self {
        match windows.merges() {
            false => Gathered::Slices(Slices::new(windows)),
            true => Gathered::Sessions(Sessions::new(windows)),
        }
    }

    /// Where a record goes that arrived at `arrival`. It is late if all its windows are closed; one that is in no window
    /// at all goes nowhere, which is not late.
    #[inline]
    pub(super) fn place(
        &mut self,
        hash: KeyHash,
        key: &K,
        time: Timestamp,
        arrival: Instant,
    ) -> Place {
        match self {
            Gathered::Slices(slices) => slices.place(time, arrival),
            Gathered::Sessions(sessions) => sessions.open_for(hash, key, time, arrival),
        }
    }

    /// Keeps a record at its place.
    #[inline]
    pub(super) fn keep(&mut self, place: usize, hash: KeyHash, key: K, keep: impl FnOnce(&mut S)) {
        match self {
            Gathered::Slices(slices) => keep(slices.sides(place, hash, key)),
            Gathered::Sessions(sessions) => {
                if let Some(sides) = sessions.sides(place, hash, &key) {
                    keep(sides);
                }
            }
        }
    }

    /// Closes all windows that end at `watermark` or before. For each key of one, `give` makes results of what lies in
    /// it, and says whether it stopped for want of room.
    pub(super) fn fire(
        &mut self,
        watermark: Timestamp,
        out: &mut Outbox,
        give: impl FnMut(&mut Outbox, Window, KeyInWindow<'_, K, S>) -> Result<Step>,
    ) -> Result<Step> {
        match self {
            Gathered::Slices(slices) => slices.fire(watermark, out, give),
            Gathered::Sessions(sessions) => sessions.fire(watermark, out, give),
        }
    }

    /// Tells what is the next to close.
    pub(super) fn explain(&self, why: &mut Explanation) {
        match self {
            Gathered::Slices(slices) => slices.explain(why),
            Gathered::Sessions(sessions) => sessions.explain(why),
        }
    }

    pub(super) fn save(&self, state: &mut StateWriter) -> Result<()> {
        match self {
            Gathered::Slices(slices) => slices.save(state),
            Gathered::Sessions(sessions) => sessions.save(state),
        }
    }

    pub(super) fn restore(&mut self, state: &StateReader) -> Result<()> {
        match self {
            Gathered::Slices(slices) => slices.restore(state),
            Gathered::Sessions(sessions) => sessions.restore(state),
        }
    }
}
