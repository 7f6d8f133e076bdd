//! The operator that runs a process.

use std::marker::PhantomData;
use std::sync::Arc;

use millstream_engine::batch::AnyBatch;
use millstream_engine::key::{KeyHash, Keyed};
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{AnyPort, Outbox, Port};
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};
use millstream_engine::{Error, Result};

use crate::keyed::{Entry, Key, KeySlots};
use crate::process::Process;
use crate::process::state::{Clocks, Expiry, KeyState};
use crate::process::turn::{Moment, Phase, Timer, Turn};
use crate::timer::{Due, Kind, Node, Timers, Wheel};

/// Timers that go off before the task is let look around, though they put nothing out.
const AT_ONCE: usize = 4_096;
/// So many timers may each of those that are set at the end lead to, on average.
const FOLLOWING: u64 = 1_000;
/// The piece of saved state that says how far event time had come.
const WATERMARK: &str = "watermark";

/// One replica: a process, its keys and their timers.
pub(super) struct Processing<K, T, P: Process<K, T>> {
    process: P,
    vertex: Arc<str>,
    pub(super) keys: KeySlots<K, Kept<P::State>>,
    pub(super) timers: Timers,
    /// The last one whose timers have all gone off.
    watermark: Option<Timestamp>,
    /// How many timers may yet go off, once the input has ended.
    left_at_end: Option<u64>,
    /// The keys that `on_end` is yet to be called for, once no timer is left.
    leaving: Option<Vec<Entry<K, Kept<P::State>>>>,
    of: PhantomData<fn(T)>,
}

/// What is kept of a key.
pub(super) struct Kept<S> {
    pub(super) state: S,
    /// How many timers it has.
    timers: u32,
    /// The timers that say when something in the state expires, by event time and by processing time.
    expiries: [Option<Node>; 2],
}

/// A key as it is saved, with the times of its timers.
type Saved<K, S> = (K, S, Vec<Timestamp>, Vec<Timestamp>);

impl<S> Kept<S> {
    fn new(state: S) -> Self {
        Kept {
            state,
            timers: 0,
            expiries: [None; 2],
        }
    }
}

impl<K: Key, T: Send + 'static, P: Process<K, T>> Processing<K, T, P> {
    pub(super) fn new(process: P, vertex: &Arc<str>) -> Self {
        Processing {
            timers: Timers::new(process.timer_resolution()),
            process,
            vertex: vertex.clone(),
            keys: KeySlots::new(),
            watermark: None,
            left_at_end: None,
            leaving: None,
            of: PhantomData,
        }
    }

    /// The moment of a call that is about nothing in event time.
    fn moment(&self, processing_time: Timestamp) -> Moment {
        let time = self.watermark.unwrap_or(processing_time);
        let first_tick = |time| self.timers.tick_from(time);
        Moment {
            time,
            watermark: self.watermark,
            clocks: Clocks {
                event_time: time,
                processing_time,
            },
            first_ticks: (
                self.watermark.map_or(0, first_tick),
                first_tick(processing_time),
            ),
            phase: Phase::GoesOn,
        }
    }

    /// Lets go off what is due in one of the wheels, until `until`, or there is enough to send.
    fn go_off(
        &mut self,
        which: Clock,
        until: u64,
        mut moment: Moment,
        out: &mut Outbox,
    ) -> Result<Step> {
        let port: &mut Port<Keyed<K, P::Out>> = out.port(0)?;
        for _ in 0..AT_ONCE {
            let Some(due) = which.of(&mut self.timers).next_due(until) else {
                return Ok(Step::Done);
            };
            let time = self.timers.time_of(due.tick);
            let timer = match which {
                Clock::EventTime => {
                    (moment.time, moment.clocks.event_time) = (time, time);
                    moment.first_ticks.0 = due.tick;
                    Timer::EventTime(time)
                }
                Clock::ProcessingTime => {
                    moment.first_ticks.1 = due.tick;
                    Timer::ProcessingTime(time)
                }
            };
            self.one_goes_off(due, which, timer, moment, port)?;
            if port.is_full() {
                return Ok(Step::More);
            }
        }
        Ok(Step::More)
    }

    fn one_goes_off(
        &mut self,
        due: Due,
        which: Clock,
        timer: Timer,
        moment: Moment,
        port: &mut Port<Keyed<K, P::Out>>,
    ) -> Result<()> {
        let Some(entry) = self.keys.get_mut(due.owner) else {
            return Ok(());
        };
        let kept = &mut entry.state;
        match due.kind {
            Kind::Expiry => {
                kept.expiries[which as usize] = None;
                kept.state.expire(&moment.clocks);
            }
            Kind::User => {
                kept.timers -= 1;
                if let Some(left) = &mut self.left_at_end {
                    *left = left.checked_sub(1).ok_or_else(|| endless(&self.vertex))?;
                }
                let mut turn = Turn {
                    key: &entry.key,
                    hash: entry.hash,
                    spare: None,
                    port,
                    timers: &mut self.timers,
                    owner: due.owner,
                    count: &mut kept.timers,
                    moment,
                };
                self.process.on_timer(timer, &mut kept.state, &mut turn);
            }
        }
        self.settle(due.owner);
        Ok(())
    }

    /// After a call for a key: forgets it if nothing is left of it, and sees that what expires does.
    #[inline]
    fn settle(&mut self, owner: u32) {
        let Some(entry) = self.keys.get_mut(owner) else {
            return;
        };
        let kept = &mut entry.state;
        let is_empty = kept.state.is_empty();
        let next = match is_empty {
            true => Expiry::default(),
            false => kept.state.next_expiry(),
        };
        let timers = &mut self.timers;
        for (clock, time) in [
            (Clock::EventTime, next.event_time),
            (Clock::ProcessingTime, next.processing_time),
        ] {
            let tick = time.map(|time| timers.tick_from(time));
            let node = &mut kept.expiries[clock as usize];
            expire_at(clock.of(timers), owner, node, tick);
        }
        if is_empty && kept.timers == 0 {
            self.keys.remove(owner);
        }
    }
}

/// Sees that the owner of the timer `node` is looked at no later than at `tick`; not at all if there is none.
#[inline]
fn expire_at(wheel: &mut Wheel, owner: u32, node: &mut Option<Node>, tick: Option<u64>) {
    let set = node.and_then(|node| wheel.tick_of(node));
    if let Some(set) = set {
        // One that comes too early is set anew when it goes off: cheaper than with each write.
        if tick.is_some_and(|tick| set <= tick) {
            return;
        }
        wheel.cancel(owner, set, Kind::Expiry);
    }
    *node = tick.map(|tick| wheel.set(owner, tick, Kind::Expiry).0);
}

#[derive(Clone, Copy)]
enum Clock {
    EventTime,
    ProcessingTime,
}

impl Clock {
    fn of(self, timers: &mut Timers) -> &mut Wheel {
        match self {
            Clock::EventTime => &mut timers.event_time,
            Clock::ProcessingTime => &mut timers.processing_time,
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
        let mut moment = self.moment(out.processing_time());
        let watermark = self.watermark.unwrap_or(Timestamp::MIN);
        let port: &mut Port<Keyed<K, P::Out>> = out.port(0)?;
        for record in batch.of::<Keyed<K, T>>()?.records.drain(..) {
            let Keyed { hash, key, value } = record.value;
            let state = || Kept::new(self.process.state());
            let (owner, spare) = self.keys.slot_of(hash, key, state);
            let Some(entry) = self.keys.get_mut(owner) else {
                continue;
            };
            moment.time = record.time;
            moment.clocks.event_time = record.time.max(watermark);
            let mut turn = Turn {
                key: &entry.key,
                hash,
                spare,
                port,
                timers: &mut self.timers,
                owner,
                count: &mut entry.state.timers,
                moment,
            };
            let state = &mut entry.state.state;
            self.process.on_record(value, state, &mut turn);
            self.settle(owner);
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        let mut moment = self.moment(out.processing_time());
        moment.watermark = Some(watermark.time);
        let until = self.timers.tick_until(watermark.time);
        let step = self.go_off(Clock::EventTime, until, moment, out)?;
        if step == Step::Done {
            self.watermark = Some(watermark.time);
        }
        Ok(step)
    }

    fn next_timer(&self) -> Option<Timestamp> {
        let tick = self.timers.processing_time.next_tick()?;
        Some(self.timers.time_of(tick))
    }

    fn on_timer(&mut self, out: &mut Outbox) -> Result<Step> {
        let now = out.processing_time();
        let until = self.timers.tick_until(now);
        self.go_off(Clock::ProcessingTime, until, self.moment(now), out)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        let mut moment = self.moment(out.processing_time());
        if self.leaving.is_none() {
            let most = (self.timers.event_time.len() as u64 + 1).saturating_mul(FOLLOWING);
            self.left_at_end.get_or_insert(most);
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
            let mut kept = state;
            kept.state.expire(&moment.clocks);
            if kept.state.is_empty() {
                continue;
            }
            let mut turn = Turn {
                key: &key,
                hash,
                spare: None,
                port,
                timers: &mut self.timers,
                owner: u32::MAX,
                count: &mut kept.timers,
                moment,
            };
            self.process.on_end(&mut kept.state, &mut turn);
            if port.is_full() {
                return Ok(Step::More);
            }
        }
        Ok(Step::Done)
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        state.put_piece(WATERMARK, &self.watermark)?;
        let mut set = Vec::new();
        for wheel in [&self.timers.event_time, &self.timers.processing_time] {
            let by_user = wheel.iter().filter(|due| due.kind == Kind::User);
            let mut times: Vec<_> = by_user
                .map(|due| (due.owner, self.timers.time_of(due.tick)))
                .collect();
            times.sort_unstable();
            set.push(times);
        }
        let times_of = |which: usize, owner: u32| -> Vec<Timestamp> {
            let times = set.get(which).map(Vec::as_slice).unwrap_or_default();
            let first = times.partition_point(|(other, _)| *other < owner);
            let its = times.iter().skip(first);
            let its = its.take_while(|(other, _)| *other == owner);
            its.map(|(_, time)| *time).collect()
        };
        for (owner, entry) in self.keys.iter() {
            let (key, kept) = (&entry.key, &entry.state.state);
            let timers = (times_of(0, owner), times_of(1, owner));
            state.put(entry.hash, &(key, kept, timers.0, timers.1))?;
        }
        let none: [Timestamp; 0] = [];
        for entry in self.leaving.iter().flatten() {
            let (key, kept) = (&entry.key, &entry.state.state);
            state.put(entry.hash, &(key, kept, &none[..], &none[..]))?;
        }
        Ok(())
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        let pieces = state.pieces::<Option<Timestamp>>();
        let watermarks: Vec<_> = pieces.map(|piece| Ok(piece?.1)).collect::<Result<_>>()?;
        self.watermark = watermarks.into_iter().min().flatten();
        let fresh = self.process.state();
        for value in state.values::<Saved<K, P::State>>() {
            let (key, mut state, of_event, of_processing) = value?;
            state.adopt(&fresh);
            let hash = KeyHash::of(&key);
            let timers = (of_event.len() + of_processing.len()) as u32;
            let (owner, _) = self.keys.slot_of(hash, key, || Kept {
                timers,
                ..Kept::new(state)
            });
            for (clock, times) in [
                (Clock::EventTime, of_event),
                (Clock::ProcessingTime, of_processing),
            ] {
                for time in times {
                    let tick = self.timers.tick_from(time);
                    clock.of(&mut self.timers).set(owner, tick, Kind::User);
                }
            }
            self.settle(owner);
        }
        Ok(())
    }
}
