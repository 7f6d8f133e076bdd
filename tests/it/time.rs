//! Event time as a user sees it: who holds it back, who is late, and that the report says so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use millstream::connectors::memory::for_each;
use millstream::prelude::*;
use millstream::runtime::{self, Instant};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds as i64)
}

/// Numbers, each a second after the one before; then nothing for an hour, then the end.
fn ticks(count: u64) -> impl futures::Stream<Item = u64> + Send {
    futures::stream::iter(0..=count)
        .then(move |n| async move {
            let pause = if n == count { hours(1) } else { seconds(1) };
            runtime::sleep(pause).await;
            n
        })
        .take(count as usize)
        .chain(futures::stream::once(runtime::sleep(hours(1))).filter_map(async |()| None))
}

/// When the first window of ten seconds was given, where one of two sources gives a single record.
fn first_result_after(idle_after: Option<Duration>) -> Duration {
    let first = Arc::new(Mutex::new(None::<Instant>));
    let seen = first.clone();
    let flow = Flow::new("idle", move |flow| {
        let seen = seen.clone();
        let timed = |name, count| {
            flow.source(name, from_stream(ticks(count)))
                .event_time(|n| at(*n), Lateness::none())
        };
        timed("busy", 60)
            .union(timed("quiet", 1))
            .key_by(|_| ())
            .window(Tumbling::of(seconds(10)))
            .aggregate("tens", count())
            .values()
            .sink(
                "out",
                for_each(move |_| {
                    seen.lock().unwrap().get_or_insert_with(runtime::now);
                }),
            );
    });
    let report = flow
        .with_parallelism(1)
        .with_idle_after(idle_after)
        .simulate(3)
        .unwrap();
    assert_eq!(report.late(), 0);
    let first = first.lock().unwrap().take();
    first.unwrap() - Instant::from_nanos(0)
}

#[test]
fn a_source_that_fell_silent_does_not_hold_back_time() {
    let (busy, patience) = (seconds(11), seconds(5));
    let first = first_result_after(Some(patience));
    assert!(first >= busy && first <= busy + patience, "{first:?}");
    let first = first_result_after(None);
    assert!(
        first >= hours(1),
        "told to wait for ever, it waits for its end: {first:?}"
    );
}

#[test]
fn late_records_are_counted_given_and_never_in_a_window() {
    // 31 closes the windows before it; then 5 is late, and 30 just in time.
    let seconds_of = [3, 31, 5, 30, 62];
    for parallelism in [1, 3] {
        let (windows, late) = (Collect::new(), Collect::new());
        let (into_windows, into_late) = (windows.clone(), late.clone());
        let flow = Flow::new("late", move |flow| {
            let one_by_one = futures::stream::iter(seconds_of).then(|n| async move {
                runtime::sleep(millis(20)).await;
                n
            });
            let (tens, late) = flow
                .source("seconds", from_stream(one_by_one))
                .event_time(|n| at(*n), Lateness::none())
                .key_by(|_| ())
                .window(Tumbling::of(seconds(10)))
                .aggregate_with_late("tens", sum(|n: &u64| *n));
            tens.values()
                .map(|ten| ten.value)
                .sink("windows", into_windows.sink());
            late.values().sink("late", into_late.sink());
        });
        let report = flow.with_parallelism(parallelism).simulate(1).unwrap();
        assert_eq!(windows.take(), [3, 61, 62]);
        assert_eq!(late.take(), [5]);
        assert_eq!((report.late(), report.vertex("tens").unwrap().late), (1, 1));
        assert!(report.to_string().contains("1 late"), "{report}");
        let watermark = report.vertex("tens").unwrap().watermark;
        assert!(watermark >= Some(at(60)), "{watermark:?}");
    }
}
