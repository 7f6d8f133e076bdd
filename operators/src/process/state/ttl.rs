//! How long state lives.

use std::fmt;
use std::time::Duration;

use millstream_engine::time::{Timestamp, whole_micros};

/// How long state lives, and by which clock: "time to live". It begins anew with each write, but for one of an
/// earlier time (of a record that came late, or out of order), which makes no life shorter: a value lives until the latest
/// of the ends that its writes gave it.
///
/// What has lived so long is not seen any more, and is dropped as soon as its clock gets there, whether its key is heard
/// of again or not.
///
/// By **event time** a record sees what has not expired at its own timestamp (or at the watermark, if it is late), a
/// timer what has not at its time. What has expired does not depend on how fast the flow runs (what a timer finds besides
/// may: a record that came before the watermark has been there, whatever its time). State is dropped when the
/// watermark passes; in a stream without event time, at its end.
///
/// By **processing time** the wall clock counts.
///
/// How long state lives is said where the process makes the state of a new key. It is not saved: after a restart what was
/// written before lives as long as it was given then, what is written from then on as the process says now.
///
/// ```
/// # use millstream::prelude::*;
/// use millstream::operators::{Process, Ttl, Turn, ValueState};
///
/// /// Lets pass what was not heard within the last minute.
/// #[derive(Clone)]
/// struct News;
///
/// impl Process<String, i64> for News {
///     type State = ValueState<()>;
///     type Out = i64;
///
///     fn state(&self) -> Self::State {
///         // Each time it is heard again, it is no news for another minute.
///         ValueState::with_ttl(Ttl::event_time(minutes(1)).refreshed_on_read())
///     }
///
///     fn on_record(&self, second: i64, heard: &mut Self::State, turn: &mut Turn<'_, String, i64>) {
///         if heard.get(turn).is_none() {
///             heard.set((), turn);
///             turn.emit(second);
///         }
///     }
/// }
///
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// flow.source("seconds", from_iter([0, 50, 100, 159, 219, 280]))
///     .event_time(|second| Timestamp::from_secs(*second), Lateness::none())
///     .key_by(|_| "rain".to_owned())
///     .process("news", News)
///     .values()
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), [0, 219, 280]);
/// # Ok::<(), millstream::Error>(())
/// ```
///
/// Source: Flink's `StateTtlConfig` (which has no event time).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Ttl(
    /// Microseconds, the clock and whether reads refresh, in one word, because it is kept with every key. 0: for ever.
    u64,
);

const BY_PROCESSING_TIME: u64 = 1;
const REFRESHED_ON_READ: u64 = 2;
const FLAGS: u32 = 2;

impl Ttl {
    /// So long by event time.
    ///
    /// Reckoned in whole microseconds: one at least, some 73,000 years at most. [`Ttl`] has an example.
    pub fn event_time(duration: Duration) -> Self {
        // A duration too short to be told is the shortest there is, not none.
        Ttl((whole_micros(duration).clamp(1, i64::MAX >> FLAGS) as u64) << FLAGS)
    }

    /// So long by processing time.
    ///
    /// Reckoned as [`event_time`](Ttl::event_time) is.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::Ttl;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// // A minute apart, one is no repeat of the other.
    /// let hourly = Generator::new(|n, _| n / 2).with_rate(1.0 / 3_600.0).with_count(4);
    /// flow.source("alarms", hourly)
    ///     .key_by(|alarm| *alarm)
    ///     .dedup("once", Ttl::processing_time(minutes(1)))
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(1).simulate(1)?;
    /// assert_eq!(results.take(), [0, 0, 1, 1]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn processing_time(duration: Duration) -> Self {
        Ttl(Ttl::event_time(duration).0 | BY_PROCESSING_TIME)
    }

    /// It begins anew with each read as well.
    ///
    /// [`Ttl`] has an example.
    #[must_use]
    pub fn refreshed_on_read(self) -> Self {
        Ttl(self.0 | REFRESHED_ON_READ)
    }

    fn duration(self) -> Option<Duration> {
        let micros = self.0 >> FLAGS;
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    pub(crate) fn is_by_processing_time(self) -> bool {
        self.0 & BY_PROCESSING_TIME != 0
    }

    /// Whether it means nothing to a stream without event time.
    pub(crate) fn needs_event_time(self) -> bool {
        self.duration().is_some() && !self.is_by_processing_time()
    }

    fn now(self, clocks: &Clocks) -> Timestamp {
        match self.is_by_processing_time() {
            true => clocks.processing_time,
            false => clocks.event_time,
        }
    }

    pub(super) fn is_refreshed_on_read(self) -> bool {
        self.0 & REFRESHED_ON_READ != 0
    }

    pub(crate) fn is_for_ever(self) -> bool {
        self.duration().is_none()
    }

    /// When what is written now expires.
    pub(super) fn expiry(self, clocks: &Clocks) -> Timestamp {
        match (self.duration(), self.now(clocks)) {
            (None, _) | (_, Timestamp::MIN) => Timestamp::MAX,
            (Some(duration), now) => now + duration,
        }
    }

    /// When what was to expire at `before` expires, now that it is written again. An earlier record that comes later
    /// does not shorten a life; but what was written to live for ever does so only until it is written again.
    pub(crate) fn renewed(self, before: Timestamp, clocks: &Clocks) -> Timestamp {
        let expiry = self.expiry(clocks);
        match before {
            Timestamp::MAX => expiry,
            before => before.max(expiry),
        }
    }

    /// Whether what expires then has not yet.
    pub(crate) fn is_live(self, expiry: Timestamp, clocks: &Clocks) -> bool {
        self.is_for_ever() || self.now(clocks) < expiry
    }

    /// That something is to be dropped at `first`, if it is dropped at all.
    pub(super) fn next(self, first: Option<Timestamp>) -> Expiry {
        let first = first.filter(|_| !self.is_for_ever());
        match self.is_by_processing_time() {
            true => Expiry {
                processing_time: first,
                ..Expiry::default()
            },
            false => Expiry {
                event_time: first,
                ..Expiry::default()
            },
        }
    }
}

impl fmt::Debug for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(duration) = self.duration() else {
            return f.write_str("for ever");
        };
        let clock = match self.is_by_processing_time() {
            true => "processing time",
            false => "event time",
        };
        write!(f, "{duration:?} of {clock}")
    }
}

/// What both clocks say, as far as state is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// The time of the record or timer at hand; the watermark, if that is later. [`Timestamp::MIN`] as long as nothing
    /// is known of event time: then nothing expires.
    pub event_time: Timestamp,
    /// The wall clock.
    pub processing_time: Timestamp,
}

/// When something expires, by either clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    /// By event time.
    pub event_time: Option<Timestamp>,
    /// By processing time.
    pub processing_time: Option<Timestamp>,
}

impl Expiry {
    /// When the first of both does.
    ///
    /// ```
    /// use millstream_engine::time::Timestamp;
    /// use millstream_operators::Expiry;
    ///
    /// let at = |second| Expiry {
    ///     event_time: Some(Timestamp::from_secs(second)),
    ///     ..Expiry::default()
    /// };
    /// assert_eq!(at(7).or(at(3)).or(Expiry::default()), at(3));
    /// ```
    #[must_use]
    pub fn or(self, other: Expiry) -> Expiry {
        let first = |a: Option<Timestamp>, b: Option<Timestamp>| a.into_iter().chain(b).min();
        Expiry {
            event_time: first(self.event_time, other.event_time),
            processing_time: first(self.processing_time, other.processing_time),
        }
    }
}
