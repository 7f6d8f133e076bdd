//! Operators that wait for the outside: polled as their task would.

use std::future::poll_fn;
use std::task::Poll;

use super::run::{Play, UnderTest};
use crate::error::Result;
use crate::outbox::Outbox;

impl Play<'_> {
    pub(super) async fn poll(&mut self, index: usize) -> Result<Poll<()>> {
        let UnderTest { operator, out } = &mut self.replicas[index];
        let polled = poll_fn(|cx| Poll::Ready(operator.poll(cx, out))).await;
        self.collect(index)?;
        match polled {
            Poll::Ready(outcome) => outcome.map(Poll::Ready),
            Poll::Pending => Ok(Poll::Pending),
        }
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
        let UnderTest { operator, out } = &mut self.replicas[index];
        let had_room = operator.has_room();
        poll_fn(|cx| match operator.poll(cx, out) {
            Poll::Pending if !has_output(out) && operator.has_room() == had_room => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(())),
            ready => ready,
        })
        .await?;
        self.collect(index)?;
        self.promise();
        Ok(())
    }
}

fn has_output(out: &mut Outbox) -> bool {
    out.is_full() || out.ports_mut().iter().any(|port| port.has_begun())
}
