//! A virtual day with everything at once: partitions that fall silent and come again, records that are late, out of
//! order, or of another century, keys that come and go by the thousand; stopped every hour, and gone on with at another
//! parallelism. Its results are those of a naive model, its state stays small, its watermark never stands still, and
//! asked why it waits it names the one that it waits for.

mod clocks;
mod partitions;
mod work;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::prelude::*;
use millstream::runtime::{self, simulate};
use millstream_engine::execution::{Execution, Report};
use millstream_engine::latency::LatencySettings;
use millstream_engine::state::Snapshot;
use millstream_engine::why::{Because, PartitionTime, ReplicaTime, Why};

use work::{COUNT_LATE, Results, Shared};
use world::{DISORDER, IDLE_AFTER, LATENESS, MORNING, PAUSE, World, drawn};

/// Vertices to which all sources come.
const MEET: [&str; 6] = ["per-minute", "visits", "pairs", "gone", "known", "first"];

/// The most the watermark may be behind while somebody gives records, in seconds: one that falls silent is waited for;
/// what it promised is behind by the lateness, the disorder, and a pause or two, if its last ones were late.
const MOST_BEHIND: Duration =
    seconds(IDLE_AFTER.as_secs() + LATENESS.as_secs() + DISORDER.as_secs() + 2 * PAUSE.as_secs());

/// How far a source may be ahead of another where they wait for each other: less than the pauses of some, so that they do.
const DRIFT: Duration = seconds(20);

/// What a day came to.
#[derive(Default)]
struct Day {
    /// Bytes of state at each full hour, by vertex.
    state: Vec<BTreeMap<String, usize>>,
    late: BTreeMap<&'static str, u64>,
    ahead: u64,
    /// How often it was told rightly who holds the watermark, by name; and that nobody does.
    held: BTreeMap<String, u64>,
    nobody: u64,
    /// How often the watermark was just where the world has it.
    exact: u64,
    asked: u64,
    /// How often a source was told to be paused.
    paused: usize,
}

#[test]
fn a_day_of_everything() {
    live(24, 1, None).check_whole();
}

#[test]
fn half_a_day_of_sources_that_wait_for_each_other() {
    let day = live(12, 2, Some(DRIFT));
    day.check_whole();
    assert!(day.paused > 300, "{}", day.paused);
}

#[test]
fn mornings_under_other_seeds() {
    for seed in 3..7 {
        let alignment = (seed % 2 == 0).then_some(DRIFT);
        let day = live(3, seed, alignment);
        assert_eq!(day.paused > 50, alignment.is_some(), "{}", day.paused);
    }
}

/// Lives so many hours, and checks all that can be checked.
fn live(hours: u64, seed: u64, alignment: Option<Duration>) -> Day {
    let world = World::new(seed);
    let results = Shared::default();
    let flow = work::flow(&world, &results)
        .with_idle_after(IDLE_AFTER)
        .with_alignment(alignment)
        .with_latency(LatencySettings::off());
    let mut day = Day::default();
    let lived = simulate(seed, async {
        let mut snapshot: Option<Snapshot> = None;
        for hour in 0..hours {
            let parallelism = 1 + usize::from((seed + hour).is_multiple_of(3));
            let mut flow = flow.clone().with_parallelism(parallelism);
            if let Some(snapshot) = snapshot.take() {
                flow = flow.from_snapshot(snapshot);
            }
            world.begins(parallelism);
            let running = flow.start().await.unwrap();
            for minute in 0..60 {
                let pause = millis(40_000 + drawn(&[seed, hour, minute]) % 40_000);
                let next = MORNING + minutes(60 * hour + minute) + pause;
                runtime::sleep(next.since(runtime::wall())).await;
                day.ask(&world, &running, alignment).await;
            }
            if hour + 1 == hours {
                running.stop();
                day.count(&running.join().await.unwrap());
                break;
            }
            let (saved, report) = running.stop_with_snapshot().await.unwrap();
            day.count(&report);
            day.state.push(bytes(&saved));
            snapshot = Some(saved);
        }
    });
    lived.unwrap();
    let (expected, late, ahead) = work::naive(&world.state().given);
    let got: Results = std::mem::take(&mut results.lock().unwrap());
    assert_eq!(got, expected, "seed {seed}");
    for vertex in COUNT_LATE {
        assert_eq!(day.late[vertex], late, "`{vertex}`, seed {seed}");
    }
    assert_eq!(day.ahead, ahead, "seed {seed}");
    assert!(
        day.exact >= day.asked * 99 / 100,
        "{} of {}",
        day.exact,
        day.asked
    );
    assert!(late > hours * 2 && ahead > hours * 2, "{late}, {ahead}");
    day
}

impl Day {
    /// What a day must have had of everything, and that its state has not grown.
    fn check_whole(&self) {
        let partitions = self.held.len();
        assert_eq!(
            partitions,
            world::PARTITIONS.len(),
            "each holds it at times: {:?}",
            self.held
        );
        assert!(self.nobody > 3, "in the night nobody holds it");
        assert!(self.asked > 4_000, "{}", self.asked);
        check_flat(&self.state);
    }

    fn count(&mut self, report: &Report) {
        for vertex in COUNT_LATE {
            *self.late.entry(vertex).or_default() += report.vertex(vertex).unwrap().late;
        }
        self.ahead += report.ahead();
    }

    /// Asks why, and compares the answer with what the world knows.
    async fn ask(&mut self, world: &World, running: &Execution, alignment: Option<Duration>) {
        let why = running.why().await;
        let now = runtime::wall();
        let mut state = world.state();
        assert_eq!(why.missing().count(), 0, "{why}");
        // One that was silent when the flow was stopped is waited for once more.
        let is_settled = now > state.began + IDLE_AFTER + seconds(30);
        for vertex in MEET {
            let holder = state.holder(vertex != "pairs", now);
            for replica in why.vertex(vertex) {
                self.check_alone(&why, replica);
                // Who is paused, because it is ahead, is silent for longer.
                let age = held_by(replica).and_then(|partition| partition.age);
                let is_young = age <= Some(IDLE_AFTER + millis(10));
                assert!(is_young || alignment.is_some(), "{why}");
                if !holder.by.is_empty() && is_settled {
                    let behind = replica.watermark.map(|watermark| now.since(watermark));
                    assert!(
                        behind.is_some_and(|behind| behind <= MOST_BEHIND),
                        "{behind:?}\n{why}"
                    );
                }
                if !state.is_quiet(now) {
                    continue;
                }
                let told = replica.held_by.as_ref().unwrap();
                if holder.by.is_empty() {
                    assert_eq!(told.because, Because::Idle, "{why}");
                    self.nobody += 1;
                    continue;
                }
                // Of two that come, or fall silent, in the same moment each vertex may hear of another one first.
                assert!(replica.watermark >= holder.stands, "{why}");
                self.exact += u64::from(replica.watermark == holder.watermark);
                self.asked += 1;
                let by = held_by(replica).unwrap();
                let named = (told.vertex.clone(), told.replica, by.name.clone());
                assert!(
                    holder.by.contains(&named),
                    "{named:?}, not {:?} at {now}\n{why}",
                    holder.by
                );
                if vertex == "per-minute" {
                    *self.held.entry(by.name.clone()).or_default() += 1;
                }
            }
        }
        if state.is_quiet(now) {
            let paused = why.paused();
            let paused: Vec<_> = paused
                .map(|source| (source.vertex.clone(), source.replica))
                .collect();
            let known = alignment.map(|drift| state.paused(drift, now));
            assert_eq!(paused, known.unwrap_or_default(), "at {now}\n{why}");
            self.paused += paused.len();
            for partition in &state.partitions {
                let told = told(&why, &partition.name).unwrap();
                let times = (told.watermark, told.last_record, told.is_idle);
                let known = (
                    partition.promised,
                    partition.latest,
                    state.is_idle(partition, now),
                );
                assert_eq!(times, known, "`{}` at {now}\n{why}", partition.name);
                let age = partition.gave.map(|gave| now.since(gave));
                let differ = told
                    .age
                    .unwrap_or_default()
                    .abs_diff(age.unwrap_or_default());
                assert!(
                    told.age.is_some() == age.is_some() && differ < millis(10),
                    "{why}"
                );
            }
        }
    }

    /// What can be checked without the world: what waits, waits for what is to come, and who holds it is live and not
    /// there yet.
    fn check_alone(&self, why: &Why, replica: &ReplicaTime) {
        let first = replica.waits.iter().find_map(|wait| wait.until.watermark());
        assert!(
            first.is_none_or(|first| Some(first) > replica.watermark),
            "{why}"
        );
        let Some(partition) = held_by(replica) else {
            let because = &replica.held_by.as_ref().unwrap().because;
            assert_eq!(*because, Because::Idle, "{why}");
            return;
        };
        assert!(!partition.is_idle, "{why}");
        assert_eq!(told(why, &partition.name), Some(partition), "{why}");
    }
}

fn held_by(replica: &ReplicaTime) -> Option<&PartitionTime> {
    match &replica.held_by.as_ref()?.because {
        Because::Partition(partition) => Some(partition),
        _ => None,
    }
}

/// What is told of a partition by the vertex that makes its time.
fn told<'a>(why: &'a Why, name: &str) -> Option<&'a PartitionTime> {
    let mut partitions = why.replicas.iter().flat_map(|replica| &replica.partitions);
    partitions.find(|partition| partition.name == name)
}

/// How much every vertex has saved.
fn bytes(snapshot: &Snapshot) -> BTreeMap<String, usize> {
    let vertices = snapshot.vertices.iter();
    let bytes = vertices.map(|(name, state)| {
        let shards = state.shards.values().map(Vec::len);
        let pieces = state.pieces.iter().map(|(_, bytes)| bytes.len());
        (name.clone(), shards.chain(pieces).sum())
    });
    bytes.collect()
}

/// The state is as large in the evening as it was in the morning, though a hundred times as many keys have come and
/// gone.
fn check_flat(state: &[BTreeMap<String, usize>]) {
    let most = |hours: &[BTreeMap<String, usize>], vertex: &str| {
        let sizes = hours.iter().filter_map(|hour| hour.get(vertex));
        sizes.copied().max().unwrap_or(0)
    };
    for vertex in state[0].keys() {
        let (morning, later) = (most(&state[..5], vertex), most(&state[5..], vertex));
        assert!(
            later <= morning * 3 / 2 + 500,
            "`{vertex}`: {morning} bytes, then {later}"
        );
    }
}
