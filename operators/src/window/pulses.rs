//! When windows speak again and again.

use millstream_engine::time::Timestamp;
use millstream_engine::why::Wait;
use serde::{Deserialize, Serialize};

use crate::timer::TimeDomain;
use crate::waits::LOOKED_AT;
use crate::window::{Every, Trigger};

/// The times at which a trigger lets windows speak again and again: at every multiple of a period, those that wait.
#[derive(Default)]
pub(super) struct Pulses(Vec<Pulse>);

struct Pulse {
    id: PulseId,
    waiting: Vec<u32>,
    /// The next one, while somebody waits.
    due: Option<Timestamp>,
}

/// Which pulse: the identity of its saved moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PulseId {
    /// In microseconds.
    period: i64,
    pub(super) domain: TimeDomain,
    /// Whether it is for windows whose end has passed, or for those before it.
    pub(super) late: bool,
}

/// How far both clocks have come.
#[derive(Clone, Copy)]
pub(super) struct Now {
    pub(super) watermark: Timestamp,
    pub(super) processing_time: Timestamp,
}

impl Now {
    /// For what was waited for when it was saved: that is due still, or, if nobody waited for it then, at once.
    pub(super) fn saved_at(watermark: Timestamp) -> Self {
        Now {
            watermark,
            processing_time: Timestamp::MIN,
        }
    }
}

impl Pulses {
    /// Those of a trigger whose windows go by this time. They are four at most.
    pub(super) fn of(trigger: &Trigger, domain: TimeDomain) -> Self {
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

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lets a window before its end, or behind it, wait for its pulses. `waits` are those it waits for already.
    #[inline]
    pub(super) fn wait(&mut self, window: u32, late: bool, waits: &mut u8, now: Now) {
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
    pub(super) fn pop(
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

    /// Goes on behind a restart at a moment of processing time which may be earlier than what was saved, if the clock was
    /// set back meanwhile: none is due later than if it had been waited for now.
    pub(super) fn go_on(&mut self, processing_time: Timestamp) {
        let by_processing_time = |pulse: &&mut Pulse| pulse.id.domain == TimeDomain::ProcessingTime;
        for pulse in self.0.iter_mut().filter(by_processing_time) {
            let next = next_multiple(processing_time, pulse.id.period);
            pulse.due = pulse.due.map(|due| due.min(next));
        }
    }

    /// The earliest moment of processing time at which one is due.
    pub(super) fn first_timer(&self) -> Option<Timestamp> {
        let by_processing_time = |pulse: &&Pulse| pulse.id.domain == TimeDomain::ProcessingTime;
        let timed = self.0.iter().filter(by_processing_time);
        timed.filter_map(|pulse| pulse.due).min()
    }

    /// Each that somebody waits for: which, when it is due, and who waits.
    pub(super) fn waits(&self) -> impl Iterator<Item = (PulseId, Timestamp, &[u32])> {
        let pulses = self.0.iter();
        pulses.filter_map(|pulse| Some((pulse.id, pulse.due?, &*pulse.waiting)))
    }

    /// What waits for them, of those of which `is_due` holds: panes `of` what they are numbers of.
    pub(super) fn told(
        &self,
        of: &str,
        is_due: impl Fn(u32, PulseId) -> bool,
    ) -> impl Iterator<Item = Wait> {
        self.waits().filter_map(move |(pulse, due, waiting)| {
            let mut first = waiting.iter().take(LOOKED_AT);
            first.any(|id| is_due(*id, pulse)).then(|| {
                let what = format!("{} pane of {of}", phase(pulse.late));
                Wait::new(what, pulse.domain.until(due)).first_of(waiting.len())
            })
        })
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

/// Which pane it is that comes late, or early.
pub(super) fn phase(late: bool) -> &'static str {
    match late {
        true => "a late",
        false => "an early",
    }
}
