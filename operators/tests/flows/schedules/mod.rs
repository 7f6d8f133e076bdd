//! Equal output whatever the schedule: a thousand seeds for each kind of operator, several parallelisms and capacities of
//! the channels, several partitions out of order; and every fifth time stopped halfway, to go on with other replicas.
//!
//! Where what comes out may depend on the schedule (what is late, what is said early), it is held to its law instead.

mod facts;
mod lanes;
mod windows;

use std::fmt::Debug;
use std::time::Duration;

use millstream::connectors::memory::CollectSink;
use millstream::latency::LatencySettings;
use millstream::prelude::*;
use millstream::runtime;
use millstream_engine::random::SplitMix64;

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
        Setting {
            seed,
            parallelism: 1 + seed as usize % 4,
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
    lasts: Duration,
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
        lasts: Duration::from_micros(800),
    }
}

impl<R: Ord + Debug + Send + 'static> EverySeed<R> {
    /// What `change` makes of the flow, with other settings.
    fn with(mut self, change: impl FnOnce(Flow) -> Flow) -> Self {
        self.flow = change(self.flow);
        self
    }

    /// A run takes about so long, by its own clock (default: 0.8 ms): in this time it is stopped.
    fn lasting(mut self, lasts: Duration) -> Self {
        self.lasts = lasts;
        self
    }

    /// What comes out, in the order in which it came, is as `holds` asserts.
    fn holds(self, mut holds: impl FnMut(Vec<R>, &Report)) {
        for setting in (0..SEEDS).map(Setting::of) {
            let _told = Told(setting);
            let report = setting.set(&self.flow).simulate(setting.seed).unwrap();
            holds(self.out.take(), &report);
        }
    }

    /// What comes out is this, in any order; nothing is late. So it is if the flow is stopped and goes on.
    fn gives(self, mut expected: Vec<R>) {
        assert!(expected.len() >= 10, "there is something to compare");
        expected.sort();
        let mut stopped = 0;
        for setting in (0..SEEDS).map(Setting::of) {
            let _told = Told(setting);
            let late = if setting.seed % 5 == 4 {
                stopped += usize::from(self.stopped_and_resumed(setting));
                0
            } else {
                let report = setting.set(&self.flow).simulate(setting.seed).unwrap();
                report.late()
            };
            let mut rows = self.out.take();
            rows.sort();
            assert_eq!(late, 0);
            assert_eq!(rows, expected);
        }
        assert!(stopped > 100, "only {stopped} were stopped before their end");
    }

    /// Stops it somewhere and lets it go on with another parallelism. Whether it had not ended before.
    fn stopped_and_resumed(&self, setting: Setting) -> bool {
        let first = setting.set(&self.flow);
        let other = Setting {
            parallelism: 1 + (setting.seed as usize / 5) % 4,
            ..setting
        };
        let second = other.set(&self.flow);
        let stop = SplitMix64::new(setting.seed).below(self.lasts.as_nanos() as u64);
        let outcome = runtime::simulate(setting.seed, async {
            let running = first.start().await?;
            runtime::sleep(Duration::from_nanos(stop)).await;
            let Ok((snapshot, _)) = running.stop_with_snapshot().await else {
                return Ok(false);
            };
            second.from_snapshot(snapshot).start().await?.join().await?;
            Ok::<_, millstream::Error>(true)
        });
        outcome.unwrap().unwrap()
    }
}
