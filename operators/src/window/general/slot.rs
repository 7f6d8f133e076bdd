//! A window of a key, while it is kept.

use millstream_engine::key::KeyHash;
use millstream_engine::runtime::Instant;
use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::window::{Pane, Window};

/// A window of a key.
pub(super) struct Slot<S> {
    /// Of its key.
    pub(super) hash: KeyHash,
    pub(super) kept: Kept<S>,
    /// When its turn comes in [`Ends`](super::ends::Ends).
    pub(super) alarm: Option<Timestamp>,
    /// The [pulses](crate::window::pulses::Pulses) it waits for, a bit for each.
    pub(super) waits: u8,
    /// When the first record arrived of which nothing was said yet; not known of what was restored.
    pub(super) arrival: Option<Instant>,
}

/// What is saved of a window.
#[derive(Serialize, Deserialize)]
pub(in crate::window) struct Kept<S> {
    pub(super) window: Window,
    /// What it has come to; `None` if all of that was said and discarded.
    pub(super) state: Option<S>,
    /// What was said of it and would have to be taken back. (Several, if sessions were merged.)
    pub(super) said: Vec<Said<S>>,
    /// Records of which nothing was said yet.
    pub(super) unsaid: u64,
    /// The number of the next pane.
    pub(super) number: u32,
    /// The time of its latest record.
    pub(super) latest: Timestamp,
    /// Whether the watermark has passed its end.
    pub(super) ended: bool,
}

/// A pane that was said, and of what.
#[derive(Serialize, Deserialize)]
pub(super) struct Said<S> {
    pub(super) window: Window,
    pub(super) pane: Pane,
    pub(super) state: S,
}

impl<S> Slot<S> {
    pub(super) fn new(hash: KeyHash, kept: Kept<S>) -> Self {
        Slot {
            hash,
            kept,
            alarm: None,
            waits: 0,
            arrival: None,
        }
    }
}

impl<S> Slot<S> {
    /// Reads what a record touches, to have it near.
    #[inline]
    pub(super) fn read(&self) -> u64 {
        let alarm = self.alarm.map_or(0, |alarm| alarm.as_micros() as u64);
        alarm ^ self.kept.unsaid ^ u64::from(self.waits)
    }
}

impl<S> Kept<S> {
    pub(super) fn new(window: Window) -> Self {
        Kept {
            window,
            state: None,
            said: Vec::new(),
            unsaid: 0,
            number: 0,
            latest: Timestamp::MIN,
            ended: false,
        }
    }

    /// Takes in another window of the same key; `merge` brings the second state into the first.
    pub(super) fn merge(&mut self, other: Kept<S>, merge: impl FnOnce(&mut S, S)) {
        self.window = self.window.hull(other.window);
        match (&mut self.state, other.state) {
            (Some(state), Some(other)) => merge(state, other),
            (none, other) => *none = none.take().or(other),
        }
        self.said.extend(other.said);
        self.unsaid += other.unsaid;
        self.number = self.number.max(other.number);
        self.latest = self.latest.max(other.latest);
    }
}
