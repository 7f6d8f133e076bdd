//! Kafka as a sink.

mod compose;
mod delivery;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;
use millstream_engine::sink::{Sink, SinkSetup};
use millstream_engine::time::Timestamp;
use millstream_engine::{Error, Result, runtime};
use rdkafka::producer::{BaseProducer, Producer};
use serde::Serialize;

pub use compose::{Compose, Outgoing, RecordsOf, Values};
pub use writer::KafkaWriter;

use self::delivery::Deliveries;
use super::error::error;
use super::record::Header;
use super::settings::Settings;
use super::topics;
use crate::codec::{Bytes, Encoder, Json, Text};

/// A topic of Kafka as a sink. See [`Kafka::to`](super::Kafka::to).
///
/// Records with equal keys go to the partition to which Java's clients send them (murmur2), in order. The
/// timestamp of a message is its record's event time, unless told otherwise.
///
/// # Guarantees
/// At least once: an epoch ends when all that was sent is acknowledged by all in-sync replicas. The
/// producer is idempotent: its own retries double nothing.
///
/// # Errors
/// Opening fails when no broker answers, when the topic does not exist, or when a setting is wrong. Records that
/// the broker refuses for what they are (too large, timestamp out of range) are bad records; any other
/// delivery that fails, or is not acknowledged within `message.timeout.ms` (5 minutes), fails the flow.
#[derive(Clone)]
pub struct KafkaSink<C = ()> {
    compose: C,
    topic: String,
    settings: Settings,
}

/// Ours under the user's. At most 32 MiB wait per writer; then the flow waits.
const DEFAULTS: [(&str, &str); 7] = [
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("partitioner", "murmur2_random"),
    ("linger.ms", "0"),
    ("queue.buffering.max.kbytes", "32768"),
    ("queue.buffering.max.messages", "100000"),
    ("reconnect.backoff.max.ms", "1000"),
];

impl KafkaSink {
    pub(super) fn new(topic: String) -> Self {
        KafkaSink {
            compose: (),
            topic,
            settings: Settings::new(),
        }
    }

    /// Values as JSON.
    pub fn json<T: Serialize + Send + 'static>(self) -> KafkaSink<Values<Json<T>>> {
        self.encoder(Json::new())
    }

    /// Values as text: whatever can be displayed.
    pub fn text<T: fmt::Display + Send + 'static>(self) -> KafkaSink<Values<Text<T>>> {
        self.encoder(Text::new())
    }

    /// Values as they are.
    pub fn bytes(self) -> KafkaSink<Values<Bytes>> {
        self.encoder(Bytes)
    }

    /// Values by `encoder`.
    pub fn encoder<E: Encoder>(self, encoder: E) -> KafkaSink<Values<E>> {
        self.compose(Values {
            encoder,
            key: None,
            headers: None,
            timestamp: None,
        })
    }

    /// [`KafkaRecord`](super::KafkaRecord)s: with keys, tombstones, headers, timestamps. Their origin is not
    /// looked at.
    pub fn records<K: Encoder, V: Encoder>(self, key: K, value: V) -> KafkaSink<RecordsOf<K, V>> {
        self.compose(RecordsOf { key, value })
    }

    /// Messages as `compose` makes them.
    pub fn compose<C: Compose>(self, compose: C) -> KafkaSink<C> {
        KafkaSink {
            compose,
            topic: self.topic,
            settings: self.settings,
        }
    }
}

impl<E: Encoder> KafkaSink<Values<E>> {
    /// The key of each record. Without one, a record goes to any partition.
    ///
    /// ```
    /// use millstream_connectors::kafka::Kafka;
    ///
    /// let sink = Kafka::to("flights").json::<(String, u32)>().keyed_by(|flight| flight.0.clone());
    /// # let _ = sink;
    /// ```
    #[must_use]
    pub fn keyed_by<K: AsRef<[u8]>>(
        mut self,
        key: impl Fn(&E::In) -> K + Send + Sync + 'static,
    ) -> Self {
        self.compose.key = Some(Arc::new(move |value, out| {
            out.extend_from_slice(key(value).as_ref())
        }));
        self
    }

    /// The headers of each record.
    #[must_use]
    pub fn with_headers(
        mut self,
        headers: impl Fn(&E::In) -> Vec<Header> + Send + Sync + 'static,
    ) -> Self {
        self.compose.headers = Some(Arc::new(headers));
        self
    }

    /// The timestamp of each record, in place of its event time. Kafka keeps milliseconds.
    #[must_use]
    pub fn with_timestamp(
        mut self,
        timestamp: impl Fn(&E::In) -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        self.compose.timestamp = Some(Arc::new(timestamp));
        self
    }
}

impl<C> KafkaSink<C> {
    /// Where the brokers are: `host:port`, more of them with commas between. Must be given.
    #[must_use]
    pub fn with_bootstrap(mut self, hosts: impl Into<String>) -> Self {
        self.settings.bootstrap = Some(hosts.into());
        self
    }

    /// How long to wait for a broker when the flow starts (default: 10 s).
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.settings.patience = patience;
        self
    }

    /// Any setting of librdkafka: `linger.ms` (default 0; more is slower, and cheaper per record),
    /// `compression.type`, TLS, SASL. Values are never printed.
    ///
    /// Refused when the flow starts: what would break the guarantee (`acks` below `all`).
    #[must_use]
    pub fn with_setting(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.given.insert(key.into(), value.into());
        self
    }
}

impl<C: Compose> Sink for KafkaSink<C> {
    type In = C::In;
    type Writer = KafkaWriter<C>;

    fn max_parallelism(&self) -> usize {
        usize::MAX
    }

    async fn open(self, setup: SinkSetup) -> Result<Vec<Self::Writer>> {
        let (answer, asked) = oneshot::channel();
        let vertex = setup.vertex.clone();
        runtime::thread(&format!("kafka-open-{vertex}"), move || {
            // If nobody waits any more, the writers are dropped.
            let _ = answer.send(self.writers(&setup));
        })?;
        let gone = || Error::internal("opening the Kafka sink panicked");
        asked.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl<C: Compose> KafkaSink<C> {
    /// Connects a producer per writer. Blocks.
    fn writers(self, setup: &SinkSetup) -> Result<Vec<KafkaWriter<C>>> {
        let config = self.settings.config(&setup.vertex, &DEFAULTS)?;
        let topic: Arc<str> = self.topic.into();
        let mut writers = Vec::new();
        for index in 0..setup.parallelism.max(1) {
            let context = Deliveries::new(self.settings.clone(), setup.acknowledged.clone());
            let created = config.create_with_context(context);
            let producer: BaseProducer<Deliveries> = created
                .map_err(|cause| error(&self.settings, "setting up a Kafka producer", &cause))?;
            if index == 0 {
                topics::partitions(producer.client(), &topic, &self.settings)?;
            }
            let deliveries = producer.context().clone();
            let producer = Arc::new(producer);
            let (polled, reports) = (producer.clone(), deliveries.clone());
            runtime::thread(&format!("kafka-{}-{index}", setup.vertex), move || {
                delivery::poll(polled, &reports);
            })?;
            writers.push(KafkaWriter::new(
                self.compose.clone(),
                topic.clone(),
                self.settings.clone(),
                producer,
                deliveries,
            ));
        }
        Ok(writers)
    }
}

impl<C> fmt::Debug for KafkaSink<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSink")
            .field("topic", &self.topic)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
