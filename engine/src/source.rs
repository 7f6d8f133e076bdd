//! The contract with where records come from.

mod intake;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::bad_record::BadRecords;
use crate::batch::PartitionId;
use crate::edge::Bell;
use crate::error::Result;

pub use intake::Intake;

/// A source as the user sets it up: what to read, from where. The flow opens it when it starts.
///
/// The reader does the work. Here is a source of one's own, which can go on from any record:
///
/// ```
/// use millstream_engine::batch::PartitionId;
/// use millstream_engine::source::{Intake, Position, Read, Replay, Source, SourceReader, SourceSetup};
/// use millstream_engine::{Error, Result, runtime};
///
/// /// The numbers below a bound, and their reader.
/// struct Numbers {
///     below: u64,
/// }
/// struct NumbersReader {
///     next: u64,
///     below: u64,
/// }
///
/// impl Source for Numbers {
///     type Out = u64;
///     type Reader = NumbersReader;
///
///     fn is_bounded(&self) -> bool {
///         true
///     }
///     fn replay(&self) -> Replay {
///         Replay::FromPosition
///     }
///     async fn open(self, setup: SourceSetup) -> Result<Vec<NumbersReader>> {
///         let saved = setup.positions.unwrap_or_default();
///         let next = match saved.first() {
///             None => 0, // the first start
///             Some(position) => {
///                 let bytes = position.state.as_slice().try_into();
///                 u64::from_le_bytes(bytes.map_err(|_| Error::state("this is no position of `Numbers`"))?)
///             }
///         };
///         Ok(vec![NumbersReader { next, below: self.below }])
///     }
/// }
///
/// impl SourceReader for NumbersReader {
///     type Out = u64;
///
///     async fn read(&mut self, intake: &mut Intake<u64>) -> Result<Read> {
///         intake.begin(PartitionId::ONLY, runtime::now());
///         while !intake.is_full() {
///             if self.next == self.below {
///                 return Ok(Read::End);
///             }
///             intake.push(self.next);
///             self.next += 1;
///         }
///         Ok(Read::More)
///     }
///     fn positions(&self) -> Vec<Position> {
///         vec![Position { split: "numbers".into(), state: self.next.to_le_bytes().into() }]
///     }
/// }
///
/// # runtime::block_on(async {
/// // In a flow: `flow.source("numbers", Numbers { below: 1_000 })`. In a test of it alone:
/// let mut reader = Numbers { below: 1_000 }.open(SourceSetup::first("numbers", 1)).await?.remove(0);
/// let mut intake = Intake::new();
/// assert_eq!(reader.read(&mut intake).await?, Read::More);
/// intake.take_values();
/// let setup = SourceSetup::first("numbers", 1).resumed(reader.positions());
/// let mut reader = Numbers { below: 1_000 }.open(setup).await?.remove(0);
/// assert_eq!(reader.read(&mut intake).await?, Read::End);
/// assert_eq!(intake.take_values().last(), Some(&999));
/// # Ok::<(), Error>(())
/// # })?;
/// # Ok::<(), Error>(())
/// ```
///
/// # Contract
/// 1. Nothing happens before [`Source::open`]: no file is opened, no connection made.
/// 2. `open` gives between 1 and `setup.parallelism` readers; each becomes one task.
/// 3. With `setup.positions`, the readers together go on exactly behind them, whatever the
///    parallelism was when they were saved.
pub trait Source: Send + Sized + 'static {
    /// What it gives.
    type Out: Send + 'static;
    /// One replica of it.
    type Reader: SourceReader<Out = Self::Out>;

    /// The most readers that can share the work.
    fn max_parallelism(&self) -> usize {
        1
    }

    /// Whether it comes to an end by itself. A bounded source is never called idle.
    fn is_bounded(&self) -> bool;

    /// What is lost of it in a crash.
    fn replay(&self) -> Replay;

    /// Whether it keeps its position outside (a Kafka group). The flow then closes an epoch at every
    /// commit interval, so that [`SourceReader::committed`] is called.
    fn commits(&self) -> bool {
        false
    }

    /// What to do with its bad records. Asked once, before `open`.
    fn bad_records(&mut self) -> BadRecords {
        BadRecords::Fail
    }

    /// Opens it.
    fn open(self, setup: SourceSetup) -> impl Future<Output = Result<Vec<Self::Reader>>> + Send;

    /// The same source with this policy for bad records (default: [`BadRecords::Fail`]).
    fn on_bad_records(self, policy: BadRecords) -> WithBadRecords<Self> {
        WithBadRecords {
            inner: self,
            policy,
        }
    }
}

/// Whether a source can give the same records again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Replay {
    /// From any saved position (files, Kafka).
    FromPosition,
    /// Only from the start (an iterator).
    FromStart,
    /// Never: what was taken in and not yet handed on is lost (sockets, stdin).
    Never,
}

/// What a source is told when it is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SourceSetup {
    /// Its name in the flow.
    pub vertex: Arc<str>,
    /// How many readers it may give, at least 1.
    pub parallelism: usize,
    /// Where to go on: what all readers together returned from [`SourceReader::positions`] at the
    /// restored epoch. `None` on a first start.
    pub positions: Option<Vec<Position>>,
    /// Asks the flow for an epoch now, to be committed as soon as the sinks have everything.
    pub epochs: EpochRequest,
}

impl SourceSetup {
    /// A first start, as tests of a single source need it.
    pub fn first(vertex: &str, parallelism: usize) -> Self {
        let epochs = EpochRequest::default();
        SourceSetup {
            vertex: vertex.into(),
            parallelism,
            positions: None,
            epochs,
        }
    }

    /// The same, going on behind `positions`.
    #[must_use]
    pub fn resumed(mut self, positions: Vec<Position>) -> Self {
        self.positions = Some(positions);
        self
    }
}

/// A handle by which a reader asks for an epoch out of turn (before partitions are given away).
#[derive(Clone, Debug, Default)]
pub struct EpochRequest(pub(crate) Option<Arc<EpochRequests>>);

/// Whether an epoch was asked for, and whom to wake.
#[derive(Debug, Default)]
pub(crate) struct EpochRequests {
    pub(crate) pending: AtomicBool,
    pub(crate) bell: Arc<Bell>,
}

impl EpochRequest {
    /// Asks; the answer is a call of [`SourceReader::committed`].
    pub fn ask(&self) {
        if let Some(requests) = &self.0 {
            requests.pending.store(true, Ordering::Release);
            requests.bell.ring();
        }
    }
}

/// How far a reader has come in one split (a file, a topic partition).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// Name of the split, unique in the source: `departures.csv`, `orders-3`.
    pub split: String,
    /// Where to go on, in the connector's own form.
    pub state: Vec<u8>,
}

/// One replica of a source.
///
/// # Contract
/// 1. [`read`](SourceReader::read) waits until there is something, then puts a batch (about
///    [`Intake::ROOM`] records of **one** partition) into the intake and returns [`Read::More`].
/// 2. It may be dropped at any `.await` and called again: nothing is lost or doubled. What is in the
///    intake and what [`positions`](SourceReader::positions) says always belong together.
/// 3. It never returns [`Read::More`] with nothing in the intake.
/// 4. After [`Read::End`] it is not called again.
/// 5. Work that blocks is done elsewhere ([`crate::runtime::blocking`] or a thread of its own); decoding
///    one batch is no such work.
/// 6. A record that cannot be decoded is given to [`Intake::bad`], and reading goes on behind it.
/// 7. [`close`](SourceReader::close) is the last call, behind the last [`committed`](SourceReader::committed), and
///    comes only after a good end. A reader that is dropped without it gives up what it holds as well, but
///    nobody waits for that.
pub trait SourceReader: Send + 'static {
    /// What it gives.
    type Out: Send + 'static;

    /// The next batch.
    fn read(&mut self, intake: &mut Intake<Self::Out>)
    -> impl Future<Output = Result<Read>> + Send;

    /// Where to go on behind all that was given so far.
    fn positions(&self) -> Vec<Position>;

    /// An epoch is committed: the sinks have all that `positions`, taken at its barrier, covers.
    fn committed(&mut self, positions: &[Position]) -> Result<()> {
        let _ = positions;
        Ok(())
    }

    /// Lets go: tells the outside what is still to be told (offsets, that it leaves its group).
    fn close(&mut self) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
}

/// What a call of [`SourceReader::read`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// There is something in the intake.
    More,
    /// The source has ended. (The intake may hold the last records.)
    End,
}

/// What happened to a partition of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionNews {
    /// This reader has it from now on. The name is stable across restarts.
    Assigned(PartitionId, Arc<str>),
    /// This reader no longer has it; it holds back no watermark any more.
    Revoked(PartitionId),
    /// Nothing came from it for so long that time should not wait for it. The task tells this, no
    /// reader needs to. Its next record ends it.
    Idle(PartitionId),
}

/// A source or sink with a policy for its bad records.
#[derive(Debug)]
pub struct WithBadRecords<S> {
    pub(crate) inner: S,
    pub(crate) policy: BadRecords,
}

impl<S: Source> Source for WithBadRecords<S> {
    type Out = S::Out;
    type Reader = S::Reader;

    fn max_parallelism(&self) -> usize {
        self.inner.max_parallelism()
    }
    fn is_bounded(&self) -> bool {
        self.inner.is_bounded()
    }
    fn replay(&self) -> Replay {
        self.inner.replay()
    }
    fn commits(&self) -> bool {
        self.inner.commits()
    }
    fn bad_records(&mut self) -> BadRecords {
        std::mem::take(&mut self.policy)
    }
    fn open(self, setup: SourceSetup) -> impl Future<Output = Result<Vec<Self::Reader>>> + Send {
        self.inner.open(setup)
    }
}
