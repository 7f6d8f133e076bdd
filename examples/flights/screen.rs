//! What a person sees.

use std::time::Duration;

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use millstream::connectors::file::Progress;
use millstream::execution::Report;
use millstream::runtime;
use millstream::time::millis;

use crate::pipeline::{Departure, Hour};

/// A bar that grows as the files are read; nothing if this is no terminal. Dropped, it is gone.
pub(crate) async fn show(progress: Progress) {
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("reading {wide_bar} {bytes} of {total_bytes}") {
        bar.set_style(style);
    }
    loop {
        bar.set_length(progress.total());
        bar.set_position(progress.read());
        runtime::sleep(millis(50)).await;
    }
}

/// What came of the flights, and the worst hours of the year.
pub(crate) fn summary(report: &Report, hours: &[Hour], late: &[Departure], lateness: Duration) {
    let taken = report
        .vertex("delays")
        .map_or(0, |delays| delays.records_in);
    let lateness = HumanDuration(lateness);
    let lines = [
        (
            taken - report.late(),
            "flights left, and are counted in their hour".to_owned(),
        ),
        (
            report.late(),
            format!("flights left, but came too late for it (which waits for {lateness})"),
        ),
        (report.untimed(), "flights never left".to_owned()),
        (
            hours.len() as u64,
            "hours of an airport have departures and weather".to_owned(),
        ),
    ];
    for (number, what) in lines {
        println!("{:>8} {what}", HumanCount(number).to_string());
    }

    let mut busy: Vec<_> = hours.iter().filter(|hour| hour.departures >= 20).collect();
    busy.sort_by(|a, b| b.mean_delay_min.total_cmp(&a.mean_delay_min));
    println!("\nThe worst busy hours");
    println!(
        "                          flights  mean delay   longest    °F  wind mph  rain in  sight mi"
    );
    for hour in busy.into_iter().take(8) {
        println!(
            "{} {}  {:>9} {:>7.0} min {:>5} min {:>5} {:>9} {:>8} {:>9}",
            hour.airport,
            hour.hour,
            hour.departures,
            hour.mean_delay_min,
            hour.max_delay_min,
            known(hour.temp_f, 0),
            known(hour.wind_mph, 0),
            known(hour.precip_in, 2),
            known(hour.visibility_mi, 1),
        );
    }
    println!();
    if !late.is_empty() {
        print_late(late);
    }
}

fn print_late(late: &[Departure]) {
    let mut latest: Vec<_> = late.iter().collect();
    latest.sort_by_key(|flight| std::cmp::Reverse(flight.delay));
    println!("Of those that came too late, with the longest delays:");
    for Departure {
        carrier,
        flight,
        origin,
        dest,
        scheduled,
        delay,
        ..
    } in latest.into_iter().take(3)
    {
        let delay = delay.unwrap_or_default();
        println!(
            "{carrier} {flight:>4}  {origin} → {dest}  due {scheduled}  left {delay} min later"
        );
    }
    println!();
}

fn known(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
}
