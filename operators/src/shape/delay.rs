//! Every record some time later.

use std::time::Duration;

use millstream_engine::state::State;
use millstream_engine::time::Timestamp;

use super::paced::Gate;
use crate::pipe::Pipe;
use crate::rate::share;
use crate::stream::Stream;

impl<T: Send + 'static, P: Pipe<Out = T>> Stream<T, P> {
    /// Passes every record on, `by` of processing time after it came, in the order they come: to try again later what
    /// failed, to give another stream a lead.
    ///
    /// Records keep their timestamps, and watermarks stay behind the records they came behind: what was not late
    /// before is not late behind it. The latency ledger keeps `by` apart, as time held by design.
    ///
    /// At the end, what waits is still given in its time, and the flow ends after that; a stop waits so long, too, once a
    /// source has ended. So does then any barrier (of a
    /// [snapshot](millstream_engine::execution::Execution::stop_with_snapshot), of a commit of positions), and the flow with
    /// it.
    ///
    /// No more than `most` records wait, over all replicas together (each has an even share), and the rest of one batch
    /// in each; with that many the stream waits. So `most` is best no less than what comes in `by`; it is at least 1.
    ///
    /// What waits is its state: a checkpoint saves it and does not wait for it (but for the room that the batches before
    /// it need, when there is none). Restored, a record is given when it was due, or at once if that is over.
    ///
    /// A wall clock that is set back delays nothing for longer, be it meanwhile or behind a restart; one that is set
    /// forward delays what waits by so much less.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("failed", from_iter([1, 2, 3]))
    ///     .delay("again-later", minutes(5), 100_000)
    ///     .sink("again", out.sink());
    /// # });
    /// # let flow = flow.with_parallelism(2);
    /// let report = flow.simulate(1)?;
    /// assert_eq!(results.take(), [1, 2, 3]);
    /// assert!(report.elapsed >= minutes(5));
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: Rx's `delay`.
    pub fn delay(self, name: &str, by: Duration, most: usize) -> Stream<T>
    where
        T: State,
    {
        if most == 0 {
            self.tail.mistake(format!(
                "`{name}` lets no record wait: at least one must have room"
            ));
        }
        self.paced(name, "delay", move |replica| {
            let most = share(most, replica.index, replica.parallelism);
            (Delay { by }, most)
        })
    }
}

/// Opens for each record on `by` after it came.
struct Delay {
    by: Duration,
}

impl Gate for Delay {
    type Saved = ();

    fn opens(&self, came: Timestamp) -> Timestamp {
        came + self.by
    }

    fn passed(&mut self, _now: Timestamp) {}

    fn save(&self) {}

    fn restore(&mut self, (): ()) {}

    fn go_on(&mut self, _now: Timestamp) {}
}

#[cfg(test)]
mod tests;
