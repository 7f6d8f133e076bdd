//! A record with all that Kafka says of it.

use std::sync::Arc;

use millstream_engine::time::Timestamp;

/// A key and a value, and what else Kafka knows of a message.
///
/// As a source gives it with [`KafkaSource::records`](super::KafkaSource::records), and a sink takes it with
/// [`KafkaSink::records`](super::KafkaSink::records).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KafkaRecord<K, V> {
    /// The key, if there is one.
    pub key: Option<K>,
    /// The value. A message without one is a tombstone: in a compacted topic it deletes its key.
    pub value: Option<V>,
    /// The headers, in order. A name may come more than once.
    pub headers: Vec<Header>,
    /// When it was made, or appended to the log, as the topic is set up. A sink that finds none writes the
    /// record's event time.
    pub timestamp: Option<Timestamp>,
    /// Where it was read from; a sink does not look at it.
    pub origin: Option<Origin>,
}

/// Where a message stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset in there.
    pub offset: i64,
}

/// One header of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value, if it has one.
    pub value: Option<Vec<u8>>,
}

impl<K, V> KafkaRecord<K, V> {
    /// A key and a value.
    ///
    /// ```
    /// use millstream_connectors::kafka::KafkaRecord;
    ///
    /// let record = KafkaRecord::new("gate", 42).with_header("from", "ATL");
    /// assert_eq!(record.headers.len(), 1);
    /// ```
    pub fn new(key: K, value: V) -> Self {
        KafkaRecord {
            key: Some(key),
            value: Some(value),
            headers: Vec::new(),
            timestamp: None,
            origin: None,
        }
    }

    /// A key without a value: a tombstone.
    pub fn tombstone(key: K) -> Self {
        KafkaRecord {
            key: Some(key),
            value: None,
            headers: Vec::new(),
            timestamp: None,
            origin: None,
        }
    }

    /// The same with another header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push(Header {
            name: name.to_owned(),
            value: Some(value.as_ref().to_owned()),
        });
        self
    }

    /// The same with this timestamp (Kafka keeps milliseconds).
    #[must_use]
    pub fn with_timestamp(mut self, timestamp: Timestamp) -> Self {
        self.timestamp = Some(timestamp);
        self
    }
}
