//! What rdkafka's safe interface lacks: batches, and queues of our own. The only `unsafe` here.
//!
//! `BaseConsumer::poll` costs an event object, an `Arc` and a clock reading per message;
//! `rd_kafka_consume_batch_queue` hands over hundreds at a time, for half of the CPU. But called on the
//! consumer's own queue it swallows the events that only rust-rdkafka's `poll` understands, and the group hangs.
//! So every assigned partition is forwarded to a queue of ours, and that one is read in batches.

use std::ffi::{CStr, CString, c_void};
use std::marker::PhantomData;
use std::sync::Arc;
use std::{ptr, slice};

use millstream_engine::time::Timestamp;
use millstream_engine::{Error, Result};
use rdkafka::TopicPartitionList;
use rdkafka::bindings as native;
use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::{Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;

use super::bell::Bell;

/// A queue to which the partitions of one consumer are forwarded.
///
/// Invariant: it is dropped before its consumer, else closing the consumer hangs. It is neither `Send` nor
/// `Sync`: librdkafka allows one batch call per consumer at a time.
pub(super) struct FetchQueue {
    queue: *mut native::rd_kafka_queue_t,
    room: Vec<*mut native::rd_kafka_message_t>,
    /// What the callback of `queue` points to.
    bell: Arc<Bell>,
}

impl FetchQueue {
    /// A queue for `consumer` that gives up to `room` messages at once, and rings `bell` when the
    /// first message comes into it.
    pub(super) fn new<C: ClientContext>(client: &Client<C>, room: usize, bell: Arc<Bell>) -> Self {
        // SAFETY: the client is alive. `bell` is kept until `drop` has disabled the callback.
        let queue = unsafe {
            let queue = native::rd_kafka_queue_new(client.native_ptr());
            let opaque = Arc::as_ptr(&bell).cast_mut().cast();
            native::rd_kafka_queue_cb_event_enable(queue, Some(ring), opaque);
            queue
        };
        FetchQueue {
            queue,
            room: vec![ptr::null_mut(); room],
            bell,
        }
    }

    /// Sends what comes for this partition here. To be called again now and then: librdkafka undoes it
    /// when it stops an earlier assignment of the same partition a moment too late.
    pub(super) fn forward<C: ConsumerContext>(
        &self,
        consumer: &impl Consumer<C>,
        topic: &str,
        partition: i32,
    ) -> Result<()> {
        let name = CString::new(topic)
            .map_err(|_| Error::config(format!("no topic is called `{}`", topic.escape_debug())))?;
        // SAFETY: client, name and both queues are alive; the reference to the partition's queue is
        // given back, the forwarding stays.
        unsafe {
            let client = consumer.client().native_ptr();
            let from = native::rd_kafka_queue_get_partition(client, name.as_ptr(), partition);
            if from.is_null() {
                return Err(Error::internal(format!("{topic}-{partition} has no queue")));
            }
            native::rd_kafka_queue_forward(from, self.queue);
            native::rd_kafka_queue_destroy(from);
        }
        Ok(())
    }

    /// What is there, without waiting.
    pub(super) fn fetch(&mut self) -> Fetched<'_> {
        // SAFETY: `room` has room for as many pointers as it says; no other call reads this queue.
        let count = unsafe {
            native::rd_kafka_consume_batch_queue(
                self.queue,
                0,
                self.room.as_mut_ptr(),
                self.room.len(),
            )
        };
        // Negative only for a bad argument.
        let count = usize::try_from(count).unwrap_or(0);
        Fetched(self.room.get(..count).unwrap_or_default())
    }
}

impl Drop for FetchQueue {
    fn drop(&mut self) {
        // SAFETY: ours, destroyed once. Disabling waits for a callback that runs: `bell` outlives it.
        unsafe {
            native::rd_kafka_queue_cb_event_enable(self.queue, None, ptr::null_mut());
            native::rd_kafka_queue_destroy(self.queue);
        }
        let _ = &self.bell;
    }
}

/// Called by librdkafka's threads, under the lock of the queue: it may call nothing of librdkafka.
unsafe extern "C" fn ring(_: *mut native::rd_kafka_t, bell: *mut c_void) {
    // SAFETY: points to the bell that `FetchQueue` keeps.
    unsafe { &*bell.cast::<Bell>() }.ring();
}

/// Commits `offsets` without waiting; the answer comes as an event of the consumer's own queue.
///
/// `Consumer::commit` would not tell what became of it: librdkafka answers to a callback, and with events in its
/// place there is none.
pub(super) fn commit<C: ConsumerContext>(
    consumer: &impl Consumer<C>,
    offsets: &TopicPartitionList,
) -> KafkaResult<()> {
    // SAFETY: client and list are alive; librdkafka copies the list and holds on to the queue.
    let error = unsafe {
        let client = consumer.client().native_ptr();
        let queue = native::rd_kafka_queue_get_consumer(client);
        let error =
            native::rd_kafka_commit_queue(client, offsets.ptr(), queue, None, ptr::null_mut());
        native::rd_kafka_queue_destroy(queue);
        error
    };
    match error {
        native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        error => Err(KafkaError::ConsumerCommit(error.into())),
    }
}

/// The messages of one batch; they are freed together.
pub(super) struct Fetched<'a>(&'a [*mut native::rd_kafka_message_t]);

impl Fetched<'_> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        // SAFETY: librdkafka gave so many valid messages, and they live until `drop`.
        self.0
            .iter()
            .map(|message| Message::new(unsafe { &**message }))
    }
}

impl Drop for Fetched<'_> {
    fn drop(&mut self) {
        for message in self.0 {
            // SAFETY: each was given to us and is freed once; no `Message` outlives the borrow.
            unsafe { native::rd_kafka_message_destroy(*message) };
        }
    }
}

/// A message as librdkafka holds it: nothing is copied.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    raw: &'a native::rd_kafka_message_t,
    lives: PhantomData<&'a [u8]>,
}

impl<'a> Message<'a> {
    fn new(raw: &'a native::rd_kafka_message_t) -> Self {
        Message {
            raw,
            lives: PhantomData,
        }
    }

    /// One that came through `poll`.
    pub(super) fn borrowed(message: &'a BorrowedMessage<'_>) -> Self {
        // SAFETY: the message lives as long as its `BorrowedMessage`.
        Message::new(unsafe { &*message.ptr() })
    }

    /// What is in it, if it is no message but an error.
    pub(super) fn error(&self) -> Option<RDKafkaErrorCode> {
        (self.raw.err != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR)
            .then(|| self.raw.err.into())
    }

    /// Its topic.
    pub fn topic(&self) -> &'a str {
        // SAFETY: the message holds on to its topic; Kafka allows ASCII names only.
        let name = unsafe { CStr::from_ptr(native::rd_kafka_topic_name(self.raw.rkt)) };
        name.to_str().unwrap_or_default()
    }

    /// Equal for messages of one topic, as long as one of them is alive.
    pub(super) fn topic_id(&self) -> usize {
        self.raw.rkt as usize
    }

    /// Its partition.
    pub fn partition(&self) -> i32 {
        self.raw.partition
    }

    /// Its offset.
    pub fn offset(&self) -> i64 {
        self.raw.offset
    }

    /// Its key, if it has one.
    pub fn key(&self) -> Option<&'a [u8]> {
        // SAFETY: `key` points to `key_len` bytes that live as long as the message.
        (!self.raw.key.is_null())
            .then(|| unsafe { slice::from_raw_parts(self.raw.key.cast(), self.raw.key_len) })
    }

    /// Its payload; a message without one is a tombstone.
    pub fn payload(&self) -> Option<&'a [u8]> {
        // SAFETY: as with the key.
        (!self.raw.payload.is_null())
            .then(|| unsafe { slice::from_raw_parts(self.raw.payload.cast(), self.raw.len) })
    }

    /// The bytes of its key and payload.
    pub(super) fn size(&self) -> usize {
        self.raw.key_len + self.raw.len
    }

    /// When it was made, or appended to the log, as the topic is set up.
    pub fn timestamp(&self) -> Option<Timestamp> {
        let mut kind = native::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: a live message and a place for the kind.
        let millis = unsafe { native::rd_kafka_message_timestamp(self.raw, &mut kind) };
        (kind != native::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE)
            .then(|| Timestamp::from_millis(millis))
    }

    /// Its headers, in order: names (what is not UTF-8 in them is replaced) and values.
    pub fn headers(&self) -> impl Iterator<Item = (String, Option<&'a [u8]>)> + use<'a> {
        let mut list = ptr::null_mut();
        // SAFETY: a live message; the list belongs to it. It is parsed on demand, by this thread alone:
        // a `Message` is neither `Send` nor `Sync`.
        let found = unsafe { native::rd_kafka_message_headers(self.raw, &mut list) };
        let found = found == native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
        (0..).map_while(move |index| found.then(|| header(list, index)).flatten())
    }
}

/// Header number `index` of a list that lives for `'a`.
fn header<'a>(
    list: *const native::rd_kafka_headers_t,
    index: usize,
) -> Option<(String, Option<&'a [u8]>)> {
    let (mut name, mut value, mut len) = (ptr::null(), ptr::null(), 0);
    // SAFETY: the list is alive; an index behind its end is an error. Name and value live as long as it.
    unsafe {
        let error = native::rd_kafka_header_get_all(list, index, &mut name, &mut value, &mut len);
        if error != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        let value = (!value.is_null()).then(|| slice::from_raw_parts(value.cast(), len));
        Some((CStr::from_ptr(name).to_string_lossy().into_owned(), value))
    }
}

impl std::fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the payload: it may be secret.
        write!(f, "{}-{}@{}", self.topic(), self.partition(), self.offset())
    }
}
