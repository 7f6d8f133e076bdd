//! Windows that may speak more than once, merge, overlap, or go by processing time.
//!
//! By duty: [`slots`] keeps the windows, [`ends`] and [`pulses`](crate::window::pulses) say whose turn it is,
//! [`speech`] says what a window has come to, [`saved`] is their saved form, [`explained`] tells what they wait for.
//! What can be done faster has an operator of its own; [`handed_over`] is what comes from there.

mod ends;
mod explained;
mod handed_over;
mod saved;
mod slot;
mod slots;
mod speech;

use std::marker::PhantomData;

use millstream_engine::Result;
use millstream_engine::batch::AnyBatch;
use millstream_engine::key::{KeyHash, Keyed};
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::Outbox;
use millstream_engine::runtime::Instant;
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};
use millstream_engine::why::Explanation;

use crate::aggregate::Aggregate;
use crate::held::Held;
use crate::keyed::{AT_ONCE, Key, prefetch};
use crate::late::{put_late, set_aside};
use crate::timer::TimeDomain;
use crate::waits::tell;
use crate::window::pulses::{Now, Pulses};
use crate::window::rules::Rules;
use crate::window::{Timing, Window};
use ends::Ends;
use slot::Slot;
use slots::Slots;

pub(super) use handed_over::HandedOver;
pub(super) use slot::Kept;

/// The general operator of windows.
///
/// A window is kept, under each of its keys, from its first record until time passes its end by the allowed lateness.
pub(super) struct GeneralWindows<K, T, A: Aggregate<T>> {
    pub(super) rules: Rules,
    aggregate: A,
    slots: Slots<K, A::State>,
    ends: Ends,
    pulses: Pulses,
    /// How far time has come by the windows' clock.
    pub(super) now: Timestamp,
    /// Nothing was done since a restart.
    is_restored: bool,
    /// When the batch in hand arrived, or the one before.
    pub(super) arrival: Option<Instant>,
    pub(super) held: Held,
    assigned: Assigned,
    /// Those of a record's key that its window overlaps: kept for their memory.
    overlapping: Vec<u32>,
    of: PhantomData<fn(T)>,
}

/// The windows of the record before.
#[derive(Default)]
struct Assigned {
    windows: Vec<Window>,
    /// Records in this time are in the same.
    valid_within: Option<Window>,
}

impl<K: Key, T: Send + 'static, A: Aggregate<T, State: Clone>> GeneralWindows<K, T, A> {
    pub(super) fn new(rules: Rules, aggregate: A) -> Self {
        GeneralWindows {
            aggregate,
            slots: Slots::new(rules.merges),
            ends: Ends::default(),
            pulses: Pulses::of(&rules.trigger, rules.domain),
            now: Timestamp::MIN,
            is_restored: false,
            arrival: None,
            held: Held::default(),
            assigned: Assigned::default(),
            overlapping: Vec::new(),
            of: PhantomData,
            rules,
        }
    }

    /// Brings a record into its windows; says whether there was one still kept, or none at all.
    fn take(
        &mut self,
        hash: KeyHash,
        key: &K,
        value: &T,
        time: Timestamp,
        out: &mut Outbox,
    ) -> Result<bool> {
        let Assigned {
            mut windows,
            valid_within,
        } = std::mem::take(&mut self.assigned);
        let valid_within = match valid_within {
            Some(span) if span.contains(time) => span,
            _ => (self.rules.assign)(time, &mut windows),
        };
        let all = windows.iter().copied();
        let taken = self.take_into(all, hash, key, value, time, out)?;
        let in_none = windows.is_empty();
        self.assigned = Assigned {
            windows,
            valid_within: Some(valid_within),
        };
        Ok(taken || in_none)
    }

    /// Brings a record into these windows; says whether one of them is kept.
    pub(super) fn take_into(
        &mut self,
        windows: impl Iterator<Item = Window>,
        hash: KeyHash,
        key: &K,
        value: &T,
        time: Timestamp,
        out: &mut Outbox,
    ) -> Result<bool> {
        let mut taken = false;
        for window in windows {
            let Some(id) = self.place(hash, key, window) else {
                continue;
            };
            taken = true;
            if let Some(slot) = self.slots.get_mut(id) {
                match &mut slot.kept.state {
                    Some(state) => self.aggregate.add(state, value),
                    none => *none = Some(self.aggregate.init(value)),
                }
                slot.kept.unsaid += 1;
                slot.kept.latest = slot.kept.latest.max(time);
                slot.arrival = slot.arrival.or(self.arrival);
            }
            self.heed_trigger(id, out)?;
        }
        Ok(taken)
    }

    /// The place of a window, found, made, or merged; `None` if it is closed.
    fn place(&mut self, hash: KeyHash, key: &K, window: Window) -> Option<u32> {
        let found = match self.rules.merges {
            true => self.merge_around(hash, key, window),
            false => self.slots.find(hash, key, window),
        };
        if found.is_some() || window.end + self.rules.lateness <= self.now {
            return found;
        }
        let mut kept = Kept::new(window);
        kept.ended = window.end <= self.now;
        let id = self.slots.insert(key.clone(), Slot::new(hash, kept));
        self.arm(id);
        Some(id)
    }

    /// The place of all windows of the key that overlap this one and of it, in one; `None` if there are none.
    fn merge_around(&mut self, hash: KeyHash, key: &K, window: Window) -> Option<u32> {
        let mut found = std::mem::take(&mut self.overlapping);
        self.slots.find_overlapping(hash, key, window, &mut found);
        let first = found.first().copied();
        let others = found.drain(..).skip(1);
        let others: Vec<_> = others.filter_map(|id| self.slots.remove(id)).collect();
        self.overlapping = found;
        let slot = self.slots.get_mut(first?)?;
        slot.kept.window = slot.kept.window.hull(window);
        for other in others {
            slot.arrival = slot.arrival.into_iter().chain(other.arrival).min();
            let merge = |state: &mut A::State, other| self.aggregate.merge(state, other);
            slot.kept.merge(other.kept, merge);
        }
        slot.kept.ended = slot.kept.window.end <= self.now;
        self.arm(first?);
        first
    }

    /// Sees to it that a window has its turn when it ends, and when it closes.
    fn arm(&mut self, id: u32) {
        if let Some(slot) = self.slots.get_mut(id) {
            let at = match slot.kept.ended {
                true => slot.kept.window.end + self.rules.lateness,
                false => slot.kept.window.end,
            };
            if slot.alarm.is_none_or(|alarm| at < alarm) {
                slot.alarm = Some(at);
                self.ends.push(at, id);
            }
        }
    }

    /// Lets a window with a new record speak, or wait for its next moment, if the trigger says so.
    fn heed_trigger(&mut self, id: u32, out: &mut Outbox) -> Result<()> {
        let Some(slot) = self.slots.get_mut(id) else {
            return Ok(());
        };
        let late = slot.kept.ended;
        let (every, timing) = match late {
            true => (Some(self.rules.trigger.late), Timing::Late),
            false => (self.rules.trigger.early, Timing::Early),
        };
        let Some(every) = every else {
            return Ok(());
        };
        if every.records.is_some_and(|most| slot.kept.unsaid >= most) {
            return self.say(id, timing, false, out);
        }
        let now = Now {
            watermark: self.now,
            processing_time: out.processing_time(),
        };
        self.pulses.wait(id, late, &mut slot.waits, now);
        Ok(())
    }

    /// Gives every window its turn that ends, or closes, at `time` or before.
    pub(super) fn end_until(&mut self, time: Timestamp, out: &mut Outbox) -> Result<Step> {
        for _ in 0..AT_ONCE {
            let Some((at, id)) = self.ends.pop(time) else {
                return Ok(Step::Done);
            };
            self.turn(id, at, time, out)?;
            if out.is_full() {
                break;
            }
        }
        Ok(Step::More)
    }

    fn turn(&mut self, id: u32, at: Timestamp, time: Timestamp, out: &mut Outbox) -> Result<()> {
        // Its slot may be another's by now, or its turn may have been put off or brought forward.
        let Some(slot) = self.slots.get_mut(id).filter(|slot| slot.alarm == Some(at)) else {
            return Ok(());
        };
        slot.alarm = None;
        let kept = &mut slot.kept;
        let ends = !kept.ended && kept.window.end <= time;
        let closes = kept.window.end + self.rules.lateness <= time;
        kept.ended |= ends;
        let timing = match ends {
            true => Timing::OnTime,
            false => Timing::Late,
        };
        if (ends && self.rules.trigger.on_time) || ((ends || closes) && kept.unsaid > 0) {
            self.say(id, timing, closes, out)?;
        }
        match closes {
            true => drop(self.slots.remove(id)),
            false => self.arm(id),
        }
        Ok(())
    }

    /// Lets every window speak that waits for a moment of this clock which has come.
    fn pulse(&mut self, domain: TimeDomain, time: Timestamp, out: &mut Outbox) -> Result<Step> {
        while let Some((id, pulse, bit)) = self.pulses.pop(domain, time) {
            let Some(slot) = self.slots.get_mut(id) else {
                continue;
            };
            slot.waits &= !bit;
            let timing = match pulse.late {
                true => Timing::Late,
                false => Timing::Early,
            };
            if slot.kept.unsaid > 0 && slot.kept.ended == pulse.late {
                self.say(id, timing, false, out)?;
            }
            if out.is_full() {
                return Ok(Step::More);
            }
        }
        Ok(Step::Done)
    }

    /// Goes on behind a restart, if that is not done yet; says whether it was to be done. In processing time the clock may
    /// have been set back meanwhile, and no record is late.
    #[inline]
    pub(super) fn go_on(&mut self, out: &Outbox) -> bool {
        let is_restored = std::mem::take(&mut self.is_restored);
        if is_restored {
            let time = out.processing_time();
            self.pulses.go_on(time);
            if self.rules.domain == TimeDomain::ProcessingTime {
                self.now = self.now.min(time);
            }
        }
        is_restored
    }

    /// When it has its next turn by processing time.
    pub(super) fn next_turn(
        &self,
        others: impl IntoIterator<Item = Timestamp>,
    ) -> Option<Timestamp> {
        if self.is_restored {
            return Some(Timestamp::MIN);
        }
        let ends = match self.rules.domain {
            TimeDomain::EventTime => None,
            TimeDomain::ProcessingTime => self.ends.first(),
        };
        let own = [self.pulses.first_timer(), ends].into_iter().flatten();
        own.chain(others).min()
    }

    /// Time has come to `time` by the windows' own clock.
    pub(super) fn advance(&mut self, time: Timestamp, out: &mut Outbox) -> Result<Step> {
        self.now = self.now.max(time);
        let mut step = self.end_until(time, out)?;
        if step == Step::Done {
            step = self.pulse(self.rules.domain, time, out)?;
        }
        self.held.note(out);
        Ok(step)
    }
}

impl<K: Key, T: Send + 'static, A: Aggregate<T, State: Clone>> Operator
    for GeneralWindows<K, T, A>
{
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let mut late = Vec::new();
        self.go_on(out);
        self.arrival = Some(batch.arrival());
        let mut records = batch.of::<Keyed<K, T>>()?.records.drain(..);
        while !records.as_slice().is_empty() {
            let hashes = prefetch::hashes(records.as_slice());
            self.slots.prefetch(hashes, &self.assigned.windows);
            for record in records.by_ref().take(prefetch::GROUP) {
                let Keyed { hash, key, value } = &record.value;
                let time = self.rules.time_of(record.time, out);
                if !self.take(*hash, key, value, time, out)? {
                    set_aside(&mut late, record);
                }
            }
        }
        self.held.note(out);
        put_late(late, self.rules.gives_late, out)
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        match self.rules.domain {
            TimeDomain::EventTime => self.advance(watermark.time, out),
            TimeDomain::ProcessingTime => Ok(Step::Done),
        }
    }

    fn next_timer(&self) -> Option<Timestamp> {
        self.next_turn(None)
    }

    fn on_timer(&mut self, out: &mut Outbox) -> Result<Step> {
        self.go_on(out);
        let time = out.processing_time();
        if self.rules.domain == TimeDomain::ProcessingTime {
            return self.advance(time, out);
        }
        let step = self.pulse(TimeDomain::ProcessingTime, time, out)?;
        self.held.note(out);
        Ok(step)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        let step = self.end_until(Timestamp::MAX, out)?;
        self.held.note(out);
        Ok(step)
    }

    fn explain(&self, why: &mut Explanation) {
        tell(self.waits(Some(self.slots.len())), why);
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        self.save(state)
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.take_over(state)
    }
}

#[cfg(test)]
pub(super) mod tests;
