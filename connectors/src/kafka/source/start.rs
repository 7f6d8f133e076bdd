//! Where a source begins.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use millstream_engine::source::Position;
use millstream_engine::time::Timestamp;
use millstream_engine::{Error, Result};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::{Offset, TopicPartitionList};

use super::reader;
use crate::kafka::error::error;
use crate::kafka::settings::Settings;

/// Where to begin. Positions saved by the flow win over it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// Where the consumer group has committed to; a partition for which it never has begins as told. That a
    /// committed offset is gone (retention ate it) is an error, not a silent jump.
    Committed(Otherwise),
    /// At the oldest record there is, whatever the group has committed.
    ///
    /// This and the ones below rewind the group: each process of a group does it for the partitions it
    /// gets first. With several processes in one group use [`Start::Committed`].
    Earliest,
    /// With what comes after the flow was started.
    Latest,
    /// At the first record of each partition with this timestamp or a later one; at the end if there is none.
    Timestamp(Timestamp),
    /// At these offsets (topic, partition, next offset); other partitions as [`Start::Committed`] with
    /// [`Otherwise::Earliest`].
    Offsets(Vec<(String, i32, i64)>),
}

/// Where a partition begins that has no committed offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Otherwise {
    /// At the oldest record there is.
    #[default]
    Earliest,
    /// With what comes after the flow was started.
    Latest,
    /// Nowhere: the flow fails.
    Fail,
}

/// Topic and partition.
pub(super) type Name = (String, i32);

/// Where each partition begins, worked out when the source is opened.
#[derive(Debug)]
pub(super) struct Starts {
    /// Used once, by the first reader to get the partition: when the partition comes back, the group knows
    /// better.
    fixed: Mutex<BTreeMap<Name, Offset>>,
    otherwise: Otherwise,
    /// For [`Otherwise::Latest`]: where the partitions ended when the source was opened. Asked for later, in the
    /// reader's thread, records that came in between would be passed over.
    ends: BTreeMap<Name, i64>,
}

/// Where a partition begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begin {
    /// As librdkafka is told it: "the oldest" stays that, as retention moves it.
    pub(super) offset: Offset,
    /// As a number. Known before the first record, so that every partition is in every snapshot.
    pub(super) known: i64,
    /// Whether the group knows nothing of it yet.
    pub(super) moves_group: bool,
}

impl Starts {
    /// For a restart: behind `positions`. A partition that is not in there is new since: all of it is wanted.
    pub(super) fn restored(positions: &[Position]) -> Result<Self> {
        let fixed = positions.iter().map(|position| {
            let (topic, partition, offset) = reader::offset(position)?;
            Ok(((topic.to_owned(), partition), Offset::Offset(offset)))
        });
        Ok(Starts {
            fixed: Mutex::new(fixed.collect::<Result<_>>()?),
            otherwise: Otherwise::Earliest,
            ends: BTreeMap::new(),
        })
    }

    /// For a first start.
    pub(super) fn first<C: ConsumerContext>(
        start: &Start,
        partitions: &[Name],
        consumer: &BaseConsumer<C>,
        settings: &Settings,
    ) -> Result<Self> {
        let mut otherwise = Otherwise::Earliest;
        let every = |offset| {
            partitions
                .iter()
                .map(|name| (name.clone(), offset))
                .collect()
        };
        let fixed = match start {
            Start::Committed(or) => {
                otherwise = *or;
                BTreeMap::new()
            }
            Start::Earliest => every(Offset::Beginning),
            // As numbers, so that the positions are known before the first record has come.
            Start::Latest => ends(partitions, consumer, settings)?
                .into_iter()
                .map(|(name, end)| (name, Offset::Offset(end)))
                .collect(),
            Start::Timestamp(from) => at_time(*from, partitions, consumer, settings)?,
            Start::Offsets(offsets) => {
                let fixed = offsets.iter().map(|(topic, partition, offset)| {
                    let name = (topic.clone(), *partition);
                    match partitions.contains(&name) && *offset >= 0 {
                        true => Ok((name, Offset::Offset(*offset))),
                        false => Err(Error::config(format!(
                            "cannot start at offset {offset} of {topic}-{partition}: there is no such place"
                        ))),
                    }
                });
                fixed.collect::<Result<_>>()?
            }
        };
        let ends = match otherwise {
            Otherwise::Latest => ends(partitions, consumer, settings)?,
            Otherwise::Earliest | Otherwise::Fail => BTreeMap::new(),
        };
        Ok(Starts {
            fixed: Mutex::new(fixed),
            otherwise,
            ends,
        })
    }

    /// Where this partition begins, the first time it is asked for.
    pub(super) fn take(&self, topic: &str, partition: i32) -> Option<Offset> {
        let mut fixed = self.fixed.lock().unwrap_or_else(PoisonError::into_inner);
        fixed.remove(&(topic.to_owned(), partition))
    }

    /// Where this partition begins if nobody has ever committed.
    pub(super) fn otherwise(&self, name: &Name) -> Result<Offset> {
        match self.otherwise {
            Otherwise::Earliest => Ok(Offset::Beginning),
            // A partition that was not there yet is read whole.
            Otherwise::Latest => Ok(self
                .ends
                .get(name)
                .map_or(Offset::Beginning, |end| Offset::Offset(*end))),
            Otherwise::Fail => Err(Error::config(format!(
                "the group has no committed offset for {}-{}, and is not told where else to begin",
                name.0, name.1
            ))),
        }
    }
}

/// The oldest offset of a partition, and the one behind its last record.
fn marks<C: ConsumerContext>(
    (topic, partition): &Name,
    consumer: &BaseConsumer<C>,
    settings: &Settings,
) -> Result<(i64, i64)> {
    let marks = consumer.fetch_watermarks(topic, *partition, settings.patience);
    marks.map_err(|cause| {
        let doing = format!("asking where {topic}-{partition} begins and ends");
        error(settings, &doing, &cause)
    })
}

/// The offset behind the last record of each partition.
pub(super) fn ends<C: ConsumerContext>(
    partitions: &[Name],
    consumer: &BaseConsumer<C>,
    settings: &Settings,
) -> Result<BTreeMap<Name, i64>> {
    let end = |name: &Name| {
        let (_, end) = marks(name, consumer, settings)?;
        Ok((name.clone(), end))
    };
    partitions.iter().map(end).collect()
}

fn at_time<C: ConsumerContext>(
    from: Timestamp,
    partitions: &[Name],
    consumer: &BaseConsumer<C>,
    settings: &Settings,
) -> Result<BTreeMap<Name, Offset>> {
    let wrong = |cause| error(settings, "looking for the records of a moment", &cause);
    let mut wanted = TopicPartitionList::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        let moment = Offset::Offset(from.as_millis().max(0));
        wanted
            .add_partition_offset(topic, *partition, moment)
            .map_err(wrong)?;
    }
    let found = consumer
        .offsets_for_times(wanted, settings.patience)
        .map_err(wrong)?;
    let mut ends: Option<BTreeMap<Name, i64>> = None;
    let mut starts = BTreeMap::new();
    for place in found.elements() {
        place.error().map_err(wrong)?;
        let name = (place.topic().to_owned(), place.partition());
        let offset = match place.offset() {
            Offset::Offset(offset) => offset,
            // Nothing that late: all that comes from now on is.
            _ => {
                if ends.is_none() {
                    ends = Some(self::ends(partitions, consumer, settings)?);
                }
                ends.as_ref()
                    .and_then(|ends| ends.get(&name))
                    .copied()
                    .unwrap_or(0)
            }
        };
        starts.insert(name, Offset::Offset(offset));
    }
    Ok(starts)
}

/// How long one look-up may take that a running consumer cannot go on without. It is repeated, and in between the
/// consumer listens whether it is to close.
pub(super) const LOOK_UP: Duration = Duration::from_secs(5);
