//! What the flow reads, what it does, what it says.

use std::time::Duration;

use millstream::prelude::*;
use serde::{Deserialize, Serialize};

/// How late the flights of an airport leave, hour by hour, beside the weather of that hour; and the flights that
/// came too late for their hour.
///
/// The time that counts is when a flight really left. The file is in the order of the timetable, so its records are
/// out of order by as much as a flight was delayed: up to a day. Flights that never left have no such time, and are
/// left out and counted.
pub(crate) fn delays_beside_weather(
    departures: Stream<Departure>,
    weather: Stream<Weather>,
    lateness: Duration,
) -> (Stream<Hour>, Stream<Departure>) {
    let (delays, late) = departures
        .event_time(|flight| flight.departed, Lateness::bounded(lateness))
        .key_by(|flight| flight.origin.clone())
        .window(Tumbling::of(hours(1)))
        .aggregate_with_late("delays", (count(), mean(delay), max(delay)));

    let weather = weather
        .event_time(|weather| weather.time, Lateness::none())
        .key_by(|weather| weather.origin.clone());

    let hours = delays.join(
        "with-weather",
        weather,
        Tumbling::of(hours(1)),
        |airport, delays, weather| Hour::new(airport, delays, weather),
    );
    (hours.values().erase(), late.values().erase())
}

/// A flight of the timetable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Departure {
    pub(crate) scheduled: Timestamp,
    /// `None`: it never left.
    pub(crate) departed: Option<Timestamp>,
    /// Known of all that left; negative if it left early.
    #[serde(rename = "dep_delay_min")]
    pub(crate) delay: Option<i64>,
    pub(crate) carrier: String,
    pub(crate) flight: u32,
    pub(crate) origin: String,
    pub(crate) dest: String,
}

fn delay(flight: &Departure) -> i64 {
    flight.delay.unwrap_or(0)
}

/// What was measured at an airport at a full hour. The measurements are sometimes missing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Weather {
    pub(crate) time: Timestamp,
    pub(crate) origin: String,
    pub(crate) temp_f: Option<f64>,
    pub(crate) wind_mph: Option<f64>,
    pub(crate) precip_in: Option<f64>,
    pub(crate) visibility_mi: Option<f64>,
}

/// A result: an hour of an airport.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Hour {
    pub(crate) airport: String,
    pub(crate) hour: Timestamp,
    pub(crate) departures: u64,
    pub(crate) mean_delay_min: f64,
    pub(crate) max_delay_min: i64,
    pub(crate) temp_f: Option<f64>,
    pub(crate) wind_mph: Option<f64>,
    pub(crate) precip_in: Option<f64>,
    pub(crate) visibility_mi: Option<f64>,
}

/// Departures, mean and longest delay, in an hour of an airport.
type Delays = WindowResult<String, (u64, f64, i64)>;

impl Hour {
    fn new(airport: &str, delays: &Delays, weather: &Weather) -> Self {
        let (departures, mean_delay_min, max_delay_min) = delays.value;
        Hour {
            airport: airport.to_owned(),
            hour: delays.window.start,
            departures,
            mean_delay_min,
            max_delay_min,
            temp_f: weather.temp_f,
            wind_mph: weather.wind_mph,
            precip_in: weather.precip_in,
            visibility_mi: weather.visibility_mi,
        }
    }
}
