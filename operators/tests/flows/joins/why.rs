//! What a join says of event time while it waits.

use futures::StreamExt;
use millstream::operators::{AsOf, BroadcastTable, Interval, LookupCache, TableLoad};
use millstream::prelude::*;
use millstream::runtime;
use millstream_engine::why::{Because, Why};

use crate::asking::{self, only};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

/// The moment behind this one.
fn behind(time: Timestamp) -> Timestamp {
    Timestamp::from_micros(time.as_micros() + 1)
}

/// One a second, each a second after the one before.
fn live(flow: &Scope, name: &str) -> Stream<i64> {
    flow.source(name, Generator::new(|n, _| n as i64).with_rate(1))
        .event_time(|n| at(*n), Lateness::none())
        .erase()
}

/// So many of the same at once, and then nothing.
fn silent(flow: &Scope, name: &str, count: i64) -> Stream<i64> {
    let records = futures::stream::iter(0..count).chain(futures::stream::pending());
    flow.source(name, from_stream(records))
        .event_time(|n| at(*n), Lateness::none())
        .erase()
}

/// What the flow says after 30 s, on one replica.
fn asked(seed: u64, flow: impl Fn(&Scope) + Send + Sync + 'static) -> Why {
    let flow = Flow::new("why", flow).with_parallelism(1);
    asking::asked(seed, 30, flow.with_idle_after(None))
}

/// What the first to wait at a vertex says, until when it waits, and which vertex holds it back.
fn waits<'a>(why: &'a Why, vertex: &str) -> (&'a str, Option<Timestamp>, &'a str) {
    let time = only(why, vertex);
    assert!(!time.waits.is_empty(), "{why}");
    let wait = &time.waits[0];
    let holder = time.held_by.as_ref().unwrap();
    (&wait.what, wait.until.watermark(), &holder.vertex)
}

#[test]
fn an_interval_join_waits_for_a_partner_to_be_ruled_out() {
    for seed in 0..20 {
        let why = asked(seed, |flow| {
            let left = live(flow, "left").key_by(|_| ());
            let right = silent(flow, "right", 15).key_by(|_| ());
            let near = Interval::before_and_after(seconds(3), seconds(5));
            left.interval_full_join("near", right, near, |_, l, r| (l.copied(), r.copied()))
                .values()
                .sink("out", discard());
        });
        // The right one has come to 14. Of the left records that of 18 is the first without a partner; it may have
        // one until 23.
        let expected = ("the record that has no partner yet", Some(behind(at(23))));
        let (what, until, holder) = waits(&why, "near");
        assert_eq!((what, until), expected, "{why}");
        assert_eq!(holder, "right.event_time");
        let text = why.to_string();
        assert!(
            text.contains("waits for the watermark 1970-01-01T00:00:23.000001Z"),
            "{text}"
        );
    }
}

#[test]
fn an_as_of_join_waits_for_its_table() {
    for seed in 0..20 {
        let why = asked(seed, |flow| {
            let left = live(flow, "left").key_by(|n| *n);
            // Its versions are all at hand, and are forgotten in time: they wait for nothing.
            let table = silent(flow, "table", 15).key_by(|n| *n % 3);
            let as_of = AsOf::caught_up().with_ttl(seconds(1));
            left.as_of_left_join("as-of", table, as_of, |_, l, r| (*l, r.copied()))
                .values()
                .sink("out", discard());
        });
        let (what, until, holder) = waits(&why, "as-of");
        assert!(what.contains("when its table has come past it"), "{why}");
        assert_eq!(
            (until, holder),
            (Some(behind(at(14))), "table.event_time"),
            "{why}"
        );
    }
    // What does not wait says nothing.
    let why = asked(1, |flow| {
        let left = live(flow, "left").key_by(|n| *n);
        let table = silent(flow, "table", 15).key_by(|n| *n % 3);
        left.as_of_left_join("as-of", table, AsOf::immediate(), |_, l, r| {
            (*l, r.copied())
        })
        .values()
        .sink("out", discard());
    });
    assert!(only(&why, "as-of").waits.is_empty(), "{why}");
}

#[test]
fn a_table_that_has_not_loaded_is_named() {
    let text = "the record that is answered when the table is loaded";
    for (load, until) in [
        (TableLoad::At(at(20)), Some(at(20))),
        (TableLoad::AtEnd, None),
    ] {
        for seed in 0..20 {
            let why = asked(seed, move |flow| {
                let table = silent(flow, "table", 15).map(|n| (n, Some(n)));
                live(flow, "left")
                    .join_table(
                        "table-join",
                        table,
                        BroadcastTable::up_to(100, load),
                        |n| *n,
                        |n, found| (n, found.copied()),
                    )
                    .sink("out", discard());
            });
            let (what, moment, holder) = waits(&why, "table-join");
            assert_eq!(
                (what, moment, holder),
                (text, until, "table.event_time"),
                "{why}"
            );
            let at_end = "waits for the end of `table.event_time.map`";
            let says_end = why.to_string().contains(at_end);
            assert_eq!(says_end, until.is_none(), "{why}");
        }
    }
    let loaded = asked(1, |flow| {
        let table = silent(flow, "table", 15).map(|n| (n, Some(n)));
        let at_once = BroadcastTable::up_to(100, TableLoad::AtOnce);
        live(flow, "left")
            .join_table("table-join", table, at_once, |n| *n, |n, _| n)
            .sink("out", discard());
    });
    assert!(only(&loaded, "table-join").waits.is_empty(), "{loaded}");
}

#[test]
fn calls_of_a_look_up_in_flight_hold_time_back() {
    for seed in 0..20 {
        let why = asked(seed, |flow| {
            live(flow, "left")
                .lookup(
                    "asked",
                    Ordered::up_to(1_000),
                    LookupCache::up_to(0),
                    |n| *n,
                    |n| async move {
                        if n == 17 {
                            runtime::sleep(hours(1)).await;
                        }
                        Ok::<_, String>(Some(n))
                    },
                    |n, _| n,
                )
                .key_by(|_| ())
                .window(Tumbling::of(seconds(10)))
                .aggregate("tens", count())
                .values()
                .sink("out", discard());
        });
        let held_by = only(&why, "tens").held_by.clone().unwrap();
        assert_eq!(&*held_by.vertex, "asked", "{why}");
        assert!(
            matches!(held_by.because, Because::InFlight(Some(_))),
            "{why}"
        );
    }
}
