//! Records that wait for their time: `delay` and `throttle`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream::connectors::{from_channel, into_channel};
use millstream::latency::Measure;
use millstream::operators::RateLimit;
use millstream::prelude::*;
use millstream::runtime::{self, Instant, simulate, timeout};

use crate::seeds::{EverySeed, every_seed};

/// A record, and when it came before and behind, in microseconds.
type Seen = (u64, u64, u64);

fn micros(at: Instant) -> u64 {
    at.as_nanos() / 1_000
}

fn since(seen: &Seen) -> Duration {
    Duration::from_micros(seen.2 - seen.1)
}

/// Polls cost a few microseconds each in a simulation; timers are not exact.
const A_MOMENT: Duration = millis(8);

/// How many come.
const COUNT: u64 = 14;

/// Numbers that come, some at once, within a tenth of a second; each seen before and behind what `hold` does.
fn seen(
    hold: impl Fn(Stream<(u64, u64)>) -> Stream<(u64, u64)> + Send + Sync + 'static,
) -> EverySeed<Seen> {
    let flow = every_seed(move |flow, out| {
        let bursts = futures::stream::unfold(0, |n: u64| async move {
            if n.is_multiple_of(7) {
                runtime::sleep(millis(n * 3 % 50)).await;
            }
            (n < COUNT).then_some((n, n + 1))
        });
        let numbers = flow
            .source("numbers", from_stream(bursts))
            .event_time(|n| Timestamp::from_secs(*n as i64), Lateness::none())
            .map(|n| (n, micros(runtime::now())));
        hold(numbers.rebalance())
            .map(|(n, came)| (n, came, micros(runtime::now())))
            .sink("out", out);
    });
    flow.without_a_stop()
}

/// Every number once; in order, where they go through one replica.
fn check_all(replicas: usize, seen: &[Seen], count: u64) {
    let mut numbers: Vec<_> = seen.iter().map(|seen| seen.0).collect();
    if replicas > 1 {
        numbers.sort_unstable();
    }
    assert!(numbers.into_iter().eq(0..count), "{seen:?}");
}

/// All are given on `by` later.
fn check_delay(seen: &[Seen], by: Duration) {
    let (least, most) = (seen.iter().map(since).min(), seen.iter().map(since).max());
    assert!(least >= Some(by), "{least:?}");
    assert!(most <= Some(by + A_MOMENT), "{most:?}");
}

#[test]
fn a_delay_gives_each_record_so_much_later_in_order() {
    let by = millis(300);
    let flow = seen(move |numbers| numbers.delay("later", by, 1_000));
    flow.holds(|seen, run| {
        check_all(run.replicas, &seen, COUNT);
        check_delay(&seen, by);
        assert_eq!(run.late(), 0);
    });
}

#[test]
fn a_stop_waits_for_no_delay_and_what_waits_is_given_in_its_time() {
    let by = minutes(60);
    let flow: EverySeed<Seen> = every_seed(move |flow, out| {
        let numbers = Generator::new(|n, _| n).with_rate(80).with_count(COUNT);
        flow.source("numbers", numbers)
            .map(|n| (n, micros(runtime::now())))
            .delay("later", by, 1_000)
            .map(|(n, came)| (n, came, micros(runtime::now())))
            .sink("out", out);
    });
    // Before any source replica has come to its end: one that has ended waits for what it delays.
    let flow = flow.lasting(millis(120)).always_stopped();
    flow.under(100).holds(|mut seen, run| {
        let took = run.stop.as_ref().map(|stop| stop.took);
        assert!(took < Some(A_MOMENT), "{took:?}");
        seen.sort_unstable();
        check_all(run.replicas, &seen, COUNT);
        check_delay(&seen, by);
    });
}

/// What has come in and not gone out, at the most.
#[test]
fn no_more_wait_than_have_room_and_a_batch() {
    for (parallelism, most) in [(1, 2_000), (2, 3_000)] {
        let (came, left) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (before, behind) = (came.clone(), left.clone());
        let flow = Flow::new("bound", move |flow| {
            let (came, left) = (before.clone(), behind.clone());
            flow.source("numbers", Generator::new(|n, _| n).with_rate(5_000))
                .inspect(move |_| _ = came.fetch_add(1, Ordering::Relaxed))
                .delay("later", seconds(1), most)
                .inspect(move |_| _ = left.fetch_add(1, Ordering::Relaxed))
                .discard();
        });
        let waiting = simulate(1, async move {
            let running = flow.with_parallelism(parallelism).start().await.unwrap();
            let mut waiting = 0;
            for _ in 0..300 {
                runtime::sleep(millis(10)).await;
                let left = left.load(Ordering::Relaxed);
                waiting = waiting.max(came.load(Ordering::Relaxed) - left);
            }
            assert!(left.load(Ordering::Relaxed) > 2 * most);
            running.handle().kill();
            running.join().await.unwrap();
            waiting
        });
        let (waiting, batches) = (waiting.unwrap(), 1_024 * parallelism);
        assert!(
            (most..most + batches).contains(&waiting),
            "{waiting} of {most}"
        );
    }
}

#[test]
fn no_watermark_overtakes_what_is_delayed() {
    let out = Collect::new();
    let results = out.clone();
    let flow = Flow::new("windows", move |flow| {
        flow.source(
            "numbers",
            Generator::new(|n, _| n).with_rate(10).with_count(50),
        )
        .event_time(
            |n| Timestamp::from_millis(*n as i64 * 100),
            Lateness::none(),
        )
        .delay("later", seconds(3), 1_000)
        .key_by(|_| ())
        .window(Tumbling::of(seconds(1)))
        .aggregate("count", count())
        .values()
        .map(|window| (window.value, runtime::now().as_nanos() / 1_000_000))
        .sink("out", results.sink());
    });
    for seed in 0..20 {
        let flow = flow.clone().with_parallelism(1 + seed as usize % 2);
        let report = flow.simulate(seed).unwrap();
        let windows = out.take();
        assert_eq!((report.late(), windows.len()), (0, 5), "seed {seed}");
        for (number, (count, at)) in (1..).zip(windows) {
            assert_eq!(count, 10);
            // When the first record behind it comes, or the end, and that is delayed.
            let due = number * 1_000 + 3_000;
            assert!((due - 100..due + 400).contains(&at), "{number} at {at}");
        }
        // What waited for its window waited by design, and so what was delayed.
        let latency = report.latency();
        assert!(latency.of("out", Measure::HandedOver).unwrap().max() < millis(1));
        let delayed = latency.of("later", Measure::Held).unwrap();
        assert_eq!(delayed.count(), 50);
        assert!(delayed.percentile(0.0) >= Some(millis(2_990)), "{latency}");
        assert!(delayed.max() <= millis(3_010), "{latency}");
    }
}

/// The first is at once there and an hour passes before the last: the delay is a live one.
#[test]
fn a_delayed_record_leaves_though_nothing_else_comes() {
    let ((ask, asked), (answer, answered)) = (flume::bounded(10), flume::bounded(10));
    let flow = Flow::new("live", move |flow| {
        flow.source("asked", from_channel(asked.clone()))
            .delay("later", minutes(1), 10)
            .sink("out", into_channel(answer.clone()));
    });
    let left = simulate(3, async move {
        let running = flow.with_parallelism(2).start().await.unwrap();
        ask.send_async(1).await.unwrap();
        assert_eq!(timeout(seconds(59), answered.recv_async()).await, None);
        let first = timeout(seconds(2), answered.recv_async()).await;
        ask.send_async(2).await.unwrap();
        runtime::sleep(seconds(1)).await;
        // The flow ends when what waits has been given.
        running.stop();
        let asked = runtime::now();
        running.join().await.unwrap();
        assert!(runtime::now() - asked >= seconds(59) - A_MOMENT);
        (first.unwrap(), answered.drain().collect::<Vec<_>>())
    });
    assert_eq!(left.unwrap(), (Ok(1), vec![2]));
}

/// In any stretch of time no more than the rate allows and the burst; and, while some wait, no less.
fn check_rate(seen: &[Seen], spacing: u64, burst: usize) {
    let mut left: Vec<_> = seen.iter().map(|seen| seen.2).collect();
    left.sort_unstable();
    for (first, at) in left.iter().enumerate() {
        for (last, behind) in left.iter().enumerate().skip(first + burst) {
            let least = (last - first + 1 - burst) as u64 * spacing;
            // Of each replica's two, the first may have been seen late.
            let passed = behind - at + 1_000;
            assert!(passed >= least, "{first} to {last} in {passed} µs");
        }
    }
}

#[test]
fn a_throttle_keeps_its_rate() {
    let flow = seen(|numbers| numbers.throttle("gently", RateLimit::per_second(50).with_burst(3)));
    flow.holds(|seen, run| {
        check_all(run.replicas, &seen, COUNT);
        check_rate(&seen, 20_000, 3);
        if run.replicas == 1 {
            // Most wait from the start: no token is lost.
            let took = seen[COUNT as usize - 1].2 - seen[0].2;
            assert!(took <= (COUNT - 3) * 20_000 + 21_000, "{took} µs");
        }
        assert_eq!(run.late(), 0);
    });
}

/// Ten numbers every ten seconds, in one batch, that go on in five.
#[test]
fn a_stop_waits_for_no_throttle_and_its_rate_holds_across() {
    let flow: EverySeed<Seen> = every_seed(|flow, out| {
        let numbers = Generator::new(|n, _| n).with_rate(1).with_tick(seconds(10));
        flow.source("numbers", numbers.with_count(30))
            .map(|n| (n, 0))
            .throttle("slowly", RateLimit::per_second(2))
            .map(|(n, came)| (n, came, micros(runtime::now())))
            .sink("out", out);
    });
    let mut waited = 0;
    // Before any source replica has come to its end.
    let flow = flow.lasting(seconds(24)).always_stopped();
    flow.under(100).holds(|mut seen, run| {
        let stop = run.stop.as_ref().unwrap();
        assert!(stop.took < A_MOMENT, "{:?}", stop.took);
        waited += usize::from(stop.so_far % 10 > 0);
        seen.sort_unstable();
        check_all(run.replicas, &seen, 30);
        // Each replica may begin with one at once.
        check_rate(&seen, 500_000, run.replicas);
    });
    assert!(waited > 25, "only {waited} stops found some that wait");
}
