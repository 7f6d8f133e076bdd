//! So many calls or records in a time, and the share each replica has of them.

use std::time::Duration;

use millstream_engine::runtime::Instant;

/// So many in a time: calls that [begin](crate::Calls::with_rate_limit), or records that are
/// [let through](crate::Stream::throttle). A token bucket, on the runtime's clock.
///
/// Source: the generic cell rate algorithm (ITU-T I.371), a token bucket that keeps a moment instead of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    most: u32,
    within: Duration,
    burst: u32,
}

impl RateLimit {
    /// So many calls or records a second, evenly spaced.
    pub const fn per_second(most: u32) -> Self {
        RateLimit::new(most, Duration::from_secs(1))
    }

    /// So many calls or records within any such time, evenly spaced: `RateLimit::new(100, minutes(1))`.
    pub const fn new(most: u32, within: Duration) -> Self {
        RateLimit {
            most,
            within,
            burst: 1,
        }
    }

    /// After a quiet time, so many may begin, or go through, at once.
    #[must_use]
    pub const fn with_burst(mut self, most: u32) -> Self {
        self.burst = most;
        self
    }

    /// The same with a burst that has room for all that the rate allows within `slack`.
    pub(crate) fn with_slack(self, slack: Duration) -> Self {
        let within = self.within.as_nanos().max(1);
        let allowed = u128::from(self.most).saturating_mul(slack.as_nanos()) / within;
        let allowed = u32::try_from(allowed).unwrap_or(u32::MAX);
        self.with_burst(self.burst.max(allowed))
    }

    pub(crate) fn mistake(&self) -> Option<String> {
        let none = self.most == 0 || self.burst == 0 || self.within.is_zero();
        none.then(|| "limits its rate to nothing: at least one call or record in a time".to_owned())
    }

    /// The bucket of one replica.
    pub(crate) fn bucket(&self, replica: usize, parallelism: usize) -> Bucket {
        let burst = share(self.burst as usize, replica, parallelism) as u64;
        let within = u64::try_from(self.within.as_nanos()).unwrap_or(u64::MAX);
        let most = u64::from(self.most.max(1));
        let spacing = within.saturating_mul(parallelism.max(1) as u64) / most;
        Bucket {
            spacing,
            ahead: spacing.saturating_mul(burst - 1),
            next: 0,
        }
    }
}

/// When the calls of one replica may begin, or its records go through.
pub(crate) struct Bucket {
    /// Nanoseconds from one to the next.
    spacing: u64,
    /// How far they may be ahead of that.
    ahead: u64,
    /// When the next is due if they are evenly spaced.
    next: u64,
}

impl Bucket {
    /// Takes a token; says how long from now until the one that it is for may begin.
    pub(crate) fn take(&mut self, now: Instant) -> Duration {
        let pause = self.opens() - now;
        self.next = self.next.max(now.as_nanos()).saturating_add(self.spacing);
        pause
    }

    /// When the next may begin.
    pub(crate) fn opens(&self) -> Instant {
        Instant::from_nanos(self.next.saturating_sub(self.ahead))
    }

    /// When the next is due if they are evenly spaced: what is to be kept of a bucket.
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

/// The even share of one of `parallelism` replicas; at least 1.
pub(crate) fn share(all: usize, replica: usize, parallelism: usize) -> usize {
    let parallelism = parallelism.max(1);
    let (each, rest) = (all / parallelism, all % parallelism);
    (each + usize::from(replica < rest)).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// In any stretch of time no more than the burst and what the rate allows, and none waits without need.
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
