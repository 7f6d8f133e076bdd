//! User code that panics, wherever it is called: the flow fails at once, and says where and why.

use std::time::Duration;

use millstream::connectors::memory::for_each;
use millstream::prelude::*;
use millstream::{Error, ErrorKind, runtime};

/// Where the panic is, and the vertex the error must name.
const PLACES: [(&str, &str); 12] = [
    ("generator", "numbers"),
    ("map", "map"),
    ("filter", "filter"),
    ("flat_map", "flat_map"),
    ("event_time", "event_time"),
    ("call", "call"),
    ("future", "call"),
    ("key_by", "key_by"),
    ("fold", "so-far"),
    ("aggregate", "windows"),
    ("join", "pairs"),
    ("for_each", "out"),
];

/// The number that is not borne; far from both ends, in the middle of a window.
const POISON: u64 = 525;
const COUNT: u64 = 1_000;
/// Numbers in a window.
const WINDOW: u64 = 50;

/// One number in a millisecond of event time, through everything that calls user code.
fn flow(place: &'static str, out: &Collect<(u64, u64)>) -> Flow {
    let out = out.clone();
    Flow::new("panics", move |flow| {
        let trip = move |here: &str, number: u64| {
            assert!(
                here != place || number != POISON,
                "{here} cannot bear {number}"
            );
        };
        let windows = Tumbling::of(millis(WINDOW));
        let numbers = Generator::new(move |n, _| {
            trip("generator", n);
            n
        });
        let keyed = flow
            .source("numbers", numbers.with_count(COUNT).with_rate(10_000))
            .map(move |n| {
                trip("map", n);
                n
            })
            .filter(move |n| {
                trip("filter", *n);
                true
            })
            .flat_map(move |n| {
                trip("flat_map", n);
                [n]
            })
            .event_time(
                move |n| {
                    trip("event_time", *n);
                    Timestamp::from_millis(*n as i64)
                },
                Lateness::none(),
            )
            .map_async("call", Ordered::up_to(4), move |n| {
                trip("call", n);
                async move {
                    runtime::sleep(Duration::from_micros(10)).await;
                    trip("future", n);
                    n
                }
            })
            .key_by(move |n| {
                trip("key_by", *n);
                n % 3
            })
            .fold("so-far", 0, move |last, n| {
                trip("fold", n);
                *last = n;
                n
            });
        let totals = keyed.clone().window(windows).aggregate(
            "windows",
            sum(move |n: &u64| {
                trip("aggregate", *n);
                *n
            }),
        );
        let pairs = totals.join("pairs", keyed, windows, move |_, total, n| {
            trip("join", *n);
            (total.value, *n)
        });
        let (sink, kept) = (out.sink(), pairs.values().erase());
        kept.clone().sink("kept", sink);
        kept.sink("out", for_each(move |(_, n)| trip("for_each", n)));
    })
}

/// What a window of a key comes to, paired with each of its numbers.
fn is_whole((total, n): (u64, u64)) -> bool {
    let start = n / WINDOW * WINDOW;
    let window = start..start + WINDOW;
    total == window.filter(|m| m % 3 == n % 3).sum::<u64>()
}

fn check(place: &str, vertex: &str, error: &Error, out: &Collect<(u64, u64)>, said: &str) {
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::User, "{said}: {text}");
    let named = error.vertex().unwrap_or_default();
    assert!(named.contains(vertex), "{said} names `{named}`: {text}");
    assert!(error.replica().is_some(), "{said}: {text}");
    let cause = format!("{place} cannot bear {POISON}");
    assert!(text.contains(&cause), "{said}: {text}");
    let kept = out.take();
    assert!(
        kept.iter().all(|pair| is_whole(*pair)),
        "{said}: a window in part"
    );
    assert!(
        kept.iter().all(|(_, n)| *n < COUNT - WINDOW),
        "{said}: what was open when it failed is not given"
    );
}

#[test]
fn without_a_panic_all_windows_are_whole() {
    let out = Collect::new();
    flow("nowhere", &out)
        .with_parallelism(2)
        .simulate(1)
        .unwrap();
    let all = out.take();
    assert_eq!(all.len() as u64, COUNT);
    assert!(all.into_iter().all(is_whole));
}

#[test]
fn a_panic_fails_the_flow_under_every_schedule() {
    for (place, vertex) in PLACES {
        for seed in 0..12 {
            let out = Collect::new();
            let flow = flow(place, &out).with_parallelism(1 + seed as usize % 3);
            let error = flow.simulate(seed).unwrap_err();
            check(
                place,
                vertex,
                &error,
                &out,
                &format!("{place}, seed {seed}"),
            );
        }
    }
}

#[test]
fn a_panic_fails_the_flow_on_threads_too() {
    for (place, vertex) in PLACES {
        let out = Collect::new();
        let error = flow(place, &out)
            .with_parallelism(2)
            .run_blocking()
            .unwrap_err();
        check(place, vertex, &error, &out, place);
    }
}
