//! Event time: when something happened, and how far the stream has come.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::runtime::Instant;

/// A moment in event time: microseconds since 1970-01-01T00:00:00Z.
///
/// Arithmetic saturates at [`Timestamp::MIN`] and [`Timestamp::MAX`]; nothing here panics.
/// Text formats (JSON, CSV) read and write RFC 3339; binary formats the plain number.
///
/// ```
/// use millstream_engine::time::Timestamp;
/// use std::time::Duration;
///
/// let noon: Timestamp = "2013-01-01T12:00:00Z".parse()?;
/// assert_eq!(noon.as_micros(), 1_357_041_600_000_000);
/// assert_eq!((noon + Duration::from_secs(90)).to_string(), "2013-01-01T12:01:30Z");
/// # Ok::<(), millstream_engine::time::ParseTimestampError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest moment that can be told (290,000 years before the epoch).
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// The latest moment that can be told.
    pub const MAX: Timestamp = Timestamp(i64::MAX);
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Timestamp = Timestamp(0);

    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Timestamp(micros)
    }

    /// From milliseconds since the epoch, as Kafka counts.
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis.saturating_mul(1_000))
    }

    /// From seconds since the epoch.
    pub const fn from_secs(secs: i64) -> Self {
        Timestamp(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Timestamp) -> Duration {
        let micros = i128::from(self.0) - i128::from(earlier.0);
        Duration::from_micros(u64::try_from(micros.max(0)).unwrap_or(u64::MAX))
    }
}

/// A duration in whole microseconds, saturating: the unit event time is reckoned in.
pub fn whole_micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(whole_micros(duration)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Timestamp;
    fn sub(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(whole_micros(duration)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => moment.fmt(f),
            // Outside the years -9999 to 9999 there is no RFC 3339 form.
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no RFC 3339 moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a moment in time (RFC 3339, as 2013-01-01T12:00:00Z): {cause}")]
pub struct ParseTimestampError {
    text: String,
    cause: String,
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let moment: jiff::Timestamp =
            text.parse()
                .map_err(|cause: jiff::Error| ParseTimestampError {
                    text: text.chars().take(80).collect(),
                    cause: cause.to_string(),
                })?;
        Ok(Timestamp(moment.as_microsecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl serde::de::Visitor<'_> for Text {
            type Value = Timestamp;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a moment in RFC 3339")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Timestamp, E> {
                text.parse().map_err(E::custom)
            }
        }

        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Text)
        } else {
            i64::deserialize(deserializer).map(Timestamp)
        }
    }
}

/// "Nothing earlier than `time` follows": a promise about event time that travels with the records.
///
/// `arrival` is when the record that moved the promise reached this process. What a watermark sets
/// free (a window's result) counts its latency from there.
///
/// Source: Akidau et al., *The Dataflow Model*, VLDB 2015.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// No record with an earlier timestamp follows on this edge, unless it is late.
    pub time: Timestamp,
    /// Arrival of the record that moved the watermark here.
    pub arrival: Instant,
}

/// How far event time has come: on one input, or over all inputs of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Frontier {
    /// Nothing was promised yet: anything may follow.
    #[default]
    Unknown,
    /// This was promised.
    At(Watermark),
    /// Nothing comes for now; time need not wait for it.
    Idle,
}

impl Frontier {
    /// The promise, if there is one.
    pub fn watermark(self) -> Option<Watermark> {
        match self {
            Frontier::At(watermark) => Some(watermark),
            Frontier::Unknown | Frontier::Idle => None,
        }
    }

    /// The frontier of both together: the lower promise, idle ones aside.
    #[must_use]
    pub fn merge(self, other: Frontier) -> Frontier {
        match (self, other) {
            (Frontier::Idle, frontier) | (frontier, Frontier::Idle) => frontier,
            (Frontier::Unknown, _) | (_, Frontier::Unknown) => Frontier::Unknown,
            (Frontier::At(a), Frontier::At(b)) => Frontier::At(if b.time < a.time { b } else { a }),
        }
    }

    /// What may be promised behind an operator that holds records back, the lowest of them at `lowest`, when this is
    /// promised before it: nothing later than that record, which follows yet.
    ///
    /// Nor is it idle there, however idle its input is: time that does not wait would pass the records that are held.
    /// The promise stays what it was at last: `latest`, the watermark that came to the operator last.
    #[must_use]
    pub fn held_at(self, lowest: Option<Timestamp>, latest: Option<Watermark>) -> Frontier {
        let Some(lowest) = lowest else {
            return self;
        };
        let promised = match self {
            Frontier::Idle => latest,
            input => input.watermark(),
        };
        promised.map_or(Frontier::Unknown, |watermark| {
            Frontier::At(Watermark {
                time: watermark.time.min(lowest),
                ..watermark
            })
        })
    }
}

/// `n` seconds.
pub const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// `n` milliseconds.
pub const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// `n` minutes.
pub const fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

/// `n` hours.
pub const fn hours(n: u64) -> Duration {
    Duration::from_secs(3_600 * n)
}

/// `n` days of 24 hours.
pub const fn days(n: u64) -> Duration {
    Duration::from_secs(86_400 * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX + hours(1), Timestamp::MAX);
        assert_eq!(Timestamp::MIN - hours(1), Timestamp::MIN);
        assert_eq!(Timestamp::MIN.since(Timestamp::MAX), Duration::ZERO);
        assert_eq!(Timestamp::from_millis(-1).as_millis(), -1);
        assert_eq!(Timestamp::from_micros(-1).as_millis(), -1);
    }

    #[test]
    fn no_promise_overtakes_a_record_that_is_held() {
        let watermark = |micros| Watermark {
            time: Timestamp::from_micros(micros),
            arrival: Instant::from_nanos(1),
        };
        let at = |micros| Frontier::At(watermark(micros));
        let inputs = [Frontier::Unknown, at(3), at(7), Frontier::Idle];
        let held = |lowest: Option<i64>, latest| {
            inputs.map(|input| input.held_at(lowest.map(Timestamp::from_micros), latest))
        };
        assert_eq!(held(None, Some(watermark(7))), inputs);
        let unknown = Frontier::Unknown;
        assert_eq!(held(Some(5), None), [unknown, at(3), at(5), unknown]);
        let latest = Some(watermark(7));
        assert_eq!(held(Some(5), latest), [unknown, at(3), at(5), at(5)]);
        let latest = Some(watermark(3));
        assert_eq!(held(Some(5), latest), [unknown, at(3), at(5), at(3)]);
    }

    #[test]
    fn text_and_binary_forms_come_back() {
        let moment: Timestamp = "2013-07-01T05:30:00.25Z".parse().unwrap();
        let json = serde_json::to_string(&moment).unwrap();
        assert_eq!(json, "\"2013-07-01T05:30:00.25Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), moment);
        let binary = postcard::to_allocvec(&moment).unwrap();
        assert_eq!(postcard::from_bytes::<Timestamp>(&binary).unwrap(), moment);
        assert!(
            "yesterday"
                .parse::<Timestamp>()
                .unwrap_err()
                .to_string()
                .contains("yesterday")
        );
        assert_eq!(Timestamp::MAX.to_string(), format!("{}us", i64::MAX));
    }
}
