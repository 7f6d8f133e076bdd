//! Apache Kafka, through librdkafka.
//!
//! ```no_run
//! use millstream_connectors::kafka::Kafka;
//!
//! let orders = Kafka::topic("orders")
//!     .with_bootstrap("localhost:9092")
//!     .with_group("billing")
//!     .json::<(String, u64)>();
//! let bills = Kafka::to("bills")
//!     .with_bootstrap("localhost:9092")
//!     .json::<(String, u64)>()
//!     .keyed_by(|bill| bill.0.clone());
//! # let _ = (orders, bills);
//! ```
//!
//! # How it is built
//! 1. Nothing of librdkafka that waits is called on the executor. A reader is a consumer with a thread of its own
//!    ([`source`]), a writer a producer whose delivery reports a thread of its own awaits ([`sink`]).
//! 2. That thread reads in batches and decodes where librdkafka holds the bytes (`native.rs`, the only `unsafe`).
//! 3. Threads sleep until they are rung (`bell.rs`): by messages, by events, by their reader.
//! 4. The guarantee is at-least-once: offsets are committed when the sinks have what they cover.
//!
//! In a simulated flow there is no Kafka: a thread would break determinism. Opening says so.

mod bell;
mod error;
mod native;
mod record;
mod settings;
pub mod sink;
pub mod source;
mod topics;

pub use native::Message;
pub use record::{Header, KafkaRecord, Origin};
pub use sink::KafkaSink;
pub use source::{KafkaSource, Otherwise, Rebalancing, Start};

/// Where every Kafka source and sink begins.
#[derive(Clone, Copy, Debug)]
pub struct Kafka;

impl Kafka {
    /// Reads a topic.
    pub fn topic(name: impl Into<String>) -> KafkaSource {
        KafkaSource::new(vec![name.into()])
    }

    /// Reads some topics; their partitions are shared out together.
    pub fn topics<N: Into<String>>(names: impl IntoIterator<Item = N>) -> KafkaSource {
        KafkaSource::new(names.into_iter().map(Into::into).collect())
    }

    /// Writes to a topic.
    pub fn to(topic: impl Into<String>) -> KafkaSink {
        KafkaSink::new(topic.into())
    }
}
