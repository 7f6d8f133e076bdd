//! A virtual day with everything at once: partitions that fall silent and come again, records that are late, out of
//! order, or of another century; and a watermark that never stands still.

use std::sync::{Arc, Mutex};

use millstream::connectors::memory::for_each;
use millstream::prelude::*;
use millstream::runtime::{self, simulate};
use millstream_engine::why::Because;

/// What the sources give: their key, and by how many seconds its time differs from the wall clock's.
type Row = (u64, Timestamp);

/// A live source of about a record every ten seconds, which is silent for a while now and then, and at times gives
/// what is late or far ahead.
fn live(flow: &Scope, name: &str, seed: u64, silent_for: u64) -> Stream<Row> {
    let rows = futures::stream::unfold(0u64, move |n| async move {
        let drawn = (n + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        // A silence every hour or so.
        let pause = if n % 360 == 359 {
            silent_for
        } else {
            drawn % 20
        };
        runtime::sleep(seconds(pause)).await;
        let now = runtime::wall();
        let time = match n % 500 {
            77 => now - hours(3),
            99 => now + days(300_000),
            _ => now - seconds(drawn % 30),
        };
        // Keys come and go.
        Some(((n / 50, time), n + 1))
    });
    flow.source(name, from_stream(rows)).event_time(
        |(_, time)| *time,
        Lateness::bounded(seconds(30)).with_max_ahead(hours(1)),
    )
}

#[test]
fn the_watermark_is_never_stuck_and_the_flow_says_why_it_waits() {
    for (hours, alignment) in [(4, None), (24, Some(minutes(2)))] {
        let last = Arc::new(Mutex::new(Timestamp::MIN));
        let given = last.clone();
        let flow = Flow::new("day", move |flow| {
            let given = given.clone();
            live(flow, "north", 1, 900)
                .union(live(flow, "south", 5, 400))
                .union(live(flow, "steady", 9, 20))
                .key_by(|(key, _)| *key)
                .window(Tumbling::of(minutes(1)))
                .aggregate("per-minute", count())
                .values()
                .sink(
                    "out",
                    for_each(move |result: WindowResult<u64, u64>| {
                        let mut last = given.lock().unwrap();
                        *last = result.window.end.max(*last);
                    }),
                );
        });
        let flow = flow
            .with_parallelism(2)
            .with_idle_after(seconds(60))
            .with_alignment(alignment);
        let report = simulate(hours, async move {
            let running = flow.start().await.unwrap();
            // One of them always goes on: idleness, lateness, a window and the pauses between records behind at most.
            let most = seconds(60 + 30 + 60 + 40);
            for _ in 0..hours * 60 {
                runtime::sleep(minutes(1)).await;
                let now = runtime::wall();
                let why = running.why().await;
                let behind = now.since(*last.lock().unwrap());
                let started = now.since(Timestamp::from_secs(1_577_836_800)) > minutes(5);
                assert!(!started || behind <= most, "{behind:?} behind\n{why}");
                for window in why.waiting() {
                    assert!(window.waits[0].until > window.watermark.unwrap_or(Timestamp::MIN));
                    let holder = window.held_by.as_ref().unwrap();
                    let partition = match &holder.because {
                        Because::Partition(partition) => Some(partition),
                        _ => None,
                    };
                    let partition = partition.expect("a partition holds it");
                    assert!(
                        !partition.is_idle && partition.age < Some(seconds(62)),
                        "{why}"
                    );
                    assert!(partition.watermark < Some(window.waits[0].until), "{why}");
                }
            }
            running.stop();
            running.join().await.unwrap()
        })
        .unwrap();
        assert!(report.late() > 5 && report.ahead() > 5, "{report}");
        let (taken, given) = (report.vertices[0].records_in, report.vertex("out").unwrap());
        assert!(
            taken > hours * 200 && given.records_in > hours * 60,
            "{report}"
        );
    }
}
