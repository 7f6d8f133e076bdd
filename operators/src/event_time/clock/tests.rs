use std::mem::discriminant;

use millstream_engine::harness::saved;
use millstream_engine::state::VertexState;
use proptest::prelude::*;

use super::*;
use crate::testing::micros;

#[derive(Clone, Copy, Debug)]
enum Happening {
    /// On this partition, of this time, with this promise.
    Record(u32, i64, Option<i64>),
    Assigned(u32),
    Revoked(u32),
    Idle(u32),
    /// The task waited so many microseconds, and the clock was told the time.
    Waited(i64),
    /// So much time passed in work.
    Worked(i64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let partition = 0..3u32;
    let promise = prop_oneof![3 => (-20..20i64).prop_map(Some), 1 => Just(None)];
    prop_oneof![
        6 => (partition.clone(), -20..20i64, promise)
            .prop_map(|(p, time, promise)| Happening::Record(p, time, promise)),
        1 => partition.clone().prop_map(Happening::Assigned),
        1 => partition.clone().prop_map(Happening::Revoked),
        1 => partition.prop_map(Happening::Idle),
        2 => (0..12i64).prop_map(Happening::Waited),
        1 => (0..12i64).prop_map(Happening::Worked),
    ]
}

/// A clock, and the time that passes for it.
struct Told {
    clock: Clock,
    wall: i64,
    waited: i64,
}

impl Told {
    fn new(follow: Option<(i64, i64)>) -> Self {
        let follow = follow.map(|(slack, behind)| Follow {
            slack: micros(slack),
            behind: micros(behind),
        });
        Told {
            clock: Clock::new(follow),
            wall: 0,
            waited: 0,
        }
    }

    fn tell(&mut self, happening: Happening) {
        let name = |id: u32| Arc::from(format!("orders-{id}"));
        let clock = &mut self.clock;
        let news = match happening {
            Happening::Record(id, time, promise) => {
                let seen = Seen {
                    latest: Timestamp::from_micros(time),
                    promise: promise.map_or(Timestamp::MIN, Timestamp::from_micros),
                    arrival: Instant::from_nanos(time.unsigned_abs()),
                };
                return clock.saw(PartitionId(id), seen, micros(self.waited));
            }
            Happening::Waited(time) => {
                self.wall += time;
                self.waited += time;
                let now = Timestamp::from_micros(self.wall);
                return clock.tick(now, Instant::from_nanos(0), micros(self.waited));
            }
            Happening::Worked(time) => return self.wall += time,
            Happening::Assigned(id) => PartitionNews::Assigned(PartitionId(id), name(id)),
            Happening::Revoked(id) => PartitionNews::Revoked(PartitionId(id)),
            Happening::Idle(id) => PartitionNews::Idle(PartitionId(id)),
        };
        clock.heard(&news);
    }

    fn frontier(&self) -> Frontier {
        without_arrival(self.clock.frontier(Frontier::Unknown))
    }
}

/// A record that promises its own time.
fn record(id: u32, time: i64) -> Happening {
    Happening::Record(id, time, Some(time))
}

fn told(happened: impl IntoIterator<Item = Happening>) -> Clock {
    let mut told = Told::new(None);
    happened
        .into_iter()
        .for_each(|happening| told.tell(happening));
    told.clock
}

fn time(clock: &Clock) -> Option<i64> {
    let frontier = clock.frontier(Frontier::Unknown);
    frontier
        .watermark()
        .map(|watermark| watermark.time.as_micros())
}

/// Where the clock stands after each of these: partition by partition, whether it is idle, what it promised, and how long
/// the task had waited when it was heard of last.
fn naive(happened: &[Happening], follow: Option<(i64, i64)>) -> Vec<Frontier> {
    let mut partitions: BTreeMap<u32, (bool, Option<i64>, i64)> = BTreeMap::new();
    let (mut begun, mut highest, mut wall, mut waited, mut known) = (false, None, 0, 0, 0);
    let mut stood = Vec::new();
    for &happening in happened {
        match happening {
            Happening::Record(id, _, promise) => {
                known = waited;
                let before = partitions.get(&id).and_then(|partition| partition.1);
                partitions.insert(id, (false, before.max(promise), waited));
            }
            Happening::Assigned(id) => _ = partitions.entry(id).or_insert((false, None, known)),
            Happening::Revoked(id) => _ = partitions.remove(&id),
            Happening::Idle(id) => _ = partitions.get_mut(&id).map(|partition| partition.0 = true),
            Happening::Worked(time) => wall += time,
            Happening::Waited(time) => {
                wall += time;
                waited += time;
                if let Some((slack, behind)) = follow {
                    known = waited;
                    for (_, promised, heard) in partitions.values_mut() {
                        if waited - *heard >= slack {
                            *promised = (*promised).max(Some(wall - behind));
                        }
                    }
                }
            }
        }
        let told = [
            Happening::Revoked(0),
            Happening::Waited(0),
            Happening::Worked(0),
        ];
        begun |= !told
            .iter()
            .any(|of| discriminant(of) == discriminant(&happening));
        let all = follow.is_some() && partitions.values().all(|(idle, ..)| *idle);
        let live = partitions.values().filter(|(idle, ..)| all || !idle);
        let live: Vec<_> = live.map(|(_, promised, _)| *promised).collect();
        highest = highest.max(live.iter().copied().min().flatten());
        stood.push(match highest {
            _ if live.is_empty() && begun => Frontier::Idle,
            None => Frontier::Unknown,
            Some(highest) => Frontier::At(Watermark {
                time: Timestamp::from_micros(highest),
                arrival: Instant::from_nanos(0),
            }),
        });
    }
    stood
}

fn without_arrival(frontier: Frontier) -> Frontier {
    match frontier {
        Frontier::At(watermark) => Frontier::At(Watermark {
            arrival: Instant::from_nanos(0),
            ..watermark
        }),
        other => other,
    }
}

proptest! {
    #[test]
    fn it_stands_at_the_lowest_live_partition_and_never_goes_back(
        happened in proptest::collection::vec(happening(), 0..40),
        follow in proptest::option::of((1..10i64, 0..20i64)),
    ) {
        let mut told = Told::new(follow);
        let stood: Vec<_> = happened
            .iter()
            .map(|&happening| {
                told.tell(happening);
                told.frontier()
            })
            .collect();
        prop_assert_eq!(stood, naive(&happened, follow));
    }

    /// Told the time when it asks for it, it leaves no silent partition behind for longer than the slack.
    #[test]
    fn it_asks_in_time_for_what_is_silent(times in proptest::collection::vec(0..3_000i64, 1..20)) {
        let (slack, behind) = (2_000, 5_000);
        let mut told = Told::new(Some((slack, behind)));
        told.tell(Happening::Assigned(1));
        for time in times {
            told.tell(record(0, told.wall));
            let until = told.wall + time;
            while let Some(timer) = told.clock.next_timer() && timer.as_micros() <= until {
                told.tell(Happening::Waited((timer.as_micros() - told.wall).max(0)));
                let next = told.clock.next_timer().unwrap();
                prop_assert!(next.as_micros() > told.wall, "it would be asked for ever");
            }
            (told.waited, told.wall) = (told.waited + until - told.wall, until);
            let stood = time_of(&told).unwrap_or(i64::MIN);
            prop_assert!(until < slack || stood >= until - behind - slack, "{stood} at {until}");
        }
    }
}

fn time_of(told: &Told) -> Option<i64> {
    time(&told.clock)
}

#[test]
fn the_watermark_arrived_with_the_record_that_moved_it() {
    // Partition 1 moves the clock, though partition 0 is now the lowest.
    let clock = told([
        Happening::Assigned(0),
        Happening::Assigned(1),
        record(0, 9),
        record(1, 5),
        record(1, 12),
    ]);
    let watermark = clock.frontier(Frontier::Unknown).watermark().unwrap();
    assert_eq!(watermark.time.as_micros(), 9);
    assert_eq!(watermark.arrival.as_nanos(), 12);
}

#[test]
fn before_any_partition_it_is_idle_only_if_its_input_is() {
    let clock = Clock::new(None);
    assert_eq!(clock.frontier(Frontier::Unknown), Frontier::Unknown);
    assert_eq!(clock.frontier(Frontier::Idle), Frontier::Idle);
}

#[test]
fn restored_partitions_go_on_where_they_were() {
    let first = told([
        Happening::Assigned(0),
        Happening::Assigned(1),
        record(0, 9),
        record(1, 19),
    ]);
    let mut second = Told::new(None);
    second.clock.restore_from(&first.saved());
    assert_eq!(time_of(&second), Some(9), "no partition yet, no step back");
    // Saved again before anything happened: nothing is lost.
    let mut third = Told::new(None);
    third.clock.restore_from(&second.clock.saved());
    third.tell(Happening::Assigned(1));
    assert_eq!(time_of(&third), Some(9), "others may be named yet");
    third.tell(Happening::Assigned(0));
    assert_eq!(time_of(&third), Some(9));
    third.tell(record(0, 30));
    assert_eq!(time_of(&third), Some(19), "partition 1 is still there");
    third.tell(record(1, 21));
    assert_eq!(time_of(&third), Some(21));
}

#[test]
fn partitions_are_named_one_by_one_and_the_first_does_not_run_ahead() {
    // Saved before partition 1 had given a record: the clock stood nowhere.
    let first = told([Happening::Assigned(0), Happening::Assigned(1), record(0, 9)]);
    let mut second = Told::new(None);
    second.clock.restore_from(&first.saved());
    second.tell(Happening::Assigned(0));
    second.tell(Happening::Assigned(1));
    second.tell(record(0, 12));
    assert_eq!(time_of(&second), None);
    second.tell(record(1, 3));
    assert_eq!(time_of(&second), Some(3));
}

#[test]
fn restored_replicas_do_not_stand_where_one_of_them_stood_alone() {
    let mut state = told([Happening::Assigned(0), record(0, 9)]).saved();
    let has_yet_to_say = [Happening::Assigned(1)];
    state.pieces.extend(told(has_yet_to_say).saved().pieces);
    let mut clock = Told::new(None);
    clock.clock.restore_from(&state);
    assert_eq!(time_of(&clock), None);
    // One that has nothing to say holds nobody back.
    let mut state = told([Happening::Assigned(0), record(0, 9)]).saved();
    let has_none = [Happening::Idle(0)];
    state.pieces.extend(told(has_none).saved().pieces);
    let mut clock = Told::new(None);
    clock.clock.restore_from(&state);
    assert_eq!(time_of(&clock), Some(9));
}

#[test]
fn of_one_name_saved_twice_the_lower_counts() {
    let mut state = VertexState::default();
    for time in [30, 10, 20] {
        state.pieces.extend(told([record(0, time)]).saved().pieces);
    }
    let mut clock = Told::new(None);
    clock.clock.restore_from(&state);
    clock.tell(record(0, 5));
    assert_eq!(time_of(&clock), Some(10));
}

impl Clock {
    fn saved(&self) -> VertexState {
        saved(128, |state| self.save(state)).unwrap()
    }

    fn restore_from(&mut self, state: &VertexState) {
        self.restore(&StateReader::new(state, 128, 0, 1)).unwrap();
    }
}
