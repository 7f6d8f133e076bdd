//! What the world knows of the flow's event time: how far each clock must have come, and who holds it.

use std::time::Duration;

use millstream::prelude::*;

use super::world::{IDLE_AFTER, Partition, State};

/// Who holds the watermark, and where that is.
pub(super) struct Holder {
    /// How far it has come. (It never goes back, so it may be further than who holds it.)
    pub(super) watermark: Option<Timestamp>,
    pub(super) stands: Option<Timestamp>,
    /// Source, replica, partition; more than one if they are just as far, as those of a source are when the flow has
    /// gone on; nobody while all are idle.
    pub(super) by: Vec<(String, usize, String)>,
}

/// Where replicas of sources meet. It never goes back.
#[derive(Default)]
pub(super) struct Meeting {
    groups: Vec<Group>,
    at: Option<Timestamp>,
}

/// Replicas of sources that meet before the others join them: in a union, those of the same number.
struct Group {
    of: Vec<Replica>,
    at: Option<Timestamp>,
}

/// A source, and which of its replicas.
pub(super) type Replica = (&'static str, usize);

impl Meeting {
    pub(super) fn of<'a>(is_union: bool, replicas: impl Iterator<Item = &'a Replica>) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for replica in replicas {
            let own = groups
                .iter_mut()
                .find(|group| is_union && group.of[0].1 == replica.1);
            match own {
                Some(group) => group.of.push(*replica),
                None => groups.push(Group {
                    of: vec![*replica],
                    at: None,
                }),
            }
        }
        Meeting { groups, at: None }
    }
}

impl State {
    /// The replica of a source that reads a partition.
    pub(super) fn replica(&self, partition: &Partition) -> usize {
        partition.number % self.replicas(partition.source)
    }

    fn replicas(&self, source: &str) -> usize {
        self.stands.keys().filter(|(of, _)| *of == source).count()
    }

    /// How long a partition has been waited for since it was heard of.
    fn silence(&self, partition: &Partition, now: Timestamp) -> Duration {
        let replica = (partition.source, self.replica(partition));
        match self.waiting.contains(&replica) {
            true => partition.silent + now.since(self.passed),
            false => partition.silent,
        }
    }

    pub(super) fn is_idle(&self, partition: &Partition, now: Timestamp) -> bool {
        self.silence(partition, now) >= IDLE_AFTER
    }

    /// The partitions of a replica that time waits for.
    fn live(&self, source: &str, replica: usize, now: Timestamp) -> Vec<&Partition> {
        let own = self
            .partitions
            .iter()
            .filter(|partition| partition.source == source && self.replica(partition) == replica);
        own.filter(|partition| !self.is_idle(partition, now))
            .collect()
    }

    /// Time comes to `now`: clocks go on where nobody holds them any more.
    pub(super) fn pass(&mut self, now: Timestamp) {
        let left = |partition: &Partition| {
            let left = IDLE_AFTER.checked_sub(self.silence(partition, self.passed))?;
            Some(self.passed + left)
        };
        let falls_idle = self.partitions.iter().filter_map(left);
        let meanwhile = falls_idle.filter(|at| *at > self.passed && *at < now);
        let mut moments: Vec<_> = meanwhile.chain([now]).collect();
        moments.sort_unstable();
        moments.into_iter().for_each(|at| self.come_to(at));
        let silences = self.partitions.iter();
        let silences: Vec<_> = silences.map(|of| self.silence(of, now)).collect();
        for (partition, silent) in self.partitions.iter_mut().zip(silences) {
            partition.silent = silent;
        }
        self.passed = now;
    }

    fn come_to(&mut self, now: Timestamp) {
        for (source, replica) in self.stands.keys().copied().collect::<Vec<_>>() {
            let live = self.live(source, replica, now);
            // Without any promise `None`, which is the lowest.
            let lowest = live.iter().map(|partition| partition.promised).min();
            let stands = self.stands.entry((source, replica)).or_default();
            *stands = (*stands).max(lowest.flatten());
        }
        let mut meetings = std::mem::take(&mut self.meetings);
        for meeting in &mut meetings {
            for group in &mut meeting.groups {
                group.at = group.at.max(self.lowest_of(group, now).flatten());
            }
            let live = meeting
                .groups
                .iter()
                .filter(|group| self.lowest_of(group, now).is_some());
            meeting.at = meeting.at.max(live.map(|group| group.at).min().flatten());
        }
        self.meetings = meetings;
    }

    /// The replicas of a group that somebody waits for, with how far they are.
    fn live_of(&self, group: &Group, now: Timestamp) -> Vec<(Replica, Option<Timestamp>)> {
        let live = group
            .of
            .iter()
            .filter(|(source, replica)| !self.live(source, *replica, now).is_empty());
        live.map(|replica| (*replica, self.stands[replica]))
            .collect()
    }

    /// How far the slowest one of a group is; none while nobody waits for any.
    fn lowest_of(&self, group: &Group, now: Timestamp) -> Option<Option<Timestamp>> {
        self.live_of(group, now).into_iter().map(|(_, at)| at).min()
    }

    /// Who holds the watermark where all sources meet, in a union or in a join.
    pub(super) fn holder(&mut self, is_union: bool, now: Timestamp) -> Holder {
        self.pass(now);
        let meeting = &self.meetings[usize::from(!is_union)];
        let live = || {
            meeting
                .groups
                .iter()
                .filter(|group| self.lowest_of(group, now).is_some())
        };
        let stands = live().map(|group| group.at).min();
        let as_slow = live().filter(|group| Some(group.at) == stands);
        let replicas = as_slow.flat_map(|group| {
            let lowest = self.lowest_of(group, now);
            let live = self.live_of(group, now).into_iter();
            live.filter(move |(_, at)| Some(*at) == lowest)
        });
        let slowest = replicas.filter_map(|((source, replica), _)| {
            let live = self.live(source, replica, now);
            let slowest = live.iter().min_by_key(|partition| partition.promised)?;
            Some((
                format!("{source}.event_time"),
                replica,
                slowest.name.clone(),
            ))
        });
        Holder {
            watermark: meeting.at,
            stands: stands.flatten(),
            by: slowest.collect(),
        }
    }

    /// The replicas of sources that are too far ahead of the slowest one.
    pub(super) fn paused(&mut self, drift: Duration, now: Timestamp) -> Vec<(String, usize)> {
        self.pass(now);
        let live = self.stands.iter();
        let live =
            live.filter(|((source, replica), _)| !self.live(source, *replica, now).is_empty());
        let lowest = live.clone().filter_map(|(_, at)| *at).min();
        // One without any promise holds all others.
        let is_unknown = live.clone().any(|(_, at)| at.is_none());
        let is_ahead =
            |at: Timestamp| is_unknown || lowest.is_some_and(|lowest| at.since(lowest) > drift);
        let ahead = live.filter(|(_, at)| at.is_some_and(is_ahead));
        ahead
            .map(|((source, replica), _)| ((*source).to_owned(), *replica))
            .collect()
    }

    /// Whether it is clear now who is idle, and nothing is under way.
    pub(super) fn is_quiet(&self, now: Timestamp) -> bool {
        self.partitions.iter().all(|partition| {
            let silent = self.silence(partition, now);
            now.since(partition.heard) > millis(50)
                && (silent + millis(500) < IDLE_AFTER || silent > IDLE_AFTER + millis(500))
        })
    }
}
