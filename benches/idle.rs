//! A flow with nothing to do, and the way of a single record through it.

#![allow(clippy::expect_used)] // A bench that cannot run has to stop.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{argument, cost, verdict};
use millstream::connectors::memory::{for_each, from_channel};
use millstream::latency::Measure;
use millstream::prelude::*;
use millstream::runtime::{self, Instant};

type Taken = Arc<Mutex<Vec<Duration>>>;

/// map → key_by → (keyed state) → map → sink: two hops between tasks.
fn flow(receiver: flume::Receiver<Instant>, taken: Taken) -> Flow {
    let flow = Flow::new("idle", move |flow| {
        let taken = taken.clone();
        flow.source("records", from_channel(receiver.clone()))
            .map(|sent| (sent, sent.as_nanos()))
            .key_by(|(_, key)| *key)
            .fold("last", 0, |count, (sent, _)| {
                *count += 1;
                (sent, *count)
            })
            .map(|_, (sent, _)| sent)
            .sink(
                "out",
                for_each(move |sent: Instant| {
                    let took = runtime::now() - sent;
                    taken.lock().expect("no panic").push(took);
                }),
            );
    });
    flow.with_parallelism(2)
}

fn main() {
    let idle = Duration::from_secs(argument("seconds", 10));
    let records = argument("records", 2_000);
    let (sender, receiver) = flume::bounded(16);
    let taken = Taken::default();
    let report = runtime::block_on(async {
        let execution = flow(receiver, taken.clone())
            .start()
            .await
            .expect("it starts");
        runtime::sleep(Duration::from_millis(500)).await;
        let cost = cost(|| std::thread::sleep(idle));
        let share = 100.0 * cost.cpu.as_secs_f64() / cost.wall.as_secs_f64();
        verdict(
            "idle, percent of a core",
            format!("{share:.3}"),
            share < 1.0,
            "< 1",
        );

        let sending = std::thread::spawn(move || {
            for _ in 0..records {
                std::thread::sleep(Duration::from_millis(5));
                sender.send(runtime::now()).expect("the flow runs");
            }
        });
        let report = execution.join().await.expect("it ends");
        sending.join().expect("all were sent");
        report
    });
    let mut taken = taken.lock().expect("no panic").clone();
    taken.sort_unstable();
    assert_eq!(taken.len() as u64, records);
    let at = |share: f64| taken[((taken.len() - 1) as f64 * share) as usize];
    println!("\n{}", report.latency());
    println!(
        "sent to handed over, {records} records: p50 {:?}, p99 {:?}, max {:?}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    let p50 = |distribution: Option<&millstream::latency::Distribution>| {
        distribution
            .and_then(|d| d.percentile(50.0))
            .unwrap_or_default()
    };
    let ours = p50(report.latency().of("out", Measure::HandedOver));
    let machine = p50(report.latency().hiccups());
    verdict(
        "one record, arrival to handed over, p50 beyond the machine's hiccup",
        format!(
            "{:?} ({ours:?} in all, hiccup {machine:?})",
            ours.saturating_sub(machine)
        ),
        ours.saturating_sub(machine) <= Duration::from_micros(50),
        "<= 50 µs",
    );
}
