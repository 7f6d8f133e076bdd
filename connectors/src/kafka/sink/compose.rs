//! From the user's value to a message.

use std::fmt;
use std::sync::Arc;

use millstream_engine::time::Timestamp;
use rdkafka::message::{Header as NativeHeader, OwnedHeaders};

use crate::codec::{CodecError, Encoder};
use crate::kafka::record::{Header, KafkaRecord};

/// Makes a message of a value.
pub trait Compose: Clone + Send + 'static {
    /// What it takes.
    type In: Send + 'static;

    /// Fills in `message`, which comes empty.
    ///
    /// # Errors
    /// The value has no such form: a bad record.
    fn compose(&mut self, value: &Self::In, message: &mut Outgoing) -> Result<(), CodecError>;
}

/// A message that is being made. Its buffers are used again for the next.
#[derive(Debug, Default)]
pub struct Outgoing {
    key: Vec<u8>,
    has_key: bool,
    payload: Vec<u8>,
    has_payload: bool,
    headers: Option<OwnedHeaders>,
    timestamp: Option<Timestamp>,
}

impl Outgoing {
    /// The key, to be written into. A message without a key goes to any partition.
    pub fn key(&mut self) -> &mut Vec<u8> {
        self.has_key = true;
        &mut self.key
    }

    /// The payload, to be written into. A message without one is a tombstone.
    pub fn payload(&mut self) -> &mut Vec<u8> {
        self.has_payload = true;
        &mut self.payload
    }

    /// Adds a header.
    pub fn header(&mut self, key: &str, value: Option<&[u8]>) {
        let headers = self.headers.take().unwrap_or_default();
        self.headers = Some(headers.insert(NativeHeader { key, value }));
    }

    /// Sets the timestamp (default: the record's event time). Kafka keeps milliseconds.
    pub fn timestamp(&mut self, timestamp: Timestamp) {
        self.timestamp = Some(timestamp);
    }

    pub(super) fn clear(&mut self) {
        self.key.clear();
        self.payload.clear();
        (self.has_key, self.has_payload) = (false, false);
        (self.headers, self.timestamp) = (None, None);
    }

    pub(super) fn parts(&mut self) -> Parts<'_> {
        Parts {
            key: self.has_key.then_some(&self.key),
            payload: self.has_payload.then_some(&self.payload),
            headers: self.headers.take(),
            timestamp: self.timestamp,
        }
    }
}

/// A finished message.
pub(super) struct Parts<'a> {
    pub(super) key: Option<&'a Vec<u8>>,
    pub(super) payload: Option<&'a Vec<u8>>,
    pub(super) headers: Option<OwnedHeaders>,
    pub(super) timestamp: Option<Timestamp>,
}

/// Values by an encoder; key, headers and timestamp by closures.
pub struct Values<E: Encoder> {
    pub(super) encoder: E,
    pub(super) key: Option<KeyOf<E::In>>,
    pub(super) headers: Option<HeadersOf<E::In>>,
    pub(super) timestamp: Option<TimestampOf<E::In>>,
}

// Boxed: one indirect call per record is nothing beside librdkafka's work, and the types stay short.
pub(super) type KeyOf<T> = Arc<dyn Fn(&T, &mut Vec<u8>) + Send + Sync>;
pub(super) type HeadersOf<T> = Arc<dyn Fn(&T) -> Vec<Header> + Send + Sync>;
pub(super) type TimestampOf<T> = Arc<dyn Fn(&T) -> Timestamp + Send + Sync>;

impl<E: Encoder> Compose for Values<E> {
    type In = E::In;

    fn compose(&mut self, value: &E::In, message: &mut Outgoing) -> Result<(), CodecError> {
        self.encoder.encode(value, message.payload())?;
        if let Some(key) = &self.key {
            key(value, message.key());
        }
        if let Some(headers) = &self.headers {
            for Header { name, value } in headers(value) {
                message.header(&name, value.as_deref());
            }
        }
        if let Some(timestamp) = &self.timestamp {
            message.timestamp(timestamp(value));
        }
        Ok(())
    }
}

// By hand, because a derive would ask for `E::In: Clone`.
impl<E: Encoder> Clone for Values<E> {
    fn clone(&self) -> Self {
        Values {
            encoder: self.encoder.clone(),
            key: self.key.clone(),
            headers: self.headers.clone(),
            timestamp: self.timestamp.clone(),
        }
    }
}

impl<E: Encoder> fmt::Debug for Values<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").finish_non_exhaustive()
    }
}

/// [`KafkaRecord`]s: keys and values by encoders, the rest as it is in the record.
#[derive(Clone, Debug)]
pub struct RecordsOf<K, V> {
    pub(super) key: K,
    pub(super) value: V,
}

impl<K: Encoder, V: Encoder> Compose for RecordsOf<K, V> {
    type In = KafkaRecord<K::In, V::In>;

    fn compose(&mut self, record: &Self::In, message: &mut Outgoing) -> Result<(), CodecError> {
        if let Some(key) = &record.key {
            self.key.encode(key, message.key())?;
        }
        if let Some(value) = &record.value {
            self.value.encode(value, message.payload())?;
        }
        for Header { name, value } in &record.headers {
            message.header(name, value.as_deref());
        }
        if let Some(timestamp) = record.timestamp {
            message.timestamp(timestamp);
        }
        Ok(())
    }
}
