//! A watermark that was held back with records is promised behind them, though the input has fallen idle meanwhile.

use millstream::operators::Ordered;
use millstream::operators::{BroadcastTable, RateLimit, TableLoad, Ttl};
use millstream::prelude::*;
use millstream::runtime::{self, simulate};
use millstream_engine::why::Answer;

use super::seconds_of;

/// Eleven records a second of event time apart, and then silence for hours; what of their windows of 5 s is there after
/// one hour, and at the end.
fn windows(seed: u64, hold: fn(&Scope, Stream<i64>) -> Stream<i64>) -> (Vec<u64>, Vec<u64>) {
    let results = Collect::new();
    let out = results.clone();
    let flow = Flow::new("held", move |flow| {
        hold(flow, seconds_of(flow, "numbers", 11, hours(3)))
            .key_by(|_| ())
            .window(Tumbling::of(seconds(5)))
            .aggregate("fives", count())
            .map(|_, result| result.value)
            .sink("out", out.sink());
    });
    let flow = flow.with_parallelism(1 + seed as usize % 2);
    simulate(seed, async move {
        let running = flow.start().await.unwrap();
        runtime::sleep(hours(1)).await;
        let early = results.take();
        running.join().await.unwrap();
        (early, results.take())
    })
    .unwrap()
}

#[test]
fn many_who_ask_at_once_are_all_answered() {
    let flow = Flow::new("asked", |flow| {
        let left = seconds_of(flow, "left", 30, hours(1)).key_by(|_| ());
        let right = flow
            .source("right", from_stream(futures::stream::pending::<i64>()))
            .event_time(|_| Timestamp::EPOCH, Lateness::none())
            .key_by(|_| ());
        left.zip_latest("zip", right, Ttl::default(), |(), l, r| (*l, *r))
            .values()
            .sink("out", discard());
    });
    let flow = flow.with_parallelism(2).with_idle_after(None);
    let answers = simulate(1, async move {
        let running = flow.start().await.unwrap();
        runtime::sleep(seconds(10)).await;
        let handle = running.handle();
        let answers = futures::future::join_all((0..40).map(|_| handle.why())).await;
        handle.kill();
        running.join().await.unwrap();
        answers
    });
    for why in answers.unwrap() {
        let mut answers = why.replicas.iter().map(|replica| &replica.answer);
        assert!(answers.all(|answer| *answer == Answer::Given), "{why}");
        assert!(
            why.to_string().contains("it has had no record yet"),
            "{why}"
        );
        let mut told = why.vertex("zip").flat_map(|replica| &replica.waits);
        let told = told.next().map(|wait| &*wait.what);
        assert_eq!(told, Some("the first record to be zipped"), "{why}");
    }
}

#[test]
fn what_was_held_longer_than_it_takes_to_fall_idle_closes_its_windows() {
    let holds: [fn(&Scope, Stream<i64>) -> Stream<i64>; 5] = [
        |_, numbers| numbers,
        |_, numbers| numbers.delay("delay", seconds(30), 1_000),
        |_, numbers| numbers.throttle("throttle", RateLimit::new(1, seconds(1))),
        |_, numbers| {
            let slow = |n| async move {
                runtime::sleep(seconds(30)).await;
                n
            };
            numbers
                .map_async("calls", Ordered::up_to(100), slow)
                .erase()
        },
        |flow, numbers| {
            let table = futures::stream::once(runtime::sleep(seconds(30)));
            let table = flow
                .source("table", from_stream(table))
                .map(|_| (0, Some(0)));
            numbers.join_table(
                "table-join",
                table,
                BroadcastTable::up_to(10, TableLoad::AtEnd),
                |n| *n,
                |n, _| n,
            )
        },
    ];
    for (number, hold) in holds.into_iter().enumerate() {
        for seed in 0..20 {
            let given = windows(seed, hold);
            assert_eq!(given, (vec![5, 5], vec![1]), "{number}, seed {seed}");
        }
    }
}
