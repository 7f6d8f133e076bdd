//! When the turn of a window comes.

use std::collections::BTreeMap;

use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::timer::TimeDomain;
use crate::window::{Every, Trigger};

/// Windows by when they end, or close.
///
/// A window that grows is not moved: when its turn comes, it is found to end later, and put in again. So a session
/// costs one entry for each gap it lasts, not one for each record.
#[derive(Default)]
pub(super) struct Ends(BTreeMap<Timestamp, Vec<u32>>);

impl Ends {
    pub(super) fn push(&mut self, at: Timestamp, id: u32) {
        self.0.entry(at).or_default().push(id);
    }

    /// Takes out one whose turn comes at `time` or before.
    pub(super) fn pop(&mut self, time: Timestamp) -> Option<(Timestamp, u32)> {
        loop {
            let mut first = self.0.first_entry()?;
            let at = *first.key();
            if at > time {
                return None;
            }
            match first.get_mut().pop() {
                Some(id) => return Some((at, id)),
                None => first.remove(),
            };
        }
    }

    /// All, in the order their turns come.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Timestamp, u32)> {
        let times = self.0.iter();
        times.flat_map(|(at, ids)| ids.iter().map(|id| (*at, *id)))
    }

    /// When the next one's turn comes.
    pub(super) fn first(&self) -> Option<Timestamp> {
        let (at, _) = self.0.first_key_value()?;
        Some(*at)
    }
}

/// The times at which a trigger lets windows speak again and again: at every multiple of a period, those that wait.
#[derive(Default)]
pub(in crate::window) struct Pulses(Vec<Pulse>);

struct Pulse {
    id: PulseId,
    waiting: Vec<u32>,
    /// The next one, while somebody waits.
    due: Option<Timestamp>,
}

/// Which pulse: the identity of its saved moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::window) struct PulseId {
    /// In microseconds.
    period: i64,
    pub(super) domain: TimeDomain,
    /// Whether it is for windows whose end has passed, or for those before it.
    pub(super) late: bool,
}

/// How far both clocks have come.
#[derive(Clone, Copy)]
pub(in crate::window) struct Now {
    pub(in crate::window) watermark: Timestamp,
    pub(in crate::window) processing_time: Timestamp,
}

impl Now {
    /// For what was waited for when it was saved: that is due still, or, if nobody waited for it then, at once.
    pub(in crate::window) fn saved_at(watermark: Timestamp) -> Self {
        Now {
            watermark,
            processing_time: Timestamp::MIN,
        }
    }
}

impl Pulses {
    /// Those of a trigger whose windows go by this time. They are four at most.
    pub(in crate::window) fn of(trigger: &Trigger, domain: TimeDomain) -> Self {
        let both = [(trigger.early, false), (Some(trigger.late), true)];
        let of_phase = |(every, late): (Option<Every>, bool)| {
            let every = every?;
            Some([
                (every.time, domain, late),
                (every.processing_time, TimeDomain::ProcessingTime, late),
            ])
        };
        let all = both.into_iter().filter_map(of_phase).flatten();
        Pulses(
            all.filter_map(|(period, domain, late)| {
                let period = period?;
                let id = PulseId {
                    period,
                    domain,
                    late,
                };
                Some(Pulse {
                    id,
                    waiting: Vec::new(),
                    due: None,
                })
            })
            .collect(),
        )
    }

    pub(in crate::window) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lets a window before its end, or behind it, wait for its pulses. `waits` are those it waits for already.
    #[inline]
    pub(in crate::window) fn wait(&mut self, window: u32, late: bool, waits: &mut u8, now: Now) {
        for (number, pulse) in self.0.iter_mut().enumerate() {
            let bit = 1 << number;
            if pulse.id.late == late && *waits & bit == 0 {
                *waits |= bit;
                pulse.waiting.push(window);
                let now = match pulse.id.domain {
                    TimeDomain::EventTime => now.watermark,
                    TimeDomain::ProcessingTime => now.processing_time,
                };
                let due = || next_multiple(now, pulse.id.period);
                pulse.due.get_or_insert_with(due);
            }
        }
    }

    /// Takes out a window that waits for a pulse of this time which is due: the window, the pulse, and its bit.
    pub(in crate::window) fn pop(
        &mut self,
        domain: TimeDomain,
        time: Timestamp,
    ) -> Option<(u32, PulseId, u8)> {
        for (number, pulse) in self.0.iter_mut().enumerate() {
            if pulse.id.domain == domain && pulse.due.is_some_and(|due| due <= time) {
                match pulse.waiting.pop() {
                    Some(window) => return Some((window, pulse.id, 1 << number)),
                    None => pulse.due = None,
                }
            }
        }
        None
    }

    /// The earliest moment of processing time at which one is due.
    pub(in crate::window) fn first_timer(&self) -> Option<Timestamp> {
        let by_processing_time = |pulse: &&Pulse| pulse.id.domain == TimeDomain::ProcessingTime;
        let timed = self.0.iter().filter(by_processing_time);
        timed.filter_map(|pulse| pulse.due).min()
    }

    /// Each that somebody waits for: which, when it is due, and who waits.
    pub(super) fn waits(&self) -> impl Iterator<Item = (PulseId, Timestamp, &[u32])> {
        let pulses = self.0.iter();
        pulses.filter_map(|pulse| Some((pulse.id, pulse.due?, &*pulse.waiting)))
    }

    /// When each is due.
    pub(super) fn dues(&self) -> impl Iterator<Item = (PulseId, Timestamp)> {
        self.0
            .iter()
            .filter_map(|pulse| Some((pulse.id, pulse.due?)))
    }

    /// Takes over when one was due: the earliest that any replica says.
    pub(super) fn restore(&mut self, id: PulseId, due: Timestamp) {
        for pulse in self.0.iter_mut().filter(|pulse| pulse.id == id) {
            pulse.due = Some(pulse.due.map_or(due, |known| known.min(due)));
        }
    }
}

/// The next multiple of the period behind `now`.
fn next_multiple(now: Timestamp, period: i64) -> Timestamp {
    let periods = now.as_micros().div_euclid(period.max(1)).saturating_add(1);
    Timestamp::from_micros(periods.saturating_mul(period))
}
