//! What is new since the last early panes.

use millstream_engine::runtime::Instant;

use crate::window::cut::SlicedWindow;

/// What a key has not said yet in windows that have not ended.
#[derive(Default)]
pub(in crate::window::sliced) struct Unsaid {
    /// The slices that have new records, in their order.
    pub(super) slices: Vec<i64>,
    /// Windows before this one have spoken of them.
    pub(super) from: Option<i64>,
    /// The pulses it waits for, a bit for each.
    pub(super) waits: u8,
    /// When the first of the records arrived; not known of what was restored.
    pub(super) arrival: Option<Instant>,
}

impl Unsaid {
    /// There is a new record in this slice.
    #[inline]
    pub(super) fn note(&mut self, slice: i64, arrival: Instant) {
        if self.slices.last() != Some(&slice)
            && let Err(at) = self.slices.binary_search(&slice)
        {
            self.slices.insert(at, slice);
        }
        self.arrival.get_or_insert(arrival);
        self.from = None;
    }

    /// Whether a window has one of them.
    pub(super) fn is_of(&self, window: &SlicedWindow) -> bool {
        let at = self.slices.partition_point(|slice| *slice < window.first);
        self.slices
            .get(at)
            .is_some_and(|slice| *slice < window.behind)
    }

    pub(super) fn forget_before(&mut self, first: i64) {
        let behind = self.slices.partition_point(|slice| *slice < first);
        self.slices.drain(..behind);
    }
}
