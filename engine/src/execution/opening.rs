//! Opens what the flow touches of the outside: sources, sinks, dead-letter sinks.

use std::sync::Arc;

use crate::bad_record::BadRecords;
use crate::error::{Error, Result};
use crate::latency::Ledger;
use crate::metrics::{Counters, Metrics};
use crate::plan::{Body, MakeOperator, Plan};
use crate::sink::SinkSetup;
use crate::source::{EpochRequest, SourceSetup};
use crate::state::{Snapshot, StateKind};
use crate::task::bad_records::BadRecordDesk;
use crate::task::erased::{AnyReader, AnySink, AnySource, AnyWriter, EndedReader};

/// A vertex whose connector is open: what each of its replicas runs.
pub(super) enum Opened {
    Source {
        ends: Vec<Opening<dyn AnyReader>>,
        is_bounded: bool,
    },
    Operator {
        make: MakeOperator,
        state: Option<StateKind>,
        waits: bool,
        has_clock: bool,
    },
    Sink(Vec<Opening<dyn AnyWriter>>),
}

/// What a replica holds of the outside.
pub(super) enum End {
    /// It reads; whether the source is bounded.
    Reader(Opening<dyn AnyReader>, bool),
    /// It writes.
    Writer(Opening<dyn AnyWriter>),
    /// It computes.
    None,
}

impl Opened {
    /// Whether it makes event time.
    pub(super) fn has_clock(&self) -> bool {
        matches!(
            self,
            Opened::Operator {
                has_clock: true,
                ..
            }
        )
    }

    /// The end for the next replica.
    pub(super) fn take_end(&mut self) -> End {
        match self {
            Opened::Source { ends, is_bounded } if !ends.is_empty() => {
                End::Reader(ends.remove(0), *is_bounded)
            }
            Opened::Sink(ends) if !ends.is_empty() => End::Writer(ends.remove(0)),
            _ => End::None,
        }
    }
}

/// One replica's end of a connector, and what it does with bad records.
pub(super) struct Opening<E: ?Sized> {
    pub(super) end: Box<E>,
    pub(super) desk: BadRecordDesk,
}

/// What opening needs to know of the flow.
pub(super) struct Opener<'a> {
    pub(super) plan: &'a Plan,
    pub(super) ledger: &'a Ledger,
    pub(super) metrics: &'a mut Metrics,
    pub(super) epochs: EpochRequest,
    pub(super) restored: Option<&'a Snapshot>,
}

impl Opener<'_> {
    /// Opens vertex `index`; gives its replicas' counters as well.
    pub(super) async fn open(
        &mut self,
        index: usize,
        body: Body,
    ) -> Result<(Opened, Vec<Arc<Counters>>)> {
        let vertex = &self.plan.vertices[index];
        let counters: Vec<Arc<Counters>> = std::iter::repeat_with(Arc::default)
            .take(vertex.parallelism)
            .collect();
        for replica in &counters {
            self.metrics.add(&vertex.name, replica);
        }
        let opened = match body {
            Body::Operator {
                make,
                state,
                own_task,
                has_clock,
                ..
            } => Opened::Operator {
                make,
                state,
                waits: own_task,
                has_clock,
            },
            Body::Source(source, policy) => {
                let is_bounded = source.is_bounded();
                let readers = self.open_source(index, source).await?;
                let ends = self.with_desks(index, readers, policy, &counters).await?;
                Opened::Source { ends, is_bounded }
            }
            Body::Sink(sink, policy) => {
                let writers = self.open_sink(index, sink).await?;
                Opened::Sink(self.with_desks(index, writers, policy, &counters).await?)
            }
        };
        Ok((opened, counters))
    }

    async fn open_source(
        &self,
        index: usize,
        source: Box<dyn AnySource>,
    ) -> Result<Vec<Box<dyn AnyReader>>> {
        let vertex = &self.plan.vertices[index];
        let state = self
            .restored
            .and_then(|snapshot| snapshot.vertices.get(&*vertex.name));
        let setup = SourceSetup {
            vertex: vertex.name.clone(),
            parallelism: vertex.parallelism,
            positions: state.map(|state| state.positions.clone()),
            epochs: self.epochs.clone(),
        };
        let mut readers = source
            .open(setup)
            .await
            .map_err(|error| error.of(&vertex.name))?;
        if readers.is_empty() || readers.len() > vertex.parallelism {
            let wanted = format!("between 1 and {}", vertex.parallelism);
            return Err(wrong_number("source", "readers", readers.len(), &wanted).of(&vertex.name));
        }
        // Fewer files than replicas: the others have nothing to read.
        readers.resize_with(vertex.parallelism, || Box::new(EndedReader));
        Ok(readers)
    }

    async fn open_sink(
        &self,
        index: usize,
        sink: Box<dyn AnySink>,
    ) -> Result<Vec<Box<dyn AnyWriter>>> {
        let vertex = &self.plan.vertices[index];
        let mut setup = SinkSetup::new(&vertex.name, vertex.parallelism);
        setup.resumed = self.restored.is_some();
        setup.acknowledged = self.ledger.acknowledged(&vertex.name);
        let writers = sink
            .open(setup)
            .await
            .map_err(|error| error.of(&vertex.name))?;
        if writers.len() != vertex.parallelism {
            let wanted = vertex.parallelism.to_string();
            return Err(wrong_number("sink", "writers", writers.len(), &wanted).of(&vertex.name));
        }
        Ok(writers)
    }

    async fn with_desks<E: ?Sized>(
        &self,
        index: usize,
        ends: Vec<Box<E>>,
        policy: BadRecords,
        counters: &[Arc<Counters>],
    ) -> Result<Vec<Opening<E>>> {
        let vertex = &self.plan.vertices[index].name;
        let desks = BadRecordDesk::open(vertex, policy, counters.to_vec()).await?;
        Ok(ends
            .into_iter()
            .zip(desks)
            .map(|(end, desk)| Opening { end, desk })
            .collect())
    }
}

/// A connector that breaks its contract.
fn wrong_number(connector: &str, what: &str, given: usize, wanted: &str) -> Error {
    Error::config(format!(
        "the {connector} opened {given} {what} where its contract asks for {wanted}"
    ))
}
