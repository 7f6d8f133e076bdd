//! Timers of keys: by event time and by processing time, a wheel for each.

mod wheel;

pub(crate) use wheel::{Due, Kind, Node, Wheel};

use std::time::Duration;

use millstream_engine::time::{Timestamp, whole_micros};

/// The timers of one operator.
///
/// Times are told to the wheels in ticks of one resolution, rounded up: timers of a key that fall on the same tick are
/// one.
pub(crate) struct Timers {
    pub(crate) event_time: Wheel,
    pub(crate) processing_time: Wheel,
    resolution: i64,
}

/// Ticks are told without a sign; their order stays.
const SIGN: u64 = 1 << 63;

impl Timers {
    pub(crate) fn new(resolution: Duration) -> Self {
        Timers {
            event_time: Wheel::new(),
            processing_time: Wheel::new(),
            resolution: whole_micros(resolution).max(1),
        }
    }

    /// The first tick that is not earlier than `time`.
    #[inline]
    pub(crate) fn tick_from(&self, time: Timestamp) -> u64 {
        let micros = time.as_micros();
        let down = micros.div_euclid(self.resolution);
        let up = i64::from(micros.rem_euclid(self.resolution) > 0);
        down.saturating_add(up) as u64 ^ SIGN
    }

    /// The last tick that is not later than `time`.
    #[inline]
    pub(crate) fn tick_until(&self, time: Timestamp) -> u64 {
        time.as_micros().div_euclid(self.resolution) as u64 ^ SIGN
    }

    /// The time of a tick.
    #[inline]
    pub(crate) fn time_of(&self, tick: u64) -> Timestamp {
        Timestamp::from_micros(((tick ^ SIGN) as i64).saturating_mul(self.resolution))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up_to_ticks() {
        let timers = Timers::new(Duration::from_micros(10));
        for (time, from, until) in [
            (0, 0, 0),
            (1, 10, 0),
            (10, 10, 10),
            (-1, 0, -10),
            (-10, -10, -10),
        ] {
            let time = Timestamp::from_micros(time);
            assert_eq!(timers.time_of(timers.tick_from(time)).as_micros(), from);
            assert_eq!(timers.time_of(timers.tick_until(time)).as_micros(), until);
        }
        let exact = Timers::new(Duration::ZERO);
        for time in [Timestamp::MIN, Timestamp::EPOCH, Timestamp::MAX] {
            assert_eq!(exact.time_of(exact.tick_from(time)), time);
            assert_eq!(exact.time_of(exact.tick_until(time)), time);
        }
        assert_eq!(
            timers.time_of(timers.tick_from(Timestamp::MAX)),
            Timestamp::MAX
        );
        assert!(exact.tick_from(Timestamp::MIN) < exact.tick_from(Timestamp::EPOCH));
    }
}
