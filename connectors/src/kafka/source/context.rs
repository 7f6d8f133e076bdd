//! What librdkafka calls back while a consumer is polled: it is noted, and handled by the thread's loop.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::types::RDKafkaRespErr;

use crate::kafka::settings::Settings;

/// A change of the assignment that librdkafka waits for.
#[derive(Clone, Debug)]
pub(super) struct Rebalance {
    pub(super) assigns: bool,
    pub(super) partitions: TopicPartitionList,
}

/// The context of one consumer. Its callbacks run in the thread that polls, between Rust frames only.
pub(super) struct Group {
    settings: Settings,
    rebalances: Mutex<VecDeque<Rebalance>>,
    /// From here on rebalances are answered on the spot: the loop has ended.
    closing: AtomicBool,
    /// How many events there were: `poll` returns nothing after an event as well as when there is none.
    events: AtomicU64,
    /// Commits that are under way.
    commits: AtomicU64,
    /// Whether one failed since it was last asked.
    commit_failed: AtomicBool,
}

impl Group {
    pub(super) fn new(settings: Settings) -> Self {
        Group {
            settings,
            rebalances: Mutex::default(),
            closing: AtomicBool::new(false),
            events: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            commit_failed: AtomicBool::new(false),
        }
    }

    pub(super) fn next_rebalance(&self) -> Option<Rebalance> {
        self.rebalances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }

    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    pub(super) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    pub(super) fn commit_sent(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn commits_under_way(&self) -> bool {
        self.commits.load(Ordering::Relaxed) > 0
    }

    pub(super) fn take_commit_failed(&self) -> bool {
        self.commit_failed.swap(false, Ordering::Relaxed)
    }

    fn count(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }
}

impl Rebalance {
    /// Tells librdkafka that it is done. (rdkafka's own way drops the error.)
    pub(super) fn answer<C: ConsumerContext>(&self, consumer: &BaseConsumer<C>) -> KafkaResult<()> {
        let one_by_one = matches!(
            consumer.rebalance_protocol(),
            RebalanceProtocol::Cooperative
        );
        match (self.assigns, one_by_one) {
            (true, true) => consumer.incremental_assign(&self.partitions),
            (true, false) => consumer.assign(&self.partitions),
            (false, true) => consumer.incremental_unassign(&self.partitions),
            (false, false) => consumer.unassign(),
        }
    }
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.count();
        self.settings.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.count();
        let reason = self.settings.scrub(reason);
        tracing::warn!("Kafka consumer: {error}: {reason}");
    }
}

impl ConsumerContext for Group {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        kind: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        self.count();
        let rebalance = Rebalance {
            assigns: kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS,
            partitions: partitions.clone(),
        };
        if self.closing.load(Ordering::Relaxed) {
            if let Err(cause) = rebalance.answer(consumer) {
                tracing::warn!("leaving the consumer group: {cause}");
            }
            return;
        }
        let mut rebalances = self
            .rebalances
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        rebalances.push_back(rebalance);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        self.count();
        let under_way = &self.commits;
        let _ = under_way.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        match result.map_err(|cause| (cause.rdkafka_error_code(), cause)) {
            Ok(()) | Err((Some(Code::NoOffset), _)) => {}
            // Not the end of the flow: it is tried again, and until then nothing is lost.
            Err((_, cause)) => {
                tracing::warn!("offsets were not committed, trying again: {cause}");
                self.commit_failed.store(true, Ordering::Relaxed);
            }
        }
    }
}
