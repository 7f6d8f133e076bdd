//! How far event time has come, from the partitions of a source.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::Result;
use millstream_engine::batch::PartitionId;
use millstream_engine::runtime::Instant;
use millstream_engine::source::PartitionNews;
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::{Frontier, Timestamp, Watermark, millis};
use millstream_engine::why::Explanation;

/// The clock of one replica.
///
/// 1. It stands at the lowest, over the live partitions, of the highest time each has promised.
/// 2. A partition is live once it was assigned or gave a record, until it is revoked or idle.
///    Its next record makes an idle one live again.
/// 3. A live partition without any promise holds the clock where it is. That a partition is assigned moves nothing.
/// 4. The clock never goes back.
/// 5. With partitions, none of them live, it is idle; so it is when it is told of silence before it has any.
/// 6. If it follows the wall clock, a partition that has been silent for the slack promises what the wall clock says,
///    less a distance; none being live, it goes by all of them instead of being idle.
pub(super) struct Clock {
    follow: Option<Follow>,
    partitions: BTreeMap<PartitionId, Partition>,
    /// What was restored for partitions that may be assigned here again.
    restored: BTreeMap<String, Timestamp>,
    /// Whether `restored` is still all that is known.
    fresh: bool,
    /// Whether there ever was a partition, or word of one.
    begun: bool,
    stands_at: Option<Watermark>,
    /// When silent partitions are looked for next, by the wall clock.
    timer: Timestamp,
    /// How long the task had waited for its input when last heard of.
    waited: Duration,
}

/// How silent partitions follow the wall clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Follow {
    /// After so much silence.
    pub(super) slack: Duration,
    /// So far behind it.
    pub(super) behind: Duration,
}

struct Partition {
    name: Arc<str>,
    idle: bool,
    /// The highest time it promised, and when the batch that did arrived.
    promised: Option<(Timestamp, Instant)>,
    /// The latest time of its records, and when the last of them arrived. Not saved.
    latest: Option<Timestamp>,
    arrival: Option<Instant>,
    /// What `waited` was when it was heard of last.
    heard: Duration,
}

/// What a batch told about its partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// The latest time of its records (`MIN` without any).
    pub(super) latest: Timestamp,
    /// The highest time its records promised (`MIN` if none did).
    pub(super) promise: Timestamp,
    pub(super) arrival: Instant,
}

/// The piece of saved state that holds the clock itself. Partitions have a prefix.
const CLOCK: &str = "clock";
const PARTITION: &str = "partition ";

impl Clock {
    pub(super) fn new(follow: Option<Follow>) -> Self {
        Clock {
            follow,
            partitions: BTreeMap::new(),
            restored: BTreeMap::new(),
            fresh: true,
            begun: false,
            stands_at: None,
            timer: Timestamp::MIN,
            waited: Duration::ZERO,
        }
    }

    /// A batch came from this partition, after the task had waited so long in all.
    pub(super) fn saw(&mut self, id: PartitionId, seen: Seen, waited: Duration) {
        self.waited = waited;
        let partition = self.partition(id, None);
        (partition.idle, partition.heard) = (false, waited);
        partition.latest = partition
            .latest
            .max(Some(seen.latest).filter(|&time| time > Timestamp::MIN));
        partition.arrival = Some(seen.arrival);
        partition.promise(seen.promise, seen.arrival);
        self.advance(Some(seen.arrival));
    }

    pub(super) fn heard(&mut self, news: &PartitionNews) {
        match news {
            PartitionNews::Assigned(id, name) => {
                self.partition(*id, Some(name));
                // This moves nothing: what a restored partition has promised says nothing of those that are named next.
                return;
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

    /// When it wants to be told the time.
    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.follow.map(|_| self.timer)
    }

    /// It is `now` by the wall clock: partitions that are silent follow it.
    pub(super) fn tick(&mut self, now: Timestamp, arrival: Instant, waited: Duration) {
        let Some(Follow { slack, behind }) = self.follow else {
            return;
        };
        self.waited = waited;
        let mut next = slack;
        for partition in self.partitions.values_mut() {
            let silent = waited.saturating_sub(partition.heard);
            if silent >= slack {
                partition.promise(now - behind, arrival);
            } else {
                next = next.min(slack - silent);
            }
        }
        self.timer = now + next.max(millis(1));
        self.advance(Some(arrival));
    }

    pub(super) fn frontier(&self, input: Frontier) -> Frontier {
        let idle = self.live().next().is_none();
        match (idle, self.begun, input) {
            (true, true, _) | (true, false, Frontier::Idle) => Frontier::Idle,
            _ => self.stands_at.map_or(Frontier::Unknown, Frontier::At),
        }
    }

    /// Tells what it goes by.
    pub(super) fn explain(&self, why: &mut Explanation) {
        for partition in self.partitions.values() {
            let promised = partition.promised.map(|(time, _)| time);
            let last = (partition.latest, partition.arrival);
            why.partition(&partition.name, promised, last, partition.idle);
        }
    }

    pub(super) fn save(&self, state: &mut StateWriter) -> Result<()> {
        // A clock that others wait for and that stands nowhere yet says so: restored, all stand where the lowest stood.
        let stands_at = self.stands_at.map(|watermark| watermark.time);
        let waited_for = self.frontier(Frontier::Unknown) == Frontier::Unknown;
        if let Some(time) = stands_at.or_else(|| waited_for.then_some(Timestamp::MIN)) {
            state.put_piece(CLOCK, &time)?;
        }
        for partition in self.partitions.values() {
            if let Some((promised, _)) = partition.promised {
                state.put_piece(&format!("{PARTITION}{}", partition.name), &promised)?;
            }
        }
        // Later others have the partitions that did not come back, and know better how far they are.
        if self.fresh {
            for (name, promised) in &self.restored {
                state.put_piece(&format!("{PARTITION}{name}"), promised)?;
            }
        }
        Ok(())
    }

    pub(super) fn restore(&mut self, state: &StateReader) -> Result<()> {
        let mut stood_at: Option<Timestamp> = None;
        for piece in state.pieces::<Timestamp>() {
            let (name, time) = piece?;
            if let Some(name) = name.strip_prefix(PARTITION) {
                let restored = self.restored.entry(name.to_owned()).or_insert(time);
                *restored = time.min(*restored);
            } else {
                stood_at = Some(time.min(stood_at.unwrap_or(time)));
            }
        }
        let stood_at = stood_at.filter(|&time| time > Timestamp::MIN);
        self.stands_at = stood_at.map(|time| Watermark {
            time,
            arrival: Instant::from_nanos(0),
        });
        Ok(())
    }

    /// The partition of this number, taken up if it is new.
    fn partition(&mut self, id: PartitionId, name: Option<&Arc<str>>) -> &mut Partition {
        let (restored, heard) = (&mut self.restored, self.waited);
        self.begun = true;
        self.fresh = false;
        let partition = self.partitions.entry(id).or_insert_with(|| {
            let name = name.cloned().unwrap_or_else(|| format!("#{}", id.0).into());
            let promised = restored.remove(&*name);
            Partition {
                name,
                idle: false,
                promised: promised.map(|time| (time, Instant::from_nanos(0))),
                latest: None,
                arrival: None,
                heard,
            }
        });
        if let Some(name) = name
            && *name != partition.name
        {
            partition.name = name.clone();
        }
        partition
    }

    /// The partitions that count.
    fn live(&self) -> impl Iterator<Item = &Partition> {
        let all = self.follow.is_some() && self.partitions.values().all(|partition| partition.idle);
        self.partitions
            .values()
            .filter(move |partition| all || !partition.idle)
    }

    /// Moves the clock on. What moved it arrived at `arrival`, or is that a partition need not be waited for.
    fn advance(&mut self, arrival: Option<Instant>) {
        let mut lowest: Option<(Timestamp, Instant)> = None;
        for partition in self.live() {
            match (partition.promised, lowest) {
                (None, _) => return,
                (Some(promised), Some(low)) if promised.0 >= low.0 => {}
                (promised, _) => lowest = promised,
            }
        }
        let Some((time, its_arrival)) = lowest else {
            return;
        };
        if self.stands_at.is_none_or(|watermark| watermark.time < time) {
            self.stands_at = Some(Watermark {
                time,
                arrival: arrival.unwrap_or(its_arrival),
            });
        }
    }
}

impl Partition {
    fn promise(&mut self, time: Timestamp, arrival: Instant) {
        if time > self.promised.map_or(Timestamp::MIN, |(before, _)| before) {
            self.promised = Some((time, arrival));
        }
    }
}

#[cfg(test)]
mod tests;
