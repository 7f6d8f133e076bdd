//! Watermarks of every kind, in whole flows.

use futures::StreamExt;
use millstream::connectors::memory::{from_channel, into_channel};
use millstream::operators::Watermarks;
use millstream::prelude::*;
use millstream::runtime::{self, simulate, timeout};

use super::at;

#[test]
fn punctuation_alone_closes_windows() {
    let results = Collect::new();
    let out = results.clone();
    let flow = Flow::new("punctuated", move |flow| {
        // Each hundred in any order, then a record that says it is over.
        let shuffled = (0..2_000i64).map(|n| n / 100 * 100 + n * 37 % 100);
        let hundreds = shuffled.flat_map(|n| match n % 100 {
            63 => vec![(n, false), ((n / 100 + 1) * 100, true)],
            _ => vec![(n, false)],
        });
        flow.source("numbers", from_iter(hundreds))
            .event_time(
                |(n, _)| at(*n),
                Watermarks::by(|(_, over): &(i64, bool), time| over.then_some(time)),
            )
            .filter(|(_, over)| !over)
            .key_by(|(n, _)| n % 3)
            .window(Tumbling::of(seconds(100)))
            .aggregate("hundreds", count())
            .values()
            .map(|window| {
                (
                    window.window.start.as_millis() / 1_000,
                    window.key,
                    window.value,
                )
            })
            .sink("out", out.sink());
    });
    let mut expected: Vec<_> = (0..20i64)
        .flat_map(|hundred| (0..3).map(move |key| (hundred * 100, key)))
        .map(|(start, key)| {
            let counted = (start..start + 100).filter(|n| n % 3 == key).count();
            (start, key, counted as u64)
        })
        .collect();
    expected.sort();
    for seed in 0..50 {
        let parallelism = 1 + seed as usize % 3;
        let report = flow
            .clone()
            .with_parallelism(parallelism)
            .simulate(seed)
            .unwrap();
        let mut rows = results.take();
        rows.sort();
        assert_eq!((report.late(), rows), (0, expected.clone()), "seed {seed}");
    }
}

/// When the count of a window came whose source, still open, gave nothing after its only record.
fn answered(watermarks: Lateness) -> Option<u64> {
    let (ask, asked) = flume::bounded::<Timestamp>(1);
    let (windows, counted) = flume::bounded(10);
    let flow = Flow::new("live", move |flow| {
        flow.source("live", from_channel(asked.clone()))
            .event_time(|at| *at, watermarks)
            .key_by(|_| ())
            .window(Tumbling::of(seconds(1)))
            .aggregate("count", count())
            .values()
            .map(|window| window.value)
            .sink("windows", into_channel(windows.clone()));
    });
    simulate(1, async move {
        let running = flow.with_parallelism(1).start().await.unwrap();
        runtime::sleep(seconds(20)).await;
        ask.send_async(runtime::wall()).await.unwrap();
        let answer = timeout(seconds(10), counted.recv_async()).await;
        running.handle().kill();
        running.join().await.unwrap();
        answer.map(|counted| counted.unwrap())
    })
    .unwrap()
}

#[test]
fn a_live_source_that_falls_silent_follows_the_wall_clock() {
    let lateness = Lateness::bounded(seconds(1));
    assert_eq!(answered(lateness), None, "else time stands still");
    assert_eq!(
        answered(lateness.with_wall_clock_advance(millis(500))),
        Some(1)
    );
    // Longer than idleness, which must not stop it.
    assert_eq!(
        answered(lateness.with_wall_clock_advance(seconds(3))),
        Some(1)
    );
}

#[test]
fn what_lies_unread_because_the_flow_is_busy_is_not_silence() {
    for seed in 0..10 {
        let (results, taken) = flume::bounded(1);
        let flow = Flow::new("busy", move |flow| {
            let now = futures::stream::unfold(0, |n| async move {
                runtime::sleep(millis(100)).await;
                (n < 400).then(|| (runtime::wall(), n + 1))
            });
            // They wait in a channel while nobody reads; what is read is of its own time.
            let (waiting, unread) = flume::bounded(1_000);
            runtime::spawn(now.for_each(move |time| {
                waiting.try_send(time).unwrap();
                std::future::ready(())
            }))
            .detach();
            let watermarks = Lateness::bounded(millis(200)).with_wall_clock_advance(millis(300));
            flow.source("now", from_channel(unread))
                .event_time(|at| *at, watermarks)
                .flat_map(|at| vec![at; 40])
                .key_by(|_| ())
                .window(Tumbling::of(millis(250)))
                .aggregate("count", count())
                .values()
                .flat_map(|window| vec![window.value; 50])
                .sink("out", into_channel(results.clone()));
        });
        let report = simulate(seed, async move {
            let flow = flow.with_parallelism(2).with_channel_batches(1);
            let running = flow.start().await.unwrap();
            let reading = runtime::spawn(async move {
                let mut read = 0u64;
                while taken.recv_async().await.is_ok() {
                    read += 1;
                    if read.is_multiple_of(800) {
                        runtime::sleep(seconds(7)).await;
                    }
                }
            });
            let report = running.join().await.unwrap();
            drop(reading);
            report
        })
        .unwrap();
        assert_eq!(report.late(), 0, "seed {seed}");
        assert_eq!(report.vertex("count").unwrap().records_in, 16_000);
    }
}

#[test]
fn the_year_3000_is_counted_and_closes_nothing() {
    let far = at(32_503_680_000);
    let run = |watermarks: Lateness| {
        let flow = Flow::new("far", move |flow| {
            let one_by_one = futures::stream::iter([Some(0), Some(1), None, Some(2), Some(700)])
                .then(|n| async move {
                    runtime::sleep(millis(20)).await;
                    n
                });
            flow.source("times", from_stream(one_by_one))
                .event_time(move |n| n.map_or(far, at), watermarks)
                .key_by(|_| ())
                .window(Tumbling::of(minutes(1)))
                .aggregate("minutes", count())
                .discard();
        });
        flow.with_parallelism(2).simulate(5).unwrap()
    };
    let report = run(Lateness::none().with_max_ahead(days(1)));
    let minutes = report.vertex("minutes").unwrap();
    assert_eq!(minutes.watermark, Some(at(700)));
    // The virtual wall clock begins in 2020.
    assert_eq!(
        minutes.watermark_lag.unwrap().as_secs(),
        1_577_836_800 - 700
    );
    assert_eq!(
        report.vertex("times.event_time").unwrap().watermark,
        Some(at(700))
    );
    assert_eq!((report.ahead(), report.late()), (1, 0));
    assert!(report.to_string().contains("1 too far ahead"), "{report}");
    let report = run(Lateness::none().with_max_ahead(None));
    assert_eq!(
        (report.ahead(), report.late()),
        (0, 2),
        "all that follows is late"
    );
}
