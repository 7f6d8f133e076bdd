//! Records that wait for their time, in the order they came, and what of event time waits with them.

use std::collections::VecDeque;

use millstream_engine::runtime::Instant;
use millstream_engine::time::{Frontier, Timestamp, Watermark};

/// Records in the order they came. A watermark that came behind a record stays behind it: records are not later, by
/// event time, where they leave than they were where they came.
pub(super) struct Waiting<T> {
    records: VecDeque<(Timestamp, T)>,
    /// Records that came together, from the first on; none is empty.
    runs: VecDeque<Run>,
    /// The last one that came.
    watermark: Option<Watermark>,
}

/// Records that came together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) records: usize,
    /// Processing time at which they came.
    pub(super) came: Timestamp,
    /// Unknown behind a restart.
    pub(super) stamps: Option<Stamps>,
    /// The last one before them.
    watermark: Option<Watermark>,
}

/// Moments on the clock that latency goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamps {
    /// When the oldest record arrived in this process.
    pub(super) arrival: Instant,
    /// When they came here.
    pub(super) since: Instant,
}

/// A run as it is saved.
pub(super) type Saved<R> = (Timestamp, Vec<R>);

impl<T> Waiting<T> {
    pub(super) fn new() -> Self {
        Waiting {
            records: VecDeque::new(),
            runs: VecDeque::new(),
            watermark: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn first_run(&self) -> Option<&Run> {
        self.runs.front()
    }

    pub(super) fn first(&self) -> Option<&(Timestamp, T)> {
        self.records.front()
    }

    /// One more record; behind the last that comes with it, `came_together` is told how many they are.
    #[inline]
    pub(super) fn push(&mut self, record: T, time: Timestamp) {
        self.records.push_back((time, record));
    }

    /// The last so many records came together.
    pub(super) fn came_together(
        &mut self,
        records: usize,
        came: Timestamp,
        stamps: Option<Stamps>,
    ) {
        if records > 0 {
            self.runs.push_back(Run {
                records,
                came,
                stamps,
                watermark: self.watermark,
            });
        }
    }

    /// Takes out the first record.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<(Timestamp, T)> {
        self.records.pop_front()
    }

    /// Notes that so many records of the first run were taken out, the last of them at `left` by the clock that latency
    /// goes by.
    pub(super) fn have_left(&mut self, records: usize, left: Option<Instant>) {
        let Some(run) = self.runs.front_mut() else {
            return;
        };
        run.records = run.records.saturating_sub(records);
        if run.records > 0 {
            return;
        }
        self.runs.pop_front();
        // What the next watermark sets free could not be set free before.
        let next = self.runs.front_mut().map(|run| &mut run.watermark);
        if let (Some(watermark), Some(left)) = (next.unwrap_or(&mut self.watermark), left) {
            watermark.arrival = watermark.arrival.max(left);
        }
    }

    pub(super) fn rise(&mut self, watermark: Watermark) {
        self.watermark = Some(watermark);
    }

    /// What may be promised behind the records that wait, once `input` is promised before them.
    pub(super) fn frontier(&self, input: Frontier) -> Frontier {
        let Some(first) = self.runs.front() else {
            return match (input, self.watermark) {
                (Frontier::At(at), Some(watermark)) if at.time == watermark.time => {
                    Frontier::At(watermark)
                }
                (input, _) => input,
            };
        };
        first.watermark.map_or(Frontier::Unknown, Frontier::At)
    }

    /// Goes on at `now` behind a restart: nothing came later than that, by whatever clock.
    pub(super) fn go_on(&mut self, now: Timestamp) {
        for run in &mut self.runs {
            run.came = run.came.min(now);
        }
    }

    /// All that waits, to be saved.
    pub(super) fn save(&self) -> Vec<Saved<&(Timestamp, T)>> {
        let mut records = self.records.iter();
        let runs = self.runs.iter();
        runs.map(|run| (run.came, records.by_ref().take(run.records).collect()))
            .collect()
    }

    /// Takes over what was saved, of several replicas perhaps: by the time it came.
    pub(super) fn restore(&mut self, mut runs: Vec<Saved<(Timestamp, T)>>) {
        runs.sort_by_key(|(came, _)| *came);
        for (came, records) in runs {
            self.came_together(records.len(), came, None);
            self.records.extend(records);
        }
    }
}
