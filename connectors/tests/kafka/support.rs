//! A broker, a topic with something in it, and readers driven by hand.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use futures::future::select_all;
use millstream_connectors::kafka::source::{Extract, KafkaReader};
use millstream_connectors::kafka::{Kafka, KafkaSource};
use millstream_engine::Result;
use millstream_engine::runtime::{block_on, timeout};
use millstream_engine::source::{Intake, Position, Read, Source, SourceReader, SourceSetup};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::{ClientConfig, TopicPartitionList};

/// What is awaited comes much sooner; this is so that a failing test ends.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A mock cluster of its own, or the broker of `KAFKA_BOOTSTRAP`.
pub(crate) struct Broker {
    pub(crate) bootstrap: String,
    pub(crate) mock: Option<MockCluster<'static, DefaultProducerContext>>,
    _turn: Turn,
}

/// The tests share a real broker, but for the one that kills it.
enum Turn {
    Free,
    Shared(#[allow(dead_code)] RwLockReadGuard<'static, ()>),
    Alone(#[allow(dead_code)] RwLockWriteGuard<'static, ()>),
}

static REAL: RwLock<()> = RwLock::new(());

impl Broker {
    pub(crate) fn any() -> Self {
        match std::env::var("KAFKA_BOOTSTRAP") {
            Ok(bootstrap) => Broker {
                bootstrap,
                mock: None,
                _turn: Turn::Shared(REAL.read().unwrap_or_else(PoisonError::into_inner)),
            },
            Err(_) => Broker::mock(),
        }
    }

    /// The broker at `bootstrap`, for a test that kills it: no other test uses it meanwhile.
    pub(crate) fn alone(bootstrap: String) -> Self {
        Broker {
            bootstrap,
            mock: None,
            _turn: Turn::Alone(REAL.write().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    pub(crate) fn mock() -> Self {
        let mock = MockCluster::new(1).unwrap();
        Broker {
            bootstrap: mock.bootstrap_servers(),
            mock: Some(mock),
            _turn: Turn::Free,
        }
    }

    /// A topic with a name of its own.
    pub(crate) fn topic(&self, partitions: i32) -> String {
        let name = unique("topic");
        match &self.mock {
            Some(mock) => mock.create_topic(&name, partitions, 1).unwrap(),
            None => {
                let admin: AdminClient<DefaultClientContext> = self.config().create().unwrap();
                let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1))
                    // What the tests write is of 1970.
                    .set("retention.ms", "-1");
                let made = block_on(admin.create_topics([&topic], &AdminOptions::new()));
                made.unwrap().remove(0).unwrap();
            }
        }
        name
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    /// Writes `payloads` to one partition, from the timestamp `1_000_000` ms on, 1 ms apart.
    pub(crate) fn write(
        &self,
        topic: &str,
        partition: i32,
        payloads: impl IntoIterator<Item = u64>,
    ) {
        let payloads = payloads.into_iter().map(|payload| payload.to_string());
        self.write_text(topic, partition, payloads);
    }

    /// The same with any text.
    pub(crate) fn write_text(
        &self,
        topic: &str,
        partition: i32,
        payloads: impl IntoIterator<Item = String>,
    ) {
        let producer: BaseProducer = self.config().create().unwrap();
        for (index, payload) in payloads.into_iter().enumerate() {
            let mut record: BaseRecord<'_, str, str> = BaseRecord::to(topic)
                .partition(partition)
                .payload(payload.as_str())
                .timestamp(1_000_000 + index as i64);
            while let Err((_, full)) = producer.send(record) {
                record = full;
                producer.poll(Duration::from_millis(1));
            }
        }
        producer.flush(LONG).unwrap();
    }

    /// Up to where `group` has committed in each partition; 0 where it has not.
    pub(crate) fn committed(&self, topic: &str, group: &str, partitions: i32) -> Vec<i64> {
        let mut config = self.config();
        let asker: BaseConsumer = config.set("group.id", group).create().unwrap();
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(topic, 0, partitions - 1);
        let told = asker.committed_offsets(asked, LONG).unwrap();
        told.elements()
            .iter()
            .map(|place| place.offset().to_raw().unwrap().max(0))
            .collect()
    }

    /// Partition `p` gets `p * 1_000_000 ..`, `count` of them.
    pub(crate) fn fill(&self, topic: &str, partitions: i32, count: u64) -> Vec<u64> {
        let mut all = Vec::new();
        for partition in 0..partitions {
            let first = partition as u64 * 1_000_000;
            self.write(topic, partition, first..first + count);
            all.extend(first..first + count);
        }
        all
    }

    /// A source of the numbers in `topic`.
    pub(crate) fn numbers(&self, topic: &str) -> KafkaSource<impl Extract<Out = u64> + use<>> {
        self.quick(Kafka::topic(topic))
            .with_bootstrap(&self.bootstrap)
            .json::<u64>()
    }

    /// The mock cluster's groups wait for nearly a session timeout at every change, and 3 s at the first.
    pub(crate) fn quick(&self, source: KafkaSource) -> KafkaSource {
        match &self.mock {
            Some(_) => source
                .with_setting("session.timeout.ms", "4000")
                .with_setting("heartbeat.interval.ms", "100"),
            None => source,
        }
    }
}

pub(crate) fn unique(what: &str) -> String {
    static SERIAL: AtomicU32 = AtomicU32::new(0);
    let start = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    format!(
        "{what}-{}-{}-{serial}",
        start.as_nanos(),
        std::process::id()
    )
}

/// Readers of one source, driven together.
pub(crate) struct Driven<T: Send + 'static> {
    pub(crate) readers: Vec<(KafkaReader<T>, Intake<T>)>,
    pub(crate) values: Vec<T>,
    pub(crate) ended: bool,
}

impl<T: Send + 'static> Driven<T> {
    pub(crate) async fn open<E: Extract<Out = T>>(
        source: KafkaSource<E>,
        readers: usize,
    ) -> Result<Self> {
        Self::open_with(source, SourceSetup::first("numbers", readers)).await
    }

    pub(crate) async fn open_with<E: Extract<Out = T>>(
        source: KafkaSource<E>,
        setup: SourceSetup,
    ) -> Result<Self> {
        let readers = source.open(setup).await?;
        Ok(Driven {
            readers: readers
                .into_iter()
                .map(|reader| (reader, Intake::new()))
                .collect(),
            values: Vec::new(),
            ended: false,
        })
    }

    /// One batch of whichever reader has one.
    pub(crate) async fn step(&mut self) -> Result<()> {
        let reads = self
            .readers
            .iter_mut()
            .map(|(reader, intake)| Box::pin(reader.read(intake)));
        // The reads that lose are given up: nothing of theirs may be lost.
        let (read, index, _) = select_all(reads).await;
        let (_, intake) = &mut self.readers[index];
        self.values.extend(intake.take_values());
        if read? == Read::End {
            self.readers.remove(index);
            self.ended = self.readers.is_empty();
        }
        Ok(())
    }

    /// Reads until `enough` says so.
    pub(crate) async fn until(&mut self, enough: impl Fn(&Self) -> bool) -> Result<()> {
        while !enough(self) {
            let step = timeout(LONG, self.step()).await;
            step.unwrap_or_else(|| panic!("only {} values came", self.values.len()))?;
        }
        Ok(())
    }

    pub(crate) async fn read(&mut self, count: usize) -> Result<()> {
        self.until(|driven| driven.values.len() >= count).await
    }

    pub(crate) fn positions(&self) -> Vec<Position> {
        self.readers
            .iter()
            .flat_map(|(reader, _)| reader.positions())
            .collect()
    }

    /// As if an epoch had been committed with `positions`.
    pub(crate) fn commit(&mut self, positions: &[Position]) {
        for (reader, _) in &mut self.readers {
            reader.committed(positions).unwrap();
        }
    }

    pub(crate) async fn close(&mut self) {
        for (mut reader, _) in self.readers.drain(..) {
            reader.close().await.unwrap();
        }
    }
}

pub(crate) fn sorted(values: &[u64]) -> Vec<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted
}
