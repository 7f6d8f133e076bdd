//! A flow with a bit of everything, and what it must come to.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::connectors::generator::Random;
use millstream::prelude::count as count_of;
use millstream::prelude::*;
use millstream::runtime::sleep;
use serde::{Deserialize, Serialize};

/// Out of order by up to 5 s of event time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Trade {
    pub(crate) item: u64,
    pub(crate) amount: u64,
    pub(crate) at: Timestamp,
}

const ITEMS: u64 = 7;
const SPREAD: Duration = seconds(5);
pub(crate) const WINDOW: Duration = seconds(10);

/// Trade number n of a stream: two a second of event time, shuffled within the spread.
fn trade(seed: u64, n: u64) -> Trade {
    let drawn = drawn(seed, n);
    let at = 500 * n + drawn % SPREAD.as_millis() as u64;
    Trade {
        item: (drawn >> 16) % ITEMS,
        amount: 1 + (drawn >> 32) % 100,
        at: Timestamp::from_millis(at as i64),
    }
}

/// A random number that depends on nothing else.
pub(crate) fn drawn(seed: u64, n: u64) -> u64 {
    Random::new(seed << 40 ^ n).number()
}

/// Trades on schedule: `count` of them within a virtual second.
pub(crate) fn trades(seed: u64, count: u64) -> Generator<Trade> {
    let rate = u32::try_from(count).unwrap();
    Generator::new(move |n, _| trade(seed, n))
        .with_count(count)
        .with_rate(rate)
}

/// Item, window, how many, what they came to, and one of the asks that were joined.
pub(crate) type Row = (u64, Timestamp, u64, u64, u64);

/// Bids looked up one by one, counted and summed by item and window, and joined with the asks of the window.
pub(crate) fn joined(scope: &Scope, count: u64) -> Stream<Row> {
    let lateness = Lateness::bounded(SPREAD);
    let asks = scope
        .source("asks", trades(2, count / 4))
        .event_time(|ask| ask.at, lateness)
        .key_by(|ask| ask.item);
    scope
        .source("bids", trades(1, count))
        .event_time(|bid| bid.at, lateness)
        .map_async("look-up", Unordered::up_to(16), |bid| async move {
            sleep(Duration::from_micros(bid.amount * 300)).await;
            bid
        })
        .key_by(|bid| bid.item)
        .window(Tumbling::of(WINDOW))
        .aggregate("totals", (count_of(), sum(|bid: &Trade| bid.amount)))
        .join(
            "with-asks",
            asks,
            Tumbling::of(WINDOW),
            |item, bids, ask| {
                let (count, sum) = bids.value;
                (*item, bids.window.start, count, sum, ask.amount)
            },
        )
        .values()
        .erase()
}

/// The same by a loop over vectors.
pub(crate) fn expected(count: u64) -> Vec<Row> {
    let all = |seed, count| (0..count).map(move |n| trade(seed, n));
    let window = |at| Tumbling::of(WINDOW).window_of(at).start;
    let mut totals = BTreeMap::<(u64, Timestamp), (u64, u64)>::new();
    for bid in all(1, count) {
        let total = totals.entry((bid.item, window(bid.at))).or_default();
        *total = (total.0 + 1, total.1 + bid.amount);
    }
    let rows = all(2, count / 4).filter_map(|ask| {
        let (item, start) = (ask.item, window(ask.at));
        let (count, sum) = totals.get(&(item, start))?;
        Some((item, start, *count, *sum, ask.amount))
    });
    sorted(rows.collect())
}

pub(crate) fn sorted<T: Ord>(mut rows: Vec<T>) -> Vec<T> {
    rows.sort();
    rows
}
