//! What became of the messages that were sent: counted, timed, and told to the writer.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures::task::AtomicWaker;
use millstream_engine::bad_record::BadRecord;
use millstream_engine::latency::AckLatency;
use millstream_engine::runtime::{self, Instant};
use millstream_engine::{Error, Result};
use rdkafka::Message;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, DeliveryResult, ProducerContext};

use crate::kafka::error::{error, is_bad_record};
use crate::kafka::settings::Settings;

/// The context of a producer. Its callbacks run in the thread that polls, see [`poll`].
pub(super) struct Deliveries {
    settings: Settings,
    acknowledged: AckLatency,
    /// Messages that are no longer under way, delivered or not.
    done: AtomicU64,
    /// The writer wants to be woken when so many are done: more than ever will be while it does not wait, so that each
    /// delivery makes one comparison.
    awaited: AtomicU64,
    writer: AtomicWaker,
    failure: Mutex<Option<Error>>,
    refused: Mutex<Vec<BadRecord>>,
    /// Deliveries in a row of records that arrived together: noted at once.
    run: Mutex<Run>,
    stops: AtomicBool,
}

#[derive(Default)]
struct Run {
    arrival: usize,
    /// When the last of them was delivered, and how many there are.
    delivered: Option<(Instant, u64)>,
}

/// How long to poll before looking whether it is over.
const POLL: Duration = Duration::from_millis(100);

/// So many messages are never done.
const NEVER: u64 = u64::MAX;

impl Deliveries {
    pub(super) fn new(settings: Settings, acknowledged: AckLatency) -> Self {
        Deliveries {
            settings,
            acknowledged,
            done: AtomicU64::new(0),
            awaited: AtomicU64::new(NEVER),
            writer: AtomicWaker::new(),
            failure: Mutex::default(),
            refused: Mutex::default(),
            run: Mutex::default(),
            stops: AtomicBool::new(false),
        }
    }

    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }

    /// Waits until so many are done.
    ///
    /// # Errors
    /// A delivery failed.
    pub(super) async fn wait_for(&self, target: u64) -> Result<()> {
        poll_fn(|cx| {
            self.writer.register(cx.waker());
            self.awaited.store(target, Ordering::SeqCst);
            if let Err(error) = self.check() {
                return Poll::Ready(Err(error));
            }
            if self.done() < target {
                return Poll::Pending;
            }
            self.awaited.store(NEVER, Ordering::SeqCst);
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// The first failure. It is told once; a writer is not called again after it.
    pub(super) fn check(&self) -> Result<()> {
        lock(&self.failure).take().map_or(Ok(()), Err)
    }

    pub(super) fn take_refused(&self, bad: &mut Vec<BadRecord>) {
        bad.append(&mut lock(&self.refused));
    }

    /// Ends the thread that polls.
    pub(super) fn stop(&self) {
        self.stops.store(true, Ordering::Release);
    }

    fn fail(&self, error: Error) {
        lock(&self.failure).get_or_insert(error);
        self.writer.wake();
    }

    fn note(&self, run: &mut Run) {
        if let Some((now, records)) = run.delivered.take() {
            let arrival = Instant::from_nanos(run.arrival as u64);
            self.acknowledged.record(arrival, now, records);
        }
    }
}

/// The arrival of a record as the number that travels with its message.
pub(super) fn opaque(arrival: Instant) -> usize {
    usize::try_from(arrival.as_nanos()).unwrap_or(usize::MAX)
}

/// Polls for delivery reports until told to stop. Takes the producer along, because dropping it blocks.
pub(super) fn poll(producer: Arc<BaseProducer<Deliveries>>, deliveries: &Deliveries) {
    // A panic here must not look like a broker that never answers.
    let polled = catch_unwind(AssertUnwindSafe(|| {
        while !deliveries.stops.load(Ordering::Acquire) {
            producer.poll(POLL);
            deliveries.note(&mut lock(&deliveries.run));
        }
        drop(producer);
    }));
    if polled.is_err() {
        deliveries.fail(Error::internal("waiting for delivery reports panicked"));
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.settings.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // What is fatal fails the deliveries as well; anything else librdkafka tries again.
        let reason = self.settings.scrub(reason);
        tracing::warn!("Kafka producer: {error}: {reason}");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, arrival: usize) {
        match result {
            Ok(_) => {
                let mut run = lock(&self.run);
                if run.arrival != arrival {
                    self.note(&mut run);
                    run.arrival = arrival;
                }
                let records = run.delivered.map_or(0, |(_, records)| records);
                run.delivered = Some((runtime::now(), records + 1));
            }
            Err((cause, message)) => match cause.rdkafka_error_code() {
                Some(code) if is_bad_record(code) => {
                    let payload = message.payload().unwrap_or_default();
                    let position = format!("partition {}", message.partition());
                    let refused = BadRecord::new(message.topic(), position, payload, code);
                    lock(&self.refused).push(refused);
                }
                _ => {
                    let doing =
                        format!("delivering to {}-{}", message.topic(), message.partition());
                    self.fail(error(&self.settings, &doing, cause));
                }
            },
        }
        let done = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        if done >= self.awaited.load(Ordering::SeqCst) {
            self.writer.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is done under these locks that could leave half a change behind.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
