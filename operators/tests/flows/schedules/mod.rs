//! Equal output whatever the schedule: a thousand seeds for each kind of operator, several parallelisms and capacities of
//! the channels, several partitions out of order; and every fifth time stopped halfway, to go on with other replicas.
//!
//! Where what comes out may depend on the schedule (what is late, what is said early), it is held to its law instead.

mod aggregates;
mod calls;
mod clocks;
mod counts;
mod facts;
mod lanes;
mod late;
mod panes;
mod process;
mod times;
mod windows;

use std::fmt::Debug;
use std::time::Duration;

use millstream::connectors::memory::CollectSink;
use millstream::latency::LatencySettings;
use millstream::prelude::*;
use millstream::runtime;
use millstream_engine::random::SplitMix64;

use crate::stopping::stop_and_go_on;

const SEEDS: u64 = 1_000;

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

/// A flow that is run under a thousand seeds.
struct EverySeed<R> {
    flow: Flow,
    out: Collect<R>,
    /// In which time it is stopped, by its own clock.
    stopped_within: Duration,
}

/// The flow that `build` makes, which leads its results into the sink it is given.
fn every_seed<R: Send + 'static>(
    build: impl Fn(&Scope, CollectSink<R>) + Send + Sync + 'static,
) -> EverySeed<R> {
    let out = Collect::new();
    let results = out.clone();
    let flow = Flow::new("scheduled", move |flow| build(flow, results.sink()));
    EverySeed {
        flow,
        out,
        stopped_within: Duration::from_micros(800),
    }
}

impl<R: Send + 'static> EverySeed<R> {
    /// What `change` makes of the flow: other settings.
    fn with(mut self, change: impl FnOnce(Flow) -> Flow) -> Self {
        self.flow = change(self.flow);
        self
    }

    /// It takes so long, by its own clock (default: 0.8 ms).
    fn lasting(mut self, lasts: Duration) -> Self {
        self.stopped_within = lasts;
        self
    }

    /// It is never stopped: its source cannot give again what was taken, or it is measured by the clock.
    fn without_a_stop(self) -> Self {
        self.lasting(Duration::ZERO)
    }

    /// What comes out, in the order in which it came, is as `holds` asserts, who is told how many records were late.
    fn holds(self, mut holds: impl FnMut(Vec<R>, u64)) {
        let mut stopped = 0;
        for setting in (0..SEEDS).map(Setting::of) {
            let _told = Told(setting);
            let is_stopped = setting.seed % 5 == 4 && !self.stopped_within.is_zero();
            let late = match is_stopped {
                true => self.stop_and_go_on(setting),
                false => None,
            };
            stopped += u64::from(late.is_some());
            let late = late.unwrap_or_else(|| {
                self.out.take();
                let report = setting.set(&self.flow).simulate(setting.seed);
                report.unwrap().late()
            });
            holds(self.out.take(), late);
        }
        assert!(
            self.stopped_within.is_zero() || stopped > 60,
            "only {stopped} were stopped before their end"
        );
    }

    /// Stops it somewhere and lets it go on with another parallelism; says how many records were late. `None` if it had
    /// ended before.
    fn stop_and_go_on(&self, setting: Setting) -> Option<u64> {
        let first = setting.set(&self.flow);
        let other = Setting {
            parallelism: 1 + (setting.seed as usize / 5) % 4,
            ..setting
        };
        let second = other.set(&self.flow);
        let after = SplitMix64::new(setting.seed).below(self.stopped_within.as_nanos() as u64);
        let until = runtime::sleep(Duration::from_nanos(after));
        let stop = stop_and_go_on(setting.seed, first, second, until)?;
        Some(stop.late)
    }
}

impl<R: Ord + Debug + Send + 'static> EverySeed<R> {
    /// What comes out is this, in any order; nothing is late.
    fn gives(self, mut expected: Vec<R>) {
        assert!(expected.len() > 5, "there is something to compare");
        expected.sort();
        self.holds(|mut rows, late| {
            rows.sort();
            assert_eq!((late, &rows), (0, &expected));
        });
    }
}
