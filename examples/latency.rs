//! Latency, measured and plotted: 50,000 trades a second, open loop, through windows of 10 ms for each of 100 symbols.
//! A trade that is made late counts from when it was due, so that a stall cannot hide itself.
//!
//! ```text
//! cargo run --release --example latency
//! ```
//!
//! It prints a table, and writes `target/latency.svg` (open it in a browser) and `target/latency.hlog`
//! (for the tools of HdrHistogram).

use std::fs;

use millstream::connectors::memory::discard;
use millstream::latency::IntervalLog;
use millstream::prelude::*;
use millstream::runtime;

const RATE: u32 = 50_000;
const MICROS_APART: i64 = 1_000_000 / RATE as i64;

struct Trade {
    at: Timestamp,
    symbol: u64,
    price: f64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let flow = Flow::new("latency", |flow| {
        let start = runtime::wall().as_micros();
        let trades = Generator::new(move |n, random| Trade {
            at: Timestamp::from_micros(start + n as i64 * MICROS_APART),
            symbol: random.below(100),
            price: 100.0 + random.unit(),
        });
        let trades = trades.with_rate(RATE).with_count(10 * u64::from(RATE));
        flow.source("trades", trades)
            .event_time(|trade| trade.at, Lateness::none())
            .key_by(|trade| trade.symbol)
            .window(Tumbling::of(millis(10)))
            .aggregate("candles", (count(), max(|trade: &Trade| trade.price)))
            .values()
            .sink("out", discard());
    });
    println!("{RATE} trades a second, for ten seconds …\n");
    let report = flow.run_blocking()?;
    println!("{report}\n{}", report.latency());

    fs::create_dir_all("target")?;
    let plot = report
        .latency()
        .plot("50,000 trades a second, windows of 10 ms");
    fs::write("target/latency.svg", plot.to_string())?;
    IntervalLog::new(fs::File::create("target/latency.hlog")?).write(report.latency())?;
    println!("See target/latency.svg and target/latency.hlog.");
    Ok(())
}
