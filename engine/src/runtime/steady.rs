//! A wall clock that is never set back.

use std::sync::atomic::{AtomicI64, Ordering};

use super::Instant;
use crate::time::Timestamp;

/// Follows the wall clock as long as that goes on. When it is set back, this one goes on from where it was, at the pace
/// of the monotonic clock; when it is set forward, this one goes with it.
#[derive(Debug)]
pub(super) struct SteadyClock {
    /// By how many microseconds the wall clock was ever ahead of the monotonic one, at the most.
    ahead: AtomicI64,
}

impl SteadyClock {
    pub(super) const fn new() -> Self {
        SteadyClock {
            ahead: AtomicI64::new(i64::MIN),
        }
    }

    /// What it shows, from what the other two show. The wall clock is to be read before the other: a pause in between then
    /// makes it seem less far ahead, which changes nothing.
    pub(super) fn read(&self, wall: Timestamp, now: Instant) -> Timestamp {
        let now = i64::try_from(now.as_nanos() / 1_000).unwrap_or(i64::MAX);
        let ahead = wall.as_micros().saturating_sub(now);
        let mut most = self.ahead.load(Ordering::Relaxed);
        if ahead > most {
            most = self.ahead.fetch_max(ahead, Ordering::Relaxed).max(ahead);
        }
        Timestamp::from_micros(now.saturating_add(most))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(clock: &SteadyClock, wall: i64, now: u64) -> i64 {
        let now = Instant::from_nanos(now * 1_000);
        clock.read(Timestamp::from_micros(wall), now).as_micros()
    }

    #[test]
    fn it_goes_on_where_the_wall_clock_is_set_back_and_follows_it_forward() {
        let clock = SteadyClock::new();
        assert_eq!(read(&clock, 1_000, 0), 1_000);
        assert_eq!(read(&clock, 1_010, 10), 1_010);
        assert_eq!(read(&clock, 20, 20), 1_020);
        assert_eq!(read(&clock, 30, 30), 1_030);
        assert_eq!(read(&clock, 5_000, 40), 5_000);
        assert_eq!(read(&clock, 1_050, 50), 5_010);
        assert_eq!(read(&clock, -7, 60), 5_020);
    }

    proptest! {
        #[test]
        fn it_passes_no_slower_than_the_monotonic_clock_and_is_never_behind_the_wall_clock(
            all in proptest::collection::vec((0..100u64, -500..500i64), 1..50),
        ) {
            let clock = SteadyClock::new();
            let (mut now, mut before) = (0, None);
            for (passed, wall) in all {
                now += passed;
                let steady = read(&clock, wall, now);
                prop_assert!(steady >= wall);
                if let Some(before) = before {
                    prop_assert!(steady >= before + passed as i64);
                    // And no faster, unless the wall clock is there.
                    prop_assert!(steady == before + passed as i64 || steady == wall);
                }
                before = Some(steady);
            }
        }
    }
}
