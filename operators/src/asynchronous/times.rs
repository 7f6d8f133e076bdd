//! What time may not overtake: the records that came in and have no answer yet.

use std::collections::BTreeMap;

use millstream_engine::runtime::Instant;
use millstream_engine::time::{Timestamp, Watermark};

/// When a record happened, and when it arrived.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    pub(super) time: Timestamp,
    pub(super) arrival: Instant,
    /// When it was taken in here.
    pub(super) since: Instant,
    /// Whether the watermark waits for it. Late records hold nothing back.
    pub(super) holds: bool,
}

/// Times of the records that hold the watermark back, and how many there are of each.
#[derive(Default)]
pub(super) struct HeldTimes(BTreeMap<Timestamp, usize>);

impl HeldTimes {
    /// The stamp of a record that came in: from now on it holds back the watermark, unless it is late.
    pub(super) fn stamp(
        &mut self,
        time: Timestamp,
        arrival: Instant,
        since: Instant,
        watermark: Option<Watermark>,
    ) -> Stamp {
        let holds = watermark.is_none_or(|watermark| watermark.time <= time);
        if holds {
            *self.0.entry(time).or_default() += 1;
        }
        Stamp {
            time,
            arrival,
            since,
            holds,
        }
    }

    /// The record has its answer.
    pub(super) fn release(&mut self, stamp: &Stamp) {
        if stamp.holds
            && let Some(count) = self.0.get_mut(&stamp.time)
        {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&stamp.time);
            }
        }
    }

    /// The lowest of them: no promise overtakes it.
    pub(super) fn lowest(&self) -> Option<Timestamp> {
        self.0.first_key_value().map(|(time, _)| *time)
    }
}
