//! What tumbling windows cost: a count over many keys, each read at random.

#![allow(clippy::expect_used)] // A bench that cannot run has to stop.

mod common;

use common::{Contest, argument, nanos_each, verdict};
use millstream::connectors::memory::discard;
use millstream::operators::{Tumbling, WindowedStream, count};
use millstream::prelude::*;

/// So many records has each key in a window, on average.
const EACH: u64 = 10;

/// Records of `keys` keys, in no order of keys; one in each microsecond of event time.
fn records(keys: u64, count: u64) -> impl Iterator<Item = (u64, i64)> + Send + 'static {
    (0..count).map(move |n| {
        let mixed = (n ^ (n >> 7)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // The upper half of the product is a number below `keys`.
        let key = (u128::from(mixed) * u128::from(keys)) >> 64;
        (key as u64, n as i64)
    })
}

/// Only makes the records.
fn made(keys: u64, count: u64) {
    let flow = Flow::new("made", move |flow| {
        flow.source("records", from_iter(records(keys, count)))
            .sink("out", discard());
    });
    flow.with_parallelism(1).run_blocking().expect("it runs");
}

type Windows = WindowedStream<u64, (u64, i64), Tumbling>;

/// Makes them and counts them, in windows that `rules` says more of.
fn counted(keys: u64, records_in: u64, rules: fn(Windows) -> Windows) {
    let windows = Tumbling::of(millis(keys * EACH / 1_000));
    let flow = Flow::new("counted", move |flow| {
        let windowed = flow
            .source("records", from_iter(records(keys, records_in)))
            .event_time(|(_, at)| Timestamp::from_micros(*at), Lateness::none())
            .key_by(|(key, _)| *key)
            .window(windows);
        rules(windowed)
            .aggregate("count", count())
            .values()
            .sink("out", discard());
    });
    flow.with_parallelism(1).run_blocking().expect("it runs");
}

fn main() {
    let count = argument("records", 20_000_000);
    let rounds = argument("rounds", 7) as usize;
    for (keys, target) in [(100_000, 25.0), (1_000_000, 60.0)] {
        let mut contest = Contest::new();
        let made = contest.add("made only", || made(keys, count));
        let counted_once = contest.add("made and counted", || counted(keys, count, |w| w));
        let kept: fn(Windows) -> Windows = |windows| windows.allowed_lateness(millis(1));
        let counted_late = contest.add("the same, late ones allowed", move || {
            counted(keys, count, kept)
        });
        contest.run(rounds);
        contest.print(&format!("tumbling count, {keys} keys"), count);
        let beyond = contest.middle(|costs| {
            nanos_each(costs[counted_once].cpu, count) - nanos_each(costs[made].cpu, count)
        });
        let what = format!("{keys} keys: time, key, window and result, CPU ns per record");
        let aim = format!("<= {target}");
        verdict(&what, beyond, beyond.median <= target, &aim);
        let late = contest.middle(|costs| {
            nanos_each(costs[counted_late].cpu, count) - nanos_each(costs[made].cpu, count)
        });
        println!("the same, late ones allowed: {late}");
    }
}
