//! What windows tell of what they wait for.

use millstream_engine::time::Timestamp;
use millstream_engine::why::{Explanation, Until, Wait};

use super::moments::{Clock, PulseId};
use super::slot::Slot;
use super::{GeneralWindows, Rules};
use crate::aggregate::Aggregate;
use crate::keyed::Key;
use crate::waits::LOOKED_AT;

impl<K: Key, T: Send + 'static, A: Aggregate<T, State: Clone>> GeneralWindows<K, T, A> {
    /// The next window, what is said of it before its end or behind it, and the panes that wait for their moments.
    pub(super) fn tell_waits(&self, why: &mut Explanation) {
        let mut waits = Vec::new();
        if let Some(slot) = self.first_to_speak() {
            waits.push(self.rules.end_of(slot).first_of(self.slots.len()));
            waits.extend(self.rules.records_of(slot));
        }
        for (pulse, due, waiting) in self.pulses.waits() {
            let mut slots = waiting.iter().take(LOOKED_AT);
            if slots.any(|id| self.is_due(*id, pulse)) {
                let what = format!("{} pane of a window", phase(pulse.late));
                waits.push(Wait::new(what, until(pulse.clock, due)).first_of(waiting.len()));
            }
        }
        waits.sort_by_key(|wait| wait.until.watermark().unwrap_or(Timestamp::MAX));
        for wait in waits {
            why.waits(wait);
        }
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
        unsaid.min_by_key(|slot| self.rules.speaks_at(slot))
    }

    fn is_due(&self, id: u32, pulse: PulseId) -> bool {
        let slot = self.slots.get(id);
        slot.is_some_and(|slot| slot.kept.unsaid > 0 && slot.kept.ended == pulse.late)
    }
}

impl Rules {
    /// When a window speaks for the first time, or, if it has ended, for the last.
    fn speaks_at<S>(&self, slot: &Slot<S>) -> Timestamp {
        match slot.kept.ended {
            false => slot.kept.window.end,
            true => slot.kept.window.end + self.lateness,
        }
    }

    fn end_of<S>(&self, slot: &Slot<S>) -> Wait {
        let (at, told) = (self.speaks_at(slot), slot.kept.window.told());
        let until = match at {
            Timestamp::MAX => Until::InputEnd {
                input: 0,
                from: Vec::new(),
            },
            at => until(self.clock, at),
        };
        match slot.kept.ended {
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

fn phase(late: bool) -> &'static str {
    match late {
        true => "a late",
        false => "an early",
    }
}

fn until(clock: Clock, time: Timestamp) -> Until {
    match clock {
        Clock::Watermark => Until::Watermark(time),
        Clock::ProcessingTime => Until::ProcessingTime(time),
    }
}
