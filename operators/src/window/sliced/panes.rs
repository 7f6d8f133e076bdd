//! Windows that slide and speak more than once, are kept behind their end, or go by processing time.
//!
//! A window is made of slices until it ends; from then on, as long as lateness is allowed, it is [kept by
//! itself](crate::window::general). So a record that is not late costs the same however many windows it is in, and one
//! that is late as much as those of its windows that have ended, each of which it changes.
//!
//! Of a window that has not ended, but has spoken, only what it would have to take back and the number of its panes are
//! kept by themselves. Early panes are computed from a copy of a key's slices: once over all windows that have something
//! new to say.

mod early;
mod unsaid;

use millstream_engine::Result;
use millstream_engine::batch::AnyBatch;
use millstream_engine::key::Keyed;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::Outbox;
use millstream_engine::runtime::Instant;
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};
use millstream_engine::why::Explanation;
use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregate;
use crate::keyed::{AT_ONCE, Key};
use crate::late::{put_late, set_aside};
use crate::timer::TimeDomain;
use crate::waits::tell;
use crate::window::general::{GeneralWindows, HandedOver, Kept};
use crate::window::pulses::{Now, Pulses};
use crate::window::rules::Rules;
use crate::window::sliced::fold::{Fold, Slices};
use crate::window::sliced::live::{LiveSlices, Place};
use crate::window::{Every, Sliding, Trigger};
use unsaid::Unsaid;

pub(super) struct SlicedPanes<K, T, A: Aggregate<T>, F> {
    /// What is in windows that have not ended.
    live: LiveSlices<K, A::State, F, Unsaid>,
    /// When the keys speak of what they have in windows that have not ended.
    early: Pulses,
    /// The key that is speaking of them.
    speaking: Option<u32>,
    /// The windows that have ended, or spoken.
    each: GeneralWindows<K, T, A>,
    aggregate: A,
    /// The first window that is kept.
    first_kept: i64,
    /// The last end of a window that was given over to `each`.
    ended: Timestamp,
}

/// What is saved under a key, one or the other.
#[derive(Serialize, Deserialize)]
enum Saved<L, W> {
    Live(L),
    Window(W),
}

/// What is kept of a key's slices: its key, the window it is due for, slices and fold, and what is unsaid of them.
type SavedLive<K, S, F> = (K, i64, Slices<S>, F, (Vec<i64>, Option<i64>));

impl<K, T, A, F> SlicedPanes<K, T, A, F>
where
    K: Key,
    T: Send + 'static,
    A: Aggregate<T, State: Clone>,
    F: Fold<T, A> + Clone,
{
    pub(super) fn new(windows: Sliding, mut rules: Rules, aggregate: A) -> Self {
        let early = Trigger {
            late: Every::NEVER,
            ..rules.trigger
        };
        rules.trigger.early = None;
        SlicedPanes {
            live: LiveSlices::new(windows),
            early: Pulses::of(&early, rules.domain),
            speaking: None,
            each: GeneralWindows::new(rules, aggregate.clone()),
            aggregate,
            first_kept: i64::MIN,
            ended: Timestamp::MIN,
        }
    }

    /// Brings a record into those of its windows that have ended and are kept; says whether there are any.
    fn take_ended(
        &mut self,
        keyed: &Keyed<K, T>,
        index: i64,
        time: Timestamp,
        out: &mut Outbox,
    ) -> Result<bool> {
        let (cut, open) = (self.live.cut, self.live.open);
        let Some(last) = cut.last_window(index) else {
            return Ok(false);
        };
        let first = cut.first_window(index).max(self.first_kept);
        let ended = first..last.saturating_add(1).min(open);
        let ended = ended.map(|window| cut.window(window));
        let Keyed { hash, key, value } = keyed;
        (self.each).take_into(ended, *hash, key, value, time, out)
    }

    /// Brings a record into its slice, and so into those of its windows that have not ended.
    #[inline]
    fn take_live(
        &mut self,
        guess: u32,
        keyed: Keyed<K, T>,
        index: i64,
        arrival: Instant,
        out: &Outbox,
    ) -> Result<()> {
        let Keyed { hash, key, value } = keyed;
        let (number, kept) = (self.live).add(guess, hash, key, index, &value, &self.aggregate)?;
        if !self.early.is_empty() {
            kept.noted.note(index, arrival);
            let now = Now {
                watermark: self.each.now,
                processing_time: out.processing_time(),
            };
            self.early.wait(number, false, &mut kept.noted.waits, now);
        }
        Ok(())
    }

    /// As the windows that are kept by themselves do.
    fn go_on(&mut self, out: &Outbox) {
        if self.each.go_on(out) {
            self.early.go_on(out.processing_time());
            self.come_to(self.each.now);
        }
    }

    /// Time has come to `time` by the windows' own clock.
    fn advance(&mut self, time: Timestamp, out: &mut Outbox) -> Result<Step> {
        self.come_to(time);
        let mut step = self.end_windows(out)?;
        if step == Step::Done {
            step = self.speak(self.each.rules.domain, time, out)?;
        }
        self.then(step, out, |each, out| each.advance(time, out))
    }

    /// If what comes before is done, what the windows do that are kept by themselves.
    fn then(
        &mut self,
        before: Step,
        out: &mut Outbox,
        then: impl FnOnce(&mut GeneralWindows<K, T, A>, &mut Outbox) -> Result<Step>,
    ) -> Result<Step> {
        let step = match before {
            Step::Done => then(&mut self.each, out),
            Step::More => Ok(Step::More),
        };
        self.each.held.note(out);
        step
    }

    fn come_to(&mut self, time: Timestamp) {
        let each = &mut self.each;
        each.now = each.now.max(time);
        self.live.come_to(each.now);
        self.first_kept = self.live.cut.open_at(each.now - each.rules.lateness);
    }

    /// Hands over the windows that have ended, in their order, so many at once, and each when all before it have spoken.
    fn end_windows(&mut self, out: &mut Outbox) -> Result<Step> {
        loop {
            if self.each.end_until(self.ended, out)? == Step::More {
                return Ok(Step::More);
            }
            let Some(sliced) = self.live.round() else {
                return Ok(Step::Done);
            };
            let SlicedPanes { live, each, .. } = self;
            let arrival = live.arrival(&sliced);
            let is_all_news = self.early.is_empty();
            let mut left = AT_ONCE;
            let step = live.visit(&sliced, &self.aggregate, |entry, total| {
                let unsaid = &mut entry.state.noted;
                let has_news = is_all_news || unsaid.is_of(&sliced);
                let handed = HandedOver {
                    window: sliced.window,
                    state: total,
                    unsaid: u64::from(has_news),
                    arrival,
                };
                each.hand_over(entry.hash, &entry.key, handed);
                unsaid.forget_before(sliced.first_of_next);
                left -= 1;
                left > 0
            });
            self.ended = sliced.window.end;
            if step == Step::More {
                return Ok(Step::More);
            }
            self.live.end_round();
        }
    }
}

impl<K, T, A, F> Operator for SlicedPanes<K, T, A, F>
where
    K: Key,
    T: Send + 'static,
    A: Aggregate<T, State: Clone>,
    F: Fold<T, A> + Clone,
{
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let (arrival, mut late) = (batch.arrival(), Vec::new());
        self.go_on(out);
        self.each.arrival = Some(arrival);
        let mut records = batch.of::<Keyed<K, T>>()?.records.drain(..);
        while !records.as_slice().is_empty() {
            let guesses = self.live.prefetch(records.as_slice());
            for (guess, record) in guesses.into_iter().zip(records.by_ref()) {
                let time = self.each.rules.time_of(record.time, out);
                match self.live.place_of(time, arrival) {
                    Place::Open(index) => {
                        if self.live.cut.first_window(index) < self.live.open {
                            self.take_ended(&record.value, index, time, out)?;
                        }
                        self.take_live(guess, record.value, index, arrival, out)?;
                    }
                    Place::Ended(index) => {
                        if !self.take_ended(&record.value, index, time, out)? {
                            set_aside(&mut late, record);
                        }
                    }
                    Place::Gap => {}
                }
            }
        }
        self.each.held.note(out);
        put_late(late, self.each.rules.gives_late, out)
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        match self.each.rules.domain {
            TimeDomain::EventTime => self.advance(watermark.time, out),
            TimeDomain::ProcessingTime => Ok(Step::Done),
        }
    }

    fn next_timer(&self) -> Option<Timestamp> {
        let ends = match self.each.rules.domain {
            TimeDomain::EventTime => None,
            TimeDomain::ProcessingTime => self.live.next_end(),
        };
        let own = [self.early.first_timer(), ends];
        self.each.next_turn(own.into_iter().flatten())
    }

    fn on_timer(&mut self, out: &mut Outbox) -> Result<Step> {
        self.go_on(out);
        let time = out.processing_time();
        if self.each.rules.domain == TimeDomain::ProcessingTime {
            return self.advance(time, out);
        }
        let step = self.speak(TimeDomain::ProcessingTime, time, out)?;
        self.then(step, out, Operator::on_timer)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.live.come_to(Timestamp::MAX);
        let step = self.end_windows(out)?;
        self.then(step, out, Operator::on_end)
    }

    fn explain(&self, why: &mut Explanation) {
        let rules = &self.each.rules;
        let first = self.live.next_window();
        let mut waits: Vec<_> = first
            .map(|window| rules.end_of(window, false))
            .into_iter()
            .collect();
        waits.extend(self.each.waits(None));
        waits.extend(self.early.told("the windows of a key", |number, _| {
            let entry = self.live.keys.get(number);
            entry.is_some_and(|entry| !entry.state.noted.slices.is_empty())
        }));
        tell(waits, why);
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        self.each.save_moments(&self.early, state)?;
        self.live.save(|due, entry| {
            let (slices, fold, noted) = entry.state.settled();
            let unsaid = (&noted.slices, noted.from);
            let live = (&entry.key, due, slices, fold, unsaid);
            state.put(entry.hash, &Saved::<_, ()>::Live(live))
        })?;
        for (hash, window) in self.each.windows() {
            state.put(hash, &Saved::<(), _>::Window(window))?;
        }
        Ok(())
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.each.restore_moments(&mut self.early, state)?;
        self.come_to(self.each.now);
        type Of<K, S, F> = Saved<SavedLive<K, S, F>, (K, Kept<S>)>;
        for saved in state.values::<Of<K, A::State, F>>() {
            match saved? {
                Saved::Window((key, kept)) => self.each.put_back(key, kept),
                Saved::Live((key, due, slices, fold, (unsaid, from))) => {
                    let (number, kept) = self.live.restore(due, key, slices, fold)?;
                    kept.noted.slices = unsaid;
                    kept.noted.from = from;
                    if !kept.noted.slices.is_empty() {
                        // As in `GeneralWindows::put_back`.
                        let now = Now::saved_at(self.each.now);
                        self.early.wait(number, false, &mut kept.noted.waits, now);
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
