//! A year of real flights through sessions, sliding windows, an as-of join and a ranking: as a batch computation has it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File as Disk;
use std::sync::{Arc, OnceLock};

use flate2::read::GzDecoder;
use millstream::operators::{AsOf, top_n};
use millstream::prelude::*;
use serde::{Deserialize, Serialize};

/// A flight that left.
#[derive(Clone, Serialize, Deserialize)]
struct Left {
    at: Timestamp,
    delay_min: i64,
    aircraft: String,
    origin: String,
    dest: String,
}

/// The weather of an hour.
#[derive(Clone, Serialize, Deserialize)]
struct Weather {
    at: Timestamp,
    origin: String,
    wind_mph: Option<f64>,
}

struct Year {
    left: Vec<Left>,
    weather: Vec<Weather>,
}

fn year() -> &'static Year {
    static YEAR: OnceLock<Year> = OnceLock::new();
    YEAR.get_or_init(|| Year {
        left: rows("departures.csv.gz", |row| {
            Some(Left {
                at: row[1].parse().ok()?,
                delay_min: row[2].parse().ok()?,
                aircraft: row[6].to_owned(),
                origin: row[7].to_owned(),
                dest: row[8].to_owned(),
            })
        }),
        weather: rows("weather.csv.gz", |row| {
            Some(Weather {
                at: row[0].parse().ok()?,
                origin: row[1].to_owned(),
                wind_mph: row[3].parse().ok(),
            })
        }),
    })
}

/// The rows of a file that `read` makes something of. (No field in them is quoted.)
fn rows<T>(name: &str, read: impl Fn(&[&str]) -> Option<T>) -> Vec<T> {
    let path = format!(
        "{}/examples/data/flights/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    let unpacked = GzDecoder::new(Disk::open(path).unwrap());
    let text = std::io::read_to_string(unpacked).unwrap();
    let lines = text.lines().skip(1);
    lines
        .filter_map(|line| read(&line.split(',').collect::<Vec<_>>()))
        .collect()
}

fn departures(flow: &Scope) -> Stream<Left> {
    flow.source("departures", from_iter(year().left.iter().cloned()))
        .event_time(|left| left.at, Lateness::bounded(hours(24)))
}

/// What a flow collects, in order; nothing of it late.
fn collected<T: Ord + Send + 'static>(
    build: impl Fn(&Scope, &Collect<T>) + Send + Sync + 'static,
) -> Vec<T> {
    let all = Collect::new();
    let out = all.clone();
    let flow = Flow::new("year", move |flow| build(flow, &out));
    let report = flow.with_parallelism(3).simulate(7).unwrap();
    assert_eq!(report.late(), 0);
    let mut all = all.take();
    all.sort();
    all
}

#[test]
fn aircraft_fly_in_sessions() {
    let gap = hours(12);
    let sessions = collected(move |flow, out| {
        departures(flow)
            .key_by(|left| left.aircraft.clone())
            .window(Session::gap(gap))
            .aggregate("sessions", count())
            .map(|aircraft, result| {
                (
                    aircraft,
                    result.window.start,
                    result.window.end,
                    result.value,
                )
            })
            .sink("out", out.sink());
    });
    let mut flights: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
    for left in &year().left {
        flights.entry(&left.aircraft).or_default().push(left.at);
    }
    let mut expected = Vec::new();
    for (aircraft, mut times) in flights {
        times.sort();
        for session in times.chunk_by(|a, b| *b < *a + gap) {
            let (first, last) = (session[0], session[session.len() - 1]);
            expected.push((aircraft.to_owned(), first, last + gap, session.len() as u64));
        }
    }
    expected.sort();
    assert!(expected.len() > 50_000, "{} sessions", expected.len());
    assert!(sessions == expected);
}

#[test]
fn delays_slide_over_a_day_in_steps_of_ten_minutes() {
    let (size, slide) = (hours(24), minutes(10));
    let delays = collected(move |flow, out| {
        departures(flow)
            .key_by(|left| left.origin.clone())
            .window(Sliding::of(size, slide))
            .aggregate(
                "delays",
                (
                    count(),
                    sum(|left: &Left| left.delay_min),
                    max(|left: &Left| left.delay_min),
                ),
            )
            .map(|origin, result| (origin, result.window.start, result.value))
            .sink("out", out.sink());
    });
    let mut flights: BTreeMap<&str, Vec<(Timestamp, i64)>> = BTreeMap::new();
    for left in &year().left {
        flights
            .entry(&left.origin)
            .or_default()
            .push((left.at, left.delay_min));
    }
    let mut expected = Vec::new();
    for (origin, mut times) in flights {
        times.sort();
        let step = slide.as_micros() as i64;
        let first = (times[0].0 - size).as_micros().div_euclid(step);
        let last = times[times.len() - 1].0.as_micros().div_euclid(step);
        for start in (first..=last).map(|step_no| Timestamp::from_micros(step_no * step)) {
            let from = times.partition_point(|(at, _)| *at < start);
            let until = times.partition_point(|(at, _)| *at < start + size);
            let delays = times[from..until].iter().map(|(_, delay)| *delay);
            if let Some(highest) = delays.clone().max() {
                expected.push((
                    origin.to_owned(),
                    start,
                    ((until - from) as u64, delays.sum(), highest),
                ));
            }
        }
    }
    assert!(expected.len() > 150_000, "{} windows", expected.len());
    assert!(delays == expected);
}

#[test]
fn every_departure_meets_the_weather_of_its_time() {
    let met = collected(|flow, out| {
        let weather = flow
            .source("weather", from_iter(year().weather.iter().cloned()))
            .event_time(|weather| weather.at, Lateness::none())
            .key_by(|weather| weather.origin.clone());
        departures(flow)
            .key_by(|left| left.origin.clone())
            .as_of_join(
                "with-weather",
                weather,
                AsOf::caught_up(),
                |origin, left, weather| {
                    let wind = weather.wind_mph.map(f64::to_bits);
                    (
                        origin.clone(),
                        left.at,
                        left.aircraft.clone(),
                        left.dest.clone(),
                        weather.at,
                        wind,
                    )
                },
            )
            .values()
            .sink("out", out.sink());
    });
    let mut table: BTreeMap<&str, BTreeMap<Timestamp, &Weather>> = BTreeMap::new();
    for weather in &year().weather {
        table
            .entry(&weather.origin)
            .or_default()
            .insert(weather.at, weather);
    }
    let meet = |left: &Left| {
        let (at, weather) = table.get(&*left.origin)?.range(..=left.at).next_back()?;
        let wind = weather.wind_mph.map(f64::to_bits);
        Some((
            left.origin.clone(),
            left.at,
            left.aircraft.clone(),
            left.dest.clone(),
            *at,
            wind,
        ))
    };
    let mut expected: Vec<_> = year().left.iter().filter_map(meet).collect();
    expected.sort();
    assert!(expected.len() > 300_000);
    assert!(met == expected);
}

#[test]
fn ten_routes_a_day_have_the_most_flights() {
    type Route = (String, String);
    let ranked = collected(|flow, out| {
        departures(flow)
            .key_by(|left| (left.origin.clone(), left.dest.clone()))
            .window(Tumbling::of(days(1)))
            .aggregate("flights", count())
            .values()
            .map(|day| (day.value, Reverse(day.key)))
            .window_all(Tumbling::of(days(1)))
            .aggregate(
                "top-ten",
                top_n(
                    10,
                    |route: &(u64, Reverse<Route>)| route.clone(),
                    |route: &(u64, Reverse<Route>)| route.clone(),
                ),
            )
            .values()
            .map(|day| (day.window.start, day.value))
            .sink("out", out.sink());
    });
    let mut flights: BTreeMap<Timestamp, BTreeMap<Route, u64>> = BTreeMap::new();
    for left in &year().left {
        let day = Tumbling::of(days(1)).window_of(left.at).start;
        let route = (left.origin.clone(), left.dest.clone());
        *flights.entry(day).or_default().entry(route).or_default() += 1;
    }
    let top = |routes: BTreeMap<Route, u64>| -> Vec<(u64, Reverse<Route>)> {
        let ranked: BTreeSet<_> = routes
            .into_iter()
            .map(|(route, n)| (n, Reverse(route)))
            .collect();
        ranked.into_iter().rev().take(10).collect()
    };
    let expected: Vec<_> = flights
        .into_iter()
        .map(|(day, routes)| (day, top(routes)))
        .collect();
    assert!(expected.len() >= 365);
    assert!(ranked == expected);
}

#[test]
fn the_flights_are_those_of_the_example() {
    let left = Arc::new(year());
    assert_eq!((left.left.len(), left.weather.len()), (328_521, 26_115));
}
