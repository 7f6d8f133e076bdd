//! What each step holds back by design is told apart: it is neither its service nor part of the latency at the sink.

use std::time::Duration;

use millstream::latency::Measure;
use millstream::operators::{RateLimit, Ttl};
use millstream::prelude::*;

/// Numbers of which ten come in a second, each with its time.
const COUNT: u64 = 50;

fn numbers(flow: &Scope, name: &str, lateness: Duration) -> Stream<u64> {
    let numbers = Generator::new(|n, _| n).with_rate(10).with_count(COUNT);
    let numbers = flow.source(name, numbers).event_time(
        |n| Timestamp::from_millis(*n as i64 * 100),
        Lateness::bounded(lateness),
    );
    numbers.erase()
}

/// Runs the flow that ends in `hold` under a few seeds; tells how long that held back what.
fn held(
    hold: impl Fn(&Scope) -> Stream<u64> + Clone + Send + Sync + 'static,
    check: impl Fn(usize, u64, Duration, Duration),
) {
    for seed in 0..20 {
        let hold = hold.clone();
        let flow = Flow::new("held", move |flow| {
            hold(flow).sink("out", Collect::new().sink());
        });
        let parallelism = 1 + seed as usize % 3;
        let flow = flow.with_parallelism(parallelism);
        let report = flow.simulate(seed).unwrap();
        let latency = report.latency();
        let of = |vertex, measure| latency.of(vertex, measure).unwrap();
        let held = of("hold", Measure::Held);
        let (least, most) = (held.percentile(0.0).unwrap(), held.max());
        check(parallelism, held.count(), least, most);
        // All else took no time.
        let service = of("hold", Measure::Service).max();
        let handed_over = of("out", Measure::HandedOver).max();
        assert!(
            service.max(handed_over) < millis(5),
            "seed {seed}: {latency}"
        );
    }
}

fn assert_about(got: Duration, expected: Duration) {
    let apart = got.abs_diff(expected);
    assert!(
        apart < millis(10),
        "{got:?} where {expected:?} was expected"
    );
}

#[test]
fn of_a_delay() {
    let hold = |flow: &Scope| numbers(flow, "numbers", millis(0)).delay("hold", seconds(1), 100);
    held(hold, |_, count, least, most| {
        assert_eq!(count, COUNT);
        assert_about(least, seconds(1));
        assert_about(most, seconds(1));
    });
}

#[test]
fn of_a_throttle() {
    // All come at once, in one replica, and leave in a second.
    let hold = |flow: &Scope| {
        flow.source("numbers", from_iter(0..COUNT))
            .throttle("hold", RateLimit::per_second(50))
    };
    held(hold, |_, count, least, most| {
        assert_eq!((count, least), (COUNT, Duration::ZERO));
        assert_about(most, millis(20) * (COUNT as u32 - 1));
    });
    // There is always a token.
    let hold = |flow: &Scope| {
        let numbers = numbers(flow, "numbers", millis(0));
        numbers.throttle("hold", RateLimit::per_second(1_000))
    };
    held(hold, |_, count, _, most| {
        assert_eq!((count, most), (COUNT, Duration::ZERO));
    });
}

#[test]
fn of_what_is_sorted_or_zipped() {
    // A watermark half a second behind, and a tenth until the next.
    let sorted = |flow: &Scope| {
        let numbers = numbers(flow, "numbers", millis(500));
        numbers.key_by(|n| n % 3).sort("hold").values().erase()
    };
    held(sorted, |replicas, count, _, most| {
        assert_eq!(count, COUNT);
        assert_about(most, millis(500) + replicas as u32 * millis(100));
    });
    let zipped = |flow: &Scope| {
        let side = |name| numbers(flow, name, millis(500)).key_by(|n| n % 3);
        let zipped =
            side("left").zip_latest("hold", side("right"), Ttl::default(), |_, l, r| l + r);
        zipped.values().erase()
    };
    held(zipped, |replicas, count, _, most| {
        assert_eq!(count, 2 * COUNT);
        assert_about(most, millis(500) + replicas as u32 * millis(100));
    });
}

#[test]
fn of_what_is_gathered() {
    let by_time = |flow: &Scope| {
        let numbers = numbers(flow, "numbers", millis(0));
        let batches = numbers.batch("hold", 1_000, millis(950));
        batches.map(|batch| batch.len() as u64).erase()
    };
    held(by_time, |_, count, _, most| {
        assert_eq!(count, COUNT / 10);
        assert_about(most, millis(950));
    });
    let by_number = |flow: &Scope| {
        let batches = numbers(flow, "numbers", millis(0)).batch("hold", 5, hours(1));
        batches.map(|batch| batch.len() as u64).erase()
    };
    held(by_number, |_, count, least, most| {
        assert_eq!(count, COUNT / 5);
        assert_about(least, millis(400));
        assert_about(most, millis(400));
    });
    let latest = |flow: &Scope| {
        let keyed = numbers(flow, "numbers", millis(0)).key_by(|_| ());
        keyed.sample_latest("hold", millis(950)).values().erase()
    };
    held(latest, |_, count, _, most| {
        assert_eq!(count, COUNT / 10);
        assert_about(most, millis(950));
    });
}
