//! From the set-up to running readers.

use std::sync::Arc;

use futures::channel::oneshot;
use millstream_engine::source::SourceSetup;
use millstream_engine::{Error, Result, runtime};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::context::Group;
use super::extract::Extract;
use super::inbox::Inbox;
use super::start::{Name, Starts, ends};
use super::worker::{self, Reading, Task};
use super::{KafkaReader, KafkaSource, Rebalancing};
use crate::kafka::error::error;
use crate::kafka::topics;

/// Ours under the user's, tuned for latency: fetches are answered at once, and a queue that was full
/// is filled again at once.
///
/// Memory per reader: librdkafka stops fetching with 16 MiB in its queue, and overshoots by one answer of up to
/// 16 MiB per broker. One fetch may take all of that out and decode it, on top of what the
/// [`Inbox`] holds: 8 MiB or 8 batches.
const DEFAULTS: [(&str, &str); 13] = [
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    // What is gone is an error: to jump over it would be silent loss.
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_committed"),
    ("allow.auto.create.topics", "false"),
    ("fetch.min.bytes", "1"),
    ("fetch.wait.max.ms", "10"),
    ("fetch.max.bytes", "16777216"),
    ("fetch.queue.backoff.ms", "5"),
    ("fetch.error.backoff.ms", "100"),
    ("queued.max.messages.kbytes", "16384"),
    ("queued.min.messages", "100000"),
    ("reconnect.backoff.max.ms", "1000"),
];

/// Asks the brokers what there is, in a thread, and starts a worker per reader.
pub(super) async fn open<E: Extract>(
    source: KafkaSource<E>,
    setup: SourceSetup,
) -> Result<Vec<KafkaReader<E::Out>>> {
    let (answer, asked) = oneshot::channel();
    let vertex = setup.vertex.clone();
    runtime::thread(&format!("kafka-open-{vertex}"), move || {
        // If nobody waits any more, the consumers are dropped.
        let _ = answer.send(prepare(source, &setup));
    })?;
    let gone = || Error::internal("opening the Kafka source panicked");
    let tasks = asked.await.unwrap_or_else(|_| Err(gone()))?;
    let mut readers = Vec::with_capacity(tasks.len());
    for (index, task) in tasks.into_iter().enumerate() {
        readers.push(KafkaReader::new(task.inbox.clone()));
        runtime::thread(&format!("kafka-{vertex}-{index}"), move || {
            worker::run(task)
        })?;
    }
    Ok(readers)
}

fn prepare<E: Extract>(source: KafkaSource<E>, setup: &SourceSetup) -> Result<Vec<Task<E>>> {
    let settings = &source.settings;
    let config = config(&source, &setup.vertex)?;
    let create = |config: &ClientConfig| -> Result<BaseConsumer<Group>> {
        let consumer = config.create_with_context(Group::new(settings.clone()));
        consumer.map_err(|cause| error(settings, "setting up a Kafka consumer", &cause))
    };
    let first = create(&member(&config, &source, 0))?;
    let mut partitions: Vec<Name> = Vec::new();
    for topic in &source.topics {
        let count = topics::partitions(first.client(), topic, settings)?;
        partitions.extend((0..count).map(|partition| (topic.clone(), partition)));
    }
    let starts = Arc::new(match &setup.positions {
        Some(positions) => Starts::restored(positions)?,
        None => Starts::first(&source.start, &partitions, &first, settings)?,
    });
    let count = setup.parallelism.clamp(1, partitions.len().max(1));
    let mut readings = share_out(&source, &partitions, &first, count)?;
    let mut first = Some(first);
    let mut tasks = Vec::with_capacity(count);
    for (index, reading) in readings.drain(..).enumerate() {
        let consumer = match first.take() {
            Some(consumer) => consumer,
            None => create(&member(&config, &source, index))?,
        };
        tasks.push(Task {
            consumer,
            inbox: Arc::new(Inbox::new()),
            extract: source.extract.clone(),
            settings: settings.clone(),
            reading,
            starts: starts.clone(),
            commits: source.group.is_some(),
            epochs: setup.epochs.clone(),
            revoke_patience: source.revoke_patience,
        });
    }
    Ok(tasks)
}

/// What each of `count` readers reads.
fn share_out<E>(
    source: &KafkaSource<E>,
    partitions: &[Name],
    consumer: &BaseConsumer<Group>,
    count: usize,
) -> Result<Vec<Reading>> {
    if source.group.is_some() && !source.until_end {
        let topics = || Reading::Subscribed(source.topics.clone());
        return Ok(std::iter::repeat_with(topics).take(count).collect());
    }
    let mut shares: Vec<Vec<(Name, Option<i64>)>> = vec![Vec::new(); count];
    let ends = match source.until_end {
        true => ends(partitions, consumer, &source.settings)?,
        false => Default::default(),
    };
    for (index, name) in partitions.iter().enumerate() {
        if let Some(share) = shares.get_mut(index % count) {
            share.push((name.clone(), ends.get(name).copied()));
        }
    }
    Ok(shares.into_iter().map(Reading::Fixed).collect())
}

fn config<E>(source: &KafkaSource<E>, vertex: &str) -> Result<ClientConfig> {
    if source.topics.is_empty() {
        return Err(Error::config("no topic to read"));
    }
    let mut config = source.settings.config(vertex, &DEFAULTS)?;
    // librdkafka wants a name of a group even where nobody joins one.
    let nobody = format!("millstream-{vertex}");
    config.set("group.id", source.group.as_deref().unwrap_or(&nobody));
    match source.rebalance {
        Rebalancing::Cooperative => {
            config.set("partition.assignment.strategy", "cooperative-sticky")
        }
        Rebalancing::Eager => config.set("partition.assignment.strategy", "range,roundrobin"),
        Rebalancing::Broker => config.set("group.protocol", "consumer"),
    };
    if source.until_end {
        config.set("enable.partition.eof", "true");
    }
    Ok(config)
}

fn member<E>(config: &ClientConfig, source: &KafkaSource<E>, index: usize) -> ClientConfig {
    let mut config = config.clone();
    if let Some(name) = &source.member {
        config.set("group.instance.id", format!("{name}-{index}"));
    }
    config
}
