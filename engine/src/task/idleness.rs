//! Which partitions of a source have been silent for so long that time should not wait for them.

use std::time::Duration;

use crate::batch::PartitionId;
use crate::source::PartitionNews;

/// Reckons the silence of a source's partitions.
///
/// What counts is the time the task spent *waiting* for its reader, not the time that passed: a partition whose
/// records lie unread because the flow is busy is not idle. (Flink learned that late: FLIP-471.)
pub(crate) struct Idleness {
    after: Option<Duration>,
    waited: Duration,
    partitions: Vec<Partition>,
}

struct Partition {
    id: PartitionId,
    /// What `waited` was when its last record came.
    heard: Duration,
    idle: bool,
}

impl Idleness {
    /// Partitions fall idle after so long; `None`: never.
    pub(crate) fn new(after: Option<Duration>) -> Self {
        // That of a reader that announces nothing.
        let only = Partition {
            id: PartitionId::ONLY,
            heard: Duration::ZERO,
            idle: false,
        };
        Idleness {
            after,
            waited: Duration::ZERO,
            partitions: vec![only],
        }
    }

    /// A record came from `id`.
    pub(crate) fn heard(&mut self, id: PartitionId) {
        let heard = self.waited;
        match self
            .partitions
            .iter_mut()
            .find(|partition| partition.id == id)
        {
            Some(partition) => (partition.heard, partition.idle) = (heard, false),
            None => self.partitions.push(Partition {
                id,
                heard,
                idle: false,
            }),
        }
    }

    /// The reader told of its partitions.
    pub(crate) fn news(&mut self, news: &PartitionNews) {
        match news {
            PartitionNews::Assigned(id, _) => self.heard(*id),
            PartitionNews::Revoked(id) => self.partitions.retain(|partition| partition.id != *id),
            PartitionNews::Idle(_) => {}
        }
    }

    /// Whether no partition need be waited for.
    pub(crate) fn all_idle(&self) -> bool {
        self.after.is_some() && self.partitions.iter().all(|partition| partition.idle)
    }

    /// How much longer the task may wait until the next partition falls idle.
    pub(crate) fn next(&self) -> Option<Duration> {
        let after = self.after?;
        self.partitions
            .iter()
            .filter(|partition| !partition.idle)
            .map(|partition| (partition.heard + after).saturating_sub(self.waited))
            .min()
    }

    /// The task waited; tells who fell idle meanwhile.
    pub(crate) fn waited(&mut self, waited: Duration) -> Vec<PartitionNews> {
        self.waited += waited;
        let (Some(after), now) = (self.after, self.waited) else {
            return Vec::new();
        };
        let mut news = Vec::new();
        for partition in &mut self.partitions {
            if !partition.idle && now >= partition.heard + after {
                partition.idle = true;
                news.push(PartitionNews::Idle(partition.id));
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn only_waiting_counts_and_a_record_ends_idleness() {
        let mut idleness = Idleness::new(Some(5 * S));
        let other = PartitionId(1);
        idleness.news(&PartitionNews::Assigned(other, "t-1".into()));
        assert_eq!(idleness.waited(3 * S), []);
        idleness.heard(PartitionId::ONLY);
        assert_eq!(idleness.next(), Some(2 * S));
        assert_eq!(idleness.waited(2 * S), [PartitionNews::Idle(other)]);
        assert_eq!(idleness.waited(2 * S), [], "told once");
        idleness.heard(other);
        assert!(!idleness.all_idle());
        assert_eq!(idleness.waited(S), [PartitionNews::Idle(PartitionId::ONLY)]);
        idleness.news(&PartitionNews::Revoked(other));
        assert_eq!(idleness.next(), None);
        assert!(idleness.all_idle());
        assert_eq!(Idleness::new(None).next(), None);
    }
}
