//! When windows speak.

use std::time::Duration;

use millstream_engine::time::whole_micros;

/// When a window speaks: gives a result of what it has come to.
///
/// Unless told otherwise when the watermark passes its end, and, of what comes later and is still
/// [allowed](crate::WindowedStream::allowed_lateness), with each record.
///
/// ```
/// use millstream::prelude::*;
/// use millstream::operators::{Every, Trigger};
///
/// let results = Collect::new();
/// let out = results.clone();
/// let flow = Flow::new("docs", move |flow| {
///     flow.source("times", from_iter([1, 2, 3, 4, 12]))
///         .event_time(|at| Timestamp::from_secs(*at), Lateness::none())
///         .key_by(|_| "all".to_owned())
///         .window(Tumbling::of(seconds(10)))
///         .trigger(Trigger::at_watermark().early(Every::records(3)))
///         .aggregate("counts", count())
///         .map(|_, result| (result.window.start.as_millis(), result.pane.number, result.value))
///         .sink("out", out.sink());
/// });
/// flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), [(0, 0, 3), (0, 1, 4), (10_000, 0, 1)]);
/// # Ok::<(), millstream::Error>(())
/// ```
///
/// Source: the triggers of Akidau et al., *The Dataflow Model*, VLDB 2015, as Apache Beam has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    pub(super) on_time: bool,
    pub(super) early: Option<Every>,
    pub(super) late: Every,
}

impl Trigger {
    /// When the watermark passes the window's end; afterwards for each late record that is still allowed.
    ///
    /// [`Trigger`] has an example.
    pub const fn at_watermark() -> Self {
        Trigger {
            on_time: true,
            early: None,
            late: Every::records(1),
        }
    }

    /// Whenever `every` says so, before the window's end and behind it alike. That the watermark passes the end is no
    /// reason to speak, but what is unsaid then is said.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::{Every, Trigger};
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("seconds", from_iter(1..=5))
    ///     .event_time(|second| Timestamp::from_secs(*second), Lateness::none())
    ///     .window_all(Tumbling::of(minutes(1)))
    ///     .trigger(Trigger::every(Every::records(2)))
    ///     .aggregate("so-far", count())
    ///     .map(|(), minute| minute.value)
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [2, 4, 5]); // what was unsaid at its end is said then
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub const fn every(every: Every) -> Self {
        Trigger {
            on_time: false,
            early: Some(every),
            late: every,
        }
    }

    /// As well whenever `every` says so before the watermark has passed the window's end.
    ///
    /// The pane on time comes even when nothing is new since the last early one, and then says the same: whoever waits for
    /// the window's end hears of it. ([`Trigger::every`] says nothing then.)
    ///
    /// [`Trigger`] has an example.
    #[must_use]
    pub const fn early(mut self, every: Every) -> Self {
        self.early = Some(every);
        self
    }

    /// Of late records whenever `every` says so, in place of each time. What is still unsaid when the window
    /// closes is said then.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::{Every, Trigger};
    /// # use std::time::Duration;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// let seconds = [5, 20, 7, 8, 9];
    /// flow.source("seconds", Generator::new(move |n, _| seconds[n as usize]).with_rate(10).with_count(5))
    ///     .event_time(|second| Timestamp::from_secs(*second), Lateness::none())
    ///     .window_all(Tumbling::of(Duration::from_secs(10)))
    ///     .allowed_lateness(minutes(1))
    ///     .trigger(Trigger::at_watermark().late(Every::records(2)))
    ///     .aggregate("counts", count())
    ///     .values()
    ///     .filter(|window| window.window.start == Timestamp::EPOCH)
    ///     .map(|window| window.value)
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(1).simulate(1)?;
    /// assert_eq!(results.take(), [1, 3, 4]); // on time, of two late ones, when it closes
    /// # Ok::<(), millstream::Error>(())
    /// ```
    #[must_use]
    pub const fn late(mut self, every: Every) -> Self {
        self.late = every;
        self
    }

    /// What is wrong with it, if anything.
    pub(super) fn mistake(&self) -> Option<String> {
        let all = [self.early, Some(self.late)];
        let zero = all.into_iter().flatten().any(|every| {
            let times = [every.time, every.processing_time];
            times.into_iter().flatten().any(|micros| micros < 1) || every.records == Some(0)
        });
        zero.then(|| "speak every 0 records, or more often than each microsecond".to_owned())
    }
}

impl Default for Trigger {
    fn default() -> Self {
        Trigger::at_watermark()
    }
}

/// Again and again, as far as there is something new to say.
///
/// Times are aligned to 1970-01-01T00:00:00Z, for all windows alike. Moments at which no record has come since the
/// last pane are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every {
    /// In microseconds.
    pub(super) time: Option<i64>,
    /// In microseconds.
    pub(super) processing_time: Option<i64>,
    pub(super) records: Option<u64>,
}

impl Every {
    pub(super) const NEVER: Every = Every {
        time: None,
        processing_time: None,
        records: None,
    };

    /// When the watermark passes a multiple of `period`. (In windows of processing time: when that does.) The first
    /// watermark passes one too, whatever it is: so the first record gives an early pane at once.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::{Every, Trigger};
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// // One a second, and every day what there is of it so far.
    /// flow.source("hours", Generator::new(|n, _| n as i64).with_rate(1).with_count(60))
    ///     .event_time(|hour| Timestamp::from_secs(hour * 3_600), Lateness::none())
    ///     .window_all(Tumbling::of(days(7)))
    ///     .trigger(Trigger::at_watermark().early(Every::time(days(1))))
    ///     .aggregate("so-far", count())
    ///     .map(|(), week| week.value)
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(1).simulate(1)?;
    /// assert_eq!(results.take(), [1, 25, 49, 60]); // with the record that begins the day
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn time(period: Duration) -> Self {
        Every {
            time: Some(whole_micros(period)),
            ..Every::NEVER
        }
    }

    /// When the wall clock passes a multiple of `period`.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::{Every, Trigger};
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// // Ten a second, of one day, and once a second how many there are so far.
    /// flow.source("numbers", Generator::new(|n, _| n).with_rate(10).with_count(25))
    ///     .event_time(|_| Timestamp::EPOCH, Lateness::none())
    ///     .window_all(Tumbling::of(days(1)))
    ///     .trigger(Trigger::at_watermark().early(Every::processing_time(seconds(1))))
    ///     .aggregate("so-far", count())
    ///     .map(|(), day| day.value)
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(1).simulate(1)?;
    /// let counts = results.take();
    /// assert_eq!((counts.len(), counts.last()), (3, Some(&25)));
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn processing_time(period: Duration) -> Self {
        Every {
            processing_time: Some(whole_micros(period)),
            ..Every::NEVER
        }
    }

    /// With each `n`th record of the window since it last spoke.
    ///
    /// One at least. [`Trigger`] has an example.
    pub const fn records(n: u64) -> Self {
        Every {
            records: Some(n),
            ..Every::NEVER
        }
    }

    /// Whether it has to know how many records each window has.
    pub(super) fn counts_records(self) -> bool {
        self.records.is_some()
    }

    /// For either reason. (Of two of the same kind the more frequent one.)
    ///
    /// ```
    /// use millstream_engine::time::{minutes, seconds};
    /// use millstream_operators::Every;
    ///
    /// let often = Every::records(100).or(Every::processing_time(seconds(1)));
    /// assert_eq!(often.or(Every::processing_time(minutes(1))), often);
    /// ```
    #[must_use]
    pub fn or(self, other: Every) -> Self {
        Every {
            time: least(self.time, other.time),
            processing_time: least(self.processing_time, other.processing_time),
            records: least(self.records, other.records),
        }
    }
}

fn least<N: Ord>(one: Option<N>, other: Option<N>) -> Option<N> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_never_end_is_a_mistake() {
        let micros = Duration::from_micros;
        let all = Every::records(2)
            .or(Every::time(micros(2)))
            .or(Every::processing_time(micros(2)));
        assert_eq!(Trigger::at_watermark().early(all).mistake(), None);
        for zero in [
            Every::records(0),
            Every::time(micros(0)),
            Every::processing_time(Duration::from_nanos(5)),
        ] {
            let wrong = [
                Trigger::every(all.or(zero)),
                Trigger::at_watermark().early(zero),
                Trigger::at_watermark().late(zero),
            ];
            assert!(wrong.iter().all(|trigger| trigger.mistake().is_some()));
        }
    }

    #[test]
    fn of_two_of_a_kind_the_more_frequent_counts() {
        let both = Every::records(3).or(Every::records(2));
        assert_eq!(both, Every::records(2));
        let mixed = both.or(Every::time(Duration::from_micros(7)));
        assert_eq!((mixed.records, mixed.time), (Some(2), Some(7)));
    }
}
