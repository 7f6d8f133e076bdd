//! The writer: hands records to librdkafka, and waits where that has no room.

use std::sync::Arc;

use millstream_engine::Result;
use millstream_engine::bad_record::BadRecord;
use millstream_engine::batch::Batch;
use millstream_engine::sink::SinkWriter;
use millstream_engine::time::Timestamp;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, BaseRecord};

use super::compose::{Compose, Outgoing, Parts};
use super::delivery::{Deliveries, opaque};
use crate::kafka::error::{error, is_bad_record};
use crate::kafka::settings::Settings;

/// One replica of a [`KafkaSink`](super::KafkaSink): a producer whose deliveries a thread of its own waits for.
pub struct KafkaWriter<C: Compose> {
    compose: C,
    topic: Arc<str>,
    settings: Settings,
    producer: Option<Arc<BaseProducer<Deliveries>>>,
    deliveries: Arc<Deliveries>,
    outgoing: Outgoing,
    sent: u64,
}

impl<C: Compose> KafkaWriter<C> {
    pub(super) fn new(
        compose: C,
        topic: Arc<str>,
        settings: Settings,
        producer: Arc<BaseProducer<Deliveries>>,
        deliveries: Arc<Deliveries>,
    ) -> Self {
        KafkaWriter {
            compose,
            topic,
            settings,
            producer: Some(producer),
            deliveries,
            outgoing: Outgoing::default(),
            sent: 0,
        }
    }

    /// Sends what is in `outgoing`.
    async fn send(
        &mut self,
        time: Timestamp,
        arrival: usize,
        bad: &mut Vec<BadRecord>,
    ) -> Result<()> {
        let Some(producer) = &self.producer else {
            return Ok(()); // closed: not called again
        };
        let Parts {
            key,
            payload,
            headers,
            timestamp,
        } = self.outgoing.parts();
        let time = timestamp.unwrap_or(time);
        let mut record = BaseRecord {
            topic: &self.topic,
            partition: None,
            payload,
            key,
            // To librdkafka 0 is "now", and before 1970 is nothing.
            timestamp: Some(time.as_millis()).filter(|millis| *millis > 0),
            headers,
            delivery_opaque: arrival,
        };
        loop {
            let Err((cause, unsent)) = producer.send(record) else {
                self.sent += 1;
                return Ok(());
            };
            record = unsent;
            match cause {
                KafkaError::MessageProduction(Code::QueueFull) => {
                    // Until half of it is done, so that records do not go out one by one.
                    let done = self.deliveries.done();
                    let target = done + self.sent.saturating_sub(done).div_ceil(2);
                    self.deliveries.wait_for(target).await?;
                }
                KafkaError::MessageProduction(code) if is_bad_record(code) => {
                    let payload = payload.map(Vec::as_slice).unwrap_or_default();
                    bad.push(BadRecord::new(&*self.topic, record_of(time), payload, code));
                    return Ok(());
                }
                cause => {
                    let doing = format!("writing to {}", self.topic);
                    return Err(error(&self.settings, &doing, &cause));
                }
            }
        }
    }

    fn let_go(&mut self) {
        // First, so that the last reference is the thread's: dropping a producer blocks.
        self.producer = None;
        self.deliveries.stop();
    }
}

impl<C: Compose> SinkWriter for KafkaWriter<C> {
    type In = C::In;

    async fn write(&mut self, batch: &mut Batch<C::In>, bad: &mut Vec<BadRecord>) -> Result<()> {
        self.deliveries.check()?;
        self.deliveries.take_refused(bad);
        let arrival = opaque(batch.arrival);
        for record in batch.records.drain(..) {
            self.outgoing.clear();
            match self.compose.compose(&record.value, &mut self.outgoing) {
                Ok(()) => self.send(record.time, arrival, bad).await?,
                Err(cause) => {
                    let position = record_of(record.time);
                    bad.push(BadRecord::new(&*self.topic, position, &[], cause));
                }
            }
        }
        Ok(())
    }

    async fn hand_over(&mut self) -> Result<()> {
        // librdkafka sends by itself, `linger.ms` after the first record of a batch.
        self.deliveries.check()
    }

    async fn flush(&mut self, bad: &mut Vec<BadRecord>) -> Result<()> {
        self.deliveries.wait_for(self.sent).await?;
        self.deliveries.take_refused(bad);
        self.deliveries.check()
    }

    async fn close(&mut self, bad: &mut Vec<BadRecord>) -> Result<()> {
        let flushed = self.flush(bad).await;
        self.let_go();
        flushed
    }
}

impl<C: Compose> Drop for KafkaWriter<C> {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl<C: Compose> std::fmt::Debug for KafkaWriter<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KafkaWriter({})", self.topic)
    }
}

/// What there is to tell a record by that was never written.
fn record_of(time: Timestamp) -> String {
    format!("record of {time}")
}
