//! The operator that runs a process.

use std::marker::PhantomData;
use std::sync::Arc;

use millstream_engine::batch::{AnyBatch, Record};
use millstream_engine::key::{KeyHash, Keyed};
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{AnyPort, Outbox, Port};
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};
use millstream_engine::why::{Explanation, Until, Wait};
use millstream_engine::{Error, Result};

use crate::keyed::{Entry, Key, KeySlots, NO_SLOT, prefetch};
use crate::process::Process;
use crate::process::kept::Kept;
use crate::process::state::{Clocks, KeyState};
use crate::process::turn::{LeftOut, Moment, Phase, Timer, Turn};
use crate::timer::{Clock, Hung, Ticks, Wheel};
use crate::waits::LOOKED_AT;

/// Timers that go off before the task is let look around, though they put nothing out.
const AT_ONCE: usize = 4_096;
/// So many timers may each of those that are set at the end lead to, on average.
const FOLLOWING: u64 = 1_000;
/// The piece of saved state that says how far event time had come.
const WATERMARK: &str = "watermark";

/// One replica: a process, its keys and their timers.
pub(crate) struct Processing<K, T, P: Process<K, T>> {
    process: P,
    vertex: Arc<str>,
    pub(super) keys: KeySlots<K, Kept<P::State>>,
    ticks: Ticks,
    /// In which keys hang until they have their turn, by each clock.
    pub(super) wheels: [Wheel; 2],
    /// The last one whose timers have all gone off.
    watermark: Option<Timestamp>,
    /// How many timers may yet go off, once the input has ended.
    left_at_end: Option<u64>,
    /// The keys that `on_end` is yet to be called for, once no timer is left.
    leaving: Option<Vec<Entry<K, Kept<P::State>>>>,
    /// In this call.
    left_out: LeftOut,
    of: PhantomData<fn(T)>,
}

/// A key as it is saved, with the times of its timers.
type Saved<K, S> = (K, S, Vec<Timestamp>, Vec<Timestamp>);

impl<K: Key, T: Send + 'static, P: Process<K, T>> Processing<K, T, P> {
    pub(crate) fn new(process: P, vertex: &Arc<str>) -> Self {
        Processing {
            ticks: Ticks::of(process.timer_resolution()),
            wheels: [Wheel::new(), Wheel::new()],
            process,
            vertex: vertex.clone(),
            keys: KeySlots::new(),
            watermark: None,
            left_at_end: None,
            leaving: None,
            left_out: LeftOut::default(),
            of: PhantomData,
        }
    }

    /// The moment of a call that is about nothing in event time.
    fn moment(&self, processing_time: Timestamp) -> Moment {
        let time = self.watermark.unwrap_or(processing_time);
        let passed = self.watermark.unwrap_or(Timestamp::MIN);
        Moment {
            time,
            watermark: self.watermark,
            clocks: Clocks {
                event_time: passed,
                processing_time,
            },
            ticks: self.ticks,
            first_ticks: [self.ticks.from(passed), self.ticks.from(processing_time)],
            phase: Phase::GoesOn,
        }
    }

    /// Hands records to the process.
    pub(crate) fn take(
        &mut self,
        records: impl Iterator<Item = Record<Keyed<K, T>>>,
        out: &mut Outbox,
    ) -> Result<()> {
        self.take_guessed(records.map(|record| (NO_SLOT, record)), out)
    }

    /// The same, each with a guess in which slot its key is.
    fn take_guessed(
        &mut self,
        records: impl Iterator<Item = (u32, Record<Keyed<K, T>>)>,
        out: &mut Outbox,
    ) -> Result<()> {
        let mut moment = self.moment(out.processing_time());
        let watermark = self.watermark.unwrap_or(Timestamp::MIN);
        let port: &mut Port<Keyed<K, P::Out>> = out.port(0)?;
        for (guess, record) in records {
            let Keyed { hash, key, value } = record.value;
            let kept = || Kept::of(self.process.state());
            let (owner, spare) = self.keys.guessed_slot_of(guess, hash, key, kept);
            let Some(entry) = self.keys.get_mut(owner) else {
                continue;
            };
            moment.time = record.time;
            moment.clocks.event_time = record.time.max(watermark);
            let Kept { state, timers } = &mut entry.state;
            let mut turn = Turn {
                key: &entry.key,
                hash,
                spare,
                port,
                timers,
                moment,
                left_out: &mut self.left_out,
            };
            self.process.on_record(value, state, &mut turn);
            self.settle(owner);
        }
        let LeftOut { late, repeats } = std::mem::take(&mut self.left_out);
        out.count_late(late);
        out.count_repeats(repeats);
        self.sweep();
        Ok(())
    }

    /// Has the wheels forget who hangs there no more, once those are too many.
    fn sweep(&mut self) {
        for (clock, wheel) in Clock::BOTH.into_iter().zip(&mut self.wheels) {
            wheel.sweep(|hung| {
                let entry = self.keys.get(hung.owner);
                entry.is_some_and(|entry| entry.state.timers.hangs(clock, hung.stamp))
            });
        }
    }

    /// Gives their turn to the keys that have one in a wheel until `until`, or until there is enough to send.
    fn go_off(
        &mut self,
        clock: Clock,
        until: u64,
        mut moment: Moment,
        out: &mut Outbox,
    ) -> Result<Step> {
        let port: &mut Port<Keyed<K, P::Out>> = out.port(0)?;
        self.sweep();
        for number in 0..AT_ONCE {
            if number % prefetch::GROUP == 0 {
                let next = self.wheels[clock as usize].iter();
                self.keys
                    .prefetch_slots(next.map(|hung| hung.owner), Kept::read);
            }
            let Some(hung) = self.wheels[clock as usize].next_due(until) else {
                return Ok(Step::Done);
            };
            let time = self.ticks.time(hung.tick);
            moment.first_ticks[clock as usize] = hung.tick;
            let timer = match clock {
                Clock::EventTime => {
                    (moment.time, moment.clocks.event_time) = (time, time);
                    Timer::EventTime(time)
                }
                Clock::ProcessingTime => Timer::ProcessingTime(time),
            };
            self.turn_at(hung, timer, moment, port)?;
            if port.is_full() {
                return Ok(Step::More);
            }
        }
        Ok(Step::More)
    }

    /// A key has its turn, if it still hangs there: its timer of that tick goes off, or its state expires, or it has come
    /// too early.
    fn turn_at(
        &mut self,
        hung: Hung,
        timer: Timer,
        moment: Moment,
        port: &mut Port<Keyed<K, P::Out>>,
    ) -> Result<()> {
        let (clock, Hung { tick, owner, stamp }) = (timer.clock(), hung);
        let Some(entry) = self.keys.get_mut(owner) else {
            return Ok(());
        };
        let Kept { state, timers } = &mut entry.state;
        if !timers.comes_down(clock, &mut self.wheels[clock as usize], stamp) {
            return Ok(());
        }
        if timers.cancel(clock, tick) {
            if let Some(left) = &mut self.left_at_end {
                *left = left.checked_sub(1).ok_or_else(|| endless(&self.vertex))?;
            }
            let mut turn = Turn {
                key: &entry.key,
                hash: entry.hash,
                spare: None,
                port,
                timers,
                moment,
                left_out: &mut self.left_out,
            };
            self.process.on_timer(timer, state, &mut turn);
        } else {
            state.expire(&moment.clocks);
        }
        self.settle(owner);
        Ok(())
    }

    /// The first timer that is set by this clock, and how many keys have one (of very many, at most so many: where
    /// state expires by this clock, its keys count as well).
    fn first_timer(&self, clock: Clock) -> Option<(Timestamp, usize)> {
        let wheel = &self.wheels[clock as usize];
        let timers_of = |hung: &Hung| {
            let timers = &self.keys.get(hung.owner)?.state.timers;
            timers.hangs(clock, hung.stamp).then_some(timers)
        };
        let keys = wheel.iter().filter_map(timers_of).take(LOOKED_AT);
        let timers = keys.filter_map(|timers| timers.first(clock));
        let (mut first, mut of) = (None, 0);
        for timer in timers {
            first = Some(first.map_or(timer, |first: u64| first.min(timer)));
            of += 1;
        }
        if wheel.len() > LOOKED_AT {
            of = wheel.len();
        }
        Some((self.ticks.time(first?), of))
    }

    /// After a call for a key: sees that it has its next turn, or forgets it if nothing is left of it.
    #[inline]
    fn settle(&mut self, owner: u32) {
        if let Some(entry) = self.keys.get_mut(owner)
            && entry.state.settle(owner, self.ticks, &mut self.wheels)
        {
            self.keys.remove(owner);
        }
    }
}

#[cold]
fn endless(vertex: &str) -> Error {
    Error::user(format!(
        "the timers of `{vertex}` go on setting timers though the input has ended: in `on_timer`, ask \
         `turn.has_ended()` before setting the next one"
    ))
}

impl<K: Key, T: Send + 'static, P: Process<K, T>> Operator for Processing<K, T, P> {
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let mut records = batch.of::<Keyed<K, T>>()?.records.drain(..);
        while !records.as_slice().is_empty() {
            let hashes = prefetch::hashes(records.as_slice());
            let guesses = self.keys.prefetch_with(hashes, Kept::read);
            self.take_guessed(guesses.into_iter().zip(records.by_ref()), out)?;
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        let mut moment = self.moment(out.processing_time());
        moment.watermark = Some(watermark.time);
        let until = self.ticks.until(watermark.time);
        let step = self.go_off(Clock::EventTime, until, moment, out)?;
        if step == Step::Done {
            self.watermark = Some(watermark.time);
        }
        Ok(step)
    }

    fn next_timer(&self) -> Option<Timestamp> {
        let tick = self.wheels[Clock::ProcessingTime as usize].next_tick()?;
        Some(self.ticks.time(tick))
    }

    fn on_timer(&mut self, out: &mut Outbox) -> Result<Step> {
        let now = out.processing_time();
        let until = self.ticks.until(now);
        self.go_off(Clock::ProcessingTime, until, self.moment(now), out)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        let mut moment = self.moment(out.processing_time());
        if self.leaving.is_none() {
            let keys = &self.keys;
            self.left_at_end.get_or_insert_with(|| {
                let set = |kept: &Kept<_>| kept.timers.iter(Clock::EventTime).count() as u64;
                let set: u64 = keys.iter().map(|(_, entry)| set(&entry.state)).sum();
                (set + 1).saturating_mul(FOLLOWING)
            });
            moment.phase = Phase::Ending;
            let step = self.go_off(Clock::EventTime, u64::MAX, moment, out)?;
            if step == Step::More {
                return Ok(step);
            }
            self.leaving = Some(self.keys.take_all());
        }
        moment.phase = Phase::Over;
        moment.clocks.event_time = Timestamp::MAX;
        let port: &mut Port<Keyed<K, P::Out>> = out.port(0)?;
        while let Some(entry) = self.leaving.as_mut().and_then(Vec::pop) {
            let Entry { hash, key, state } = entry;
            let Kept {
                mut state,
                mut timers,
            } = state;
            state.expire(&moment.clocks);
            if state.is_empty() {
                continue;
            }
            let mut turn = Turn {
                key: &key,
                hash,
                spare: None,
                port,
                timers: &mut timers,
                moment,
                left_out: &mut self.left_out,
            };
            self.process.on_end(&mut state, &mut turn);
            if port.is_full() {
                return Ok(Step::More);
            }
        }
        Ok(Step::Done)
    }

    fn explain(&self, why: &mut Explanation) {
        for clock in Clock::BOTH {
            let Some((first, of)) = self.first_timer(clock) else {
                continue;
            };
            let until = match clock {
                Clock::EventTime => Until::Watermark(first),
                Clock::ProcessingTime => Until::ProcessingTime(first),
            };
            why.waits(Wait::new(self.process.timer_name(), until).first_of(of));
        }
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        state.put_piece(WATERMARK, &self.watermark)?;
        for (_, entry) in self.keys.iter() {
            let Kept {
                state: kept,
                timers,
            } = &entry.state;
            let set = Clock::BOTH.map(|clock| {
                let ticks = timers.iter(clock);
                ticks.map(|tick| self.ticks.time(tick)).collect::<Vec<_>>()
            });
            state.put(entry.hash, &(&entry.key, kept, &set[0], &set[1]))?;
        }
        let none: [Timestamp; 0] = [];
        for entry in self.leaving.iter().flatten() {
            let (key, kept) = (&entry.key, &entry.state.state);
            state.put(entry.hash, &(key, kept, &none[..], &none[..]))?;
        }
        Ok(())
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.watermark = state.least_piece::<Option<Timestamp>>()?.flatten();
        let fresh = self.process.state();
        for value in state.values::<Saved<K, P::State>>() {
            let (key, mut state, of_event, of_processing) = value?;
            state.adopt(&fresh);
            let mut kept = Kept::of(state);
            for (clock, times) in Clock::BOTH.into_iter().zip([of_event, of_processing]) {
                for time in times {
                    kept.timers.set(clock, self.ticks.from(time));
                }
            }
            let (owner, _) = self.keys.slot_of(KeyHash::of(&key), key, || kept);
            self.settle(owner);
        }
        Ok(())
    }
}
