//! How far event time has come, from the partitions of a source.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_engine::Result;
use millstream_engine::batch::PartitionId;
use millstream_engine::runtime::Instant;
use millstream_engine::source::PartitionNews;
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::{Frontier, Timestamp, Watermark};

/// The clock of one replica.
///
/// 1. It stands at the lowest, over the live partitions, of: latest time seen − lateness.
/// 2. A partition is live once it was assigned or gave a record, until it is revoked or idle.
///    Its next record makes an idle one live again.
/// 3. A live partition without any record holds the clock where it is.
/// 4. The clock never goes back.
/// 5. With partitions, none of them live, it is idle; so it is when it is told of silence before it has any.
pub(super) struct Clock {
    lateness: i64,
    partitions: BTreeMap<PartitionId, Partition>,
    /// What was restored for partitions that may be assigned here again.
    restored: BTreeMap<String, Timestamp>,
    /// Whether `restored` is still all that is known.
    fresh: bool,
    /// Whether there ever was a partition, or word of one.
    begun: bool,
    stands_at: Option<Watermark>,
}

struct Partition {
    name: Arc<str>,
    idle: bool,
    /// Its latest time, and when the batch with it arrived.
    latest: Option<(Timestamp, Instant)>,
}

/// The piece of saved state that holds the clock itself. Partitions have a prefix.
const CLOCK: &str = "clock";
const PARTITION: &str = "partition ";

impl Clock {
    pub(super) fn new(lateness: i64) -> Self {
        Clock {
            lateness,
            partitions: BTreeMap::new(),
            restored: BTreeMap::new(),
            fresh: true,
            begun: false,
            stands_at: None,
        }
    }

    /// A batch came from `partition`, the latest of its records at `latest` (`MIN` without any).
    pub(super) fn saw(&mut self, id: PartitionId, latest: Timestamp, arrival: Instant) {
        let partition = self.partition(id, None);
        partition.idle = false;
        if latest > partition.latest.map_or(Timestamp::MIN, |(time, _)| time) {
            partition.latest = Some((latest, arrival));
        }
        self.advance(Some(arrival));
    }

    pub(super) fn heard(&mut self, news: &PartitionNews) {
        match news {
            PartitionNews::Assigned(id, name) => {
                self.partition(*id, Some(name));
            }
            PartitionNews::Revoked(id) => {
                self.partitions.remove(id);
            }
            PartitionNews::Idle(id) => {
                // A reader that was given no partition tells of one all the same: it must hold nothing back.
                self.begun = true;
                if let Some(partition) = self.partitions.get_mut(id) {
                    partition.idle = true;
                }
            }
        }
        self.advance(None);
    }

    pub(super) fn frontier(&self, input: Frontier) -> Frontier {
        let live = self.partitions.values().any(|partition| !partition.idle);
        match (live, self.begun, input) {
            (false, true, _) | (false, false, Frontier::Idle) => Frontier::Idle,
            _ => self.stands_at.map_or(Frontier::Unknown, Frontier::At),
        }
    }

    pub(super) fn save(&self, state: &mut StateWriter) -> Result<()> {
        if let Some(watermark) = self.stands_at {
            state.put_piece(CLOCK, &watermark.time)?;
        }
        for partition in self.partitions.values() {
            if let Some((latest, _)) = partition.latest {
                state.put_piece(&format!("{PARTITION}{}", partition.name), &latest)?;
            }
        }
        // Later others have the partitions that did not come back, and know better how far they are.
        if self.fresh {
            for (name, latest) in &self.restored {
                state.put_piece(&format!("{PARTITION}{name}"), latest)?;
            }
        }
        Ok(())
    }

    pub(super) fn restore(&mut self, state: &StateReader) -> Result<()> {
        for piece in state.pieces::<Timestamp>() {
            let (name, time) = piece?;
            if let Some(name) = name.strip_prefix(PARTITION) {
                let restored = self.restored.entry(name.to_owned()).or_insert(time);
                *restored = time.min(*restored);
            } else {
                let stood_at = self.stands_at.map_or(time, |watermark| watermark.time);
                self.stands_at = Some(Watermark {
                    time: time.min(stood_at),
                    arrival: Instant::from_nanos(0),
                });
            }
        }
        Ok(())
    }

    /// The partition of this number, taken up if it is new.
    fn partition(&mut self, id: PartitionId, name: Option<&Arc<str>>) -> &mut Partition {
        let restored = &mut self.restored;
        self.begun = true;
        self.fresh = false;
        let partition = self.partitions.entry(id).or_insert_with(|| {
            let name = name.cloned().unwrap_or_else(|| format!("#{}", id.0).into());
            let latest = restored.remove(&*name);
            Partition {
                name,
                idle: false,
                latest: latest.map(|time| (time, Instant::from_nanos(0))),
            }
        });
        if let Some(name) = name
            && *name != partition.name
        {
            partition.name = name.clone();
        }
        partition
    }

    /// Moves the clock on. What moved it arrived at `arrival`, or is that a partition need not be waited for.
    fn advance(&mut self, arrival: Option<Instant>) {
        let mut lowest: Option<(Timestamp, Instant)> = None;
        for partition in self.partitions.values().filter(|partition| !partition.idle) {
            match (partition.latest, lowest) {
                (None, _) => return,
                (Some(latest), Some(low)) if latest.0 >= low.0 => {}
                (latest, _) => lowest = latest,
            }
        }
        let Some((latest, its_arrival)) = lowest else {
            return;
        };
        let time = Timestamp::from_micros(latest.as_micros().saturating_sub(self.lateness));
        if self.stands_at.is_none_or(|watermark| watermark.time < time) {
            self.stands_at = Some(Watermark {
                time,
                arrival: arrival.unwrap_or(its_arrival),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::harness::saved;
    use millstream_engine::state::VertexState;
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Happening {
        Record(u32, i64),
        Assigned(u32),
        Revoked(u32),
        Idle(u32),
    }

    fn happening() -> impl Strategy<Value = Happening> {
        let partition = 0..3u32;
        prop_oneof![
            6 => (partition.clone(), -20..20i64).prop_map(|(p, time)| Happening::Record(p, time)),
            1 => partition.clone().prop_map(Happening::Assigned),
            1 => partition.clone().prop_map(Happening::Revoked),
            1 => partition.prop_map(Happening::Idle),
        ]
    }

    fn tell(clock: &mut Clock, happening: Happening) {
        let name = |id: u32| Arc::from(format!("orders-{id}"));
        match happening {
            Happening::Record(id, time) => clock.saw(
                PartitionId(id),
                Timestamp::from_micros(time),
                Instant::from_nanos(time.unsigned_abs()),
            ),
            Happening::Assigned(id) => {
                clock.heard(&PartitionNews::Assigned(PartitionId(id), name(id)))
            }
            Happening::Revoked(id) => clock.heard(&PartitionNews::Revoked(PartitionId(id))),
            Happening::Idle(id) => clock.heard(&PartitionNews::Idle(PartitionId(id))),
        }
    }

    fn time(clock: &Clock) -> Option<i64> {
        let frontier = clock.frontier(Frontier::Unknown);
        frontier
            .watermark()
            .map(|watermark| watermark.time.as_micros())
    }

    /// All that happened, looked at anew each time.
    fn naive(happened: &[Happening], lateness: i64) -> Vec<Frontier> {
        let mut highest: Option<i64> = None;
        let mut begun = false;
        (1..=happened.len())
            .map(|until| {
                let mut live: BTreeMap<u32, Option<i64>> = BTreeMap::new();
                let mut idle: BTreeMap<u32, Option<i64>> = BTreeMap::new();
                for happening in &happened[..until] {
                    begun |= !matches!(happening, Happening::Revoked(_));
                    match *happening {
                        Happening::Record(id, time) => {
                            let before = live.remove(&id).or(idle.remove(&id)).flatten();
                            live.insert(id, before.max(Some(time)));
                        }
                        Happening::Assigned(id) if idle.contains_key(&id) => {}
                        Happening::Assigned(id) => _ = live.entry(id).or_default(),
                        Happening::Revoked(id) => {
                            live.remove(&id);
                            idle.remove(&id);
                        }
                        Happening::Idle(id) => idle.extend(live.remove_entry(&id)),
                    }
                }
                let lowest = live.values().copied().min().flatten();
                highest = highest.max(lowest.map(|time| time - lateness));
                let watermark = highest.map(|time| Watermark {
                    time: Timestamp::from_micros(time),
                    arrival: Instant::from_nanos(0),
                });
                match watermark {
                    _ if live.is_empty() && begun => Frontier::Idle,
                    Some(watermark) => Frontier::At(watermark),
                    None => Frontier::Unknown,
                }
            })
            .collect()
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
            happened in proptest::collection::vec(happening(), 0..30), lateness in 0..10i64,
        ) {
            let mut clock = Clock::new(lateness);
            let stood: Vec<_> = happened
                .iter()
                .map(|&happening| {
                    tell(&mut clock, happening);
                    without_arrival(clock.frontier(Frontier::Unknown))
                })
                .collect();
            prop_assert_eq!(stood, naive(&happened, lateness));
        }
    }

    #[test]
    fn the_watermark_arrived_with_the_record_that_moved_it() {
        let mut clock = Clock::new(0);
        for happening in [
            Happening::Assigned(0),
            Happening::Assigned(1),
            Happening::Record(0, 9),
            Happening::Record(1, 5),
        ] {
            tell(&mut clock, happening);
        }
        // Partition 1 moves the clock, though partition 0 is now the lowest.
        tell(&mut clock, Happening::Record(1, 12));
        let watermark = clock.frontier(Frontier::Unknown).watermark().unwrap();
        assert_eq!(watermark.time.as_micros(), 9);
        assert_eq!(watermark.arrival.as_nanos(), 12);
    }

    #[test]
    fn before_any_partition_it_is_idle_only_if_its_input_is() {
        let clock = Clock::new(0);
        assert_eq!(clock.frontier(Frontier::Unknown), Frontier::Unknown);
        assert_eq!(clock.frontier(Frontier::Idle), Frontier::Idle);
    }

    #[test]
    fn restored_partitions_go_on_where_they_were() {
        let mut first = Clock::new(1);
        for happening in [
            Happening::Assigned(0),
            Happening::Assigned(1),
            Happening::Record(0, 10),
            Happening::Record(1, 20),
        ] {
            tell(&mut first, happening);
        }
        let mut second = Clock::new(1);
        second.restore_from(&first.saved());
        assert_eq!(time(&second), Some(9), "no partition yet, no step back");
        // Saved again before anything happened: nothing is lost.
        let mut third = Clock::new(1);
        third.restore_from(&second.saved());
        tell(&mut third, Happening::Assigned(1));
        assert_eq!(time(&third), Some(19));
        tell(&mut third, Happening::Assigned(0));
        tell(&mut third, Happening::Record(0, 30));
        assert_eq!(time(&third), Some(19), "partition 1 is still at 20");
        tell(&mut third, Happening::Record(1, 21));
        assert_eq!(time(&third), Some(20));
    }

    #[test]
    fn of_one_name_saved_twice_the_lower_counts() {
        let mut state = VertexState::default();
        for time in [30, 10, 20] {
            let mut clock = Clock::new(0);
            tell(&mut clock, Happening::Record(0, time));
            state.pieces.extend(clock.saved().pieces);
        }
        let mut clock = Clock::new(0);
        clock.restore_from(&state);
        tell(&mut clock, Happening::Record(0, 5));
        assert_eq!(time(&clock), Some(10));
    }

    impl Clock {
        fn saved(&self) -> VertexState {
            saved(128, |state| self.save(state)).unwrap()
        }

        fn restore_from(&mut self, state: &VertexState) {
            self.restore(&StateReader::new(state, 128, 0, 1)).unwrap();
        }
    }
}
