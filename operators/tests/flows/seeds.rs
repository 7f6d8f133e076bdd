//! A flow under many seeds: whatever the schedule, the parallelism and the capacity of the channels, and wherever it is
//! stopped to go on with other replicas, what comes out is the same.
//!
//! Where what comes out may depend on the schedule (what is late, what is said early), it is held to its law instead.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use millstream::connectors::memory::CollectSink;
use millstream::latency::LatencySettings;
use millstream::prelude::*;
use millstream::runtime;
use millstream_engine::random::SplitMix64;

use crate::stopping::stop_and_go_on;

const SEEDS: u64 = 1_000;
/// Of those that are stopped at all, every so many.
const STOPPED: u64 = 5;

/// What a flow is run with.
#[derive(Clone, Copy, Debug)]
struct Setting {
    seed: u64,
    parallelism: usize,
    channel_batches: usize,
}

impl Setting {
    fn of(seed: u64) -> Self {
        // Up to one replica for each partition, and sometimes one that has none.
        let parallelism = match seed % 32 {
            31 => 4,
            _ => 1 + seed as usize % 3,
        };
        Setting {
            seed,
            parallelism,
            channel_batches: 1 + seed as usize / 4 % 3,
        }
    }

    /// Unmeasured, because histograms are most of what a short flow costs.
    fn set(self, flow: &Flow) -> Flow {
        flow.clone()
            .with_latency(LatencySettings::off())
            .with_parallelism(self.parallelism)
            .with_channel_batches(self.channel_batches)
    }
}

/// Tells under which setting it was, if what is asserted meanwhile does not hold.
struct Told(Setting);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("it was {:?}", self.0);
        }
    }
}

/// A run under one seed, once it is over.
pub(crate) struct Run {
    /// How many replicas there were; the most, if there were others behind a stop.
    pub(crate) replicas: usize,
    /// If it was stopped before its end.
    pub(crate) stop: Option<Stopped>,
    /// What is told of it; behind a stop, of what was before it too.
    reports: Vec<Report>,
}

/// A stop before the end.
pub(crate) struct Stopped {
    /// How long it took.
    pub(crate) took: Duration,
    /// How many results there were before.
    pub(crate) so_far: usize,
}

impl Run {
    fn sum(&self, count: impl Fn(&Report) -> u64) -> u64 {
        self.reports.iter().map(count).sum()
    }

    pub(crate) fn late(&self) -> u64 {
        self.sum(Report::late)
    }

    pub(crate) fn bad(&self) -> u64 {
        self.sum(Report::bad)
    }

    pub(crate) fn repeats(&self) -> u64 {
        self.sum(Report::repeats)
    }
}

/// A flow that is run under a thousand seeds.
pub(crate) struct EverySeed<R> {
    flow: Box<dyn Fn(u64) -> Flow>,
    out: Collect<R>,
    seeds: u64,
    /// Which of them are stopped: every so many.
    stopped: u64,
    /// In which time it is stopped, by its own clock.
    stopped_within: Duration,
}

/// The flow that `build` makes, which leads its results into the sink it is given.
pub(crate) fn every_seed<R: Send + 'static>(
    build: impl Fn(&Scope, CollectSink<R>) + Send + Sync + 'static,
) -> EverySeed<R> {
    varied(move |_, flow, out| build(flow, out))
}

/// The same, another flow for each seed.
pub(crate) fn varied<R: Send + 'static>(
    build: impl Fn(u64, &Scope, CollectSink<R>) + Send + Sync + 'static,
) -> EverySeed<R> {
    let (build, out) = (Arc::new(build), Collect::new());
    let results = out.clone();
    let flow = move |seed| {
        let (build, results) = (build.clone(), results.clone());
        Flow::new("scheduled", move |flow| build(seed, flow, results.sink()))
    };
    EverySeed {
        flow: Box::new(flow),
        out,
        seeds: SEEDS,
        stopped: STOPPED,
        stopped_within: Duration::from_micros(800),
    }
}

impl<R: Send + 'static> EverySeed<R> {
    /// What `change` makes of the flow: other settings.
    pub(crate) fn with(mut self, change: impl Fn(Flow) -> Flow + 'static) -> Self {
        let flow = self.flow;
        self.flow = Box::new(move |seed| change(flow(seed)));
        self
    }

    /// Under fewer seeds, for what is too large for a thousand.
    pub(crate) fn under(mut self, seeds: u64) -> Self {
        self.seeds = seeds;
        self
    }

    /// It takes so long, by its own clock (default: 0.8 ms).
    pub(crate) fn lasting(mut self, lasts: Duration) -> Self {
        self.stopped_within = lasts;
        self
    }

    /// It is stopped under each seed, and not under every fifth.
    pub(crate) fn always_stopped(mut self) -> Self {
        self.stopped = 1;
        self
    }

    /// It is never stopped: its source cannot give again what was taken, or it is measured by the clock.
    pub(crate) fn without_a_stop(self) -> Self {
        self.lasting(Duration::ZERO)
    }

    /// What comes out, in the order in which it came, is as `holds` asserts.
    pub(crate) fn holds(self, mut holds: impl FnMut(Vec<R>, &Run)) {
        let stops = !self.stopped_within.is_zero();
        let mut stopped = 0;
        for setting in (0..self.seeds).map(Setting::of) {
            let _told = Told(setting);
            let is_stopped = stops && setting.seed % self.stopped == self.stopped - 1;
            let flow = (self.flow)(setting.seed);
            let run = match is_stopped {
                true => self.stop_and_go_on(setting, &flow),
                false => None,
            };
            stopped += u64::from(run.is_some());
            let run = run.unwrap_or_else(|| {
                self.out.take();
                Run {
                    replicas: setting.parallelism,
                    stop: None,
                    reports: vec![setting.set(&flow).simulate(setting.seed).unwrap()],
                }
            });
            holds(self.out.take(), &run);
        }
        assert!(
            !stops || stopped * 10 > self.seeds / self.stopped * 3,
            "only {stopped} were stopped before their end"
        );
    }

    /// Stops it somewhere and lets it go on with another parallelism. `None` if it had ended before.
    fn stop_and_go_on(&self, setting: Setting, flow: &Flow) -> Option<Run> {
        let other = Setting {
            parallelism: 1 + (setting.seed as usize / 5) % 4,
            ..setting
        };
        let after = SplitMix64::new(setting.seed).below(self.stopped_within.as_nanos() as u64);
        let until = async {
            runtime::sleep(Duration::from_nanos(after)).await;
            self.out.len()
        };
        let (first, rest) = (setting.set(flow), other.set(flow));
        let stop = stop_and_go_on(setting.seed, first, rest, until)?;
        Some(Run {
            replicas: setting.parallelism.max(other.parallelism),
            stop: Some(Stopped {
                took: stop.took,
                so_far: stop.seen,
            }),
            reports: stop.reports.into(),
        })
    }
}

impl<R: Ord + Debug + Send + 'static> EverySeed<R> {
    /// What comes out is this, in any order; nothing is late.
    pub(crate) fn gives(self, mut expected: Vec<R>) {
        assert!(expected.len() > 5, "there is something to compare");
        expected.sort();
        self.holds(|mut rows, run| {
            rows.sort();
            assert_eq!((run.late(), &rows), (0, &expected));
        });
    }
}
