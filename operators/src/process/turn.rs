//! What a process may do while it is called.

use millstream_engine::key::{KeyHash, Keyed};
use millstream_engine::outbox::{Outbox, Port};
use millstream_engine::runtime::Instant;
use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::held::Held;
use crate::process::state::Clocks;
use crate::timer::{KeyTimers, Ticks, TimeDomain};

/// A timer of a key: it goes off when time comes to it.
///
/// A key has one timer for each moment and time domain, however often it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timer {
    /// When the watermark comes to this moment: no earlier record follows. Later ones may have been before: watermarks go
    /// between batches, so a timer sees what all records of the batch have written, whatever their times.
    EventTime(Timestamp),
    /// When the wall clock comes to this moment.
    ProcessingTime(Timestamp),
}

impl Timer {
    /// The moment it is set for.
    ///
    /// ```
    /// use millstream_engine::time::Timestamp;
    /// use millstream_operators::Timer;
    ///
    /// assert_eq!(Timer::EventTime(Timestamp::from_secs(5)).time(), Timestamp::from_secs(5));
    /// ```
    pub fn time(self) -> Timestamp {
        match self {
            Timer::EventTime(time) | Timer::ProcessingTime(time) => time,
        }
    }

    pub(super) fn domain(self) -> TimeDomain {
        match self {
            Timer::EventTime(_) => TimeDomain::EventTime,
            Timer::ProcessingTime(_) => TimeDomain::ProcessingTime,
        }
    }
}

/// One call of a [`Process`](crate::Process), for one key: what it can know besides the record, and what it can do.
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream::operators::Timer;
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// // Once a minute, of event time, how many there were so far.
/// flow.source("seconds", from_iter([10, 20, 100, 130]))
///     .event_time(|second| Timestamp::from_secs(*second), Lateness::none())
///     .key_by(|_| "all".to_owned())
///     .process_fn(
///         "so-far",
///         |second, so_far: &mut u64, turn| {
///             if turn.watermark().is_some_and(|passed| turn.time() < passed) {
///                 return; // it is late
///             }
///             *so_far += 1;
///             if *so_far == 1 {
///                 turn.set_timer(Timer::EventTime(turn.time() + minutes(1)));
///             }
///         },
///         |timer, so_far, turn| {
///             turn.emit_at(format!("{}: {so_far}", turn.key()), timer.time());
///             if !turn.has_ended() {
///                 turn.set_timer(Timer::EventTime(timer.time() + minutes(1)));
///             }
///         },
///     )
///     .values()
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take().last().map(String::as_str), Some("all: 4"));
/// # Ok::<(), millstream::Error>(())
/// ```
pub struct Turn<'a, K, U> {
    pub(super) key: &'a K,
    pub(super) hash: KeyHash,
    /// The record's own key, that the first output may have.
    pub(super) spare: Option<K>,
    pub(super) port: &'a mut Port<Keyed<K, U>>,
    pub(super) timers: &'a mut KeyTimers,
    pub(super) moment: Moment,
    pub(super) noted: &'a mut Noted,
}

/// What a process has to say of its records besides what it puts out, in one call of the operator.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Noted {
    /// How many it left out because they repeat one that was let through.
    repeats: u64,
    held: Held,
}

impl Noted {
    pub(super) fn tell(&mut self, out: &mut Outbox) {
        out.count_repeats(std::mem::take(&mut self.repeats));
        self.held.note(out);
    }
}

/// When a call is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The time of what it is about.
    pub(super) time: Timestamp,
    /// When that reached this process.
    pub(super) arrival: Instant,
    pub(super) watermark: Option<Timestamp>,
    pub(super) clocks: Clocks,
    pub(super) ticks: Ticks,
    /// The first tick a timer can be set to, in each time domain.
    pub(super) first_ticks: [u64; 2],
    pub(super) phase: Phase,
}

/// How far the input has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    GoesOn,
    /// It has ended, and the timers that are set go off.
    Ending,
    /// Nothing follows.
    Over,
}

impl<K: Clone + Send + 'static, U: Send + 'static> Turn<'_, K, U> {
    /// Puts a result out, with this call's [`time`](Turn::time).
    #[inline]
    pub fn emit(&mut self, value: U) {
        self.emit_at(value, self.moment.time);
    }

    /// Puts a result out with a time of its own. If that is earlier than the [`watermark`](Turn::watermark), the
    /// result is late from the start.
    #[inline]
    pub fn emit_at(&mut self, value: U, time: Timestamp) {
        let (hash, key) = (self.hash, self.spare.take());
        let key = key.unwrap_or_else(|| self.key.clone());
        self.port.push_keyed(hash, Keyed { hash, key, value }, time);
    }
}

impl<K, U> Turn<'_, K, U> {
    /// The key.
    pub fn key(&self) -> &K {
        self.key
    }

    /// Event time of what the call is about: of the record, or the moment the event-time timer was set for. Elsewhere
    /// the watermark; as long as there is none, processing time.
    pub fn time(&self) -> Timestamp {
        self.moment.time
    }

    /// How far event time has come: nothing earlier follows, unless it is late. When timers go off, how far it has just
    /// come: further, perhaps, than their [`time`](Turn::time); when they go off at the end of the input, not so far.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.moment.watermark
    }

    /// The wall clock. It never goes back: when the machine's is set back, it goes on from where it was.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::Timer;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// // Tells of each cart that is left alone for an hour. Somebody puts something in every 40 minutes.
    /// let who = ["ann", "ann", "bob", "bob"];
    /// flow.source("carts", Generator::new(move |n, _| who[n as usize]).with_rate(1.0 / 2_400.0).with_count(4))
    ///     .key_by(|who| who.to_string())
    ///     .process_fn(
    ///         "reminders",
    ///         |_, due: &mut Option<Timestamp>, turn| {
    ///             if let Some(due) = due.take() {
    ///                 turn.cancel_timer(Timer::ProcessingTime(due));
    ///             }
    ///             let by = turn.processing_time() + hours(1);
    ///             turn.set_timer(Timer::ProcessingTime(by));
    ///             *due = Some(by);
    ///         },
    ///         |_, due, turn| {
    ///             *due = None;
    ///             turn.emit("still there?");
    ///         },
    ///     )
    ///     .entries()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(1).simulate(1)?;
    /// assert_eq!(results.take(), [("ann".to_owned(), "still there?")]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn processing_time(&self) -> Timestamp {
        self.moment.clocks.processing_time
    }

    /// Whether the input has ended: no record follows, and no time passes. Timers that are set go off all the same; a
    /// timer that always sets the next one must ask.
    pub fn has_ended(&self) -> bool {
        self.moment.phase != Phase::GoesOn
    }

    /// Sets a timer of this key. A moment that has passed is taken for now: it goes off with the next watermark, or as
    /// soon as the task is free.
    ///
    /// In `on_timer` of event time, a moment the watermark has passed goes off before that watermark is over. (One that is
    /// not later than the timer at hand is taken for the same: if they set each other for ever, the flow fails.) In that of
    /// processing time, a moment that is not later than when this round of timers began is taken for one just behind it, and
    /// goes off when the task has looked at all else: of a period that is shorter than its handling takes, or than the
    /// task was held up, what was missed is not made up for.
    #[inline]
    pub fn set_timer(&mut self, timer: Timer) {
        let is_taken = match self.moment.phase {
            Phase::GoesOn => true,
            Phase::Ending => timer.domain() == TimeDomain::EventTime,
            Phase::Over => false,
        };
        if is_taken {
            let first = self.moment.first_ticks[timer.domain() as usize];
            let tick = self.moment.ticks.from(timer.time());
            self.timers.set(timer.domain(), tick.max(first));
        }
    }

    /// Takes a timer of this key back. Says whether it was set.
    pub fn cancel_timer(&mut self, timer: Timer) -> bool {
        let tick = self.moment.ticks.from(timer.time());
        self.timers.cancel(timer.domain(), tick)
    }

    /// Counts the record at hand as a repeat: it is left out because one like it was let through.
    pub(crate) fn count_repeat(&mut self) {
        self.noted.repeats += 1;
    }

    /// When the record at hand reached this process, or what made the timer go off.
    pub(crate) fn arrival(&self) -> Instant {
        self.moment.arrival
    }

    /// Notes that a result was held back by design since `arrival`, until now.
    pub(crate) fn note_held(&mut self, arrival: Option<Instant>) {
        self.noted.held.add(arrival);
    }

    pub(super) fn clocks(&self) -> &Clocks {
        &self.moment.clocks
    }
}
