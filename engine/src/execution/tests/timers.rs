//! Timers that go off late: the latency of what they set free counts from when they were due.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::doubles::{Numbers, collect, numbers};
use super::settings;
use crate::batch::AnyBatch;
use crate::error::{Error, Result};
use crate::execution::Execution;
use crate::operator::{Operator, Step};
use crate::outbox::{Outbox, PortMaker};
use crate::plan::{Graph, OperatorVertex, Route};
use crate::runtime::{self, Instant};
use crate::time::Timestamp;

/// When a timer was due, when it went off, and the arrival of what it set free.
#[derive(Clone, Copy, Debug)]
struct Alarm {
    due: Timestamp,
    processing_time: Timestamp,
    now: Instant,
    arrival: Instant,
}

/// Has itself called every millisecond, at first at once, and puts a number out each time.
struct Ticks {
    timer: Timestamp,
    alarms: Arc<Mutex<Vec<Alarm>>>,
}

impl Operator for Ticks {
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, _out: &mut Outbox) -> Result<()> {
        batch.of::<u64>()?.records.clear();
        Ok(())
    }

    fn next_timer(&self) -> Option<Timestamp> {
        Some(self.timer)
    }

    fn on_timer(&mut self, out: &mut Outbox) -> Result<Step> {
        let processing_time = out.processing_time();
        self.alarms.lock().unwrap().push(Alarm {
            due: self.timer,
            processing_time,
            now: runtime::now(),
            arrival: out.arrival(),
        });
        out.port(0)?.push(0_u64, processing_time);
        self.timer = processing_time + Duration::from_millis(1);
        Ok(Step::Done)
    }
}

/// The alarms of two seconds, in a flow that begins behind the first, with a sink that takes so long for each batch.
fn alarms(pause: Duration) -> Vec<Alarm> {
    let alarms = Arc::<Mutex<Vec<Alarm>>>::default();
    let noted = alarms.clone();
    let mut graph = Graph::new();
    // There is nothing to read for an hour.
    let silent = Numbers {
        pause: Duration::from_secs(3_600),
        ..numbers(7)
    };
    let source = graph.add_source("numbers", silent);
    let ticks = OperatorVertex::unnamed(
        "ticks",
        Box::new(move |_| {
            Box::new(Ticks {
                timer: Timestamp::MIN,
                alarms: noted.clone(),
            })
        }),
    );
    let ticks = graph.add_operator(ticks.with_port(PortMaker::moving::<u64>()));
    graph.connect(source.output(0), ticks, 0, Route::Forward);
    let mut out = collect::<u64>();
    out.pause = pause;
    let sink = graph.add_sink("out", out);
    graph.connect(ticks.output(0), sink, 0, Route::Forward);
    runtime::simulate(1, async {
        runtime::sleep(Duration::from_secs(1)).await;
        let running = Execution::start("timers", graph, settings(1), None).await?;
        runtime::sleep(Duration::from_secs(1)).await;
        running.stop();
        running.join().await?;
        Ok::<_, Error>(())
    })
    .unwrap()
    .unwrap();
    let alarms = alarms.lock().unwrap();
    alarms.clone()
}

#[test]
fn what_a_timer_sets_free_came_when_it_was_due() {
    let alarms = alarms(Duration::from_millis(20));
    let late = |alarm: &Alarm| alarm.processing_time.since(alarm.due);
    for alarm in &alarms[1..] {
        assert_eq!(alarm.now - alarm.arrival, late(alarm), "{alarm:?}");
    }
    // The task had to wait for the sink, again and again.
    let held_up = alarms[1..]
        .iter()
        .filter(|alarm| late(alarm) > Duration::from_millis(10));
    assert!(held_up.count() > 10, "{alarms:?}");
}

#[test]
fn what_was_due_before_the_task_began_came_with_it() {
    let first = alarms(Duration::ZERO)[0];
    let begun = Instant::from_nanos(1_000_000_000);
    assert!(begun <= first.arrival && first.arrival <= first.now);
    assert!(first.now - first.arrival < Duration::from_millis(1));
}
