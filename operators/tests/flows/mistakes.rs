//! What is wrong with a flow is told when it starts, all of it.

use std::time::Duration;

use millstream::ErrorKind;
use millstream::prelude::*;

fn mistake(build: impl Fn(&Scope) + Send + Sync + 'static) -> String {
    let error = Flow::new("wrong", build).plan().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    error.to_string()
}

fn numbers(flow: &Scope) -> Stream<i64> {
    flow.source("numbers", from_iter(0..10))
}

#[test]
fn windows_and_joins_need_event_time() {
    let told = mistake(|flow| {
        numbers(flow)
            .key_by(|n| n % 2)
            .window(Tumbling::of(hours(1)))
            .aggregate("sums", sum(|n: &i64| *n))
            .discard();
    });
    assert!(
        told.contains("`sums`") && told.contains(".event_time("),
        "{told}"
    );
    let told = mistake(|flow| {
        let timed = numbers(flow).event_time(|n| Timestamp::from_secs(*n), Lateness::none());
        let untimed = flow.source("others", from_iter(0..10)).key_by(|n| *n);
        timed
            .key_by(|n| *n)
            .join("pairs", untimed, Tumbling::of(hours(1)), |_, l, r| (*l, *r))
            .discard();
    });
    assert!(
        told.contains("`pairs`") && told.contains(".event_time("),
        "{told}"
    );
}

#[test]
fn streams_must_end_and_names_must_differ() {
    let told = mistake(|flow| {
        let _open = numbers(flow).map(|n| n + 1).erase();
    });
    assert!(
        told.contains("goes nowhere") && told.contains("map"),
        "{told}"
    );
    let told = mistake(|flow| {
        numbers(flow).discard();
        numbers(flow).key_by(|n| *n).fold("", 0, |_, n| n).discard();
    });
    assert!(
        told.contains("2 mistakes") && told.contains("two vertices are called `numbers`"),
        "{told}"
    );
    assert!(told.contains("has no name"), "{told}");
}

#[test]
fn sizes_must_be_something() {
    let told = mistake(|flow| {
        numbers(flow)
            .event_time(|n| Timestamp::from_secs(*n), Lateness::none())
            .key_by(|n| *n)
            .window(Tumbling::of(Duration::from_nanos(5)))
            .aggregate("counts", count())
            .discard();
    });
    assert!(told.contains("shorter than a microsecond"), "{told}");
    let told = mistake(|flow| {
        numbers(flow)
            .map_async("calls", Ordered::up_to(0), async |n| n)
            .discard();
    });
    assert!(told.contains("`calls` allows no call in flight"), "{told}");
}
