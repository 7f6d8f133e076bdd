//! The world of the day: partitions that give records, fall silent and come again; and what it knows of them, to be
//! compared with what the flow says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millstream::prelude::*;
use millstream::runtime;
use millstream_engine::random::SplitMix64;

use super::clocks::{Meeting, Replica};

/// A record: its key, and when it happened.
pub(super) type Row = (u64, Timestamp);

/// By how much records are out of order, at most; what their stream allows for.
pub(super) const DISORDER: Duration = seconds(25);
pub(super) const LATENESS: Duration = seconds(30);
pub(super) const IDLE_AFTER: Duration = seconds(60);
/// The longest pause between two records of a partition that is not silent.
pub(super) const PAUSE: Duration = seconds(55);

/// When the day begins: the wall clock's start in a simulation.
pub(super) const MORNING: Timestamp = Timestamp::from_secs(1_577_836_800);
/// A stretch of the day in which nobody gives anything.
const NIGHT: (Duration, Duration) = (minutes(70), minutes(80));

/// Source, number of its partition: every so many records, so long a silence in seconds.
pub(super) const PARTITIONS: [(&str, usize, u64, u64); 5] = [
    ("north", 0, 100, 900),
    ("north", 1, 65, 400),
    ("north", 2, 1_000_000, 0),
    ("south", 0, 80, 1_500),
    ("south", 1, 70, 130),
];

/// What is to become of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    InTime,
    Late,
    Ahead,
}

/// Everything that was given, and how far everybody is.
#[derive(Clone)]
pub(super) struct World {
    pub(super) seed: u64,
    state: Arc<Mutex<State>>,
}

pub(super) struct State {
    pub(super) given: Vec<(&'static str, Row, Fate)>,
    pub(super) partitions: Vec<Partition>,
    /// How far the clock of each replica of a source has come, as long as this run of the flow lasts.
    pub(super) stands: BTreeMap<Replica, Option<Timestamp>>,
    /// And where all of them meet, in a union and in a join.
    pub(super) meetings: [Meeting; 2],
    /// The replicas of sources whose readers are waited for. One that is paused, as it is too far ahead, is not; nor are
    /// its partitions silent meanwhile.
    pub(super) waiting: BTreeSet<Replica>,
    /// When this run of the flow began.
    pub(super) began: Timestamp,
    pub(super) passed: Timestamp,
}

/// A partition as the flow must see it.
pub(super) struct Partition {
    pub(super) source: &'static str,
    pub(super) name: String,
    pub(super) number: usize,
    /// The record that is next, and when it is due.
    pub(super) next: (u64, Timestamp),
    /// What its in-time records promise.
    pub(super) promised: Option<Timestamp>,
    /// Since this run began: the latest time, and when the last record was given.
    pub(super) latest: Option<Timestamp>,
    pub(super) gave: Option<Timestamp>,
    /// When it was heard of last: its last record, or the beginning of this run.
    pub(super) heard: Timestamp,
    /// How long it has been waited for since then, as far as the world has come.
    pub(super) silent: Duration,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let partitions = PARTITIONS.iter().map(|&(source, number, ..)| Partition {
            source,
            name: format!("{source}-{number}"),
            number,
            next: (0, MORNING),
            promised: None,
            latest: None,
            gave: None,
            heard: MORNING,
            silent: Duration::ZERO,
        });
        let state = State {
            given: Vec::new(),
            partitions: partitions.collect(),
            stands: BTreeMap::new(),
            meetings: Default::default(),
            waiting: BTreeSet::new(),
            began: MORNING,
            passed: MORNING,
        };
        World {
            seed,
            state: Arc::new(Mutex::new(state)),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The flow starts, or goes on: nobody has been heard of yet.
    pub(super) fn begins(&self, parallelism: usize) {
        let mut state = self.state();
        let stood = |source: &str, state: &State| {
            let stands = state.stands.iter().filter(|((of, _), _)| *of == source);
            stands.filter_map(|(_, at)| *at).min()
        };
        for source in ["north", "south"] {
            let at = stood(source, &state);
            state.stands.retain(|(of, _), _| *of != source);
            let partitions = PARTITIONS.iter().filter(|(of, ..)| *of == source).count();
            for replica in 0..parallelism.min(partitions) {
                state.stands.insert((source, replica), at);
            }
        }
        state.began = runtime::wall();
        state.passed = state.began;
        state.waiting.clear();
        state.meetings = [true, false].map(|is_union| Meeting::of(is_union, state.stands.keys()));
        for partition in &mut state.partitions {
            (partition.latest, partition.gave) = (None, None);
            (partition.heard, partition.silent) = (runtime::wall(), Duration::ZERO);
        }
    }

    /// The reader of a partition is waited for, as long as what is given lives.
    pub(super) fn wait_for(&self, partition: usize) -> Waiting {
        let mut state = self.state();
        state.pass(runtime::wall());
        let replica = state.replica(&state.partitions[partition]);
        let replica = (state.partitions[partition].source, replica);
        state.waiting.insert(replica);
        Waiting(self.clone(), replica)
    }

    /// A partition gives its next record.
    pub(super) fn give(&self, partition: usize) -> Row {
        let now = runtime::wall();
        let mut state = self.state();
        state.pass(now);
        let (n, _) = state.partitions[partition].next;
        let draw = |what: u64| drawn(&[self.seed, partition as u64, n, what]);
        // Keys live for six minutes.
        let generation = now.since(MORNING).as_secs() / 180 + draw(1) % 2;
        let key = generation * 8 + draw(2) % 8;
        // Whoever wakes begins with a record that says what time it is: else nobody knows behind the night.
        let gave = state.partitions[partition].gave;
        let is_awake = gave.is_some_and(|gave| now.since(gave) < IDLE_AFTER);
        let fate = match draw(3) % 97 {
            50 if is_awake && now > MORNING + minutes(10) => Fate::Late,
            60 if is_awake => Fate::Ahead,
            _ => Fate::InTime,
        };
        let time = match fate {
            Fate::InTime => now - DISORDER.mul_f64(fraction(draw(4))),
            Fate::Late => now - hours(3),
            Fate::Ahead => now + days(300_000),
        };
        let (source, _, every, silence) = PARTITIONS[partition];
        state.given.push((source, (key, time), fate));
        let pause = match n % every {
            last if last == every - 1 => seconds(silence),
            _ => PAUSE.mul_f64(fraction(draw(5))),
        };
        let of = &mut state.partitions[partition];
        (of.heard, of.silent, of.gave) = (now, Duration::ZERO, Some(now));
        of.next = (n + 1, behind_the_night(now + pause, partition));
        if fate != Fate::Ahead {
            of.latest = of.latest.max(Some(time));
            of.promised = of.promised.max(Some(time - LATENESS));
        }
        state.pass(now);
        (key, time)
    }
}

/// From 0 up to 1.
fn fraction(drawn: u64) -> f64 {
    (drawn % 1_000_000) as f64 / 1e6
}

/// They wake one after the other: of those that wake in one moment, each vertex may hear of another one first.
fn behind_the_night(due: Timestamp, partition: usize) -> Timestamp {
    let (begins, ends) = (MORNING + NIGHT.0, MORNING + NIGHT.1);
    match due >= begins && due < ends {
        true => ends + seconds(3 * partition as u64),
        false => due,
    }
}

/// A reader that is waited for.
pub(super) struct Waiting(World, Replica);

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.pass(runtime::wall());
        state.waiting.remove(&self.1);
    }
}

/// A number drawn from others.
pub(super) fn drawn(from: &[u64]) -> u64 {
    from.iter()
        .fold(0, |drawn, n| SplitMix64::new(drawn ^ n).number())
}
