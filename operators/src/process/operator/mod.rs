//! The operator that runs a process: records, and timers that go off.

mod ending;
mod kept;
mod same_moment;
mod saved;

use std::marker::PhantomData;
use std::sync::Arc;

use millstream_engine::Result;
use millstream_engine::batch::{AnyBatch, Record};
use millstream_engine::key::Keyed;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{AnyPort, Outbox, Port};
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};
use millstream_engine::why::{Explanation, Wait};

use crate::keyed::{AT_ONCE, Key, KeySlots, NO_SLOT, prefetch};
use crate::late::{LateRecords, put_late, set_aside};
use crate::process::Process;
use crate::process::state::{Clocks, KeyState};
use crate::process::turn::{Moment, Noted, Phase, Timer, Turn};
use crate::timer::{Hung, Ticks, TimeDomain, Wheel};
use crate::waits::LOOKED_AT;
use ending::Ending;
use kept::Kept;
use same_moment::SameMoment;

/// One replica: a process, its keys and their timers.
pub(crate) struct Processing<K, T, P: Process<K, T>> {
    process: P,
    vertex: Arc<str>,
    late: LateRecords,
    pub(super) keys: KeySlots<K, Kept<P::State>>,
    ticks: Ticks,
    /// In which keys hang until they have their turn, in each time domain.
    pub(super) wheels: [Wheel; 2],
    /// The last one whose timers have all gone off.
    watermark: Option<Timestamp>,
    /// Until when timers of processing time go off in this round, if one is under way.
    round: Option<u64>,
    same_moment: SameMoment,
    ending: Ending<K, P::State>,
    noted: Noted,
    of: PhantomData<fn(T)>,
}

impl<K: Key, T: Send + 'static, P: Process<K, T>> Processing<K, T, P> {
    pub(crate) fn new(process: P, vertex: &Arc<str>, late: LateRecords) -> Self {
        Processing {
            ticks: Ticks::of(process.timer_resolution()),
            wheels: [Wheel::new(), Wheel::new()],
            process,
            vertex: vertex.clone(),
            late,
            keys: KeySlots::new(),
            watermark: None,
            round: None,
            same_moment: SameMoment::default(),
            ending: Ending::not_yet(),
            noted: Noted::default(),
            of: PhantomData,
        }
    }

    /// The moment of a call that is about nothing in event time.
    fn moment(&self, out: &Outbox) -> Moment {
        let processing_time = out.processing_time();
        let time = self.watermark.unwrap_or(processing_time);
        let passed = self.watermark.unwrap_or(Timestamp::MIN);
        Moment {
            time,
            arrival: out.arrival(),
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

    /// Hands records to the process; those that are late never get there, unless it takes them.
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
        let mut moment = self.moment(out);
        let watermark = self.watermark.unwrap_or(Timestamp::MIN);
        let from = match self.late {
            LateRecords::Taken => Timestamp::MIN,
            LateRecords::Counted | LateRecords::Given => watermark,
        };
        let (port, mut late) = (out.port(0)?, Vec::new());
        for (guess, record) in records {
            if record.time < from {
                set_aside(&mut late, record);
                continue;
            }
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
                noted: &mut self.noted,
            };
            self.process.on_record(value, state, &mut turn);
            self.settle(owner);
        }
        self.sweep();
        self.noted.tell(out);
        let gives = self.late == LateRecords::Given;
        put_late(late, gives, out)
    }

    /// Has the wheels forget who hangs there no more, once those are too many.
    fn sweep(&mut self) {
        for (domain, wheel) in TimeDomain::BOTH.into_iter().zip(&mut self.wheels) {
            wheel.sweep(|hung| {
                let entry = self.keys.get(hung.owner);
                entry.is_some_and(|entry| entry.state.timers.hangs(domain, hung.stamp))
            });
        }
    }

    /// Gives their turn to the keys that have one in a wheel until `until`, or until there is enough to send.
    fn go_off(
        &mut self,
        domain: TimeDomain,
        until: u64,
        mut moment: Moment,
        out: &mut Outbox,
    ) -> Result<Step> {
        let port: &mut Port<Keyed<K, P::Out>> = out.port(0)?;
        self.sweep();
        for number in 0..AT_ONCE {
            if number % prefetch::GROUP == 0 {
                let next = self.wheels[domain as usize].iter();
                self.keys
                    .prefetch_slots(next.map(|hung| hung.owner), Kept::read);
            }
            let Some(hung) = self.wheels[domain as usize].next_due(until) else {
                return Ok(Step::Done);
            };
            let time = self.ticks.time(hung.tick);
            let timer = match domain {
                TimeDomain::EventTime => {
                    (moment.time, moment.clocks.event_time) = (time, time);
                    moment.first_ticks[domain as usize] = hung.tick;
                    Timer::EventTime(time)
                }
                TimeDomain::ProcessingTime => {
                    moment.first_ticks[domain as usize] = until.saturating_add(1);
                    Timer::ProcessingTime(time)
                }
            };
            self.turn_at(hung, timer, moment, port)?;
            if port.is_full() {
                return Ok(Step::More);
            }
        }
        Ok(Step::More)
    }

    /// Gives their turn to the keys whose timers of processing time are due when the round begins. Those set meanwhile
    /// come in the next one, or timers set for now would let the task do nothing else.
    pub(in crate::process) fn tick(&mut self, now: Timestamp, out: &mut Outbox) -> Result<Step> {
        let until = *self.round.get_or_insert(self.ticks.until(now));
        let step = self.go_off(TimeDomain::ProcessingTime, until, self.moment(out), out)?;
        if step == Step::Done {
            self.round = None;
        }
        Ok(step)
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
        let (domain, Hung { tick, owner, stamp }) = (timer.domain(), hung);
        let Some(entry) = self.keys.get_mut(owner) else {
            return Ok(());
        };
        let Kept { state, timers } = &mut entry.state;
        if !timers.comes_down(domain, &mut self.wheels[domain as usize], stamp) {
            return Ok(());
        }
        if timers.cancel(domain, tick) {
            self.ending.goes_off(&self.vertex)?;
            if domain == TimeDomain::EventTime {
                let others = self.wheels[domain as usize].due_now();
                let moment = (tick, timer.time());
                self.same_moment.goes_off(moment, others, &self.vertex)?;
            }
            let mut turn = Turn {
                key: &entry.key,
                hash: entry.hash,
                spare: None,
                port,
                timers,
                moment,
                noted: &mut self.noted,
            };
            self.process.on_timer(timer, state, &mut turn);
        } else {
            state.expire(&moment.clocks);
        }
        self.settle(owner);
        Ok(())
    }

    /// The first timer that is set in this domain, and how many keys have one (of very many, at most so many: where
    /// state expires in this domain, its keys count as well).
    fn first_timer(&self, domain: TimeDomain) -> Option<(Timestamp, usize)> {
        let wheel = &self.wheels[domain as usize];
        let timers_of = |hung: &Hung| {
            let timers = &self.keys.get(hung.owner)?.state.timers;
            timers.hangs(domain, hung.stamp).then_some(timers)
        };
        let keys = wheel.iter().filter_map(timers_of).take(LOOKED_AT);
        let timers = keys.filter_map(|timers| timers.first(domain));
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
        let mut moment = self.moment(out);
        moment.watermark = Some(watermark.time);
        let until = self.ticks.until(watermark.time);
        let step = self.go_off(TimeDomain::EventTime, until, moment, out)?;
        self.noted.tell(out);
        if step == Step::Done {
            self.watermark = Some(watermark.time);
        }
        Ok(step)
    }

    fn next_timer(&self) -> Option<Timestamp> {
        let tick = self.wheels[TimeDomain::ProcessingTime as usize].next_tick()?;
        Some(self.ticks.time(tick))
    }

    fn on_timer(&mut self, out: &mut Outbox) -> Result<Step> {
        let step = self.tick(out.processing_time(), out)?;
        self.noted.tell(out);
        Ok(step)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        let step = self.end(out)?;
        self.noted.tell(out);
        Ok(step)
    }

    fn explain(&self, why: &mut Explanation) {
        for domain in TimeDomain::BOTH {
            let Some((first, of)) = self.first_timer(domain) else {
                continue;
            };
            let until = domain.until(first);
            why.waits(Wait::new(self.process.timer_name(), until).first_of(of));
        }
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        self.save(state)
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.take_over(state)
    }
}
