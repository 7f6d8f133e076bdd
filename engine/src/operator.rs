//! The contract with what computes.

use std::task::{Context, Poll};

use crate::batch::AnyBatch;
use crate::error::Result;
use crate::outbox::Outbox;
use crate::source::PartitionNews;
use crate::state::{StateKind, StateReader, StateWriter};
use crate::time::{Frontier, Timestamp, Watermark};
use crate::why::Explanation;

/// One replica of one vertex that computes.
///
/// # Contract: what the task does
/// 1. It calls one method at a time, and after each call sends what is in the outbox before anything else.
/// 2. It forwards watermarks, barriers and the end itself, always after the outbox. No operator does.
/// 3. [`restore`](Operator::restore) comes first, if at all; then any order of `on_batch`, `on_watermark` and
///    [`on_flush`](Operator::on_flush); [`on_end`](Operator::on_end) last, when every input has ended.
///    [`on_input_end`](Operator::on_input_end) comes behind the input's last batch, and again after a restart.
/// 4. Watermarks only rise. A watermark is the lowest over all inputs that still count.
/// 5. A batch is never empty.
/// 6. When processing time has reached [`next_timer`](Operator::next_timer), it calls
///    [`on_timer`](Operator::on_timer) as soon as the task is free; never before, and never again once the inputs
///    have ended.
/// 7. [`snapshot`](Operator::snapshot) may come between any two calls, but only while nothing is in flight
///    ([`poll`](Operator::poll) was ready) and directly behind [`on_release`](Operator::on_release).
///
/// # Contract: what the operator does
/// 8. It never blocks and never waits; what waits is a future it polls in `poll`.
/// 9. It takes all records out of the batch it is given.
/// 10. A replica restored from snapshots goes on as the one that made them would have, whatever the
///     parallelism then and now: `restore` sees the shards this replica owns now.
/// 11. Output of a call depends on its state and the call alone: no clock but
///     [`Outbox::processing_time`], no unseeded randomness, no order of a default-hashed map.
/// 12. With much to say at once it stops at [`Outbox::is_full`] and returns [`Step::More`]; it is called
///     again with the same watermark (or the timer, the flush, the end) once that is sent.
/// 13. When `on_timer` is done, `next_timer` is later than the processing time it was first called at, or none.
/// 14. Records it keeps back only to send fewer of them it puts out at `on_flush`, or at `on_release` if it gains by
///     keeping them while the task sleeps; and before, where a watermark passes what they are needed for, and at the
///     end.
/// 15. [`explain`](Operator::explain) may come between any two calls. It tells what waits here, the next to speak first,
///     in the words of [`why`](crate::why) and, from an operator that makes time, by what; it changes nothing, and
///     takes no longer than a batch does. Behind `on_watermark` nothing is told to wait for that watermark
///     or an earlier one, behind `on_timer` nothing for a time that has come.
pub trait Operator: Send {
    /// Records on one of the inputs.
    fn on_batch(&mut self, input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()>;

    /// Nothing earlier than the watermark follows on any input.
    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        let _ = (watermark, out);
        Ok(Step::Done)
    }

    /// The earliest processing time at which it wants to be called, if there is one.
    fn next_timer(&self) -> Option<Timestamp> {
        None
    }

    /// Processing time has reached [`next_timer`](Operator::next_timer); [`Outbox::processing_time`] says how late
    /// it is. What it puts out counts, in the latency, from when the timer was due (or from when the task began).
    fn on_timer(&mut self, out: &mut Outbox) -> Result<Step> {
        let _ = out;
        Ok(Step::Done)
    }

    /// The task is about to sleep for want of input: put out what is kept back only to send less. With it goes its own
    /// arrival: [`Outbox::begin`].
    fn on_flush(&mut self, out: &mut Outbox) -> Result<Step> {
        let _ = out;
        Ok(Step::Done)
    }

    /// The input has fallen idle, so that time goes on without it, or a barrier is to pass: what is kept back only to
    /// send less would come too late afterwards. Unless said otherwise, the same as [`on_flush`](Operator::on_flush).
    ///
    /// Idea: Flink's `prepareSnapshotPreBarrier`.
    fn on_release(&mut self, out: &mut Outbox) -> Result<Step> {
        self.on_flush(out)
    }

    /// One of several inputs has ended; the others may go on. (With one input there is only
    /// [`on_end`](Operator::on_end).)
    ///
    /// Named after Flink's `BoundedMultiInput.endInput`.
    fn on_input_end(&mut self, input: usize, out: &mut Outbox) -> Result<Step> {
        let _ = (input, out);
        Ok(Step::Done)
    }

    /// All inputs have ended: say what is left.
    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        let _ = out;
        Ok(Step::Done)
    }

    /// What may be promised downstream once `input` is promised here: the same, unless the operator
    /// makes time itself, or has records in flight that the promise must not overtake.
    fn frontier(&self, input: Frontier) -> Frontier {
        input
    }

    /// A partition of the source (an input channel, in a task without one) came, went, or fell idle.
    fn on_partition(&mut self, news: &PartitionNews) {
        let _ = news;
    }

    /// Tells what waits here, and by what the operator makes time if it does: for
    /// [`why`](crate::execution::ExecutionHandle::why).
    fn explain(&self, why: &mut Explanation) {
        let _ = why;
    }

    /// Works on what waits for the outside. Ready when nothing is in flight.
    ///
    /// Called after every other call and whenever the waker was woken, if the operator [is
    /// polled](Operator::is_polled).
    fn poll(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<Result<()>> {
        let _ = (cx, out);
        Poll::Ready(Ok(()))
    }

    /// Whether it takes another batch now. If not, `poll` will wake the task when it does. Only an operator that
    /// [is polled](Operator::is_polled) is asked.
    fn has_room(&self) -> bool {
        true
    }

    /// Whether it waits for the outside, in [`poll`](Operator::poll): then it heads a task of its own.
    fn is_polled() -> bool
    where
        Self: Sized,
    {
        false
    }

    /// What kind of state it keeps, if it keeps any. Without a kind nothing may be written in
    /// [`snapshot`](Operator::snapshot): it could not be told from the state of another version.
    fn state_kind() -> Option<StateKind>
    where
        Self: Sized,
    {
        None
    }

    /// Saves its state, keyed state by shard.
    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        let _ = state;
        Ok(())
    }

    /// Takes over saved state.
    fn restore(&mut self, state: &StateReader) -> Result<()> {
        let _ = state;
        Ok(())
    }
}

/// Whether an operator has said all it has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It has.
    Done,
    /// The outbox is full: send it and call again.
    More,
}
