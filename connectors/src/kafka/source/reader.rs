//! The reader: takes what its consumer's thread has decoded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millstream_engine::runtime::timeout;
use millstream_engine::source::{Intake, PartitionNews, Position, Read, SourceReader};
use millstream_engine::{Error, Result};

use super::inbox::{Event, Inbox, Partition};

/// One replica of a [`KafkaSource`](super::KafkaSource): a consumer on a thread of its own, a member of the group.
#[derive(Debug)]
pub struct KafkaReader<T> {
    inbox: Arc<Inbox<T>>,
    held: BTreeMap<Arc<str>, Arc<Partition>>,
}

/// So long may leaving the group take before it is left to the session timeout.
const LEAVE: Duration = Duration::from_secs(10);

impl<T: Send + 'static> KafkaReader<T> {
    pub(super) fn new(inbox: Arc<Inbox<T>>) -> Self {
        KafkaReader {
            inbox,
            held: BTreeMap::new(),
        }
    }
}

impl<T: Send + 'static> SourceReader for KafkaReader<T> {
    type Out = T;

    async fn read(&mut self, intake: &mut Intake<T>) -> Result<Read> {
        loop {
            match self.inbox.next().await {
                Event::Assigned(partition) => {
                    let news = PartitionNews::Assigned(partition.id, partition.name.clone());
                    intake.partition(news);
                    self.held.insert(partition.name.clone(), partition);
                    return Ok(Read::More);
                }
                Event::Revoked(partition) => {
                    intake.partition(PartitionNews::Revoked(partition.id));
                    self.held.remove(&partition.name);
                    return Ok(Read::More);
                }
                Event::Ended(partition) => {
                    // Still held: its position belongs into every snapshot and the last commit.
                    intake.partition(PartitionNews::Revoked(partition.id));
                    return Ok(Read::More);
                }
                Event::Chunk(mut chunk) => {
                    let empty = chunk.values.is_empty() && chunk.bad.is_empty();
                    if !empty {
                        intake.begin(chunk.partition.id, chunk.arrival);
                        chunk.values.drain(..).for_each(|value| intake.push(value));
                        chunk.bad.drain(..).for_each(|bad| intake.bad(bad));
                    }
                    self.inbox.give_back(chunk.values);
                    if !empty {
                        return Ok(Read::More);
                    }
                }
                Event::Finished => return Ok(Read::End),
                Event::Failed(error) => return Err(error),
            }
        }
    }

    fn positions(&self) -> Vec<Position> {
        let next = |partition: &Arc<Partition>| {
            position(&partition.name, partition.handed.load(Ordering::Relaxed))
        };
        self.held.values().map(next).collect()
    }

    fn committed(&mut self, positions: &[Position]) -> Result<()> {
        let offsets: Result<Vec<_>> = positions.iter().map(offset).collect();
        let offsets = offsets?;
        self.inbox.order(|orders| {
            for (topic, partition, offset) in offsets {
                orders.commit.insert((topic.into(), partition), offset);
            }
        });
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        self.inbox.order(|orders| orders.close = true);
        if timeout(LEAVE, self.inbox.ended()).await.is_none() {
            tracing::warn!("the broker does not let go of the consumer; its session will run out");
        }
        Ok(())
    }
}

impl<T> Drop for KafkaReader<T> {
    fn drop(&mut self) {
        self.inbox.order(|orders| orders.close = true);
    }
}

/// A position as it is saved: the next offset, in decimal.
fn position(split: &str, offset: i64) -> Position {
    Position {
        split: split.to_owned(),
        state: offset.to_string().into_bytes(),
    }
}

/// Topic, partition and offset of a saved position.
pub(super) fn offset(position: &Position) -> Result<(&str, i32, i64)> {
    let read = || {
        let (topic, partition) = position.split.rsplit_once('-')?;
        let state = std::str::from_utf8(&position.state).ok()?;
        Some((topic, partition.parse().ok()?, state.parse().ok()?))
    };
    read().ok_or_else(|| {
        Error::state(format!(
            "`{}` is no position in a Kafka topic",
            position.split
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back() {
        let saved = position("a-b-12", 8812);
        assert_eq!(offset(&saved).unwrap(), ("a-b", 12, 8812));
        for split in ["orders", "orders-x", ""] {
            assert!(offset(&position(split, 1)).is_err());
        }
    }
}
