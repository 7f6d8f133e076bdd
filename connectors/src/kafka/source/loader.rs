//! Sorts fetched messages into batches of one partition, decoded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use millstream_engine::bad_record::BadRecord;
use millstream_engine::batch::PartitionId;
use millstream_engine::runtime::Instant;
use rdkafka::error::RDKafkaErrorCode as Code;

use super::extract::Extract;
use super::inbox::{Chunk, Event, Inbox, Partition};
use super::start::Name;
use crate::kafka::error::is_passing;
use crate::kafka::native::Message;

/// The partitions of one reader, and the batch under way of each.
pub(super) struct Loader<E: Extract> {
    extract: E,
    inbox: Arc<Inbox<E::Out>>,
    owned: Vec<Owned<E::Out>>,
    /// Those with a chunk.
    filled: Vec<usize>,
    /// Those that were read to their end, and nobody knows yet.
    ended: Vec<Arc<Partition>>,
    /// Where the last message belonged; the next one mostly does as well.
    last: Option<(usize, i32, usize)>,
    ids: BTreeMap<Name, PartitionId>,
}

/// A partition and how far it was read.
pub(super) struct Owned<T> {
    pub(super) partition: Arc<Partition>,
    /// Where to stop, if it is to be read to its end of now.
    pub(super) end: Option<i64>,
    pub(super) is_done: bool,
    /// Up to where the flow says it is safe.
    pub(super) safe: i64,
    /// Up to where the group was told; `None` if it is to be told anew.
    pub(super) committed: Option<i64>,
    chunk: Option<Chunk<T>>,
}

impl<T> Owned<T> {
    /// The sinks have all before `offset`. It may be news of an earlier assignment, of before the partition
    /// went away and came back: what does not lie between here and what was handed over since is not noted.
    pub(super) fn note_safe(&mut self, offset: i64) {
        let handed = self.partition.handed.load(Ordering::Relaxed);
        if (self.safe..=handed).contains(&offset) {
            self.safe = offset;
        }
    }
}

/// An error in the place of a message.
pub(super) struct Trouble {
    pub(super) code: Code,
    pub(super) partition: Arc<Partition>,
    pub(super) offset: i64,
}

impl<E: Extract> Loader<E> {
    pub(super) fn new(extract: E, inbox: Arc<Inbox<E::Out>>) -> Self {
        Loader {
            extract,
            inbox,
            owned: Vec::new(),
            filled: Vec::new(),
            ended: Vec::new(),
            last: None,
            ids: BTreeMap::new(),
        }
    }

    pub(super) fn owned(&self) -> &[Owned<E::Out>] {
        &self.owned
    }

    pub(super) fn owned_mut(&mut self) -> &mut [Owned<E::Out>] {
        &mut self.owned
    }

    /// Another partition, from `start`, to `end` if there is one.
    pub(super) fn add(&mut self, (topic, number): Name, start: i64, end: Option<i64>) {
        let fresh = PartitionId(u32::try_from(self.ids.len()).unwrap_or(u32::MAX));
        let id = *self.ids.entry((topic.clone(), number)).or_insert(fresh);
        let partition = Arc::new(Partition {
            id,
            name: format!("{topic}-{number}").into(),
            topic: topic.into(),
            number,
            handed: AtomicI64::new(start),
        });
        self.owned.push(Owned {
            partition: partition.clone(),
            end,
            is_done: false,
            safe: start,
            committed: Some(start),
            chunk: None,
        });
        self.last = None;
        self.inbox.put(Event::Assigned(partition));
        if end.is_some_and(|end| start >= end) {
            self.finish(self.owned.len() - 1);
        }
    }

    /// Forgets a partition, and says so.
    pub(super) fn remove(&mut self, partition: &Arc<Partition>) {
        self.owned
            .retain(|owned| !Arc::ptr_eq(&owned.partition, partition));
        self.filled.clear();
        self.last = None;
        self.inbox.put(Event::Revoked(partition.clone()));
    }

    /// Takes a message into the batch of its partition.
    ///
    /// # Errors
    /// It is no message.
    #[inline]
    pub(super) fn take(&mut self, message: &Message<'_>, arrival: Instant) -> Result<(), Trouble> {
        let Some(index) = self.find(message) else {
            return Ok(()); // revoked meanwhile: the next owner reads it
        };
        let Some(owned) = self.owned.get_mut(index) else {
            return Ok(());
        };
        let offset = message.offset();
        if let Some(code) = message.error() {
            if code == Code::PartitionEOF {
                if owned.end.is_some_and(|end| offset >= end) {
                    self.finish(index);
                }
                return Ok(());
            }
            if is_passing(code) {
                return Ok(()); // librdkafka tries again, and good messages may stand behind it
            }
            let partition = owned.partition.clone();
            return Err(Trouble {
                code,
                partition,
                offset,
            });
        }
        let end = owned.end.unwrap_or(i64::MAX);
        if offset >= end {
            self.finish(index);
            return Ok(());
        }
        let chunk = owned.chunk.get_or_insert_with(|| {
            self.filled.push(index);
            Chunk {
                partition: owned.partition.clone(),
                arrival,
                values: self.inbox.buffer(),
                bad: Vec::new(),
                bytes: 0,
                next: 0,
            }
        });
        chunk.next = offset + 1;
        chunk.bytes += message.size();
        match self.extract.extract(message) {
            Ok(Some(value)) => chunk.values.push(value),
            Ok(None) => {}
            Err(cause) => chunk.bad.push(bad_record(message, cause.to_string())),
        }
        if chunk.bytes >= Inbox::<E::Out>::CHUNK_BYTES
            && let Some(chunk) = owned.chunk.take()
        {
            self.inbox.put(Event::Chunk(chunk));
        }
        if offset + 1 >= end {
            self.finish(index);
        }
        Ok(())
    }

    /// Hands over what is under way.
    pub(super) fn hand_over(&mut self) {
        for index in self.filled.drain(..) {
            let chunk = self
                .owned
                .get_mut(index)
                .and_then(|owned| owned.chunk.take());
            if let Some(chunk) = chunk {
                self.inbox.put(Event::Chunk(chunk));
            }
        }
        for partition in self.ended.drain(..) {
            self.inbox.put(Event::Ended(partition));
        }
    }

    /// Notes that a partition was read to its end.
    fn finish(&mut self, index: usize) {
        if let Some(owned) = self.owned.get_mut(index)
            && !owned.is_done
        {
            owned.is_done = true;
            self.ended.push(owned.partition.clone());
        }
    }

    fn find(&mut self, message: &Message<'_>) -> Option<usize> {
        let (topic, number) = (message.topic_id(), message.partition());
        if let Some((last_topic, last_number, index)) = self.last
            && (last_topic, last_number) == (topic, number)
        {
            return Some(index);
        }
        let name = message.topic();
        let is_it = |owned: &Owned<E::Out>| {
            owned.partition.number == number && *owned.partition.topic == *name
        };
        let index = self.owned.iter().position(is_it)?;
        self.last = Some((topic, number, index));
        Some(index)
    }
}

fn bad_record(message: &Message<'_>, cause: String) -> BadRecord {
    let payload = message.payload().unwrap_or_default();
    let origin = format!("{}-{}", message.topic(), message.partition());
    BadRecord::new(
        origin,
        format!("offset {}", message.offset()),
        payload,
        cause,
    )
}
