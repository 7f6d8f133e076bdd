//! A running flow says who holds its event time back.

use std::sync::{Arc, Mutex, mpsc};

use millstream::connectors::memory::into_channel;
use millstream::prelude::*;
use millstream::runtime::{self, simulate};
use millstream_engine::why::{Answer, Because, PartitionTime, ReplicaTime, Until};

use super::{at, seconds_of};
pub(super) use crate::asking::{asked, only};

/// The vertex, and the partition, that hold back a replica's time.
fn partition(time: &ReplicaTime) -> (&str, &PartitionTime) {
    let holder = time.held_by.as_ref().unwrap();
    let partition = match &holder.because {
        Because::Partition(partition) => Some(partition),
        _ => None,
    };
    (&holder.vertex, partition.unwrap())
}

fn tens(stream: Stream<i64>) -> Stream<u64> {
    stream
        .key_by(|_| ())
        .window(Tumbling::of(seconds(10)))
        .aggregate("tens", count())
        .values()
        .map(|window| window.value)
        .erase()
}

#[test]
fn a_window_waits_for_the_partition_that_fell_silent() {
    let flow = Flow::new("idle", |flow| {
        let (busy, quiet) = (600, 25);
        let busy = seconds_of(flow, "busy", busy, hours(1));
        tens(busy.union(seconds_of(flow, "quiet", quiet, hours(1)))).sink("out", discard());
    });
    for seed in 0..10 {
        for parallelism in [1, 2] {
            let flow = flow.clone().with_parallelism(parallelism);
            let why = asked(seed, 30, flow.with_idle_after(None));
            let window = why.waiting().next().unwrap();
            assert_eq!((&*window.vertex, window.answer), ("tens", Answer::Given));
            assert_eq!(window.watermark, Some(at(24)));
            assert_eq!(window.waits[0].until, Until::Watermark(at(30)));
            let (vertex, quiet) = partition(window);
            assert_eq!(vertex, "quiet.event_time");
            assert_eq!((&*quiet.name, quiet.is_idle), ("#0", false));
            assert_eq!(
                (quiet.watermark, quiet.last_record),
                (Some(at(24)), Some(at(24)))
            );
            let age = quiet.age.unwrap();
            assert!(age > seconds(27) && age < seconds(28), "{age:?}");
            // The sink behind it waits for the same one.
            assert_eq!(
                partition(why.vertex("out").next().unwrap()),
                (vertex, quiet)
            );
            let text = why.to_string();
            for said in [
                "`tens` (replica",
                "stands at 1970-01-01T00:00:24Z",
                "the window from 1970-01-01T00:00:20Z to 1970-01-01T00:00:30Z",
                "waits for the watermark 1970-01-01T00:00:30Z",
                "held back by `quiet.event_time` (replica 0): partition `#0` (last record of 1970-01-01T00:00:24Z, 27 s ago",
                "not idle",
            ] {
                assert!(text.contains(said), "`{said}` is not in\n{text}");
            }
        }
    }
}

#[test]
fn an_idle_partition_holds_nobody() {
    let flow = Flow::new("idle", |flow| {
        let busy = seconds_of(flow, "busy", 600, hours(1));
        tens(busy.union(seconds_of(flow, "quiet", 25, hours(1)))).sink("out", discard());
    });
    let why = asked(1, 30, flow.with_parallelism(1).with_idle_after(seconds(5)));
    let (vertex, busy) = partition(only(&why, "tens"));
    assert_eq!((vertex, busy.is_idle), ("busy.event_time", false));
    let quiet = only(&why, "quiet.event_time");
    assert!(quiet.partitions[0].is_idle);
    assert_eq!(quiet.held_by.as_ref().unwrap().because, Because::Idle);
    let text = why.to_string();
    assert!(
        text.contains(
            "idle, so not waited for: partition `#0` (last record of 1970-01-01T00:00:24Z, 27 s ago, idle)"
        ),
        "{text}"
    );
}

#[test]
fn a_join_names_the_side_that_is_behind() {
    let flow = Flow::new("sides", |flow| {
        let left = seconds_of(flow, "left", 600, hours(1)).key_by(|n| *n);
        let right = flow
            .source("right", Generator::new(|n, _| n as i64).with_rate(1))
            .event_time(|n| at(*n), Lateness::bounded(seconds(3)))
            .key_by(|n| *n);
        left.join("pairs", right, Tumbling::of(seconds(10)), |_, l, r| {
            (*l, *r)
        })
        .values()
        .sink("out", discard());
    });
    for seed in 0..10 {
        let why = asked(seed, 30, flow.clone().with_parallelism(1));
        let join = only(&why, "pairs");
        let (vertex, right) = partition(join);
        assert_eq!(vertex, "right.event_time");
        let last = right.last_record.unwrap();
        assert_eq!(right.watermark, Some(last - seconds(3)));
        assert!(last >= at(28) && last <= at(30), "{last}");
        assert_eq!(join.waits[0].until, Until::Watermark(at(30)));
    }
}

#[test]
fn a_paused_source_says_for_whom() {
    let flow = Flow::new("paused", |flow| {
        let slow = seconds_of(flow, "slow", 600, hours(1));
        let fast = flow
            .source("fast", from_iter(0..100_000))
            .event_time(|n| at(*n), Lateness::none());
        tens(slow.union(fast)).sink("out", discard());
    });
    let flow = flow.with_parallelism(1).with_alignment(minutes(10));
    let why = asked(4, 20, flow);
    let fast = only(&why, "fast");
    assert_eq!(fast.answer, Answer::Given);
    let paused = fast.paused.as_ref().unwrap();
    assert_eq!(
        (&*paused.behind.vertex, paused.allowed),
        ("slow", minutes(10))
    );
    // A batch of 512 seconds in front of it, of which 20 s · 10 are over.
    let ahead = paused.ahead.unwrap();
    assert!(
        ahead > minutes(10) && ahead < minutes(10) + seconds(512),
        "{ahead:?}"
    );
    assert_eq!(why.paused().count(), 1);
    assert_eq!(partition(only(&why, "tens")).0, "slow.event_time");
    let text = why.to_string();
    assert!(
        text.contains("min ahead of `slow` (replica 0), 10 min allowed"),
        "{text}"
    );
}

#[test]
fn records_in_flight_hold_time_back_where_they_are() {
    let flow = Flow::new("calls", |flow| {
        let called = seconds_of(flow, "numbers", 600, hours(1)).map_async(
            "call",
            Ordered::up_to(1_000),
            |n| async move {
                if n == 17 {
                    runtime::sleep(hours(1)).await;
                }
                n
            },
        );
        tens(called).sink("out", discard());
    });
    let why = asked(2, 10, flow.with_parallelism(1));
    let held_by = only(&why, "tens").held_by.clone().unwrap();
    assert_eq!(held_by.vertex, "call");
    let Because::InFlight(Some(call)) = held_by.because else {
        panic!("{why}");
    };
    assert_eq!((&call.until, call.of), (&Until::Answer, Some(1)));
    let age = call.age.unwrap();
    assert!(age > seconds(8) && age < seconds(9), "{age:?}");
    assert_eq!(only(&why, "call").waits, [call]);
    let text = why.to_string();
    assert!(
        text.contains(
            "held back by `call` (replica 0): the call for the record of 1970-01-01T00:00:17Z waits for its answer, 8 s so far"
        ),
        "{text}"
    );
}

#[test]
fn what_waits_for_room_answers_all_the_same() {
    for seed in 0..10 {
        let (out, nobody_reads) = flume::bounded(1);
        let flow = Flow::new("stuck", move |flow| {
            let source = flow
                .source("numbers", from_iter(0..1_000_000))
                .event_time(|n| at(*n), Lateness::none());
            let twice = source.rebalance().map(|n| n * 2);
            tens(twice.erase()).sink("out", into_channel(out.clone()));
        });
        let why = asked(seed, 20, flow.with_parallelism(2));
        assert_eq!(why.missing().count(), 0, "{why}");
        // From the sink whose reader does not read, all the way back to the source.
        for vertex in ["numbers", "out"] {
            let blocked = why
                .vertex(vertex)
                .any(|time| time.answer == Answer::Blocked);
            assert!(blocked, "{vertex} in {why}");
        }
        // More was promised to the windows than they have come to: it is not the partition that holds them.
        let holder = why.vertex("tens").find_map(|time| time.held_by.clone());
        let holder = holder.unwrap();
        assert_eq!(
            (&*holder.vertex, holder.because),
            ("out", Because::Backpressure),
            "{why}"
        );
        let text = why.to_string();
        assert!(
            text.contains("`out` (replica 0): waits for the outside;"),
            "{text}"
        );
        let numbers = why
            .vertex("numbers")
            .find(|time| time.answer == Answer::Blocked);
        let full = numbers.and_then(|time| time.blocked_on.clone()).unwrap();
        assert_eq!(full.vertex, "numbers.event_time.map", "{text}");
        assert!(
            text.contains("waits for room at `tens` (replica "),
            "{text}"
        );
        drop(nobody_reads);
    }
}

#[test]
fn a_partition_that_cannot_be_read_is_not_what_holds_time_back() {
    for seed in 0..10 {
        let flow = Flow::new("hung", move |flow| {
            let source = flow
                .source("quick", Generator::new(|n, _| n as i64).with_rate(20))
                .event_time(|n| at(*n), Lateness::none());
            tens(source.clone().erase()).sink("out", discard());
            source
                .map_async("hangs", Ordered::up_to(2), |n| async move {
                    if n == 2 {
                        runtime::sleep(hours(24)).await;
                    }
                    n
                })
                .discard();
        });
        let why = asked(seed, 20_000, flow.with_parallelism(1));
        for vertex in ["quick.event_time", "tens"] {
            let holder = why.vertex(vertex).find_map(|time| time.held_by.clone());
            let holder = holder.unwrap();
            assert_eq!(
                (&*holder.vertex, holder.because),
                ("hangs", Because::Backpressure),
                "{why}"
            );
        }
    }
}

#[test]
fn user_code_that_blocks_is_named_and_the_rest_is_told() {
    let (release, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let flow = Flow::new("blocked", move |flow| {
        let held = held.clone();
        let timed = flow
            .source("numbers", Generator::new(|n, _| n as i64).with_rate(100))
            .event_time(|n| at(*n), Lateness::none())
            .rebalance()
            .map(move |n| {
                let _ = held.lock().unwrap().recv();
                n
            });
        tens(timed.erase()).sink("out", discard());
    });
    runtime::block_on(async move {
        let running = flow.with_parallelism(1).start().await.unwrap();
        while running.metrics()[0].records_in == 0 {
            runtime::sleep(millis(1)).await;
        }
        let why = running.why().await;
        drop(release);
        running.stop();
        running.join().await.unwrap();
        // The map shares its task with the window; source and sink have theirs.
        let missing: Vec<_> = why.missing().map(|time| &*time.vertex).collect();
        assert!(
            missing.contains(&"tens") && !missing.contains(&"out"),
            "{missing:?}"
        );
        let holder = only(&why, "out").held_by.clone().unwrap();
        assert_eq!(holder.because, Because::NoAnswer);
        assert!(
            why.to_string()
                .contains("`tens` (replica 0): does not answer"),
            "{why}"
        );
    });
}

#[test]
fn where_nothing_waits_it_says_so_and_it_is_data() {
    let flow = Flow::new("untimed", |flow| {
        flow.source("numbers", Generator::new(|n, _| n).with_rate(10))
            .rebalance()
            .map(|n| n + 1)
            .sink("out", discard());
    });
    let why = asked(3, 2, flow.with_parallelism(2));
    assert!(why.to_string().contains("nothing waits"), "{why}");
    let out = why.vertex("out").next().unwrap();
    assert_eq!(out.held_by.as_ref().unwrap().because, Because::NoTime);
    // A flow that has ended answers too.
    let ended = simulate(1, async {
        let flow = Flow::new("short", |flow| flow.source("n", from_iter(0..3)).discard());
        let running = flow.start().await.unwrap();
        let handle = running.handle();
        running.join().await.unwrap();
        handle.why().await
    });
    let ended = ended.unwrap();
    assert!(
        ended
            .replicas
            .iter()
            .all(|time| time.answer == Answer::Ended)
    );
}
