//! Kafka as a source.
//!
//! Every reader is a consumer with a thread of its own, which polls, decodes and hands over whole batches;
//! nothing of librdkafka is called on the executor.

mod context;
mod extract;
mod inbox;
mod loader;
mod open;
mod reader;
mod rebalance;
mod start;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::Result;
use millstream_engine::source::{Replay, Source, SourceSetup};
use serde::de::DeserializeOwned;

pub use extract::{Extract, Messages, Payload, Records};
pub use reader::KafkaReader;
pub use start::{Otherwise, Start};

use super::native::Message;
use super::settings::Settings;
use crate::codec::{Bytes, CodecError, Decoder, Json, Text};

/// Topics of Kafka as a source. See [`Kafka::topic`](super::Kafka::topic).
///
/// # Guarantees
/// At least once: offsets are committed when the sinks have what they cover, never before.
///
/// Except what an operator still holds: a record in an open window, a join or a reduction counts as covered when
/// the records behind it have reached the sinks, although it is in memory only. A crash loses such state, and
/// the group does not read it again, until there are durable snapshots.
///
/// # Errors
/// Opening fails when no broker answers within [`with_patience`](KafkaSource::with_patience), when a topic does
/// not exist, or when a setting is wrong. While it runs, it waits for brokers that are away and comes
/// back by itself; it fails when it may no longer read, or when the records where it was to go on are gone.
#[derive(Clone)]
pub struct KafkaSource<E = ()> {
    extract: E,
    topics: Vec<String>,
    settings: Settings,
    group: Option<String>,
    member: Option<String>,
    start: Start,
    rebalance: Rebalancing,
    until_end: bool,
    revoke_patience: Duration,
}

/// How a group shares out its partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rebalancing {
    /// Members keep what they have, and only what moves stops (`cooperative-sticky`). All members of the group
    /// must speak it.
    #[default]
    Cooperative,
    /// Everything stops and is shared out anew, as old clients do (`range`, `roundrobin`).
    Eager,
    /// The broker shares out (KIP-848, `group.protocol=consumer`): Kafka 4.0 or newer.
    Broker,
}

impl KafkaSource {
    pub(super) fn new(topics: Vec<String>) -> Self {
        KafkaSource {
            extract: (),
            topics,
            settings: Settings::new(),
            group: None,
            member: None,
            start: Start::Committed(Otherwise::Earliest),
            rebalance: Rebalancing::default(),
            until_end: false,
            revoke_patience: Duration::from_secs(5),
        }
    }

    /// Payloads as JSON. Tombstones are left out.
    pub fn json<T: DeserializeOwned + Send + 'static>(self) -> KafkaSource<Payload<Json<T>>> {
        self.decoder(Json::new())
    }

    /// Payloads as UTF-8 text. Tombstones are left out.
    pub fn text(self) -> KafkaSource<Payload<Text>> {
        self.decoder(Text::new())
    }

    /// Payloads as they are. Tombstones are left out.
    pub fn bytes(self) -> KafkaSource<Payload<Bytes>> {
        self.decoder(Bytes)
    }

    /// Payloads by `decoder`. Tombstones are left out.
    pub fn decoder<D: Decoder>(self, decoder: D) -> KafkaSource<Payload<D>> {
        self.extract(Payload(decoder))
    }

    /// Keys, values, headers, timestamps and origins: [`KafkaRecord`](super::KafkaRecord)s.
    ///
    /// ```
    /// use millstream_connectors::codec::{Json, Text};
    /// use millstream_connectors::kafka::Kafka;
    ///
    /// let source = Kafka::topic("orders").records(Text::new(), Json::<u64>::new());
    /// # let _ = source;
    /// ```
    pub fn records<K: Decoder, V: Decoder>(self, key: K, value: V) -> KafkaSource<Records<K, V>> {
        let topic = Arc::from("");
        self.extract(Records { key, value, topic })
    }

    /// What `make` makes of a message: the way to decode only what is used. It runs in the consumer's thread,
    /// on the message as librdkafka holds it.
    ///
    /// ```
    /// use millstream_connectors::kafka::Kafka;
    ///
    /// let sizes = Kafka::topic("orders").messages(|message| {
    ///     Ok((message.offset(), message.payload().map_or(0, <[u8]>::len)))
    /// });
    /// # let _ = sizes;
    /// ```
    pub fn messages<T, F>(self, make: F) -> KafkaSource<Messages<F>>
    where
        T: Send + 'static,
        F: FnMut(&Message<'_>) -> Result<T, CodecError> + Clone + Send + 'static,
    {
        self.extract(Messages(make))
    }

    fn extract<E: Extract>(self, extract: E) -> KafkaSource<E> {
        KafkaSource {
            extract,
            topics: self.topics,
            settings: self.settings,
            group: self.group,
            member: self.member,
            start: self.start,
            rebalance: self.rebalance,
            until_end: self.until_end,
            revoke_patience: self.revoke_patience,
        }
    }
}

impl<E> KafkaSource<E> {
    /// Where the brokers are: `host:port`, more of them with commas between. Must be given.
    #[must_use]
    pub fn with_bootstrap(mut self, hosts: impl Into<String>) -> Self {
        self.settings.bootstrap = Some(hosts.into());
        self
    }

    /// The consumer group. Its members, in this process and in others, share the partitions, and it keeps the
    /// committed offsets. Without one, the readers share all partitions there are when the flow
    /// starts, and only the flow's own snapshots know how far they came.
    #[must_use]
    pub fn with_group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Static membership (KIP-345): a member that comes back under this name before its session is over
    /// gets its partitions again, without a rebalance. Readers add their number to it.
    #[must_use]
    pub fn with_static_member(mut self, name: impl Into<String>) -> Self {
        self.member = Some(name.into());
        self
    }

    /// How the group shares out its partitions (default: [`Rebalancing::Cooperative`]).
    #[must_use]
    pub fn with_rebalance(mut self, rebalance: Rebalancing) -> Self {
        self.rebalance = rebalance;
        self
    }

    /// Where to begin (default: [`Start::Committed`] with [`Otherwise::Earliest`]).
    #[must_use]
    pub fn starting_at(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Stops at what is the end of each partition when the flow starts: a batch job. Its readers share all
    /// partitions by themselves; other members of the group get none of them and give none up.
    #[must_use]
    pub fn until_end(mut self) -> Self {
        self.until_end = true;
        self
    }

    /// How long to wait for a broker when the flow starts (default: 10 s).
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.settings.patience = patience;
        self
    }

    /// How long the group may wait, when partitions move to another member, for the flow to commit what it
    /// has read of them (default: 5 s). What is not committed by then, the other member reads again.
    #[must_use]
    pub fn with_revoke_patience(mut self, patience: Duration) -> Self {
        self.revoke_patience = patience;
        self
    }

    /// Any setting of librdkafka, as TLS and SASL need it. Values are never printed.
    ///
    /// Refused when the flow starts: what the methods above are for, and what would break the guarantee
    /// (`enable.auto.commit`, `enable.auto.offset.store`).
    #[must_use]
    pub fn with_setting(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.given.insert(key.into(), value.into());
        self
    }
}

impl<E: Extract> Source for KafkaSource<E> {
    type Out = E::Out;
    type Reader = KafkaReader<E::Out>;

    fn max_parallelism(&self) -> usize {
        // The partitions are counted when it is opened.
        usize::MAX
    }
    fn is_bounded(&self) -> bool {
        self.until_end
    }
    fn replay(&self) -> Replay {
        Replay::FromPosition
    }
    fn commits(&self) -> bool {
        self.group.is_some()
    }
    async fn open(self, setup: SourceSetup) -> Result<Vec<Self::Reader>> {
        open::open(self, setup).await
    }
}

impl<E> fmt::Debug for KafkaSource<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSource")
            .field("topics", &self.topics)
            .field("group", &self.group)
            .field("start", &self.start)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
