//! From a message to the user's value. Only what is asked for is decoded.

use std::sync::Arc;

use crate::codec::{CodecError, Decoder};
use crate::kafka::native::Message;
use crate::kafka::record::{Header, KafkaRecord, Origin};

/// Makes a value of a message, in the thread that fetched it, while librdkafka still holds it.
pub trait Extract: Clone + Send + 'static {
    /// What it makes.
    type Out: Send + 'static;

    /// The value; `None` to leave the message out.
    ///
    /// # Errors
    /// The message holds no such value: a bad record.
    fn extract(&mut self, message: &Message<'_>) -> Result<Option<Self::Out>, CodecError>;
}

/// Payloads by a decoder. Tombstones and blank payloads are left out.
#[derive(Clone, Copy, Debug)]
pub struct Payload<D>(pub(super) D);

impl<D: Decoder> Extract for Payload<D> {
    type Out = D::Out;

    #[inline]
    fn extract(&mut self, message: &Message<'_>) -> Result<Option<D::Out>, CodecError> {
        match message.payload() {
            Some(payload) => self.0.decode(payload),
            None => Ok(None),
        }
    }
}

/// All that Kafka says of a message, as [`KafkaRecord`].
#[derive(Clone, Debug)]
pub struct Records<K, V> {
    pub(super) key: K,
    pub(super) value: V,
    /// The topic of the last message: most have the same.
    pub(super) topic: Arc<str>,
}

impl<K: Decoder, V: Decoder> Extract for Records<K, V> {
    type Out = KafkaRecord<K::Out, V::Out>;

    fn extract(&mut self, message: &Message<'_>) -> Result<Option<Self::Out>, CodecError> {
        let key = match message.key() {
            Some(key) => self.key.decode(key)?,
            None => None,
        };
        let value = match message.payload() {
            Some(payload) => self.value.decode(payload)?,
            None => None,
        };
        if *self.topic != *message.topic() {
            self.topic = message.topic().into();
        }
        let headers = message.headers().map(|(name, value)| Header {
            name,
            value: value.map(<[u8]>::to_owned),
        });
        Ok(Some(KafkaRecord {
            key,
            value,
            headers: headers.collect(),
            timestamp: message.timestamp(),
            origin: Some(Origin {
                topic: self.topic.clone(),
                partition: message.partition(),
                offset: message.offset(),
            }),
        }))
    }
}

/// By a closure that looks at the message itself.
#[derive(Clone, Copy, Debug)]
pub struct Messages<F>(pub(super) F);

impl<T, F> Extract for Messages<F>
where
    T: Send + 'static,
    F: FnMut(&Message<'_>) -> Result<T, CodecError> + Clone + Send + 'static,
{
    type Out = T;

    fn extract(&mut self, message: &Message<'_>) -> Result<Option<T>, CodecError> {
        (self.0)(message).map(Some)
    }
}
