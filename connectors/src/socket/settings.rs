//! What can be set of connections: bounds, deadlines, how to come back.

use std::time::Duration;

/// Bounds on those who connect. (The bound on a frame is the framing's.)
///
/// ```
/// use millstream_connectors::socket::Limits;
/// use std::time::Duration;
///
/// // Sensors that speak once an hour, and slowly:
/// let limits = Limits::default()
///     .with_max_connections(10_000)
///     .with_idle_deadline(Duration::from_secs(2 * 3600))
///     .with_min_rate(8);
/// # assert_eq!(limits.min_rate, Some(8));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How many may be connected at once, over all replicas (default: 1,024). More wait in the system's
    /// queue until one goes.
    pub max_connections: usize,
    /// A peer that sends nothing at all for so long is cut off (default: 5 minutes; `None`: never).
    pub idle_deadline: Option<Duration>,
    /// Bytes per second a peer must send on average *while it is in the middle of a frame*, counted
    /// from the start of that frame and after [`Limits::grace`] (default: 128; `None`: any).
    ///
    /// Against peers that hold connections open by sending a byte now and then (slow loris).
    pub min_rate: Option<u32>,
    /// How long a frame may take whatever its rate (default: 10 seconds).
    pub grace: Duration,
}

impl Limits {
    /// No deadline; for peers one has chosen oneself.
    pub(super) const fn trusting() -> Self {
        Limits {
            max_connections: 1,
            idle_deadline: None,
            min_rate: None,
            grace: Duration::ZERO,
        }
    }

    /// So many at once, at least 1.
    #[must_use]
    pub fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// Another idle deadline, or none.
    #[must_use]
    pub fn with_idle_deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.idle_deadline = deadline.into();
        self
    }

    /// Another minimum rate in bytes per second, or none.
    #[must_use]
    pub fn with_min_rate(mut self, bytes_per_second: impl Into<Option<u32>>) -> Self {
        self.min_rate = bytes_per_second.into();
        self
    }

    /// Another time within which a frame may be as slow as it likes.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_connections: 1_024,
            idle_deadline: Some(Duration::from_secs(300)),
            min_rate: Some(128),
            grace: Duration::from_secs(10),
        }
    }
}

/// How a client comes back: after 100 ms, then twice as long each time, up to 30 s.
///
/// Each pause is drawn between half of that and all of it, so that a thousand clients of a server
/// that restarts do not come back in step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconnect {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// After so many failures in a row the flow fails (default: 10, which takes about a minute and a
    /// half; `None`: never).
    pub attempts: Option<u32>,
    /// How long one attempt may take (default: 10 seconds).
    pub deadline: Duration,
}

impl Reconnect {
    /// One attempt.
    pub(super) fn never() -> Self {
        Reconnect::default().with_attempts(1)
    }

    /// Other pauses.
    #[must_use]
    pub fn with_pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.first = first;
        self.longest = longest.max(first);
        self
    }

    /// Another number of attempts; `None` for any number.
    #[must_use]
    pub fn with_attempts(mut self, attempts: impl Into<Option<u32>>) -> Self {
        self.attempts = attempts.into();
        self
    }

    /// Another deadline for one attempt.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }
}

impl Default for Reconnect {
    fn default() -> Self {
        Reconnect {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(30),
            attempts: Some(10),
            deadline: Duration::from_secs(10),
        }
    }
}
