//! When a failed call is made again.

use std::time::Duration;

use millstream_engine::random::SplitMix64;
use millstream_engine::time::Timestamp;

/// How often a failed call is made, and how long it waits in between.
///
/// The pause doubles from attempt to attempt, and a part of it is drawn: between half of it and all of it, so that
/// calls that failed together are not made again together. What is drawn follows from the flow: a simulated flow
/// repeats it to the bit.
///
/// What is not worth another attempt is no failure but an answer: give `Ok(Err(why))`, and
/// [`split`](crate::Stream::split) the stream.
///
/// Source: exponential backoff with "equal jitter" (M. Brooker, *Exponential Backoff And Jitter*, AWS 2015).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    attempts: u32,
    first: Duration,
    longest: Duration,
}

impl Retry {
    /// Pauses of `first`, twice `first`, four times `first`… but not above a minute; three attempts in all.
    pub const fn exponential(first: Duration) -> Self {
        Retry {
            attempts: 3,
            first,
            longest: Duration::from_secs(60),
        }
    }

    /// So many attempts in all, the first included.
    #[must_use]
    pub const fn up_to(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// No pause is longer than this.
    #[must_use]
    pub const fn with_longest_pause(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// The pause after this many failed attempts, with `drawn` bits to choose it by; `None` when these were all.
    pub(super) fn pause(&self, failed: u32, drawn: u64) -> Option<Duration> {
        if failed >= self.attempts {
            return None;
        }
        let doubled = 1u32
            .checked_shl(failed.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let whole = self.first.saturating_mul(doubled).min(self.longest);
        let half = whole / 2;
        let share = (drawn >> 32) as u32;
        let nanos = (whole - half).as_nanos() * u128::from(share) / u128::from(u32::MAX);
        Some(half + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    pub(super) fn mistake(&self) -> Option<String> {
        let none = self.attempts == 0;
        none.then(|| "never makes a call: a retry has at least one attempt".to_owned())
    }
}

/// What a replica draws its pauses from that first needs it at `time`: two processes, and two replicas, do not draw the
/// same.
pub(super) fn jitter(time: Timestamp, replica: usize) -> SplitMix64 {
    SplitMix64::new(time.as_micros().cast_unsigned() ^ (replica as u64).rotate_right(16))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pause_is_between_half_and_all_of_what_has_doubled(
            first in 0..10_000_000u64, failed in 1..80u32, drawn in any::<u64>(),
        ) {
            let longest = 60_000_000_000;
            let retry = Retry::exponential(Duration::from_nanos(first)).up_to(100);
            let whole = (0..failed - 1).fold(first, |pause, _| (pause * 2).min(longest));
            let pause = retry.pause(failed, drawn).unwrap().as_nanos() as u64;
            prop_assert!(pause >= whole / 2 && pause <= whole, "{pause} of {whole}");
        }
    }

    #[test]
    fn the_last_attempt_is_the_last() {
        let second = Duration::from_secs(1);
        let retry = Retry::exponential(second).up_to(3);
        assert_eq!(retry.pause(1, u64::MAX), Some(second));
        assert_eq!(retry.pause(2, u64::MAX), Some(2 * second));
        assert_eq!(retry.pause(2, 0), Some(second));
        assert_eq!(retry.pause(3, 0), None);
        let short = retry.with_longest_pause(second / 4);
        assert_eq!(short.pause(2, u64::MAX), Some(second / 4));
    }
}
