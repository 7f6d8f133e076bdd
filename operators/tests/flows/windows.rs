//! Windows that speak more than once, in whole flows: whatever the schedule and wherever they are stopped, what they
//! said comes to the same.

use std::collections::BTreeMap;

use millstream::operators::{Every, Panes, Session, Sliding, Timing, Trigger, WindowAssigner};
use millstream::prelude::*;
use millstream::runtime;

use crate::seeds::every_seed;

/// Per key and window, in seconds: how many, and their sum.
type Sums = BTreeMap<(u64, i64, i64), (i64, i64)>;
type Row = WindowResult<u64, (u64, i64)>;

const RECORDS: u64 = 300;

/// Key, time and value: up to 70 s out of order.
fn record(n: u64) -> (u64, i64, i64) {
    let n = n as i64;
    (n as u64 % 5, n * 4 - n * n % 70, n % 9)
}

/// What is left once all that was taken back is.
fn net(rows: Vec<Row>) -> Sums {
    let mut sums = Sums::new();
    for row in rows {
        let sign = if row.pane.retracts { -1 } else { 1 };
        let window = (row.window.start.as_millis(), row.window.end.as_millis());
        let sum = sums
            .entry((row.key, window.0 / 1_000, window.1 / 1_000))
            .or_default();
        *sum = (
            sum.0 + sign * row.value.0 as i64,
            sum.1 + sign * row.value.1,
        );
    }
    sums.retain(|_, sum| *sum != (0, 0));
    sums
}

/// The records of all windows that `windows_of` names for a time.
fn naive(windows_of: impl Fn(i64) -> Vec<(i64, i64)>) -> Sums {
    let mut sums = Sums::new();
    for (key, at, value) in (0..RECORDS).map(record) {
        for (start, end) in windows_of(at) {
            let sum = sums.entry((key, start, end)).or_default();
            *sum = (sum.0 + 1, sum.1 + value);
        }
    }
    sums
}

/// The sessions of each key, with a gap in seconds.
fn naive_sessions(gap: i64) -> Sums {
    let mut records: Vec<_> = (0..RECORDS).map(record).collect();
    records.sort_unstable();
    let same =
        |one: &(u64, i64, i64), next: &(u64, i64, i64)| one.0 == next.0 && next.1 - one.1 < gap;
    let sessions = records.chunk_by(same).map(|session| {
        let (first, last) = (session[0], session[session.len() - 1]);
        let sum = session.iter().map(|(.., value)| value).sum();
        (
            (first.0, first.1, last.1 + gap),
            (session.len() as i64, sum),
        )
    });
    sessions.collect()
}

/// They say early and often what they have, and take it back; stopped under each seed, it comes to the same.
fn comes_to<W: WindowAssigner + Sync>(windows: W, expected: &Sums) {
    let often = Every::records(7)
        .or(Every::time(seconds(50)))
        .or(Every::processing_time(millis(40)));
    let flow = every_seed(move |flow, out| {
        let records = Generator::new(|n, _| record(n)).with_rate(2_000);
        flow.source("records", records.with_count(RECORDS))
            .event_time(
                |(_, at, _)| Timestamp::from_secs(*at),
                Lateness::bounded(seconds(20)),
            )
            .key_by(|(key, ..)| *key)
            .window(windows.clone())
            .trigger(Trigger::at_watermark().early(often).late(often))
            .panes(Panes::Retracting)
            .allowed_lateness(hours(1))
            .aggregate("sums", (count(), sum(|row: &(u64, i64, i64)| row.2)))
            .values()
            .sink("rows", out);
    });
    let flow = flow.lasting(millis(80)).always_stopped();
    flow.under(40).holds(|rows, _| {
        assert!(rows.iter().any(|row| row.pane.timing == Timing::Early));
        assert_eq!(net(rows), *expected);
    });
}

#[test]
fn tumbling_windows_come_to_the_same() {
    let expected = naive(|at| vec![(at.div_euclid(60) * 60, at.div_euclid(60) * 60 + 60)]);
    comes_to(Tumbling::of(minutes(1)), &expected);
}

#[test]
fn sliding_windows_come_to_the_same() {
    let expected = naive(|at| {
        let starts = (-10..100).map(|n| n * 30);
        let windows = starts.map(|start| (start, start + 70));
        windows
            .filter(|(start, end)| (*start..*end).contains(&at))
            .collect()
    });
    comes_to(Sliding::of(seconds(70), seconds(30)), &expected);
}

#[test]
fn sessions_come_to_the_same() {
    let expected = naive_sessions(26);
    assert!(expected.len() > 20, "{expected:?}");
    comes_to(Session::gap(seconds(26)), &expected);
}

#[test]
fn windows_of_processing_time_end_by_the_clock() {
    for seed in 0..20 {
        let results = Collect::new();
        let out = results.clone();
        let flow = Flow::new("by-the-clock", move |flow| {
            flow.source(
                "numbers",
                Generator::new(|n, _| n).with_rate(10).with_count(95),
            )
            .window_all(Tumbling::of(seconds(1)))
            .processing_time()
            .aggregate("per-second", count())
            .map(|(), second| (second.window, second.value))
            .sink("out", out.sink());
        });
        let seen = runtime::simulate(seed, async {
            let running = flow.with_parallelism(2).start().await.unwrap();
            runtime::sleep(millis(3_500)).await;
            let seen = results.take();
            running.join().await.unwrap();
            seen
        })
        .unwrap();
        assert!(
            seen.len() >= 3,
            "those that have ended have spoken: {seen:?}"
        );
        let all = seen.into_iter().chain(results.take());
        let counts: Vec<u64> = all.map(|(_, count)| count).collect();
        assert_eq!(counts.iter().sum::<u64>(), 95);
        let whole = &counts[1..counts.len() - 1];
        assert!(whole.iter().all(|count| *count == 10), "{counts:?}");
    }
}
