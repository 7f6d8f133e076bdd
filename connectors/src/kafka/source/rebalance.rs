//! Partitions come and go; offsets are committed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millstream_engine::{Result, runtime};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::context::{Group, Rebalance};
use super::extract::Extract;
use super::inbox::Partition;
use super::loader::Owned;
use super::start::{Begin, LOOK_UP, Name};
use super::worker::{LAST_COMMIT, Worker};
use crate::kafka::error::{error, is_passing};
use crate::kafka::native;

/// How long to wait before offsets that were not taken are sent again.
const RETRY: Duration = Duration::from_millis(200);

impl<E: Extract> Worker<E> {
    pub(super) fn rebalance(&mut self, rebalance: Rebalance) -> Result<()> {
        self.unanswered = Some(rebalance.clone());
        match rebalance.assigns {
            true => self.assigned(rebalance),
            false => self.revoked(rebalance),
        }
    }

    /// Takes partitions that no group gives.
    pub(super) fn take_fixed(&mut self, partitions: Vec<(Name, Option<i64>)>) -> Result<()> {
        let names = partitions.iter().map(|(name, _)| name.clone()).collect();
        let starts = self.starts(names)?;
        let list = list(starts.iter().map(|(name, begin)| (name, begin.offset)));
        let taken = list.and_then(|list| self.consumer.assign(&list));
        taken.map_err(|cause| error(&self.task.settings, "taking partitions", &cause))?;
        let ends: BTreeMap<Name, Option<i64>> = partitions.into_iter().collect();
        for (name, begin) in starts {
            let end = ends.get(&name).copied().flatten();
            self.loader.add(name, begin.known, end);
        }
        // Only now that all are known: what is empty is done, and time goes by what is left.
        self.loader.hand_over();
        self.forward()
    }

    fn assigned(&mut self, mut rebalance: Rebalance) -> Result<()> {
        let elements = rebalance.partitions.elements();
        let name = |place: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            (place.topic().to_owned(), place.partition())
        };
        let starts = self.starts(elements.iter().map(name).collect())?;
        let list = list(starts.iter().map(|(name, begin)| (name, begin.offset)));
        let answered = list.and_then(|list| {
            rebalance.partitions = list;
            rebalance.answer(&self.consumer)
        });
        answered.map_err(|cause| error(&self.task.settings, "taking partitions", &cause))?;
        self.unanswered = None;
        for (name, begin) in starts {
            self.loader.add(name, begin.known, None);
            if let (true, Some(owned)) = (begin.moves_group, self.loader.owned_mut().last_mut()) {
                // The group is moved there at once: if the partition goes on to another member before the
                // first epoch, that one begins at the same place.
                owned.committed = None;
            }
        }
        self.forward()?;
        self.commit()
    }

    /// Where each of these begins.
    fn starts(&mut self, names: Vec<Name>) -> Result<BTreeMap<Name, Begin>> {
        let mut starts = BTreeMap::new();
        let mut open = Vec::new();
        for name in names {
            match self.task.starts.take(&name.0, name.1) {
                Some(offset) => drop(starts.insert(name.clone(), self.place(&name, offset)?)),
                None => open.push(name),
            }
        }
        if !open.is_empty() && self.task.commits {
            let told = self.look_up("asking for committed offsets", |consumer| {
                let asked = list(open.iter().map(|name| (name, Offset::Invalid)))?;
                let told = consumer.committed_offsets(asked, LOOK_UP)?;
                told.elements().iter().try_for_each(|place| place.error())?;
                Ok(told)
            })?;
            for place in told.elements() {
                if let Offset::Offset(known) = place.offset() {
                    let name = (place.topic().to_owned(), place.partition());
                    open.retain(|other| *other != name);
                    let offset = place.offset();
                    starts.insert(
                        name,
                        Begin {
                            offset,
                            known,
                            moves_group: false,
                        },
                    );
                }
            }
        }
        for name in open {
            let offset = self.task.starts.otherwise(&name)?;
            starts.insert(name.clone(), self.place(&name, offset)?);
        }
        Ok(starts)
    }

    /// Puts a number to an offset.
    fn place(&mut self, (topic, partition): &Name, offset: Offset) -> Result<Begin> {
        let known = match offset {
            Offset::Offset(known) => known,
            _ => {
                let doing = format!("asking where {topic}-{partition} begins");
                let ask = |consumer: &BaseConsumer<Group>| {
                    consumer.fetch_watermarks(topic, *partition, LOOK_UP)
                };
                self.look_up(&doing, ask)?.0
            }
        };
        Ok(Begin {
            offset,
            known,
            moves_group: true,
        })
    }

    /// Asks the brokers, again and again while they are away: a restart of one of them must not end the flow.
    fn look_up<A>(
        &mut self,
        doing: &str,
        ask: impl Fn(&BaseConsumer<Group>) -> KafkaResult<A>,
    ) -> Result<A> {
        loop {
            let cause = match ask(&self.consumer) {
                Ok(answer) => return Ok(answer),
                Err(cause) => cause,
            };
            self.take_orders();
            let is_passing = cause.rdkafka_error_code().is_some_and(is_passing);
            if self.closing || !is_passing {
                return Err(error(&self.task.settings, doing, &cause));
            }
            tracing::warn!("{doing}, trying again: {cause}");
            self.task.inbox.bell.wait(RETRY);
        }
    }

    fn revoked(&mut self, rebalance: Rebalance) -> Result<()> {
        let is_in = |owned: &&Owned<E::Out>| {
            let (topic, number) = (&owned.partition.topic, owned.partition.number);
            rebalance.partitions.find_partition(topic, number).is_some()
        };
        let owned = self.loader.owned().iter().filter(is_in);
        let partitions: Vec<Arc<Partition>> = owned.map(|owned| owned.partition.clone()).collect();
        self.task.inbox.withdraw(&partitions);
        // Lost means that others have them already: a commit would set the others back.
        if self.task.commits && !self.consumer.assignment_lost() {
            self.await_epoch(&partitions);
            self.commit_and_wait(LAST_COMMIT)?;
        }
        let answered = rebalance.answer(&self.consumer);
        answered.map_err(|cause| error(&self.task.settings, "giving up partitions", &cause))?;
        self.unanswered = None;
        partitions
            .iter()
            .for_each(|partition| self.loader.remove(partition));
        Ok(())
    }

    /// Waits until an epoch covers all that was handed over of these partitions, so that their next owner
    /// repeats nothing; not for ever, as the whole group waits.
    fn await_epoch(&mut self, partitions: &[Arc<Partition>]) {
        let deadline = runtime::now() + self.task.revoke_patience;
        let mut asked = false;
        loop {
            self.take_orders();
            let is_covered = |owned: &Owned<E::Out>| {
                let handed = owned.partition.handed.load(Ordering::Relaxed);
                let leaves = partitions.iter().any(|p| Arc::ptr_eq(p, &owned.partition));
                !leaves || owned.safe >= handed
            };
            let left = deadline - runtime::now();
            if self.closing || left.is_zero() || self.loader.owned().iter().all(is_covered) {
                return;
            }
            if !asked {
                self.task.epochs.ask();
                asked = true;
            }
            self.task.inbox.bell.wait(left);
        }
    }

    /// Notes what the flow says is safe.
    pub(super) fn take_orders(&mut self) {
        let orders = self.task.inbox.orders();
        self.closing |= orders.close;
        for ((topic, number), offset) in orders.commit {
            let is_it = |owned: &&mut Owned<E::Out>| {
                owned.partition.number == number && owned.partition.topic == topic
            };
            if let Some(owned) = self.loader.owned_mut().iter_mut().find(is_it) {
                owned.note_safe(offset);
            }
        }
    }

    /// Commits what is safe and not committed yet, without waiting for the answer. What failed is sent again, a
    /// moment later: while a group rebalances it takes no offsets.
    pub(super) fn commit(&mut self) -> Result<()> {
        if self.consumer.context().take_commit_failed() {
            self.retry_commit = Some(runtime::now() + RETRY);
        }
        if self.retry_commit.is_some_and(|due| due <= runtime::now()) {
            self.retry_commit = None;
            self.loader
                .owned_mut()
                .iter_mut()
                .for_each(|owned| owned.committed = None);
        }
        let is_due = |owned: &&mut Owned<E::Out>| owned.committed != Some(owned.safe);
        if !self.task.commits
            || !self
                .loader
                .owned_mut()
                .iter_mut()
                .any(|owned| is_due(&owned))
        {
            return Ok(());
        }
        let mut offsets = TopicPartitionList::new();
        let mut added = Ok(());
        for owned in self.loader.owned_mut().iter_mut().filter(is_due) {
            let (topic, number) = (&owned.partition.topic, owned.partition.number);
            added =
                added.and(offsets.add_partition_offset(topic, number, Offset::Offset(owned.safe)));
            owned.committed = Some(owned.safe);
        }
        let sent = added.and_then(|()| native::commit(&self.consumer, &offsets));
        sent.map_err(|cause| error(&self.task.settings, "committing offsets", &cause))?;
        self.consumer.context().commit_sent();
        Ok(())
    }

    /// The same, and waits until the broker has them.
    pub(super) fn commit_and_wait(&mut self, at_most: Duration) -> Result<()> {
        let deadline = runtime::now() + at_most;
        self.take_orders();
        loop {
            self.commit()?;
            self.serve()?;
            self.commit()?; // notes a failure that was just served
            let left = deadline - runtime::now();
            let is_open =
                self.consumer.context().commits_under_way() || self.retry_commit.is_some();
            if left.is_zero() || !is_open {
                return Ok(());
            }
            self.task.inbox.bell.wait(left.min(RETRY));
        }
    }
}

fn list<'a>(
    places: impl Iterator<Item = (&'a Name, Offset)>,
) -> rdkafka::error::KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for ((topic, partition), offset) in places {
        list.add_partition_offset(topic, *partition, offset)?;
    }
    Ok(list)
}
