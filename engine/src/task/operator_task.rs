//! The loop of a task that computes.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::budget::Budget;
use super::chain::Chain;
use super::{Stop, TaskId, Told};
use crate::edge::{Barrier, Event, Inputs, Purpose, Sender};
use crate::runtime;

/// A task that computes: inputs, a chain of operators, outputs.
pub(crate) struct OperatorTask {
    pub(crate) id: TaskId,
    pub(crate) inputs: Inputs,
    pub(crate) chain: Chain,
    pub(crate) shards: u32,
    pub(crate) told: Sender<Told>,
}

impl OperatorTask {
    /// Runs to the end of all inputs.
    pub(crate) async fn run(mut self) -> Result<(), Stop> {
        let mut budget = Budget::new();
        loop {
            if self.chain.polled {
                self.poll_once().await?;
            }
            let event = if self.chain.has_room() {
                self.inputs.try_next()
            } else {
                None
            };
            match event {
                Some(Event::Batch { input, batch, sent }) => {
                    self.chain.batch(input, batch, runtime::now() - sent);
                }
                Some(Event::Frontier(frontier)) => self.chain.frontier(frontier),
                Some(Event::Partition(news)) => self.chain.partition(&news)?,
                Some(Event::Barrier(barrier)) => {
                    self.barrier(barrier).await?;
                    if barrier.purpose == Purpose::Stop {
                        return Ok(());
                    }
                }
                Some(Event::End) => {
                    self.finish_in_flight().await?;
                    self.chain.end();
                    self.chain.settle().await?;
                    return self.chain.outputs.end(&mut self.chain.stages).await;
                }
                Some(Event::Orphaned) => return Err(Stop::Orphaned),
                None => {
                    // The input went empty: nothing is kept back.
                    self.chain.flush().await?;
                    self.wait().await?;
                    budget.refill();
                }
            }
            self.chain.settle().await?;
            budget.spend().await;
        }
    }

    /// Lets the head work on what waits for the outside, without waiting.
    async fn poll_once(&mut self) -> Result<(), Stop> {
        let polled = poll_fn(|cx| Poll::Ready(self.chain.poll_head(cx))).await;
        if let Poll::Ready(outcome) = polled {
            outcome?;
        }
        self.chain.settle().await
    }

    /// Sleeps until something comes in, a timer is due, or the head has got further.
    async fn wait(&mut self) -> Result<(), Stop> {
        let mut timer = pin!(runtime::sleep_for(self.chain.until_timer()));
        poll_fn(|cx| {
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let came = self.inputs.register(cx.waker());
            if !self.chain.polled {
                return if came {
                    Poll::Ready(Ok(()))
                } else {
                    Poll::Pending
                };
            }
            let polled = self.chain.poll_head(cx);
            if let Poll::Ready(Err(error)) = polled {
                return Poll::Ready(Err(Stop::Failed(error)));
            }
            if self.chain.is_busy() || (came && self.chain.has_room()) {
                return Poll::Ready(Ok(()));
            }
            Poll::Pending
        })
        .await
    }

    /// Waits until the head has nothing in flight.
    async fn finish_in_flight(&mut self) -> Result<(), Stop> {
        while self.chain.polled {
            let done = poll_fn(|cx| match self.chain.poll_head(cx) {
                Poll::Ready(outcome) => Poll::Ready(outcome.map(|()| true)),
                Poll::Pending if self.chain.is_busy() => Poll::Ready(Ok(false)),
                Poll::Pending => Poll::Pending,
            })
            .await?;
            self.chain.settle().await?;
            if done {
                break;
            }
            self.chain.flush().await?;
        }
        Ok(())
    }

    async fn barrier(&mut self, barrier: Barrier) -> Result<(), Stop> {
        self.finish_in_flight().await?;
        self.chain.barrier(barrier).await?;
        let states = match barrier.purpose {
            Purpose::Commit => Vec::new(),
            Purpose::Stop => self.chain.snapshot(self.shards)?,
        };
        let told = Told::Epoch {
            task: self.id,
            epoch: barrier.epoch,
            states,
        };
        Ok(self.told.send(told).await?)
    }
}
