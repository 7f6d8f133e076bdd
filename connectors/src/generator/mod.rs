//! Records made up on the spot, on schedule: for tests, demonstrations and load.

mod lane;
mod random;
mod schedule;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::batch::PartitionId;
use millstream_engine::runtime;
use millstream_engine::source::{
    Intake, Position, Read, Replay, Source, SourceReader, SourceSetup,
};
use millstream_engine::{Error, Result};

use lane::Lane;
pub use random::Random;
use schedule::Schedule;

/// An open-loop source of made-up records.
///
/// Record n is what the closure makes of n and of random numbers that depend on seed and n alone: the
/// same records come out at every parallelism, after every restart, and in a simulation.
///
/// ```
/// use millstream_connectors::Generator;
///
/// let rolls = Generator::new(|n, random| (n, 1 + random.below(6)))
///     .with_seed(42)
///     .with_rate(10_000)
///     .with_count(1_000_000);
/// ```
///
/// With a rate, record n is *due* at `start + n / rate`, however long the flow takes for those before: a
/// flow that stalls finds the missed ones waiting, and their latency counts from when they were due. (A
/// closed loop would stop asking while the system stalls and so hide the stall: Gil Tene's coordinated
/// omission.) Without a rate, records come as fast as they are taken.
pub struct Generator<T> {
    make: Make<T>,
    seed: u64,
    rate: Option<f64>,
    tick: Duration,
    count: Option<u64>,
}

/// Makes the records of a lane that are before a bound, as far as there is room.
///
/// Erased per batch, not per record, so that the user's closure is inlined into the loop.
type Make<T> = Arc<dyn Fn(u64, &mut Lane, u64, &mut Intake<T>) + Send + Sync>;

impl<T> Generator<T> {
    /// Endless records, as fast as they are taken. The closure is given the record's number, from 0,
    /// and its random numbers.
    pub fn new(record: impl Fn(u64, &mut Random) -> T + Send + Sync + 'static) -> Self {
        let make = move |seed: u64, lane: &mut Lane, bound: u64, intake: &mut Intake<T>| {
            while !intake.is_full()
                && let Some(index) = lane.take_before(bound)
            {
                intake.push(record(index, &mut Random::of_record(seed, index)));
            }
        };
        Generator {
            make: Arc::new(make),
            seed: 0,
            rate: None,
            tick: Duration::from_millis(1),
            count: None,
        }
    }

    /// Other random numbers (default: seed 0).
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// So many records per second, over all replicas. Must be positive and finite.
    #[must_use]
    pub fn with_rate(mut self, per_second: impl Into<f64>) -> Self {
        self.rate = Some(per_second.into());
        self
    }

    /// Where records are due closer together than this, those of one tick are made at its end (default:
    /// 1 ms; zero: each as soon as it is due, at the price of a wake-up for each).
    ///
    /// What a record waits for the end of the tick is part of its latency.
    #[must_use]
    pub fn with_tick(mut self, tick: Duration) -> Self {
        self.tick = tick;
        self
    }

    /// Ends after so many records, over all replicas.
    #[must_use]
    pub fn with_count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }
}

impl<T> Clone for Generator<T> {
    fn clone(&self) -> Self {
        Generator {
            make: self.make.clone(),
            ..*self
        }
    }
}

impl<T> fmt::Debug for Generator<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator")
            .field("seed", &self.seed)
            .field("rate", &self.rate)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Source for Generator<T> {
    type Out = T;
    type Reader = GeneratorReader<T>;

    fn max_parallelism(&self) -> usize {
        usize::MAX
    }

    fn is_bounded(&self) -> bool {
        self.count.is_some()
    }

    fn replay(&self) -> Replay {
        Replay::FromPosition
    }

    async fn open(self, setup: SourceSetup) -> Result<Vec<Self::Reader>> {
        if let Some(rate) = self.rate
            && !(rate.is_finite() && rate > 0.0)
        {
            return Err(Error::config(format!(
                "a generator's rate must be positive and finite, not {rate} per second"
            )));
        }
        let parallelism = setup.parallelism.max(1);
        let lanes = lane::deal(parallelism, &setup.positions.unwrap_or_default())?;
        let first = lanes.iter().flatten().map(|lane| lane.next).min();
        let schedule = self.rate.map(|rate| {
            // As many of one replica's records as are due within a tick, but not more than a batch.
            let per_tick = rate * self.tick.as_secs_f64() / parallelism as f64;
            let per_tick = (per_tick as usize).min(Intake::<T>::ROOM);
            Schedule::new(rate, first.unwrap_or(0), per_tick, parallelism)
        });
        let reader = |lanes| GeneratorReader {
            make: self.make.clone(),
            seed: self.seed,
            total: self.count.unwrap_or(u64::MAX),
            schedule: schedule.clone(),
            lanes,
        };
        Ok(lanes.into_iter().map(reader).collect())
    }
}

/// A replica of a [`Generator`].
pub struct GeneratorReader<T> {
    make: Make<T>,
    seed: u64,
    total: u64,
    schedule: Option<Schedule>,
    lanes: Vec<Lane>,
}

impl<T> GeneratorReader<T> {
    /// Makes what is before `bound`, in order of the index over all lanes.
    fn fill(&mut self, bound: u64, intake: &mut Intake<T>) {
        while !intake.is_full() {
            self.lanes
                .retain(|lane| lane.is_open() || lane.has_next(self.total));
            self.lanes.sort_unstable_by_key(|lane| lane.next);
            let Some((lane, others)) = self.lanes.split_first_mut() else {
                return;
            };
            let bound = bound.min(lane.end(self.total));
            let turn = others.first().map_or(bound, |other| bound.min(other.next));
            if lane.next >= turn {
                return;
            }
            (self.make)(self.seed, lane, turn, intake);
        }
    }

    fn next(&self) -> Option<&Lane> {
        let left = self.lanes.iter().filter(|lane| lane.has_next(self.total));
        left.min_by_key(|lane| lane.next)
    }
}

impl<T: Send + 'static> SourceReader for GeneratorReader<T> {
    type Out = T;

    async fn read(&mut self, intake: &mut Intake<T>) -> Result<Read> {
        let Some(lane) = self.next() else {
            return Ok(Read::End);
        };
        let (arrival, bound) = match &self.schedule {
            None => (runtime::now(), self.total),
            Some(schedule) => {
                let last = schedule.last_of_tick(lane.next, lane.end(self.total));
                let wake = schedule.due(last);
                let now = runtime::now();
                if wake > now {
                    runtime::sleep(wake - now).await;
                }
                // At least up to the one waited for, whatever the roundings.
                let bound = schedule.due_before(runtime::now()).max(last + 1);
                (schedule.due(lane.next), bound)
            }
        };
        intake.begin(PartitionId::ONLY, arrival);
        self.fill(bound, intake);
        Ok(Read::More)
    }

    fn positions(&self) -> Vec<Position> {
        self.lanes.iter().map(Lane::position).collect()
    }
}

#[cfg(test)]
mod tests;
