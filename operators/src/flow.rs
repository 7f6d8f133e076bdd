//! Flows: what a user builds and runs.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::execution::{Execution, Report, Settings};
use millstream_engine::latency::LatencySettings;
use millstream_engine::plan::{Graph, Plan};
use millstream_engine::state::Snapshot;
use millstream_engine::{Error, Result, runtime};

use crate::scope::Scope;

/// A named dataflow and its settings.
///
/// It is a function that can be called again: every start builds the graph anew, whether it is a restart,
/// another parallelism, or a test under another seed. So what the closure captures must outlive one run: share it
/// in an `Arc`.
///
/// ```
/// use millstream::latency::LatencySettings;
/// use millstream::prelude::*;
///
/// let lengths = Collect::new();
/// let out = lengths.clone();
/// let flow = Flow::new("lengths", move |flow| {
///     flow.source("words", from_iter(["to", "be", "or", "not"]))
///         .map(|word| word.len())
///         .sink("out", out.sink());
/// });
/// let flow = flow
///     .with_parallelism(2)
///     .with_shards(64)
///     .with_idle_after(seconds(30))
///     .with_commit_interval(millis(200))
///     .with_channel_batches(4)
///     .with_latency(LatencySettings::off());
/// assert_eq!(flow.name(), "lengths");
/// let report = flow.run_blocking()?; // `run().await` in a task, `simulate(seed)?` in a test
/// assert_eq!(report.vertex("out").map(|out| out.records_in), Some(4));
/// assert_eq!(lengths.take(), [2, 2, 2, 3]);
/// # Ok::<(), millstream::Error>(())
/// ```
///
/// Settings that cannot be (no replica, no shard) are told when it starts.
#[derive(Clone)]
pub struct Flow {
    name: Arc<str>,
    build: Arc<dyn Fn(&Scope) + Send + Sync>,
    settings: Settings,
    from: Option<Arc<Snapshot>>,
}

impl Flow {
    /// A flow that is built by `build`.
    ///
    /// Nothing runs yet, and nothing is built: mistakes are told, all of them at once, when it starts.
    pub fn new(name: &str, build: impl Fn(&Scope) + Send + Sync + 'static) -> Self {
        Flow {
            name: name.into(),
            build: Arc::new(build),
            settings: Settings::default(),
            from: None,
        }
    }

    /// Sets how many replicas each vertex has that does not say otherwise (default: the machine's cores, 128
    /// at the most; 1 to 1,024). A keyed vertex can have as many as there are [shards](Flow::with_shards).
    #[must_use]
    pub fn with_parallelism(mut self, parallelism: usize) -> Self {
        self.settings.parallelism = parallelism;
        self
    }

    /// Sets into how many shards the key space is cut: the most replicas a keyed vertex can ever have
    /// (default 128; 1 to 65,536). More are refused when the flow starts. Fixed for the life of the flow's state.
    #[must_use]
    pub fn with_shards(mut self, shards: u32) -> Self {
        self.settings.shards = shards;
        self
    }

    /// Sets how long a source partition may be silent, while the flow waits for it, before watermarks no longer
    /// wait for it (default 5 s; `None`: for ever). A bounded source is never idle.
    ///
    /// Source: Flink's `withIdleness`; here by partition.
    #[must_use]
    pub fn with_idle_after(mut self, silence: impl Into<Option<Duration>>) -> Self {
        self.settings.idle_after = silence.into();
        self
    }

    /// Sets how far, in event time, a source may be ahead of the one that is furthest behind: further ahead it is
    /// paused until the others have come closer (default `None`: as far as it likes).
    ///
    /// Where streams meet by time, what comes early must be kept until the others have come as far. Paused at its
    /// source it is not read, so state stays small however far apart the sources begin. A source reads on by one batch at
    /// most, of about a thousand records, however far apart in event time those are. It holds between all replicas of all sources that have their `event_time` in the source's own task (in
    /// front of any `rebalance`, `union` or `key_by`), but not between the partitions of one replica. A source that is idle
    /// or has ended holds nobody; one that has not made a watermark yet holds all others.
    ///
    /// ```
    /// use millstream::prelude::*;
    ///
    /// let flow = Flow::new("aligned", |flow| {
    ///     let hourly = |name, hours| {
    ///         flow.source(name, from_iter(0..hours))
    ///             .event_time(|hour| Timestamp::from_secs(hour * 3600), Lateness::none())
    ///     };
    ///     hourly("trades", 10_000).union(hourly("quotes", 10_000)).discard();
    /// });
    /// flow.with_alignment(days(7)).simulate(1)?;
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// A paused source says so, and how far it is ahead of whom, when the flow is [asked why](Flow::start):
    /// `` `quotes` (replica 0): … paused: 8 days ahead of `trades` (replica 0), 7 days allowed``.
    ///
    /// Source: Flink's watermark alignment, FLIP-182.
    #[must_use]
    pub fn with_alignment(mut self, max_drift: impl Into<Option<Duration>>) -> Self {
        self.settings.alignment = max_drift.into();
        self
    }

    /// Sets how often positions are committed to sources that keep them outside, as Kafka does (default 1 s).
    #[must_use]
    pub fn with_commit_interval(mut self, interval: Duration) -> Self {
        self.settings.commit_interval = interval;
        self
    }

    /// Sets which latencies are measured (default: all).
    #[must_use]
    pub fn with_latency(mut self, latency: LatencySettings) -> Self {
        self.settings.latency = latency;
        self
    }

    /// Sets how many batches a channel between two tasks holds before its sender waits (default 8; at least 1).
    #[must_use]
    pub fn with_channel_batches(mut self, batches: usize) -> Self {
        self.settings.channel_batches = batches;
        self
    }

    /// Lets the flow go on where `snapshot` was taken, with any parallelism.
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream::runtime;
    ///
    /// let out = Collect::new();
    /// let sink = out.clone();
    /// let flow = Flow::new("sums", move |flow| {
    ///     flow.source("numbers", Generator::new(|n, _| n).with_rate(1_000).with_count(1_000))
    ///         .key_by(|n| n % 2)
    ///         .reduce("sum", |sum, n| *sum += n)
    ///         .entries()
    ///         .sink("sums", sink.sink());
    /// });
    /// runtime::simulate(1, async move {
    ///     let running = flow.start().await?;
    ///     runtime::sleep(millis(300)).await;
    ///     let (snapshot, _) = running.stop_with_snapshot().await?;
    ///     flow.with_parallelism(3).from_snapshot(snapshot).start().await?.join().await
    /// })
    /// .expect("it does not stall")?;
    /// let last = out.take().into_iter().filter(|(odd, _)| *odd == 0).map(|(_, sum)| sum).max();
    /// assert_eq!(last, Some((0..1_000).step_by(2).sum()));
    /// # Ok::<(), millstream::Error>(())
    /// ```
    #[must_use]
    pub fn from_snapshot(mut self, snapshot: Snapshot) -> Self {
        self.from = Some(Arc::new(snapshot));
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is made of, without running it.
    ///
    /// # Errors
    /// All its mistakes at once: names that are missing or double, streams that go nowhere, windows without
    /// event time.
    ///
    /// ```
    /// use millstream::prelude::*;
    ///
    /// let flow = Flow::new("pass", |flow| {
    ///     flow.source("numbers", from_iter(0..3)).map(|n| n + 1).discard();
    /// });
    /// let plan = flow.plan()?;
    /// assert!(plan.to_string().contains("numbers"));
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn plan(&self) -> Result<Plan> {
        Plan::of(&mut self.graph(), &self.name, self.settings.parallelism)
    }

    /// Builds its graph, anew with each call.
    ///
    /// For what looks into a flow before it is laid out; [`plan`](Flow::plan) checks it as well.
    pub fn graph(&self) -> Graph {
        let scope = Scope::default();
        (self.build)(&scope);
        scope.take_graph()
    }

    /// Starts it, and gives the running execution: to watch it, to stop it, to wait for it.
    ///
    /// A running flow says why event time is where it is: what waits, for what, and who holds it back. Here the trades of
    /// Tokyo have stopped, and the windows wait for them (by default they would no longer, after
    /// [5 s](Flow::with_idle_after)):
    ///
    /// ```
    /// use futures::{StreamExt, stream};
    /// use millstream::prelude::*;
    /// use millstream::runtime;
    /// use millstream::why::{Because, Until};
    ///
    /// let flow = Flow::new("trades", |flow| {
    ///     let paris = flow
    ///         .source("paris", Generator::new(|n, _| n as i64).with_rate(2))
    ///         .event_time(|second| Timestamp::from_secs(*second), Lateness::none());
    ///     let tokyo = flow
    ///         .source("tokyo", from_stream(stream::iter(0..25).chain(stream::pending())))
    ///         .event_time(|second| Timestamp::from_secs(*second), Lateness::bounded(seconds(5)));
    ///     paris
    ///         .union(tokyo)
    ///         .key_by(|_| ())
    ///         .window(Tumbling::of(minutes(1)))
    ///         .aggregate("per-minute", count())
    ///         .discard();
    /// });
    /// let flow = flow.with_parallelism(1).with_idle_after(None);
    /// let why = runtime::simulate(1, async move {
    ///     let running = flow.start().await?;
    ///     runtime::sleep(millis(50_500)).await;
    ///     let why = running.why().await;
    ///     running.stop();
    ///     running.join().await.map(|_| why)
    /// })
    /// .expect("it does not stall")?;
    ///
    /// let window = why.waiting().next().expect("no minute is over");
    /// assert_eq!(window.waits[0].until, Until::Watermark(Timestamp::from_secs(60)));
    /// let holder = window.held_by.as_ref().expect("somebody holds it");
    /// assert_eq!(holder.vertex, "tokyo.event_time");
    /// assert!(matches!(&holder.because, Because::Partition(tokyo) if tokyo.age > Some(seconds(49))));
    ///
    /// let text = why.to_string(); // the same, to be read
    /// let lines: Vec<_> = text.lines().skip(1).collect();
    /// assert_eq!(lines, [
    ///     "  `per-minute` (replica 0): stands at 1970-01-01T00:00:19Z",
    ///     "    the window from 1970-01-01T00:00:00Z to 1970-01-01T00:01:00Z, the first of 2, \
    ///          waits for the watermark 1970-01-01T00:01:00Z",
    ///     "    held back by `tokyo.event_time` (replica 0): partition `#0` \
    ///          (last record of 1970-01-01T00:00:24Z, 50 s ago, not idle) stands at 1970-01-01T00:00:19Z",
    /// ]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`plan`](Flow::plan); and sources or sinks that cannot be opened, a snapshot that does not fit.
    pub fn start(&self) -> impl Future<Output = Result<Execution>> + Send + use<> {
        let graph = self.graph();
        let (name, settings, from) = (self.name.clone(), self.settings.clone(), self.from.clone());
        async move { Execution::start(&name, graph, settings, from.as_deref()).await }
    }

    /// Runs it to its end. SIGINT and SIGTERM stop it gracefully, a second one at once.
    ///
    /// # Errors
    /// As [`start`](Flow::start); and what the first failing vertex failed of.
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream::runtime;
    ///
    /// let flow = Flow::new("pass", |flow| {
    ///     flow.source("numbers", from_iter(0..3)).discard();
    /// });
    /// let report = runtime::block_on(async move { flow.run().await })?;
    /// assert_eq!(report.late(), 0);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn run(&self) -> impl Future<Output = Result<Report>> + Send + use<> {
        let starting = self.start();
        async move { starting.await?.join_or_signal().await }
    }

    /// The same for a plain `main`: drives the flow, and waits for its end on this thread.
    ///
    /// # Errors
    /// As [`run`](Flow::run).
    ///
    /// [`Flow`] has an example.
    pub fn run_blocking(&self) -> Result<Report> {
        runtime::block_on(self.run())
    }

    /// Runs it on this thread and on virtual time, with every choice of the scheduler drawn from `seed`: the
    /// same seed does the same to the bit, a year takes as long as its work.
    ///
    /// ```
    /// use millstream::prelude::*;
    ///
    /// let doubled = Collect::new();
    /// let out = doubled.clone();
    /// let flow = Flow::new("double", move |flow| {
    ///     flow.source("numbers", from_iter(1..=3)).map(|n| n * 2).sink("out", out.sink());
    /// });
    /// for seed in 0..10 {
    ///     flow.simulate(seed)?;
    ///     assert_eq!(doubled.take(), [2, 4, 6]);
    /// }
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`start`](Flow::start); a flow in which everybody waits and nothing can come; a source or sink that
    /// needs a thread of its own.
    pub fn simulate(&self, seed: u64) -> Result<Report> {
        let starting = self.start();
        let ran = runtime::simulate(seed, async move { starting.await?.join().await });
        ran.unwrap_or_else(|stalled| {
            let message = format!("flow `{}` stalled under seed {seed}", self.name);
            Err(Error::internal(message).caused_by(stalled))
        })
    }
}
