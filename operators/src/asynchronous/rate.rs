//! How many calls may begin in a time.

use std::time::Duration;

use millstream_engine::runtime::Instant;

use super::calls::share;

/// So many calls may begin in a time: a token bucket, on the runtime's clock.
///
/// Source: the generic cell rate algorithm (ITU-T I.371), a token bucket that keeps a moment instead of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    calls: u32,
    within: Duration,
    burst: u32,
}

impl RateLimit {
    /// So many calls a second, evenly spaced.
    pub const fn per_second(calls: u32) -> Self {
        RateLimit::new(calls, Duration::from_secs(1))
    }

    /// So many `calls` within any such time, evenly spaced: `RateLimit::new(100, minutes(1))`.
    pub const fn new(calls: u32, within: Duration) -> Self {
        RateLimit {
            calls,
            within,
            burst: 1,
        }
    }

    /// After a quiet time, so many calls may begin at once.
    #[must_use]
    pub const fn with_burst(mut self, calls: u32) -> Self {
        self.burst = calls;
        self
    }

    /// The same with a burst that has room for all that the rate allows within `slack`.
    pub(crate) fn with_slack(self, slack: Duration) -> Self {
        let within = self.within.as_nanos().max(1);
        let allowed = u128::from(self.calls).saturating_mul(slack.as_nanos()) / within;
        let allowed = u32::try_from(allowed).unwrap_or(u32::MAX);
        self.with_burst(self.burst.max(allowed))
    }

    pub(crate) fn mistake(&self) -> Option<String> {
        let none = self.calls == 0 || self.burst == 0 || self.within.is_zero();
        none.then(|| "limits its rate to nothing: at least one call in a time".to_owned())
    }

    /// The bucket of one replica.
    pub(crate) fn bucket(&self, replica: usize, parallelism: usize) -> Bucket {
        let burst = share(self.burst as usize, replica, parallelism) as u64;
        let within = u64::try_from(self.within.as_nanos()).unwrap_or(u64::MAX);
        let calls = u64::from(self.calls.max(1));
        let spacing = within.saturating_mul(parallelism.max(1) as u64) / calls;
        Bucket {
            spacing,
            ahead: spacing.saturating_mul(burst - 1),
            next: 0,
        }
    }
}

/// When the calls of one replica may begin.
pub(crate) struct Bucket {
    /// Nanoseconds from call to call.
    spacing: u64,
    /// How far calls may be ahead of that.
    ahead: u64,
    /// When the next call is due if they are evenly spaced.
    next: u64,
}

impl Bucket {
    /// Takes a token; says how long from now until the call may begin.
    pub(crate) fn take(&mut self, now: Instant) -> Duration {
        let pause = self.opens() - now;
        self.next = self.next.max(now.as_nanos()).saturating_add(self.spacing);
        pause
    }

    /// When the next call may begin.
    pub(crate) fn opens(&self) -> Instant {
        Instant::from_nanos(self.next.saturating_sub(self.ahead))
    }

    /// When the next call is due if they are evenly spaced: what is to be kept of a bucket.
    pub(crate) fn next(&self) -> Instant {
        Instant::from_nanos(self.next)
    }

    /// Waits for no longer than a bucket could have to that was used up just now: the clock it was used by may have
    /// shown a later time.
    pub(crate) fn cap(&mut self, now: Instant) {
        let longest = self.spacing.saturating_add(self.ahead);
        self.next = self.next.min(now.as_nanos().saturating_add(longest));
    }

    /// Goes on where another bucket was.
    pub(crate) fn go_on_from(&mut self, next: Instant) {
        self.next = self.next.max(next.as_nanos());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// In any stretch of time no more than the burst and what the rate allows, and no call waits without need.
        #[test]
        fn it_is_a_token_bucket(
            gaps in proptest::collection::vec(0..300u64, 1..60), burst in 1..5u32,
        ) {
            let limit = RateLimit::new(1, Duration::from_nanos(100)).with_burst(burst);
            let mut bucket = limit.bucket(0, 1);
            // The naive bucket: hundredths of tokens, filled nanosecond by nanosecond.
            let (mut tokens, mut filled_at) = (u64::from(burst) * 100, 0);
            let mut now = 1_000;
            for gap in gaps {
                now += gap;
                let begins = now + bucket.take(Instant::from_nanos(now)).as_nanos() as u64;
                while filled_at < now || tokens < 100 {
                    tokens = (tokens + 1).min(u64::from(burst) * 100);
                    filled_at += 1;
                }
                tokens -= 100;
                prop_assert_eq!(begins, filled_at.max(now));
            }
        }
    }

    #[test]
    fn slack_is_room_for_what_the_rate_allows_meanwhile() {
        let slack = Duration::from_millis(10);
        let burst = |limit: RateLimit| limit.with_slack(slack).burst;
        assert_eq!(burst(RateLimit::per_second(10_000)), 100);
        assert_eq!(burst(RateLimit::per_second(10_000).with_burst(500)), 500);
        assert_eq!(burst(RateLimit::per_second(20)), 1);
        assert_eq!(burst(RateLimit::new(600, Duration::from_secs(3_600))), 1);
    }

    #[test]
    fn replicas_share_the_rate() {
        let mut bucket = RateLimit::per_second(10).bucket(1, 4);
        let start = Instant::from_nanos(5);
        assert_eq!(bucket.take(start), Duration::ZERO);
        assert_eq!(bucket.take(start), Duration::from_millis(400));
    }
}
