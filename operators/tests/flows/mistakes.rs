//! What is wrong with a flow is told when it starts, all of it.

use std::time::Duration;

use millstream::ErrorKind;
use millstream::operators::Ttl;
use millstream::operators::{Every, Global, Session, Trigger};
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
    let told = mistake(|flow| {
        let keyed = numbers(flow).key_by(|n| n % 2);
        keyed.dedup("once", Ttl::event_time(hours(1))).discard();
    });
    assert!(
        told.contains("`once`") && told.contains(".event_time("),
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

#[test]
fn a_keyed_vertex_has_no_more_replicas_than_there_are_shards() {
    let flow = |shards| {
        let flow = Flow::new("wide", |flow| {
            let sums = numbers(flow).key_by(|n| n % 2);
            sums.fold("sums", 0, |sum, n| *sum += n).discard();
        });
        flow.with_shards(shards)
    };
    let error = (flow(8).with_parallelism(9).simulate(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let told = error.to_string();
    assert!(
        told.contains("`sums`") && told.contains("8 shards"),
        "{told}"
    );
    flow(8).with_parallelism(8).simulate(1).unwrap();

    // What has no key may have more.
    let free = Flow::new("free", |flow| {
        numbers(flow).rebalance().map(|n| n + 1).discard();
    });
    let free = free.with_shards(8).with_parallelism(9);
    free.simulate(1).unwrap();
}

#[test]
fn windows_must_be_something_and_speak_now_and_then() {
    let told = mistake(|flow| {
        let keyed = |name: &str| {
            flow.source(name, from_iter(0..10))
                .event_time(|n| Timestamp::from_secs(*n), Lateness::none())
                .key_by(|n| *n)
        };
        let never = Trigger::at_watermark().early(Every::records(0));
        keyed("a")
            .window(Session::gap(seconds(0)))
            .aggregate("gaps", count())
            .discard();
        keyed("b")
            .window(Global::new())
            .trigger(never)
            .aggregate("never", count())
            .discard();
        keyed("c")
            .window(Tumbling::of(hours(1)))
            .processing_time()
            .allowed_lateness(hours(1))
            .aggregate("clock", count())
            .discard();
        keyed("e")
            .window(Tumbling::of(hours(1)))
            .trigger(Trigger::at_watermark().early(Every::records(2)))
            .in_two_stages()
            .aggregate("parts", count())
            .discard();
        keyed("d")
            .count_window(5)
            .every(0)
            .aggregate("none", count())
            .discard();
    });
    for what in [
        "the windows of `gaps` have a gap of less",
        "the windows of `never` speak every 0 records",
        "the windows of `clock` go by processing time",
        "`parts` is aggregated in two stages, and so speaks once",
        "the windows of `none` are of no record",
    ] {
        assert!(told.contains(what), "{told}");
    }
}

#[test]
fn windows_of_processing_time_and_of_records_need_no_event_time() {
    let flow = Flow::new("right", |flow| {
        let numbers = numbers(flow).key_by(|n| n % 2);
        numbers
            .clone()
            .window(Session::gap(seconds(1)))
            .processing_time()
            .aggregate("sessions", count())
            .discard();
        numbers
            .count_window(3)
            .aggregate("threes", count())
            .discard();
    });
    flow.plan().unwrap();
}
