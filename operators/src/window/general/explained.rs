//! What windows tell of what they wait for.

use millstream_engine::time::Timestamp;
use millstream_engine::why::{Explanation, Until, Wait};

use super::moments::{PulseId, Pulses};
use super::slot::Slot;
use super::{GeneralWindows, Rules};
use crate::aggregate::Aggregate;
use crate::keyed::Key;
use crate::timer::TimeDomain;
use crate::waits::LOOKED_AT;
use crate::window::Window;

impl<K: Key, T: Send + 'static, A: Aggregate<T, State: Clone>> GeneralWindows<K, T, A> {
    /// The next window, what is said of it before its end or behind it, and the panes that wait for their moments.
    pub(in crate::window) fn waits(&self) -> Vec<Wait> {
        let mut waits = Vec::new();
        if let Some(slot) = self.first_to_speak() {
            let first = self.rules.end_of(slot.kept.window, slot.kept.ended);
            waits.push(first.first_of(self.slots.len()));
            waits.extend(self.rules.records_of(slot));
        }
        waits.extend(self.pulses.told(|id, pulse| self.is_due(id, pulse)));
        waits
    }

    /// The window that is the next to speak when time comes to its end. (One that grows stands in its turn still: so
    /// the first one is not always that.)
    fn first_to_speak(&self) -> Option<&Slot<A::State>> {
        let turns = self.ends.iter().take(LOOKED_AT);
        let slots = turns.filter_map(|(at, id)| {
            let slot = self.slots.get(id)?;
            (slot.alarm == Some(at)).then_some(slot)
        });
        let unsaid = slots.filter(|slot| !slot.kept.ended || slot.kept.unsaid > 0);
        unsaid.min_by_key(|slot| self.rules.speaks_at(slot.kept.window, slot.kept.ended))
    }

    fn is_due(&self, id: u32, pulse: PulseId) -> bool {
        let slot = self.slots.get(id);
        slot.is_some_and(|slot| slot.kept.unsaid > 0 && slot.kept.ended == pulse.late)
    }
}

impl Rules {
    /// When a window speaks for the first time, or, if it has ended, for the last.
    fn speaks_at(&self, window: Window, ended: bool) -> Timestamp {
        match ended {
            false => window.end,
            true => window.end + self.lateness,
        }
    }

    /// That a window waits for then.
    pub(in crate::window) fn end_of(&self, window: Window, ended: bool) -> Wait {
        let (at, told) = (self.speaks_at(window, ended), window.told());
        let until = match at {
            Timestamp::MAX => Until::InputEnd {
                input: 0,
                from: Vec::new(),
            },
            at => until(self.domain, at),
        };
        match ended {
            false => Wait::new(told, until),
            true => Wait::new(format!("{} pane of {told}", phase(true)), until),
        }
    }

    /// If the trigger counts records: how many there are of how many.
    fn records_of<S>(&self, slot: &Slot<S>) -> Option<Wait> {
        let kept = &slot.kept;
        let every = match kept.ended {
            true => Some(self.trigger.late),
            false => self.trigger.early,
        };
        let most = every?.records?;
        let what = format!(
            "{} pane of {} (with {} of {most} records)",
            phase(kept.ended),
            kept.window.told(),
            kept.unsaid
        );
        Some(Wait::new(what, Until::Records))
    }
}

impl Pulses {
    /// What waits for them, of those of which `is_due` holds.
    pub(in crate::window) fn told(
        &self,
        is_due: impl Fn(u32, PulseId) -> bool,
    ) -> impl Iterator<Item = Wait> {
        self.waits().filter_map(move |(pulse, due, waiting)| {
            let mut first = waiting.iter().take(LOOKED_AT);
            first.any(|id| is_due(*id, pulse)).then(|| {
                let what = format!("{} pane of a window", phase(pulse.late));
                Wait::new(what, until(pulse.domain, due)).first_of(waiting.len())
            })
        })
    }
}

/// Tells what waits, the next to speak first.
pub(in crate::window) fn tell(mut waits: Vec<Wait>, why: &mut Explanation) {
    waits.sort_by_key(|wait| wait.until.watermark().unwrap_or(Timestamp::MAX));
    for wait in waits {
        why.waits(wait);
    }
}

fn phase(late: bool) -> &'static str {
    match late {
        true => "a late",
        false => "an early",
    }
}

fn until(domain: TimeDomain, time: Timestamp) -> Until {
    match domain {
        TimeDomain::EventTime => Until::Watermark(time),
        TimeDomain::ProcessingTime => Until::ProcessingTime(time),
    }
}
