//! What happens between two calls: what is in flight is polled, what is kept back flushed, and all of it saved and restored.

use std::future::poll_fn;
use std::task::Poll;

use super::modes::Snapshots;
use super::run::{Play, SHARDS, UnderTest};
use super::saved;
use crate::error::Result;
use crate::operator::{Operator, Step};
use crate::outbox::Outbox;
use crate::state::VertexState;

impl Play<'_> {
    /// After each call: lets the operator work on what is in flight, and snapshots if it is time.
    pub(super) async fn called(&mut self) -> Result<()> {
        self.calls += 1;
        for index in 0..self.replicas.len() {
            let _ = self.poll(index).await?;
        }
        if self.mode.runs_empty_after(self.calls) {
            self.flush(|operator, out| operator.on_flush(out))?;
        }
        self.promise();
        match self.mode.snapshots {
            Snapshots::After(calls, parallelism) if calls == self.calls => {
                self.restart(parallelism).await
            }
            Snapshots::AfterEach(most) => self.restart(self.calls % most + 1).await,
            _ => Ok(()),
        }
    }

    /// Saves the replicas and goes on with others.
    async fn restart(&mut self, parallelism: usize) -> Result<()> {
        self.finish_in_flight().await?;
        self.flush(|operator, out| operator.on_release(out))?;
        let mut whole: Option<VertexState> = None;
        for UnderTest { operator, .. } in &mut self.replicas {
            let mut state = saved(SHARDS, |writer| operator.snapshot(writer))?;
            state.frontier = self.watermark.map(|watermark| watermark.time);
            match &mut whole {
                Some(whole) => whole.merge(state),
                None => whole = Some(state),
            }
        }
        self.start(parallelism, whole.as_ref())
    }

    /// The task of each replica is about to sleep, or to snapshot.
    fn flush(
        &mut self,
        flush: impl Fn(&mut dyn Operator, &mut Outbox) -> Result<Step>,
    ) -> Result<()> {
        for index in 0..self.replicas.len() {
            let mut step = Step::More;
            while step == Step::More {
                let UnderTest { operator, out } = &mut self.replicas[index];
                step = flush(&mut **operator, out)?;
                self.collect(index)?;
            }
        }
        Ok(())
    }

    pub(super) async fn poll(&mut self, index: usize) -> Result<Poll<()>> {
        let told = (self.replicas[index].waits_for_an_answer(), self.records());
        let UnderTest { operator, out } = &mut self.replicas[index];
        let polled = poll_fn(|cx| Poll::Ready(operator.poll(cx, out))).await;
        self.answered(index, polled.is_ready(), told)?;
        match polled {
            Poll::Ready(outcome) => outcome.map(Poll::Ready),
            Poll::Pending => Ok(Poll::Pending),
        }
    }

    /// Takes what a replica put out when it was polled.
    fn answered(&mut self, index: usize, is_ready: bool, told: (bool, usize)) -> Result<()> {
        self.collect(index)?;
        self.hold_to_answers(index, is_ready, told)?;
        self.answers += self.records() - told.1;
        Ok(())
    }

    pub(super) async fn make_room(&mut self, index: usize) -> Result<()> {
        while !self.replicas[index].operator.has_room() {
            self.wait(index).await?;
        }
        Ok(())
    }

    pub(super) async fn finish_in_flight(&mut self) -> Result<()> {
        for index in 0..self.replicas.len() {
            while self.poll(index).await?.is_pending() {
                self.wait(index).await?;
            }
        }
        Ok(())
    }

    /// Waits until polling the operator brought something.
    async fn wait(&mut self, index: usize) -> Result<()> {
        let told = (self.replicas[index].waits_for_an_answer(), self.records());
        let UnderTest { operator, out } = &mut self.replicas[index];
        let had_room = operator.has_room();
        let is_ready = poll_fn(|cx| match operator.poll(cx, out) {
            Poll::Pending if !has_output(out) && operator.has_room() == had_room => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(false)),
            Poll::Ready(outcome) => Poll::Ready(outcome.map(|()| true)),
        })
        .await?;
        self.answered(index, is_ready, told)?;
        self.promise();
        Ok(())
    }
}

fn has_output(out: &mut Outbox) -> bool {
    out.is_full() || out.ports_mut().iter().any(|port| port.has_begun())
}
