//! A year of departures from New York's airports: how late flights leave, beside the weather. Files, event time far
//! out of order, windows, a join, late data, and how long it all took.
//!
//! ```text
//! cargo run --release --example flights
//! cargo run --release --example flights -- --lateness 1h --out delays.ndjson
//! ```

mod pipeline;
mod screen;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use millstream::connectors::file::Progress;
use millstream::prelude::*;
use millstream::runtime;

use pipeline::{Departure, Weather, delays_beside_weather};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/flights");

/// Delays at New York's airports beside the weather, from a year of departures.
#[derive(Parser)]
struct Args {
    /// Where the results go, as one JSON object per line
    #[arg(long, value_name = "FILE", default_value = "target/flights.ndjson")]
    out: PathBuf,
    /// How long an hour waits for flights that left in it and come later in the file (24h, 90m, …)
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration)]
    lateness: Duration,
    /// Replicas of each step [default: the machine's cores]
    #[arg(long)]
    parallelism: Option<usize>,
    /// Draws the latencies by percentile, as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Args {
        out,
        lateness,
        parallelism,
        plot,
    } = Args::parse();
    let (progress, hours, late) = (Progress::new(), Collect::new(), Collect::new());

    let read = progress.clone();
    let file = move |name| File::open(format!("{DATA}/{name}")).with_progress(read.clone());
    let (path, all_hours, all_late) = (out.clone(), hours.clone(), late.clone());
    let mut flow = Flow::new("flights", move |flow| {
        let departures = flow.source("departures", file("departures.csv.gz").csv::<Departure>());
        let weather = flow.source("weather", file("weather.csv.gz").csv::<Weather>());
        let (hours, late) = delays_beside_weather(departures, weather, lateness);
        hours.clone().sink("out", File::create(&path).json());
        hours.sink("screen", all_hours.sink());
        late.sink("late", all_late.sink());
    });
    if let Some(replicas) = parallelism {
        flow = flow.with_parallelism(replicas);
    }

    let report = runtime::block_on(async {
        let _shown = runtime::spawn(screen::show(progress));
        flow.run().await
    })?;

    screen::summary(&report, &hours.take(), &late.take(), lateness);
    println!(
        "Written to {}.\n\n{report}\n{}",
        out.display(),
        report.latency()
    );
    if let Some(file) = plot {
        let svg = report.latency().plot("A year of flights").to_string();
        std::fs::write(file, svg)?;
    }
    Ok(())
}

fn duration(text: &str) -> Result<Duration, Box<dyn std::error::Error + Send + Sync>> {
    Ok(text.parse::<jiff::SignedDuration>()?.try_into()?)
}
