//! Sources and sinks whose type only they know, so that their task loops are compiled once.

use futures::future::BoxFuture;

use crate::bad_record::BadRecord;
use crate::batch::{AnyBatch, PartitionId};
use crate::error::{Error, Result};
use crate::operator::Operator;
use crate::outbox::Outbox;
use crate::runtime;
use crate::sink::{ErasedSink, ErasedWriter, SinkSetup};
use crate::source::{
    Intake, PartitionNews, Position, Read, Replay, Source, SourceReader, SourceSetup,
};
use crate::time::Timestamp;

/// A [`Source`] of any kind.
pub(crate) trait AnySource: Send {
    fn max_parallelism(&self) -> usize;
    fn is_bounded(&self) -> bool;
    fn replay(&self) -> Replay;
    fn commits(&self) -> bool;
    fn open(
        self: Box<Self>,
        setup: SourceSetup,
    ) -> BoxFuture<'static, Result<Vec<Box<dyn AnyReader>>>>;
}

/// A [`SourceReader`] of any kind, with its intake.
pub(crate) trait AnyReader: Send {
    fn read(&mut self) -> BoxFuture<'_, Result<Read>>;
    /// Moves what was taken in to output 0; says what it was.
    fn unload(&mut self, out: &mut Outbox) -> Result<Option<Load>>;
    fn take_news(&mut self) -> Vec<PartitionNews>;
    fn take_bad(&mut self) -> Vec<BadRecord>;
    fn positions(&self) -> Vec<Position>;
    fn committed(&mut self, positions: &[Position]) -> Result<()>;
    fn close(&mut self) -> BoxFuture<'_, Result<()>>;
}

/// What one read brought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) records: u64,
    pub(crate) partition: PartitionId,
}

pub(crate) struct SourceOf<S>(pub(crate) S);

impl<S: Source> AnySource for SourceOf<S> {
    fn max_parallelism(&self) -> usize {
        self.0.max_parallelism().max(1)
    }
    fn is_bounded(&self) -> bool {
        self.0.is_bounded()
    }
    fn replay(&self) -> Replay {
        self.0.replay()
    }
    fn commits(&self) -> bool {
        self.0.commits()
    }
    fn open(
        self: Box<Self>,
        setup: SourceSetup,
    ) -> BoxFuture<'static, Result<Vec<Box<dyn AnyReader>>>> {
        Box::pin(async move {
            let readers = self.0.open(setup).await?;
            let erase = |reader| {
                Box::new(ReaderOf {
                    reader,
                    intake: Intake::new(),
                }) as Box<_>
            };
            Ok(readers.into_iter().map(erase).collect())
        })
    }
}

struct ReaderOf<R: SourceReader> {
    reader: R,
    intake: Intake<R::Out>,
}

impl<R: SourceReader> AnyReader for ReaderOf<R> {
    fn read(&mut self) -> BoxFuture<'_, Result<Read>> {
        Box::pin(async {
            // Until `event_time` names another, a record's time is when it was taken in.
            self.intake.taken_at = runtime::wall();
            self.reader.read(&mut self.intake).await
        })
    }

    fn unload(&mut self, out: &mut Outbox) -> Result<Option<Load>> {
        let records = self.intake.records.len() as u64;
        if records == 0 {
            return Ok(None);
        }
        let partition = self.intake.partition;
        let arrival = self.intake.arrival.take().unwrap_or_else(runtime::now);
        out.begin(arrival, partition);
        out.port::<R::Out>(0)?.push_all(&mut self.intake.records);
        Ok(Some(Load { records, partition }))
    }

    fn take_news(&mut self) -> Vec<PartitionNews> {
        std::mem::take(&mut self.intake.partitions)
    }
    fn take_bad(&mut self) -> Vec<BadRecord> {
        std::mem::take(&mut self.intake.bad)
    }
    fn positions(&self) -> Vec<Position> {
        self.reader.positions()
    }
    fn committed(&mut self, positions: &[Position]) -> Result<()> {
        self.reader.committed(positions)
    }
    fn close(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.reader.close())
    }
}

/// A replica for which the source had no reader: it has nothing to read.
pub(crate) struct EndedReader;

impl AnyReader for EndedReader {
    fn read(&mut self) -> BoxFuture<'_, Result<Read>> {
        Box::pin(async { Ok(Read::End) })
    }
    fn unload(&mut self, _out: &mut Outbox) -> Result<Option<Load>> {
        Ok(None)
    }
    fn take_news(&mut self) -> Vec<PartitionNews> {
        Vec::new()
    }
    fn take_bad(&mut self) -> Vec<BadRecord> {
        Vec::new()
    }
    fn positions(&self) -> Vec<Position> {
        Vec::new()
    }
    fn committed(&mut self, _positions: &[Position]) -> Result<()> {
        Ok(())
    }
    fn close(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }
}

/// Stands in a source's own stage: the reader puts out, nothing computes.
pub(crate) struct NoOperator;

impl Operator for NoOperator {
    fn on_batch(&mut self, _input: usize, _batch: &mut AnyBatch, _out: &mut Outbox) -> Result<()> {
        Err(Error::internal("a source has no input"))
    }
}

/// A [`crate::sink::Sink`] of any kind.
pub(crate) trait AnySink: Send {
    fn max_parallelism(&self) -> usize;
    fn open(
        self: Box<Self>,
        setup: SinkSetup,
    ) -> BoxFuture<'static, Result<Vec<Box<dyn AnyWriter>>>>;
}

/// A [`crate::sink::SinkWriter`] of any kind.
pub(crate) trait AnyWriter: Send {
    /// Notes when the records happened.
    fn times(&self, batch: &mut AnyBatch, times: &mut Vec<Timestamp>) -> Result<()>;
    fn write<'a>(
        &'a mut self,
        batch: &'a mut AnyBatch,
        bad: &'a mut Vec<BadRecord>,
    ) -> BoxFuture<'a, Result<()>>;
    fn hand_over(&mut self) -> BoxFuture<'_, Result<()>>;
    fn flush<'a>(&'a mut self, bad: &'a mut Vec<BadRecord>) -> BoxFuture<'a, Result<()>>;
    fn close<'a>(&'a mut self, bad: &'a mut Vec<BadRecord>) -> BoxFuture<'a, Result<()>>;
}

pub(crate) struct SinkOf<T> {
    pub(crate) sink: ErasedSink<T>,
    pub(crate) most: usize,
}

impl<T: Send + 'static> AnySink for SinkOf<T> {
    fn max_parallelism(&self) -> usize {
        self.most.max(1)
    }
    fn open(
        self: Box<Self>,
        setup: SinkSetup,
    ) -> BoxFuture<'static, Result<Vec<Box<dyn AnyWriter>>>> {
        Box::pin(async move {
            let writers = self.sink.open(setup).await?;
            Ok(writers
                .into_iter()
                .map(|writer| Box::new(WriterOf(writer)) as Box<_>)
                .collect())
        })
    }
}

struct WriterOf<T>(ErasedWriter<T>);

impl<T: Send + 'static> AnyWriter for WriterOf<T> {
    fn times(&self, batch: &mut AnyBatch, times: &mut Vec<Timestamp>) -> Result<()> {
        times.extend(batch.of::<T>()?.records.iter().map(|record| record.time));
        Ok(())
    }

    fn write<'a>(
        &'a mut self,
        batch: &'a mut AnyBatch,
        bad: &'a mut Vec<BadRecord>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.0.write(batch.of::<T>()?, bad).await })
    }
    fn hand_over(&mut self) -> BoxFuture<'_, Result<()>> {
        self.0.hand_over()
    }
    fn flush<'a>(&'a mut self, bad: &'a mut Vec<BadRecord>) -> BoxFuture<'a, Result<()>> {
        self.0.flush(bad)
    }
    fn close<'a>(&'a mut self, bad: &'a mut Vec<BadRecord>) -> BoxFuture<'a, Result<()>> {
        self.0.close(bad)
    }
}
