//! Timers of keys, by event time and by processing time.

mod of_key;
mod wheel;

pub(crate) use of_key::KeyTimers;
pub(crate) use wheel::{Hung, Wheel};

use std::time::Duration;

use millstream_engine::time::{Timestamp, whole_micros};
use millstream_engine::why::Until;
use serde::{Deserialize, Serialize};

/// What something in time goes by: the time of the records, or that of the wall clock. (Beam's word.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TimeDomain {
    EventTime,
    ProcessingTime,
}

impl TimeDomain {
    pub(crate) const BOTH: [TimeDomain; 2] = [TimeDomain::EventTime, TimeDomain::ProcessingTime];

    /// Waiting until then.
    pub(crate) fn until(self, time: Timestamp) -> Until {
        match self {
            TimeDomain::EventTime => Until::Watermark(time),
            TimeDomain::ProcessingTime => Until::ProcessingTime(time),
        }
    }
}

/// How time is cut into ticks of one resolution. A timer is set to the first tick that is not earlier than its time:
/// timers of a key that fall on the same tick are one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticks {
    resolution: i64,
}

/// Ticks are told without a sign; their order stays.
const SIGN: u64 = 1 << 63;

impl Ticks {
    pub(crate) fn of(resolution: Duration) -> Self {
        Ticks {
            resolution: whole_micros(resolution).max(1),
        }
    }

    /// The first tick that is not earlier than `time`.
    #[inline]
    pub(crate) fn from(self, time: Timestamp) -> u64 {
        let micros = time.as_micros();
        let down = micros.div_euclid(self.resolution);
        let up = i64::from(micros.rem_euclid(self.resolution) > 0);
        down.saturating_add(up) as u64 ^ SIGN
    }

    /// The last tick that is not later than `time`.
    #[inline]
    pub(crate) fn until(self, time: Timestamp) -> u64 {
        time.as_micros().div_euclid(self.resolution) as u64 ^ SIGN
    }

    /// The time of a tick.
    #[inline]
    pub(crate) fn time(self, tick: u64) -> Timestamp {
        Timestamp::from_micros(((tick ^ SIGN) as i64).saturating_mul(self.resolution))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up_to_ticks() {
        let tens = Ticks::of(Duration::from_micros(10));
        for (time, from, until) in [
            (0, 0, 0),
            (1, 10, 0),
            (10, 10, 10),
            (-1, 0, -10),
            (-10, -10, -10),
        ] {
            let time = Timestamp::from_micros(time);
            assert_eq!(tens.time(tens.from(time)).as_micros(), from);
            assert_eq!(tens.time(tens.until(time)).as_micros(), until);
        }
        let exact = Ticks::of(Duration::ZERO);
        for time in [Timestamp::MIN, Timestamp::EPOCH, Timestamp::MAX] {
            assert_eq!(exact.time(exact.from(time)), time);
            assert_eq!(exact.time(exact.until(time)), time);
        }
        assert_eq!(tens.time(tens.from(Timestamp::MAX)), Timestamp::MAX);
        assert!(exact.from(Timestamp::MIN) < exact.from(Timestamp::EPOCH));
    }
}
