//! So many records in a time.

use std::future::ready;

use crate::asynchronous::{Ordered, RateLimit};
use crate::pipe::Pipe;
use crate::stream::Stream;

impl<T: Send + 'static, P: Pipe<Out = T>> Stream<T, P> {
    /// Lets no more records through than `rate` says, over all replicas together: each has an even share. What is too
    /// fast for it waits, and by back-pressure what comes before it; nothing is dropped, the order stays, and no
    /// watermark overtakes a record that waits.
    ///
    /// It keeps no more than the rest of one batch. A checkpoint waits until that has gone through: nothing of it is
    /// saved.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::RateLimit;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("numbers", from_iter(0..5))
    ///     .throttle("gently", RateLimit::per_second(100).with_burst(2))
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [0, 1, 2, 3, 4]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: `throttle` of Akka Streams, which waits as well (that of Rx drops).
    pub fn throttle(self, name: &str, rate: RateLimit) -> Stream<T> {
        // A call that is answered at once: what is left of it is the wait for its turn.
        self.map_async(name, Ordered::up_to(1).with_rate_limit(rate), ready)
    }
}
