//! What windows tell of what they wait for.

use millstream_engine::why::{Until, Wait};

use super::GeneralWindows;
use super::slot::Slot;
use crate::aggregate::Aggregate;
use crate::keyed::Key;
use crate::waits::LOOKED_AT;
use crate::window::pulses::{PulseId, phase};
use crate::window::rules::Rules;

impl<K: Key, T: Send + 'static, A: Aggregate<T, State: Clone>> GeneralWindows<K, T, A> {
    /// The next window, of so many if that is known; what is said of it before its end or behind it, and the panes that
    /// wait for their moments.
    pub(in crate::window) fn waits(&self, of: Option<usize>) -> Vec<Wait> {
        let mut waits = Vec::new();
        if let Some(slot) = self.first_to_speak() {
            let first = self.rules.end_of(slot.kept.window, slot.kept.ended);
            waits.push(match of {
                Some(of) => first.first_of(of),
                None => first,
            });
            waits.extend(self.rules.records_of(slot));
        }
        waits.extend(
            self.pulses
                .told("a window", |id, pulse| self.is_due(id, pulse)),
        );
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
        let unsaid = slots.filter(|slot| {
            let has_it_all = !slot.kept.ended && slot.kept.state.is_some();
            has_it_all || slot.kept.unsaid > 0
        });
        unsaid.min_by_key(|slot| self.rules.speaks_at(slot.kept.window, slot.kept.ended))
    }

    fn is_due(&self, id: u32, pulse: PulseId) -> bool {
        let slot = self.slots.get(id);
        slot.is_some_and(|slot| slot.kept.unsaid > 0 && slot.kept.ended == pulse.late)
    }
}

impl Rules {
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
