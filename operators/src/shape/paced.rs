//! The operator that holds records back for a time: a queue, and a gate that lets the first one through.

use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use millstream_engine::batch::{AnyBatch, PartitionId};
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{AnyPort, Outbox, Port};
use millstream_engine::plan::{OperatorVertex, Replica};
use millstream_engine::runtime;
use millstream_engine::source::PartitionNews;
use millstream_engine::state::{State, StateKind, StateReader, StateWriter};
use millstream_engine::time::{Frontier, Timestamp, Watermark};
use millstream_engine::why::{Explanation, Until, Wait};
use millstream_engine::{Error, Result};

use super::waiting::{Saved, Stamps, Waiting};
use crate::pipe::Pipe;
use crate::stream::Stream;

/// Lets the records of a stream through, one after the other.
pub(super) trait Gate: Send + 'static {
    /// What of it is saved.
    type Saved: State;

    /// When the first of the records that wait, which came at `came`, may leave: this or any later time.
    fn opens(&self, came: Timestamp) -> Timestamp;

    /// One has left.
    fn passed(&mut self, now: Timestamp);

    fn save(&self) -> Self::Saved;

    /// Takes over what was saved of one of the replicas that were.
    fn restore(&mut self, saved: Self::Saved);

    /// Goes on at `now` behind a restart. That may be earlier than what was saved, if the clock was set back meanwhile.
    fn go_on(&mut self, now: Timestamp);
}

/// Records that wait for a gate, in the order they came.
///
/// They are saved at a barrier, which so waits for none of them. At the end it is they that are waited for: each is due
/// in its time.
pub(super) struct Paced<P: Pipe, G> {
    pipe: P,
    gate: G,
    waiting: Waiting<P::Out>,
    /// It has room while fewer wait.
    most: usize,
    replica: Replica,
    /// Partitions of the input that have not ended.
    partitions: usize,
    /// All have ended: no timer of the task's will go off.
    has_ended: bool,
    timer: Option<BoxFuture<'static, ()>>,
    /// For how long those were held by design that are leaving just now.
    held: Vec<Duration>,
    /// It has taken over what was saved, and does not know yet how late it is.
    is_restored: bool,
}

impl<P, G> Paced<P, G>
where
    P: Pipe<Out: State>,
    G: Gate,
{
    pub(super) fn new(pipe: P, gate: G, most: usize, replica: &Replica) -> Self {
        Paced {
            pipe,
            gate,
            waiting: Waiting::new(),
            most,
            replica: replica.clone(),
            partitions: 0,
            has_ended: false,
            timer: None,
            held: Vec::new(),
            is_restored: false,
        }
    }

    /// When the first one may leave.
    fn due(&self) -> Option<Timestamp> {
        let first = self.waiting.first_run()?;
        Some(self.gate.opens(first.came))
    }

    /// Tells of the records that have just left for how long each was held by design. Their service is what comes on top.
    fn note_held(&mut self, stamps: Option<Stamps>, out: &mut Outbox) {
        if let Some(Stamps { since, .. }) = stamps {
            for alike in self.held.chunk_by(|a, b| a == b) {
                out.note_held_for(alike[0], alike.len() as u64);
                (alike.iter()).for_each(|held| out.note_answered(since + *held));
            }
        }
        self.held.clear();
    }

    /// Puts out what the gate lets through by `now`.
    fn let_through(&mut self, now: Timestamp, out: &mut Outbox) -> Result<Step> {
        if std::mem::take(&mut self.is_restored) {
            self.waiting.go_on(now);
            self.gate.go_on(now);
        }
        while let Some(run) = self.waiting.first_run().copied() {
            let opens = self.gate.opens(run.came);
            if out.is_full() || opens > now {
                break;
            }
            if let Some(stamps) = run.stamps {
                // Those that leave together count as the first of them.
                out.begin(stamps.arrival + opens.since(run.came), PartitionId(0));
            }
            let port: &mut Port<P::Out> = out.port(0)?;
            let (mut left, mut opens) = (0, opens);
            while left < run.records && opens <= now && !port.is_full() {
                let (time, record) = self.waiting.pop().ok_or_else(nobody)?;
                port.push(record, time);
                self.held.push(opens.since(run.came));
                self.gate.passed(now);
                opens = self.gate.opens(run.came);
                left += 1;
            }
            let held_last = self.held.last().copied().unwrap_or_default();
            let went = run.stamps.map(|stamps| stamps.arrival + held_last);
            self.waiting.have_left(left, went);
            self.note_held(run.stamps, out);
        }
        match self.due() {
            Some(due) if due <= now => Ok(Step::More),
            _ => Ok(Step::Done),
        }
    }
}

fn nobody() -> Error {
    Error::internal("a run of records without its records")
}

impl<P, G> Operator for Paced<P, G>
where
    P: Pipe<Out: State>,
    G: Gate,
{
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let batch = batch.of::<P::In>()?;
        let (arrival, since) = (batch.arrival, runtime::now());
        let waiting = &mut self.waiting;
        let before = waiting.len();
        for record in batch.records.drain(..) {
            self.pipe
                .push(record.value, record.time, &mut |record, time| {
                    waiting.push(record, time);
                });
        }
        let (records, now) = (waiting.len() - before, out.processing_time());
        waiting.came_together(records, now, Some(Stamps { arrival, since }));
        // What is left though it is due has a timer that is due.
        self.let_through(now, out).map(|_| ())
    }

    fn on_watermark(&mut self, watermark: Watermark, _out: &mut Outbox) -> Result<Step> {
        self.waiting.rise(watermark);
        Ok(Step::Done)
    }

    fn next_timer(&self) -> Option<Timestamp> {
        match self.is_restored {
            // At once, to be told what the clock shows now.
            true => self.due().map(|_| Timestamp::MIN),
            false => self.due(),
        }
    }

    fn on_timer(&mut self, out: &mut Outbox) -> Result<Step> {
        self.let_through(out.processing_time(), out)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.let_through(Timestamp::MAX, out)
    }

    fn frontier(&self, input: Frontier) -> Frontier {
        self.waiting.frontier(input)
    }

    fn explain(&self, why: &mut Explanation) {
        if let (Some((time, _)), Some(due)) = (self.waiting.first(), self.due()) {
            let what = format!("the record of {time}");
            let wait = Wait::new(what, Until::ProcessingTime(due));
            why.waits(wait.first_of(self.waiting.len()));
        }
    }

    fn on_partition(&mut self, news: &PartitionNews) {
        match news {
            PartitionNews::Assigned(..) => self.partitions += 1,
            PartitionNews::Revoked(_) => {
                self.partitions = self.partitions.saturating_sub(1);
                self.has_ended = self.partitions == 0;
            }
            PartitionNews::Idle(_) => {}
        }
    }

    /// In flight is what waits when nothing more can come: before that, timers let it through.
    fn poll(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<Result<()>> {
        while self.has_ended {
            let now = out.processing_time();
            if self.let_through(now, out)? == Step::More {
                return Poll::Pending;
            }
            let Some(due) = self.due() else {
                break;
            };
            let sleep = || Box::pin(runtime::sleep(due.since(now))) as BoxFuture<'static, ()>;
            let timer = self.timer.get_or_insert_with(sleep);
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.timer = None;
        }
        Poll::Ready(Ok(()))
    }

    fn has_room(&self) -> bool {
        self.waiting.len() < self.most
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        let saved = (self.gate.save(), self.waiting.save());
        state.put_piece(&self.replica.index.to_string(), &saved)
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        let mut runs = Vec::new();
        for piece in state.pieces::<(G::Saved, Vec<Saved<(Timestamp, P::Out)>>)>() {
            let (name, (gate, its)) = piece?;
            self.gate.restore(gate);
            // What waited in one replica waits in one, so that it stays in order.
            let replica: usize = name.parse().map_err(|_| {
                Error::state(format!(
                    "saved state of a replica that is called `{name}`, not by its number"
                ))
            })?;
            if replica % self.replica.parallelism.max(1) == self.replica.index {
                runs.extend(its);
            }
        }
        self.waiting.restore(runs);
        self.is_restored = true;
        Ok(())
    }
}

impl<T: Send + 'static, P: Pipe<Out = T>> Stream<T, P> {
    /// Leads the stream through gates: `make` makes the one of each replica, with how many records may wait there.
    pub(super) fn paced<G: Gate>(
        self,
        name: &str,
        label: &'static str,
        make: impl Fn(&Replica) -> (G, usize) + Send + 'static,
    ) -> Stream<T>
    where
        T: State,
    {
        let vertex = |steps, make| {
            OperatorVertex::named(name, steps, make)
                .with_state(StateKind::of::<(T, G::Saved)>(label, 1))
                .in_own_task()
        };
        let fused = self.fuse(vertex, label, move |replica, pipe| {
            let (gate, most) = make(replica);
            Paced::new(pipe, gate, most, replica)
        });
        Stream::plain(fused.through_port::<T>())
    }
}

#[cfg(test)]
pub(super) mod tests;
