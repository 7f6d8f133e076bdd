//! The main example says what a batch computation over the same files says.

#[path = "../../examples/flights/pipeline.rs"]
mod pipeline;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::read::GzDecoder;
use millstream::Result;
use millstream::prelude::*;

use pipeline::{Departure, Hour, Weather, delays_beside_weather};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/flights");

#[test]
fn a_year_of_flights_equals_the_batch_computation() {
    let year = Files::year();
    let ran = Ran::of(&year, hours(24), Flow::run_blocking);
    assert_eq!((ran.left, ran.late.len(), ran.untimed), (328_521, 0, 8_255));
    assert_eq!(ran.hours.len(), 20_980);
    assert_eq!(ran.hours, year.batch());
}

#[test]
fn some_weeks_equal_it_at_any_parallelism() {
    let weeks = Files::weeks("parallelism");
    for replicas in [1, 2, 5] {
        let ran = Ran::of(&weeks, hours(24), |flow| {
            flow.clone().with_parallelism(replicas).run_blocking()
        });
        assert_eq!(
            (ran.late.len(), ran.hours),
            (0, weeks.batch()),
            "{replicas} replicas"
        );
    }
}

#[test]
fn some_weeks_equal_it_under_any_seed() {
    let weeks = Files::weeks("seeds");
    for seed in 0..5 {
        let ran = Ran::of(&weeks, hours(24), |flow| {
            flow.clone().with_parallelism(3).simulate(seed)
        });
        assert_eq!(
            (ran.late.len(), ran.hours),
            (0, weeks.batch()),
            "seed {seed}"
        );
    }
}

#[test]
fn with_little_patience_every_flight_is_on_time_or_late_and_none_is_lost() {
    let weeks = Files::weeks("late");
    let patient = Ran::of(&weeks, hours(24), |flow| flow.simulate(1));
    for seed in 0..5 {
        let hasty = Ran::of(&weeks, hours(1), |flow| {
            flow.clone().with_parallelism(2).simulate(seed)
        });
        assert!(!hasty.late.is_empty());
        assert_eq!(hasty.counted_late, hasty.late.len() as u64);
        assert_eq!(hasty.left, patient.left);
        assert_eq!(hasty.untimed, patient.untimed);
        // A late flight is missing in its hour, and nowhere else.
        let counted: u64 = hasty.hours.iter().map(|hour| hour.departures).sum();
        let missing = hasty
            .late
            .iter()
            .filter(|flight| patient.has_hour_of(flight))
            .count();
        let all: u64 = patient.hours.iter().map(|hour| hour.departures).sum();
        assert_eq!(counted + missing as u64, all, "seed {seed}");
    }
}

/// What a run of the flow came to.
struct Ran {
    /// In the order of airport and hour.
    hours: Vec<Hour>,
    late: Vec<Departure>,
    /// Flights that left, as the window counted them, late or not.
    left: u64,
    counted_late: u64,
    untimed: u64,
}

impl Ran {
    fn of(files: &Files, lateness: Duration, run: impl Fn(&Flow) -> Result<Report>) -> Ran {
        let (hours, late) = (Collect::new(), Collect::new());
        let (all_hours, all_late, files) = (hours.clone(), late.clone(), files.clone());
        let flow = Flow::new("flights", move |flow| {
            // Small chunks, so that there is one for everybody.
            let open = |path: &Path| File::open(path).with_chunk(64 << 10);
            let departures = flow.source("departures", open(&files.departures).csv::<Departure>());
            let weather = flow.source("weather", open(&files.weather).csv::<Weather>());
            let (hours, late) = delays_beside_weather(departures, weather, lateness);
            hours.sink("out", all_hours.sink());
            late.sink("late", all_late.sink());
        });
        let report = run(&flow).unwrap();
        let delays = report.vertex("delays").unwrap();
        let mut hours = hours.take();
        hours.sort_by(|a, b| (&a.airport, a.hour).cmp(&(&b.airport, b.hour)));
        Ran {
            hours,
            late: late.take(),
            left: delays.records_in,
            counted_late: delays.late,
            untimed: report.untimed(),
        }
    }

    fn has_hour_of(&self, flight: &Departure) -> bool {
        let start = Tumbling::of(hours(1))
            .window_of(flight.departed.unwrap())
            .start;
        let found = self.hours.binary_search_by(|hour| {
            (hour.airport.as_str(), hour.hour).cmp(&(flight.origin.as_str(), start))
        });
        found.is_ok()
    }
}

#[derive(Clone)]
struct Files {
    departures: PathBuf,
    weather: PathBuf,
}

impl Files {
    fn year() -> Files {
        Files {
            departures: Path::new(DATA).join("departures.csv.gz"),
            weather: Path::new(DATA).join("weather.csv.gz"),
        }
    }

    /// The first weeks of the year, uncompressed: a file that several can read.
    fn weeks(name: &str) -> Files {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let first_lines = |from: PathBuf, lines: usize, to: &str| {
            let text = text_of(&from);
            let path = folder.join(to);
            let head: String = text.split_inclusive('\n').take(lines).collect();
            std::fs::write(&path, head).unwrap();
            path
        };
        let year = Files::year();
        Files {
            departures: first_lines(year.departures, 10_000, "departures.csv"),
            weather: first_lines(year.weather, 1_000, "weather.csv"),
        }
    }

    /// The same result by the plainest of means: whole files in memory, hours as pieces of text, maps.
    fn batch(&self) -> Vec<Hour> {
        let mut delays = BTreeMap::<(String, String), Vec<i64>>::new();
        let text = text_of(&self.departures);
        for [departed, delay, origin] in columns(&text, ["departed", "dep_delay_min", "origin"]) {
            if !departed.is_empty() {
                let delays = delays
                    .entry(airport_and_hour(origin, departed))
                    .or_default();
                delays.push(delay.parse().unwrap());
            }
        }
        let mut weather = BTreeMap::new();
        let text = text_of(&self.weather);
        let measured = ["temp_f", "wind_mph", "precip_in", "visibility_mi"];
        for ([origin, time], measured) in
            columns(&text, ["origin", "time"]).zip(columns(&text, measured))
        {
            let measured = measured.map(|figure| figure.parse::<f64>().ok());
            let before = weather.insert(airport_and_hour(origin, time), measured);
            assert!(before.is_none());
        }
        let with_weather = delays.into_iter().filter_map(|(at, delays)| {
            let [temp_f, wind_mph, precip_in, visibility_mi] = *weather.get(&at)?;
            let (airport, hour) = at;
            Some(Hour {
                airport,
                hour: format!("{hour}:00:00Z").parse().unwrap(),
                departures: delays.len() as u64,
                mean_delay_min: delays.iter().sum::<i64>() as f64 / delays.len() as f64,
                max_delay_min: delays.into_iter().max().unwrap(),
                temp_f,
                wind_mph,
                precip_in,
                visibility_mi,
            })
        });
        with_weather.collect()
    }
}

/// `2013-01-01T10:17:00Z` lies in the hour `2013-01-01T10`.
fn airport_and_hour(airport: &str, time: &str) -> (String, String) {
    (airport.to_owned(), time[..13].to_owned())
}

/// These columns of a CSV file without quotes, row by row.
fn columns<'a, const N: usize>(
    text: &'a str,
    names: [&str; N],
) -> impl Iterator<Item = [&'a str; N]> {
    let mut lines = text.lines();
    let header: Vec<_> = lines.next().unwrap().split(',').collect();
    let places = names.map(|name| header.iter().position(|column| *column == name).unwrap());
    lines.map(move |line| {
        let fields: Vec<_> = line.split(',').collect();
        places.map(|place| fields[place])
    })
}

fn text_of(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    match bytes.starts_with(&[0x1f, 0x8b]) {
        true => GzDecoder::new(&bytes[..])
            .read_to_string(&mut text)
            .unwrap(),
        false => (&bytes[..]).read_to_string(&mut text).unwrap(),
    };
    text
}
