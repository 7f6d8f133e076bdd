//! The latency ledger on virtual time, where its figures are known beforehand.

use std::time::Duration;

use futures::StreamExt;
use millstream::latency::{LatencyReport, Measure};
use millstream::prelude::*;
use millstream::runtime;

/// A histogram keeps three digits.
#[track_caller]
fn assert_is(report: &LatencyReport, vertex: &str, measure: Measure, count: u64, took: Duration) {
    let noted = report
        .of(vertex, measure)
        .unwrap_or_else(|| panic!("{measure:?}\n{report}"));
    assert_eq!(noted.count(), count, "{measure:?}\n{report}");
    let near = |told: Duration| told >= took && told <= took.mul_f64(1.002) + millis(6);
    assert!(
        near(noted.max()) && near(noted.mean()),
        "{measure:?} {took:?}\n{report}"
    );
}

/// Numbers at these seconds.
fn at_seconds(times: &'static [u64]) -> impl futures::Stream<Item = u64> + Send {
    let waits = times.iter().scan(0, |now, &time| {
        let wait = time - *now;
        *now = time;
        Some((time, wait))
    });
    futures::stream::iter(waits).then(|(time, wait)| async move {
        runtime::sleep(seconds(wait)).await;
        time
    })
}

#[test]
fn a_slow_call_is_in_the_way_through_and_nowhere_else() {
    let out = Collect::new();
    let sink = out.clone();
    let flow = Flow::new("slow-call", move |flow| {
        flow.source("in", from_stream(at_seconds(&[10, 20, 30])))
            .map_async("call", Ordered::up_to(8), |n| async move {
                runtime::sleep(seconds(3)).await;
                n
            })
            .sink("out", sink.sink());
    });
    let report = flow.with_parallelism(1).simulate(1).unwrap();
    assert_eq!(out.take(), [10, 20, 30]);
    assert_is(report.latency(), "out", Measure::HandedOver, 3, seconds(3));
    assert_is(
        report.latency(),
        "out",
        Measure::QueueWait,
        3,
        Duration::ZERO,
    );
}

#[test]
fn a_windows_result_counts_from_what_completed_it_and_the_wait_is_held_apart() {
    let out = Collect::new();
    let sink = out.clone();
    let flow = Flow::new("window", move |flow| {
        // The record of second 100 completes the windows of the others.
        flow.source("in", from_stream(at_seconds(&[60, 61, 100])))
            .event_time(|n| Timestamp::from_secs(*n as i64), Lateness::none())
            .filter(|n| *n != 100)
            .key_by(|n| *n)
            .window(Tumbling::of(seconds(10)))
            .aggregate("tens", count())
            .values()
            .map_async("call", Ordered::up_to(8), |ten| async move {
                runtime::sleep(seconds(2)).await;
                ten
            })
            .sink("out", sink.sink());
    });
    let report = flow.with_parallelism(1).simulate(1).unwrap();
    assert_eq!(out.take().len(), 2);
    assert_is(report.latency(), "out", Measure::HandedOver, 2, seconds(2));
    let held = report.latency().of("tens", Measure::Held).unwrap();
    assert!(
        held.max() >= seconds(39) && held.max() <= seconds(41),
        "{:?}",
        held.max()
    );
}

#[test]
fn a_stall_is_seen_by_all_who_were_due_meanwhile() {
    let flow = Flow::new("stall", move |flow| {
        let numbers = Generator::new(|n, _| n).with_rate(100).with_count(2_000);
        flow.source("due", numbers)
            .map_async("stalls-once", Ordered::up_to(1), |n| async move {
                if n == 500 {
                    runtime::sleep(seconds(5)).await;
                }
                n
            })
            .sink("out", Collect::new().sink());
    });
    let report = flow.with_parallelism(1).simulate(1).unwrap();
    let handed_over = report.latency().of("out", Measure::HandedOver).unwrap();
    assert_eq!(handed_over.count(), 2_000);
    assert!(handed_over.max() >= seconds(5));
    // 500 were due during the 5 s: half of them waited for more than half of that. (More, because a batch is as old as
    // the oldest in it.) A closed loop would see one.
    let histogram = handed_over.histogram().unwrap();
    let waited = histogram.count_between(millis(2_500).as_nanos() as u64, u64::MAX >> 1);
    assert!((250..=510).contains(&waited), "{waited}");
}
