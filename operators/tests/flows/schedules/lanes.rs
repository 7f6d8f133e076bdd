//! A source of several partitions, and the records of most of these tests.

use std::sync::Arc;
use std::time::Duration;

use millstream::batch::PartitionId;
use millstream::prelude::*;
use millstream::runtime::{self, Instant};
use millstream::source::{
    Intake, PartitionNews, Position, Read, Replay, SourceReader, SourceSetup,
};
use millstream::{Error, Result};
use millstream_engine::random::SplitMix64;

/// A source of several partitions: lanes, each with its records in the order it gives them.
///
/// Its readers share the lanes. Each gives a few records of one of its lanes at a time: how many, of which lane, and after
/// which pause is drawn from the virtual clock, so from the seed.
#[derive(Clone)]
pub(super) struct Lanes<T> {
    lanes: Arc<Vec<Vec<T>>>,
    /// When, by the virtual clock, a record can be given.
    due: Option<fn(&T) -> Duration>,
    silence: Option<Duration>,
    most: u64,
}

impl<T: Clone + Send + Sync + 'static> Lanes<T> {
    pub(super) fn new(lanes: Vec<Vec<T>>) -> Self {
        Lanes {
            lanes: Arc::new(lanes),
            due: None,
            silence: None,
            most: 6,
        }
    }

    /// No record is given before the virtual clock shows so much; those of a lane are due one after the other.
    pub(super) fn due_at(mut self, due: fn(&T) -> Duration) -> Self {
        self.due = Some(due);
        self
    }

    /// It gives up to so many records at a time (default: 6).
    pub(super) fn giving_up_to(mut self, most: u64) -> Self {
        self.most = most;
        self
    }

    /// It stays open, without records, until this time of the simulation; so it is no bounded source, and can be idle.
    pub(super) fn open_until(mut self, silence: Duration) -> Self {
        self.silence = Some(silence);
        self
    }
}

impl<T: Clone + Send + Sync + 'static> Source for Lanes<T> {
    type Out = T;
    type Reader = LaneReader<T>;

    fn max_parallelism(&self) -> usize {
        self.lanes.len()
    }

    fn is_bounded(&self) -> bool {
        self.silence.is_none()
    }

    fn replay(&self) -> Replay {
        Replay::FromPosition
    }

    async fn open(self, setup: SourceSetup) -> Result<Vec<LaneReader<T>>> {
        let readers = setup.parallelism.min(self.lanes.len());
        let mut taken = vec![0; self.lanes.len()];
        for position in setup.positions.unwrap_or_default() {
            let lane = position.split.parse().ok();
            let its = lane.and_then(|lane: usize| taken.get_mut(lane));
            let place: Option<[u8; 8]> = position.state.try_into().ok();
            let (Some(its), Some(place)) = (its, place) else {
                return Err(Error::state("this is no position of a lane"));
            };
            *its = usize::from_le_bytes(place);
        }
        let reader = |index| LaneReader {
            source: self.clone(),
            taken: (index..taken.len())
                .step_by(readers)
                .map(|lane| (lane, taken[lane]))
                .collect(),
            announced: false,
        };
        Ok((0..readers).map(reader).collect())
    }
}

pub(super) struct LaneReader<T> {
    source: Lanes<T>,
    /// Its lanes, and how many records of each were taken.
    taken: Vec<(usize, usize)>,
    announced: bool,
}

impl<T> LaneReader<T> {
    /// What is left of one of its lanes.
    fn left(&self, mine: usize) -> &[T] {
        let (lane, taken) = self.taken[mine];
        &self.source.lanes[lane][taken..]
    }

    fn due(&self, record: &T) -> Duration {
        self.source.due.map_or(Duration::ZERO, |due| due(record))
    }

    /// How many of its records one of its lanes could give now.
    fn ready(&self, mine: usize) -> usize {
        let left = self.left(mine).iter();
        left.take_while(|record| self.due(record) <= since_start())
            .count()
    }
}

impl<T: Clone + Send + Sync + 'static> SourceReader for LaneReader<T> {
    type Out = T;

    async fn read(&mut self, intake: &mut Intake<T>) -> Result<Read> {
        if !self.announced {
            for &(lane, _) in &self.taken {
                let name = lane.to_string().into();
                intake.partition(PartitionNews::Assigned(PartitionId(lane as u32), name));
            }
            self.announced = true;
        }
        let firsts = (0..self.taken.len()).filter_map(|mine| self.left(mine).first());
        let Some(due) = firsts.map(|record| self.due(record)).min() else {
            let until = self.source.silence.unwrap_or_default();
            runtime::sleep(until.saturating_sub(since_start())).await;
            return Ok(Read::End);
        };
        let pause = match self.source.due {
            Some(_) => due.saturating_sub(since_start()),
            None => Duration::from_micros(drawn_now().below(150)),
        };
        runtime::sleep(pause).await;
        let mut drawn = drawn_now();
        let ready: Vec<_> = (0..self.taken.len())
            .map(|mine| (mine, self.ready(mine)))
            .filter(|(_, count)| *count > 0)
            .collect();
        let (mine, count) = ready[drawn.below(ready.len() as u64) as usize];
        let count = count.min(1 + drawn.below(self.source.most) as usize);
        intake.begin(PartitionId(self.taken[mine].0 as u32), runtime::now());
        for record in &self.left(mine)[..count] {
            intake.push(record.clone());
        }
        self.taken[mine].1 += count;
        Ok(Read::More)
    }

    fn positions(&self) -> Vec<Position> {
        let position = |&(lane, taken): &(usize, usize)| Position {
            split: lane.to_string(),
            state: taken.to_le_bytes().into(),
        };
        self.taken.iter().map(position).collect()
    }
}

/// How far a simulation has come.
pub(super) fn since_start() -> Duration {
    runtime::now() - Instant::from_nanos(0)
}

/// Numbers that are others with each seed, for the virtual clock's nanoseconds are.
pub(super) fn drawn_now() -> SplitMix64 {
    SplitMix64::new(runtime::now().as_nanos())
}
