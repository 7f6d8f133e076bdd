//! The contract with where results go.

use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::bad_record::{BadRecord, BadRecords};
use crate::batch::Batch;
use crate::error::Result;
use crate::latency::AckLatency;
use crate::source::WithBadRecords;

/// A sink as the user sets it up. The flow opens it when it starts.
///
/// The writer does the work. Here is a sink of one's own, which writes lines into anything that takes bytes:
///
/// ```
/// use std::io::Write;
///
/// use millstream_engine::bad_record::BadRecord;
/// use millstream_engine::batch::Batch;
/// use millstream_engine::sink::{Sink, SinkSetup, SinkWriter};
/// use millstream_engine::{Error, Result};
///
/// struct Lines<W>(W);
///
/// struct LinesWriter<W> {
///     to: W,
///     buffer: Vec<u8>,
/// }
///
/// impl<W: Write + Send + 'static> Sink for Lines<W> {
///     type In = String;
///     type Writer = LinesWriter<W>;
///
///     async fn open(self, _setup: SinkSetup) -> Result<Vec<LinesWriter<W>>> {
///         // One writer: that is the most it said there can be, unless it says more.
///         Ok(vec![LinesWriter { to: self.0, buffer: Vec::new() }])
///     }
/// }
///
/// impl<W: Write + Send + 'static> SinkWriter for LinesWriter<W> {
///     type In = String;
///
///     async fn write(&mut self, batch: &mut Batch<String>, _: &mut Vec<BadRecord>) -> Result<()> {
///         for record in batch.records.drain(..) {
///             self.buffer.extend_from_slice(record.value.as_bytes());
///             self.buffer.push(b'\n');
///         }
///         Ok(())
///     }
///     async fn hand_over(&mut self) -> Result<()> {
///         let written = self.to.write_all(&self.buffer);
///         self.buffer.clear();
///         written.map_err(|error| Error::connection("cannot write lines").caused_by(error))
///     }
///     async fn flush(&mut self, _: &mut Vec<BadRecord>) -> Result<()> {
///         self.hand_over().await?;
///         self.to.flush().map_err(|error| Error::connection("cannot flush lines").caused_by(error))
///     }
/// }
///
/// // In a flow: `….sink("lines", Lines(Vec::new()))`.
/// # use millstream_engine::batch::Record;
/// # use millstream_engine::{runtime, time::Timestamp};
/// # runtime::block_on(async {
/// # let mut writer = Lines(Vec::new()).open(SinkSetup::new("lines", 1)).await?.remove(0);
/// # let record = Record { time: Timestamp::EPOCH, value: "one".to_owned() };
/// # let mut batch = Batch::new(runtime::now());
/// # batch.records.push(record);
/// # writer.write(&mut batch, &mut Vec::new()).await?;
/// # writer.flush(&mut Vec::new()).await?;
/// # assert_eq!(writer.to, b"one\n");
/// # Ok::<(), Error>(())
/// # })?;
/// # Ok::<(), Error>(())
/// ```
///
/// What blocks its thread for long belongs on another: see [`crate::runtime::blocking`].
///
/// # Contract
/// 1. Nothing happens before [`Sink::open`].
/// 2. `open` gives exactly `setup.parallelism` writers, which is at most [`Sink::max_parallelism`]; each becomes one
///    task.
pub trait Sink: Send + Sized + 'static {
    /// What it takes.
    type In: Send + 'static;
    /// One replica of it.
    type Writer: SinkWriter<In = Self::In>;

    /// The most writers that can share the work.
    fn max_parallelism(&self) -> usize {
        1
    }

    /// What to do with records it cannot encode or the outside refuses. Asked once, before `open`.
    fn bad_records(&mut self) -> BadRecords {
        BadRecords::Fail
    }

    /// Opens it.
    fn open(self, setup: SinkSetup) -> impl Future<Output = Result<Vec<Self::Writer>>> + Send;

    /// The same sink with this policy for bad records (default: [`BadRecords::Fail`]).
    fn on_bad_records(self, policy: BadRecords) -> WithBadRecords<Self> {
        WithBadRecords {
            inner: self,
            policy,
        }
    }
}

/// What a sink is told when it is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SinkSetup {
    /// Its name in the flow.
    pub vertex: Arc<str>,
    /// How many writers it is to give, at least 1.
    pub parallelism: usize,
    /// Where a writer whose outside acknowledges single records (Kafka) notes how long that took.
    pub acknowledged: AckLatency,
    /// The flow goes on from a snapshot: what an earlier run wrote is the first part of its output.
    pub resumed: bool,
}

impl SinkSetup {
    /// A set-up as tests of a single sink need it.
    pub fn new(vertex: &str, parallelism: usize) -> Self {
        SinkSetup {
            vertex: vertex.into(),
            parallelism,
            acknowledged: AckLatency::default(),
            resumed: false,
        }
    }
}

/// One replica of a sink.
///
/// # Contract
/// 1. [`write`](SinkWriter::write) takes every record out of the batch. It may keep them in a bounded buffer of
///    its own.
/// 2. [`hand_over`](SinkWriter::hand_over) hands what is buffered to the outside. The task calls it when its input
///    went empty, and every few milliseconds while it does not: there is no linger.
/// 3. [`flush`](SinkWriter::flush) returns when the outside has everything for good (acknowledged, on
///    disk), or with an error. An epoch commits only behind it.
/// 4. [`close`](SinkWriter::close) flushes, then lets go. It is the last call, and comes only after a good end:
///    a writer that is dropped without it publishes nothing that looks complete.
/// 5. While a writer waits, nobody else is held up but those who feed it: back-pressure is waiting.
/// 6. A record it cannot encode, or that the outside refuses for what it is, goes to `bad`.
/// 7. When nobody wants its output any more (`flow | head`), it returns [`crate::Error::closed`]: the flow
///    stops gracefully and does not fail. The writer is not called again.
pub trait SinkWriter: Send + 'static {
    /// What it takes.
    type In: Send + 'static;

    /// Takes the records.
    fn write(
        &mut self,
        batch: &mut Batch<Self::In>,
        bad: &mut Vec<BadRecord>,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Hands over what is buffered.
    fn hand_over(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Waits until the outside has everything. Records refused meanwhile go to `bad`.
    fn flush(&mut self, bad: &mut Vec<BadRecord>) -> impl Future<Output = Result<()>> + Send;

    /// Flushes and lets go.
    fn close(&mut self, bad: &mut Vec<BadRecord>) -> impl Future<Output = Result<()>> + Send {
        self.flush(bad)
    }
}

impl<S: Sink> Sink for WithBadRecords<S> {
    type In = S::In;
    type Writer = S::Writer;

    fn max_parallelism(&self) -> usize {
        self.inner.max_parallelism()
    }
    fn bad_records(&mut self) -> BadRecords {
        std::mem::take(&mut self.policy)
    }
    fn open(self, setup: SinkSetup) -> impl Future<Output = Result<Vec<Self::Writer>>> + Send {
        self.inner.open(setup)
    }
}

/// A sink of any kind that takes `T`.
pub struct ErasedSink<T>(Box<dyn OpenAny<T>>);

/// A writer of any kind that takes `T`.
pub type ErasedWriter<T> = Box<dyn WriteAny<T>>;

impl<T: Send + 'static> ErasedSink<T> {
    /// Forgets which sink it is.
    pub fn new<S: Sink<In = T>>(sink: S) -> Self {
        ErasedSink(Box::new(sink))
    }

    /// See [`Sink::open`].
    pub async fn open(self, setup: SinkSetup) -> Result<Vec<ErasedWriter<T>>> {
        self.0.open_any(setup).await
    }
}

trait OpenAny<T>: Send {
    fn open_any(
        self: Box<Self>,
        setup: SinkSetup,
    ) -> BoxFuture<'static, Result<Vec<ErasedWriter<T>>>>;
}

impl<T: Send + 'static, S: Sink<In = T>> OpenAny<T> for S {
    fn open_any(
        self: Box<Self>,
        setup: SinkSetup,
    ) -> BoxFuture<'static, Result<Vec<ErasedWriter<T>>>> {
        Box::pin(async move {
            let writers = (*self).open(setup).await?;
            Ok(writers
                .into_iter()
                .map(|writer| Box::new(writer) as ErasedWriter<T>)
                .collect())
        })
    }
}

/// [`SinkWriter`] in a form that can be boxed; implemented for every one of them.
pub trait WriteAny<T>: Send {
    /// See [`SinkWriter::write`].
    fn write<'a>(
        &'a mut self,
        batch: &'a mut Batch<T>,
        bad: &'a mut Vec<BadRecord>,
    ) -> BoxFuture<'a, Result<()>>;
    /// See [`SinkWriter::hand_over`].
    fn hand_over(&mut self) -> BoxFuture<'_, Result<()>>;
    /// See [`SinkWriter::flush`].
    fn flush<'a>(&'a mut self, bad: &'a mut Vec<BadRecord>) -> BoxFuture<'a, Result<()>>;
    /// See [`SinkWriter::close`].
    fn close<'a>(&'a mut self, bad: &'a mut Vec<BadRecord>) -> BoxFuture<'a, Result<()>>;
}

impl<T: Send + 'static, W: SinkWriter<In = T>> WriteAny<T> for W {
    fn write<'a>(
        &'a mut self,
        batch: &'a mut Batch<T>,
        bad: &'a mut Vec<BadRecord>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(SinkWriter::write(self, batch, bad))
    }
    fn hand_over(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(SinkWriter::hand_over(self))
    }
    fn flush<'a>(&'a mut self, bad: &'a mut Vec<BadRecord>) -> BoxFuture<'a, Result<()>> {
        Box::pin(SinkWriter::flush(self, bad))
    }
    fn close<'a>(&'a mut self, bad: &'a mut Vec<BadRecord>) -> BoxFuture<'a, Result<()>> {
        Box::pin(SinkWriter::close(self, bad))
    }
}
