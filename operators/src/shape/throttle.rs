//! So many records in a time.

use std::time::Duration;

use millstream_engine::runtime::Instant;
use millstream_engine::state::State;
use millstream_engine::time::Timestamp;

use super::paced::Gate;
use crate::pipe::Pipe;
use crate::rate::{Bucket, RateLimit};
use crate::stream::Stream;

/// Timers are not exact: what the rate allows in this time may go through at once, or it would not be reached.
const SLACK: Duration = Duration::from_millis(10);
/// It reads on while fewer records wait: also behind a full batch, so that a barrier comes in.
const ROOM: usize = 1_025;

impl<T: Send + 'static, P: Pipe<Out = T>> Stream<T, P> {
    /// Lets no more records through than `rate` says, by processing time, over all replicas together: each has an even
    /// share. (A short stream may be in one replica, and so has one share: records are dealt to replicas by whole
    /// batches.) What is too fast for it waits, and by back-pressure what comes before it; nothing is dropped, the order
    /// stays, and no watermark overtakes a record that waits. At the end, too, what waits goes on at its rate, and so it does
    /// when the flow is stopped gracefully: with 1,000 records read and one in ten seconds that is three hours. (A second
    /// signal stops it at once.)
    ///
    /// Up to 100 records a second and replica go on evenly spaced. Beyond that as many as the rate allows in 10 ms may
    /// go at once, because timers are not more exact than that; more if `rate` has a larger
    /// [burst](RateLimit::with_burst).
    ///
    /// No more than two batches wait in each replica, of about a thousand records at the most. They are its state, with
    /// how far the rate is used up: a checkpoint saves them and does not wait for them. (It does wait for the batches
    /// that lie before it in the channel, like every record.) But once the source has ended, a barrier (of a
    /// [snapshot](millstream_engine::execution::Execution::stop_with_snapshot), of a commit of positions) waits until all that
    /// is held back has gone on at its rate, and the flow with it.
    ///
    /// The latency ledger keeps apart for how long a record waits here for its turn, as time held by design. What it waits
    /// before, in the channel, counts.
    ///
    /// A wall clock that is set back holds nothing up for longer, be it meanwhile or behind a restart; one that is set
    /// forward lets no more through than the burst.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::RateLimit;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("numbers", from_iter(0..5))
    ///     .throttle("gently", RateLimit::per_second(2))
    ///     .sink("out", out.sink());
    /// # });
    /// # let flow = flow.with_parallelism(1);
    /// let report = flow.simulate(1)?;
    /// assert_eq!(results.take(), [0, 1, 2, 3, 4]);
    /// assert!(report.elapsed >= seconds(2)); // the first at once
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: `throttle` of Akka Streams, which waits as well (that of Rx drops).
    pub fn throttle(self, name: &str, rate: RateLimit) -> Stream<T>
    where
        T: State,
    {
        if let Some(mistake) = rate.mistake() {
            self.tail.mistake(format!("`{name}` {mistake}"));
        }
        let rate = rate.with_slack(SLACK);
        self.paced(name, "throttle", move |replica| {
            let bucket = rate.bucket(replica.index, replica.parallelism);
            (Throttle { bucket }, ROOM)
        })
    }
}

/// Opens when there is a token in the bucket, which is filled by processing time.
struct Throttle {
    bucket: Bucket,
}

impl Gate for Throttle {
    /// How far the rate is used up, in nanoseconds of processing time.
    type Saved = u64;

    fn opens(&self, _came: Timestamp) -> Timestamp {
        let nanos = self.bucket.opens().as_nanos();
        Timestamp::from_micros(nanos.div_ceil(1_000).cast_signed())
    }

    fn passed(&mut self, now: Timestamp) {
        self.bucket.take(instant(now));
    }

    fn save(&self) -> u64 {
        self.bucket.next().as_nanos()
    }

    fn restore(&mut self, next: u64) {
        self.bucket.go_on_from(Instant::from_nanos(next));
    }

    fn go_on(&mut self, now: Timestamp) {
        self.bucket.cap(instant(now));
    }
}

/// A moment of processing time, in which its bucket reckons.
fn instant(time: Timestamp) -> Instant {
    let micros = u64::try_from(time.as_micros()).unwrap_or(0);
    Instant::from_nanos(micros.saturating_mul(1_000))
}

#[cfg(test)]
mod tests;
