//! One policy for bad records, applied where they are met.

use std::sync::Arc;

use futures::lock::Mutex;

use crate::bad_record::{BadRecord, BadRecords, DeadLetter};
use crate::batch::{Batch, Record};
use crate::error::{Error, Result};
use crate::metrics::Counters;
use crate::runtime;
use crate::sink::{ErasedWriter, SinkSetup};

/// What one replica does with its bad records.
pub(crate) struct BadRecordDesk {
    vertex: Arc<str>,
    counters: Arc<Counters>,
    policy: Policy,
}

enum Policy {
    Fail,
    Skip,
    DeadLetter(SharedWriter),
}

/// Bad records are rare: replicas that meet some take turns.
type SharedWriter = Arc<Mutex<ErasedWriter<DeadLetter>>>;

impl BadRecordDesk {
    /// Opens what the policy needs for each replica. Those beyond the writers of a dead-letter sink share
    /// them.
    pub(crate) async fn open(
        vertex: &Arc<str>,
        policy: BadRecords,
        counters: Vec<Arc<Counters>>,
    ) -> Result<Vec<BadRecordDesk>> {
        let parallelism = counters.len();
        let policies: Vec<Policy> = match policy {
            BadRecords::Fail => counters.iter().map(|_| Policy::Fail).collect(),
            BadRecords::Skip => counters.iter().map(|_| Policy::Skip).collect(),
            BadRecords::DeadLetter(sink) => {
                let setup = SinkSetup::new(&format!("{vertex}.dead-letter"), parallelism);
                let writers = sink.open(setup).await.map_err(|error| error.of(vertex))?;
                if writers.is_empty() {
                    let message = "its dead-letter sink gave no writer";
                    return Err(Error::internal(message).of(vertex));
                }
                let writers: Vec<SharedWriter> = writers
                    .into_iter()
                    .map(|writer| Arc::new(Mutex::new(writer)))
                    .collect();
                writers
                    .into_iter()
                    .cycle()
                    .take(parallelism)
                    .map(Policy::DeadLetter)
                    .collect()
            }
        };
        Ok(counters
            .into_iter()
            .zip(policies)
            .map(|(counters, policy)| BadRecordDesk {
                vertex: vertex.clone(),
                counters,
                policy,
            })
            .collect())
    }

    /// Does with these what the policy says; none are left.
    pub(crate) async fn settle(&mut self, bad: &mut Vec<BadRecord>) -> Result<()> {
        if bad.is_empty() {
            return Ok(());
        }
        self.counters.bad(bad.len() as u64);
        match &mut self.policy {
            Policy::Fail => Err(Error::data(bad[0].to_string())),
            Policy::Skip => {
                bad.clear();
                Ok(())
            }
            Policy::DeadLetter(writer) => {
                let mut batch = Batch::new(runtime::now());
                let time = runtime::wall();
                batch.records.extend(bad.drain(..).map(|record| Record {
                    time,
                    value: DeadLetter {
                        vertex: self.vertex.to_string(),
                        origin: record.origin,
                        position: record.position,
                        cause: record.cause,
                        payload: record.payload,
                    },
                }));
                let mut refused = Vec::new();
                let mut writer = writer.lock().await;
                writer.write(&mut batch, &mut refused).await?;
                writer.hand_over().await?;
                Self::none_refused(refused)
            }
        }
    }

    /// Waits until the dead letters are safe, as the sinks do at a barrier.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        let mut refused = Vec::new();
        if let Policy::DeadLetter(writer) = &mut self.policy {
            writer.lock().await.flush(&mut refused).await?;
        }
        Self::none_refused(refused)
    }

    /// Closes the dead-letter sink after a good end.
    pub(crate) async fn close(&mut self) -> Result<()> {
        let mut refused = Vec::new();
        // The last one that shares it closes it.
        if let Policy::DeadLetter(writer) = std::mem::replace(&mut self.policy, Policy::Fail)
            && let Some(writer) = Arc::into_inner(writer)
        {
            writer.into_inner().close(&mut refused).await?;
        }
        Self::none_refused(refused)
    }

    fn none_refused(refused: Vec<BadRecord>) -> Result<()> {
        match refused.first() {
            Some(first) => Err(Error::data(format!(
                "the dead-letter sink refused: {first}"
            ))),
            None => Ok(()),
        }
    }
}
