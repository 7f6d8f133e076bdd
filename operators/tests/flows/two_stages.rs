//! Windows in two stages, in whole flows: whatever the schedule, the skew and the parallelism, and wherever they are
//! stopped, they come to the same as in one.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::batch::PartitionId;
use millstream::connectors::memory::CollectSink;
use millstream::operators::Sliding;
use millstream::prelude::*;
use millstream::runtime;
use millstream::source::{Intake, Position, Read, Replay, Source, SourceReader, SourceSetup};

use crate::seeds::varied;
use crate::stopping::{parallelisms, stop_and_go_on};

/// Key, time in seconds, value.
type Row = (u64, i64, i64);
/// What windows came to: where from, key, window, how many, their sum, the highest.
type Result = (&'static str, u64, (i64, i64), (u64, i64, i64));

const RECORDS: u64 = 100;

/// Most are of one key, the others of 20; up to 70 s out of order.
fn record(n: u64) -> Row {
    let drawn = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let key = if drawn % 10 < 7 { 0 } else { drawn % 20 };
    let n = n as i64;
    (key, n * 2 - n * n % 70, n * 7 % 31)
}

fn rows(flow: &Scope, per_second: u32, lateness: Duration) -> Stream<Row> {
    let records = Generator::new(|n, _| record(n))
        .with_rate(per_second)
        .with_count(RECORDS);
    flow.source("records", records).event_time(
        |(_, at, _)| Timestamp::from_secs(*at),
        Lateness::bounded(lateness),
    )
}

fn tumbling() -> Tumbling {
    Tumbling::of(minutes(1)).with_offset(seconds(7))
}

fn sliding() -> Sliding {
    Sliding::of(seconds(100), seconds(30))
}

/// The same windows of the same records, in one stage or two.
fn build(in_two_stages: bool, per_second: u32, flow: &Scope, out: CollectSink<Result>) {
    let rows = rows(flow, per_second, seconds(70));
    let aggregate = || (count(), sum(|row: &Row| row.2), max(|row: &Row| row.2));
    let keyed = rows.clone().key_by(|(key, ..)| *key);
    let (a, b, all) = (
        keyed.clone().window(tumbling()),
        keyed.window(sliding()),
        rows.window_all(tumbling()),
    );
    let (a, b, all) = match in_two_stages {
        true => (
            a.in_two_stages().aggregate("tumbling", aggregate()),
            b.in_two_stages().aggregate("sliding", aggregate()),
            all.in_two_stages().aggregate("all", aggregate()),
        ),
        false => (
            a.aggregate("tumbling", aggregate()),
            b.aggregate("sliding", aggregate()),
            all.aggregate("all", aggregate()),
        ),
    };
    let seconds = |window: Window| {
        let (start, end) = (window.start.as_millis(), window.end.as_millis());
        (start / 1_000, end / 1_000)
    };
    let row = move |from| {
        move |key, result: WindowResult<u64, _>| (from, key, seconds(result.window), result.value)
    };
    a.map(row("tumbling"))
        .union(b.map(row("sliding")))
        .union(all.map(move |(), result| ("all", 0, seconds(result.window), result.value)))
        .sink("out", out);
}

/// All of them, by going over the windows of each record.
fn naive() -> Vec<Result> {
    let mut found: BTreeMap<_, (u64, i64, i64)> = BTreeMap::new();
    for (key, at, value) in (0..RECORDS).map(record) {
        let mut falls_into = |from, key, start, size| {
            let result = found
                .entry((from, key, (start, start + size)))
                .or_insert((0, 0, 0));
            *result = (result.0 + 1, result.1 + value, result.2.max(value));
        };
        let start = (at - 7).div_euclid(60) * 60 + 7;
        falls_into("tumbling", key, start, 60);
        falls_into("all", 0, start, 60);
        for start in (-200..1_000).step_by(10).filter(|start| start % 30 == 0) {
            if (start..start + 100).contains(&at) {
                falls_into("sliding", key, start, 100);
            }
        }
    }
    let rows = found.into_iter();
    rows.map(|((from, key, window), value)| (from, key, window, value))
        .collect()
}

#[test]
fn a_thousand_seeds_give_one_output_with_one_stage_or_two() {
    let expected = naive();
    assert!(expected.len() > 60, "{}", expected.len());
    varied(|seed, flow, out| build(seed % 10 != 0, 20_000, flow, out))
        .without_a_stop()
        .gives(expected);
}

#[test]
fn stopped_anywhere_it_goes_on_with_another_parallelism_and_as_many_stages() {
    let results = Collect::new();
    let flow = |in_two_stages| {
        let results = results.clone();
        Flow::new("two-stages", move |flow| {
            build(in_two_stages, 2_000, flow, results.sink());
        })
    };
    let expected = naive();
    let mut stopped = 0;
    for seed in 0..100 {
        let (before, after) = parallelisms(seed);
        let first = flow(seed % 4 != 1).with_parallelism(before);
        let rest = flow(seed % 4 != 2).with_parallelism(after);
        let until = runtime::sleep(millis(seed) / 2);
        stopped += usize::from(stop_and_go_on(seed, first, rest, until).is_some());
        let mut rows = results.take();
        rows.sort_unstable();
        assert_eq!(rows, expected, "seed {seed}");
    }
    assert!(stopped > 80, "only {stopped} were stopped before their end");
}

#[test]
fn no_record_is_lost_though_all_are_late() {
    for seed in 0..40 {
        let (results, late) = (Collect::new(), Collect::new());
        let (out, late_out) = (results.clone(), late.clone());
        let flow = Flow::new("late", move |flow| {
            let (counts, late) = rows(flow, 20_000, seconds(5))
                .key_by(|(key, ..)| *key)
                .window(Tumbling::of(seconds(10)))
                .in_two_stages()
                .aggregate_with_late("counts", count());
            counts.map(|_, result| result.value).sink("out", out.sink());
            late.values().sink("late", late_out.sink());
        });
        let flow = flow.with_parallelism(1 + seed as usize % 3);
        let report = flow.simulate(seed).unwrap();
        let (counted, late) = (results.take().iter().sum::<u64>(), late.len() as u64);
        assert!(late > 10 && counted > 10, "{counted} {late}");
        assert_eq!(
            (counted + late, report.late()),
            (RECORDS, late),
            "seed {seed}"
        );
    }
}

/// Two readers, each a number (of seconds) every 100 ms; the second falls silent after ten for an hour.
struct FallsSilent;

struct Ticks {
    next: i64,
    silent_from: i64,
}

impl Source for FallsSilent {
    type Out = i64;
    type Reader = Ticks;

    fn max_parallelism(&self) -> usize {
        2
    }
    fn is_bounded(&self) -> bool {
        false
    }
    fn replay(&self) -> Replay {
        Replay::Never
    }
    async fn open(self, _: SourceSetup) -> millstream::Result<Vec<Ticks>> {
        let ticks = |silent_from| Ticks {
            next: 0,
            silent_from,
        };
        Ok(vec![ticks(i64::MAX), ticks(10)])
    }
}

impl SourceReader for Ticks {
    type Out = i64;

    async fn read(&mut self, intake: &mut Intake<i64>) -> millstream::Result<Read> {
        let is_silent = self.next == self.silent_from;
        runtime::sleep(if is_silent { hours(1) } else { millis(100) }).await;
        intake.begin(PartitionId(0), runtime::now());
        intake.push(self.next);
        self.next += 1;
        Ok(Read::More)
    }
    fn positions(&self) -> Vec<Position> {
        Vec::new()
    }
}

#[test]
fn what_a_replica_has_is_there_though_it_falls_silent_and_time_goes_on() {
    for seed in 0..20 {
        let results = Collect::new();
        let out = results.clone();
        let flow = Flow::new("silent", move |flow| {
            flow.source("ticks", FallsSilent)
                .event_time(|n| Timestamp::from_secs(*n), Lateness::none())
                .key_by(|_| ())
                .window(Tumbling::of(seconds(20)))
                .in_two_stages()
                .aggregate("counts", count())
                .map(|(), result| (result.window.start.as_millis(), result.value))
                .sink("out", out.sink());
        });
        let flow = flow.with_parallelism(2).with_idle_after(seconds(5));
        let report = runtime::simulate(seed, async {
            let running = flow.start().await.unwrap();
            runtime::sleep(seconds(10)).await;
            running.stop();
            running.join().await.unwrap()
        })
        .unwrap();
        let counts = results.take();
        assert_eq!(&counts[..2], [(0, 30), (20_000, 20)], "seed {seed}");
        assert_eq!(report.late(), 0);
    }
}
