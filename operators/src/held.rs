//! What was held back by design, as the latency ledger is told of it.

use millstream_engine::outbox::Outbox;
use millstream_engine::runtime::Instant;

/// The results of one call that were held back by design: all of them count as the oldest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    oldest: Option<Instant>,
    results: u64,
}

impl Held {
    /// One more, that was held back since `arrival`; `None` for what was restored, which is not counted.
    #[inline]
    pub(crate) fn add(&mut self, arrival: Option<Instant>) {
        if let Some(arrival) = arrival {
            self.oldest = Some(self.oldest.map_or(arrival, |oldest| oldest.min(arrival)));
            self.results += 1;
        }
    }

    /// Tells of them.
    pub(crate) fn note(&mut self, out: &mut Outbox) {
        if let Some(oldest) = self.oldest.take() {
            out.note_held(oldest, std::mem::take(&mut self.results));
        }
    }
}
