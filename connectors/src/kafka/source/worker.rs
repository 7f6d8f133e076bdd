//! The thread of a consumer: everything that calls librdkafka while the source runs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::runtime::{self, Instant};
use millstream_engine::source::EpochRequest;
use millstream_engine::{Error, ErrorKind, Result};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::context::{Group, Rebalance};
use super::extract::Extract;
use super::inbox::{Event, Inbox};
use super::loader::{Loader, Trouble};
use super::start::{LOOK_UP, Name, Starts};
use crate::kafka::error::{error, is_passing, kind_of};
use crate::kafka::native::{FetchQueue, Message};
use crate::kafka::settings::Settings;

/// What a worker needs to begin.
pub(super) struct Task<E: Extract> {
    pub(super) consumer: BaseConsumer<Group>,
    pub(super) inbox: Arc<Inbox<E::Out>>,
    pub(super) extract: E,
    pub(super) settings: Settings,
    pub(super) reading: Reading,
    pub(super) starts: Arc<Starts>,
    /// Whether there is a group to commit to.
    pub(super) commits: bool,
    pub(super) epochs: EpochRequest,
    pub(super) revoke_patience: Duration,
}

/// What a worker reads.
pub(super) enum Reading {
    /// What the group gives it of these topics.
    Subscribed(Vec<String>),
    /// These partitions, to where they end if that is told.
    Fixed(Vec<(Name, Option<i64>)>),
}

/// The loop, and what it holds. The order of the first two fields is that of their ends: a consumer whose
/// partitions are still forwarded to a queue does not close.
pub(super) struct Worker<E: Extract> {
    queue: FetchQueue,
    pub(super) consumer: BaseConsumer<Group>,
    pub(super) loader: Loader<E>,
    pub(super) task: Shared<E::Out>,
    reading: Reading,
    /// A rebalance that librdkafka still waits for.
    pub(super) unanswered: Option<Rebalance>,
    pub(super) closing: bool,
    /// When offsets that were not taken are to be sent again.
    pub(super) retry_commit: Option<Instant>,
    finished: bool,
}

/// What all parts of a worker look at.
pub(super) struct Shared<T> {
    pub(super) inbox: Arc<Inbox<T>>,
    pub(super) settings: Settings,
    pub(super) starts: Arc<Starts>,
    pub(super) commits: bool,
    pub(super) epochs: EpochRequest,
    pub(super) revoke_patience: Duration,
}

/// Messages per call of librdkafka, and so the most records of one batch. Large ones make smaller batches.
const BATCH: usize = 512;
/// How long to wait for a ring at most. Everything rings; this is for what librdkafka forgets.
const TICK: Duration = Duration::from_millis(500);
/// How long the last commit may take before it is given up.
pub(super) const LAST_COMMIT: Duration = Duration::from_secs(5);

/// Runs a consumer until its reader lets go of it or it fails.
pub(super) fn run<E: Extract>(task: Task<E>) {
    let inbox = task.inbox.clone();
    // A panic in the user's decoder (or ours) must not look like a topic that fell silent.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut worker = Worker::new(task);
        let outcome = catch_unwind(AssertUnwindSafe(|| worker.run()));
        worker.close();
        outcome
    }));
    match outcome.and_then(|inner| inner) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => inbox.put(Event::Failed(error)),
        Err(panic) => inbox.put(Event::Failed(panicked(&*panic))),
    }
    inbox.end();
}

impl<E: Extract> Worker<E> {
    fn new(task: Task<E>) -> Self {
        let mut consumer = task.consumer;
        let bell = task.inbox.bell.clone();
        bell.answer_here();
        let queue = FetchQueue::new(consumer.client(), BATCH, bell.clone());
        consumer.set_nonempty_callback(move || bell.ring());
        Worker {
            queue,
            consumer,
            loader: Loader::new(task.extract, task.inbox.clone()),
            task: Shared {
                inbox: task.inbox,
                settings: task.settings,
                starts: task.starts,
                commits: task.commits,
                epochs: task.epochs,
                revoke_patience: task.revoke_patience,
            },
            reading: task.reading,
            unanswered: None,
            closing: false,
            retry_commit: None,
            finished: false,
        }
    }

    fn run(&mut self) -> Result<()> {
        self.begin()?;
        let mut forwarded = runtime::now();
        while !self.closing {
            self.serve()?;
            while let Some(rebalance) = self.consumer.context().next_rebalance() {
                self.rebalance(rebalance)?;
            }
            self.take_orders();
            self.commit()?;
            // Full: no reading, and librdkafka stops fetching when its own bounded queue is full as well. Not
            // paused, because that would throw away what is fetched. Events are served all the time.
            if !self.finished && !self.task.inbox.is_full() && self.load()? > 0 {
                continue;
            }
            self.look_for_the_end();
            self.task.inbox.bell.wait(TICK);
            if runtime::now() - forwarded > TICK {
                forwarded = runtime::now();
                self.forward()?;
            }
        }
        self.commit_and_wait(LAST_COMMIT)
    }

    fn begin(&mut self) -> Result<()> {
        match &self.reading {
            Reading::Subscribed(topics) => {
                let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
                let subscribed = self.consumer.subscribe(&topics);
                subscribed.map_err(|cause| error(&self.task.settings, "subscribing", &cause))
            }
            Reading::Fixed(partitions) => self.take_fixed(partitions.clone()),
        }
    }

    /// Serves librdkafka's events: rebalances are noted, commits answered, errors told.
    pub(super) fn serve(&mut self) -> Result<()> {
        let mut slipped = false;
        loop {
            let before = self.consumer.context().events();
            let outcome = match self.consumer.poll(Duration::ZERO) {
                // One that slipped through before its partition was forwarded: it comes first.
                Some(Ok(message)) => {
                    let message = Message::borrowed(&message);
                    let outcome = self.loader.take(&message, runtime::now());
                    if !std::mem::replace(&mut slipped, true) {
                        // What comes next waits in our queue until there is room.
                        self.forward()?;
                    }
                    outcome
                }
                Some(Err(cause)) => {
                    self.survive(&cause)?;
                    continue;
                }
                None if self.consumer.context().events() == before => return Ok(()),
                None => continue,
            };
            self.loader.hand_over();
            self.endure(outcome)?;
        }
    }

    /// Reads a batch; says how much that was.
    fn load(&mut self) -> Result<usize> {
        let arrival: Instant = runtime::now();
        let fetched = self.queue.fetch();
        let mut outcome = Ok(());
        for message in fetched.iter() {
            outcome = self.loader.take(&message, arrival);
            if outcome.is_err() {
                break;
            }
        }
        let count = fetched.len();
        drop(fetched);
        self.loader.hand_over();
        self.endure(outcome)?;
        Ok(count)
    }

    pub(super) fn forward(&self) -> Result<()> {
        for owned in self.loader.owned() {
            let partition = &owned.partition;
            self.queue
                .forward(&self.consumer, &partition.topic, partition.number)?;
        }
        Ok(())
    }

    fn look_for_the_end(&mut self) {
        if let Reading::Fixed(_) = self.reading
            && !self.finished
            && self.loader.owned().iter().all(|owned| owned.is_done)
        {
            // Not the end of the thread: there are offsets to commit.
            self.finished = true;
            self.task.inbox.put(Event::Finished);
        }
    }

    /// Passes over what librdkafka deals with by itself.
    fn survive(&self, cause: &KafkaError) -> Result<()> {
        match cause.rdkafka_error_code() {
            None if matches!(cause, KafkaError::PartitionEOF(_)) => Ok(()),
            Some(code)
                if is_passing(code) && !matches!(cause, KafkaError::MessageConsumptionFatal(_)) =>
            {
                Ok(())
            }
            _ => Err(error(&self.task.settings, "reading", cause)),
        }
    }

    fn endure(&self, outcome: Result<(), Trouble>) -> Result<()> {
        let Err(Trouble {
            code,
            partition,
            offset,
        }) = outcome
        else {
            return Ok(());
        };
        let name = &partition.name;
        match code {
            Code::AutoOffsetReset | Code::OffsetOutOfRange => {
                let marks =
                    self.consumer
                        .fetch_watermarks(&partition.topic, partition.number, LOOK_UP);
                let left = match marks {
                    Ok((low, high)) => format!(": what is left begins at {low} and ends at {high}"),
                    Err(_) => String::new(),
                };
                Err(Error::state(format!(
                    "offset {offset} of {name}, where reading was to go on, is gone{left}; \
                     to go on without the records in between, say so with `starting_at`"
                )))
            }
            code => Err(Error::new(
                kind_of(code),
                format!("reading {name} at offset {offset}: {code}"),
            )),
        }
    }

    /// Leaves the group and lets go.
    fn close(mut self) {
        let context = self.consumer.context().clone();
        context.close();
        let waiting = std::iter::from_fn(|| context.next_rebalance());
        for rebalance in self.unanswered.take().into_iter().chain(waiting) {
            // librdkafka closes a consumer only when it is not waiting for an answer.
            let _ = rebalance.answer(&self.consumer);
        }
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = runtime::panic_message(panic);
    Error::new(ErrorKind::User, format!("decoding panicked: {text}"))
}
