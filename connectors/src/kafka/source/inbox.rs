//! What lies between a consumer's thread and its reader: batches one way, orders the other.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures::task::AtomicWaker;
use millstream_engine::Error;
use millstream_engine::bad_record::BadRecord;
use millstream_engine::batch::PartitionId;
use millstream_engine::runtime::Instant;

use crate::kafka::bell::Bell;

/// A topic partition that a reader has.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) id: PartitionId,
    pub(super) topic: Arc<str>,
    pub(super) number: i32,
    /// `orders-3`: the name of the split.
    pub(super) name: Arc<str>,
    /// The offset behind all that the reader has handed to the flow; at first, where reading began.
    pub(super) handed: AtomicI64,
}

/// Records of one partition, decoded.
#[derive(Debug)]
pub(super) struct Chunk<T> {
    pub(super) partition: Arc<Partition>,
    pub(super) arrival: Instant,
    pub(super) values: Vec<T>,
    pub(super) bad: Vec<BadRecord>,
    /// Of their keys and payloads.
    pub(super) bytes: usize,
    /// The offset behind them.
    pub(super) next: i64,
}

/// What a thread tells its reader, in order.
#[derive(Debug)]
pub(super) enum Event<T> {
    Assigned(Arc<Partition>),
    Revoked(Arc<Partition>),
    Chunk(Chunk<T>),
    /// The partition was read to where `until_end` stops. It is still this reader's.
    Ended(Arc<Partition>),
    /// All that `until_end` asked for was read.
    Finished,
    Failed(Error),
}

/// What a reader tells its thread.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// Offsets to commit: the newest of each partition.
    pub(super) commit: BTreeMap<(Arc<str>, i32), i64>,
    /// The reader is gone or about to go.
    pub(super) close: bool,
}

/// The place where both meet. The thread fetches nothing while [`Inbox::is_full`], so it is bounded by
/// [`Inbox::CHUNKS`] batches of about [`Inbox::CHUNK_BYTES`] and what one fetch takes out of librdkafka's own
/// bounded queue; news of partitions are few.
#[derive(Debug)]
pub(super) struct Inbox<T> {
    waiting: Mutex<Waiting<T>>,
    orders: Mutex<Orders>,
    /// Emptied buffers on their way back: a fresh one per batch costs more than filling it.
    spare: Mutex<Vec<Vec<T>>>,
    news: AtomicWaker,
    ended: Mutex<bool>,
    pub(super) bell: Arc<Bell>,
}

/// The events, and the bytes of the chunks among them.
#[derive(Debug)]
struct Waiting<T> {
    events: VecDeque<Event<T>>,
    bytes: usize,
}

impl<T> Waiting<T> {
    fn is_full(&self) -> bool {
        self.events.len() >= Inbox::<T>::CHUNKS
            || self.bytes >= Inbox::<T>::CHUNKS * Inbox::<T>::CHUNK_BYTES
    }
}

impl<T> Event<T> {
    fn bytes(&self) -> usize {
        match self {
            Event::Chunk(chunk) => chunk.bytes,
            _ => 0,
        }
    }
}

impl<T> Inbox<T> {
    /// So many batches wait at most before the thread stops reading.
    pub(super) const CHUNKS: usize = 8;
    /// With so many bytes a batch is handed over, however few its records are.
    pub(super) const CHUNK_BYTES: usize = 1 << 20;

    pub(super) fn new() -> Self {
        Inbox {
            waiting: Mutex::new(Waiting {
                events: VecDeque::new(),
                bytes: 0,
            }),
            orders: Mutex::default(),
            spare: Mutex::default(),
            news: AtomicWaker::new(),
            ended: Mutex::new(false),
            bell: Arc::default(),
        }
    }

    // The thread's side.

    pub(super) fn put(&self, event: Event<T>) {
        let mut waiting = lock(&self.waiting);
        waiting.bytes += event.bytes();
        waiting.events.push_back(event);
        drop(waiting);
        self.news.wake();
    }

    pub(super) fn is_full(&self) -> bool {
        lock(&self.waiting).is_full()
    }

    /// Takes back what the reader has not yet seen of these partitions: the next owner will read it. From
    /// here on the reader hands over nothing more of them.
    pub(super) fn withdraw(&self, partitions: &[Arc<Partition>]) {
        let mut waiting = lock(&self.waiting);
        waiting.events.retain(|event| match event {
            Event::Chunk(chunk) => !partitions.iter().any(|p| Arc::ptr_eq(p, &chunk.partition)),
            _ => true,
        });
        waiting.bytes = waiting.events.iter().map(Event::bytes).sum();
    }

    pub(super) fn orders(&self) -> Orders {
        let mut orders = lock(&self.orders);
        Orders {
            commit: std::mem::take(&mut orders.commit),
            close: orders.close,
        }
    }

    pub(super) fn buffer(&self) -> Vec<T> {
        lock(&self.spare).pop().unwrap_or_default()
    }

    /// The thread has let go of its consumer.
    pub(super) fn end(&self) {
        *lock(&self.ended) = true;
        self.news.wake();
    }

    // The reader's side.

    /// The next event. May be given up at any time.
    pub(super) async fn next(&self) -> Event<T> {
        poll_fn(|cx| {
            if let Some(event) = self.take() {
                return Poll::Ready(event);
            }
            self.news.register(cx.waker());
            // Once more: it may have come before the waker did.
            self.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    fn take(&self) -> Option<Event<T>> {
        let mut waiting = lock(&self.waiting);
        let was_full = waiting.is_full();
        let event = waiting.events.pop_front();
        waiting.bytes -= event.as_ref().map_or(0, Event::bytes);
        if let Some(Event::Chunk(chunk)) = &event {
            // Under the lock, so that `withdraw` either takes a chunk back or sees that it was handed over.
            chunk.partition.handed.store(chunk.next, Ordering::Relaxed);
        }
        let has_room = was_full && !waiting.is_full();
        drop(waiting);
        if has_room {
            self.bell.ring();
        }
        event
    }

    pub(super) fn give_back(&self, buffer: Vec<T>) {
        let mut spare = lock(&self.spare);
        if spare.len() < Self::CHUNKS {
            spare.push(buffer);
        }
    }

    pub(super) fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut lock(&self.orders));
        self.bell.ring();
    }

    /// Waits until the thread has let go.
    pub(super) async fn ended(&self) {
        poll_fn(|cx| {
            self.news.register(cx.waker());
            match *lock(&self.ended) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is done under these locks that could leave half a change behind.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
