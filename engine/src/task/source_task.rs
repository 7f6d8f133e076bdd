//! The loop of a task that reads.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::alignment::Aligned;
use super::bad_records::BadRecordDesk;
use super::budget::Budget;
use super::chain::Chain;
use super::erased::AnyReader;
use super::idleness::Idleness;
use super::questions::TaskTime;
use super::{Control, Stop, TaskId, Told};
use crate::edge::{Barrier, Bell, Purpose, Received, Receiver, Sender};
use crate::error::{Error, Result};
use crate::runtime;
use crate::source::{Position, Read};
use crate::state::{StateKind, VertexState};
use crate::time::Frontier;

/// A task that reads: a reader, and the operators fused behind it.
pub(crate) struct SourceTask {
    pub(crate) id: TaskId,
    pub(crate) vertex: Arc<str>,
    pub(crate) replica: usize,
    pub(crate) reader: Box<dyn AnyReader>,
    pub(crate) chain: Chain,
    pub(crate) desk: BadRecordDesk,
    pub(crate) control: Receiver<Control>,
    pub(crate) bell: Arc<Bell>,
    pub(crate) idleness: Idleness,
    /// Its part among sources that keep together in time.
    pub(crate) aligned: Option<Aligned>,
    pub(crate) shards: u32,
    pub(crate) told: Sender<Told>,
    /// Positions at barriers whose epochs are not committed yet.
    pub(crate) uncommitted: VecDeque<(u64, Vec<Position>)>,
}

/// What interrupts the wait for the reader.
enum Waited {
    Read(Result<Read>),
    Control,
    /// A partition has been silent for long, or an operator's timer is due.
    Timer,
}

/// Whether the source goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Read,
    End,
    StopHere,
}

impl SourceTask {
    /// Runs to the end of the source, or until it is told to stop; then until all others have finished.
    pub(crate) async fn run(mut self) -> Result<(), Stop> {
        let mut budget = Budget::new();
        loop {
            match self.obey().await? {
                Next::Read => {}
                Next::End => break,
                Next::StopHere => return self.outlast().await,
            }
            if self.is_held() {
                self.pause(&mut budget).await?;
                continue;
            }
            let read = match self.read(&mut budget).await? {
                Waited::Read(read) => read.map_err(|error| self.here(error))?,
                Waited::Control | Waited::Timer => Read::More,
            };
            self.unload().await?;
            if read == Read::End {
                break;
            }
            budget.spend().await;
        }
        self.aligned = None;
        self.chain.end();
        self.chain.settle().await?;
        self.chain.send_end().await?;
        self.outlast().await
    }

    /// Does what the supervisor asked for meanwhile.
    async fn obey(&mut self) -> Result<Next, Stop> {
        self.answer();
        loop {
            match self.control.try_recv() {
                Received::Empty => return Ok(Next::Read),
                Received::Closed => return Err(Stop::Orphaned),
                Received::Message(Control::Drain | Control::Finish { .. }) => {
                    return Ok(Next::End);
                }
                Received::Message(Control::Committed(epoch)) => self.committed(epoch)?,
                Received::Message(Control::Barrier(barrier)) => {
                    self.chain.send_barrier(barrier).await?;
                    self.tell_epoch(barrier).await?;
                    if barrier.purpose == Purpose::Stop {
                        return Ok(Next::StopHere);
                    }
                }
            }
        }
    }

    /// Waits for the reader; meanwhile nothing is kept back.
    async fn read(&mut self, budget: &mut Budget) -> Result<Waited, Stop> {
        let mut read = self.reader.read();
        let first = poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx))).await;
        if let Poll::Ready(read) = first {
            return Ok(Waited::Read(read));
        }
        self.chain.flush().await?;
        let begun = runtime::now();
        let (silence, timer) = (self.idleness.next(), self.chain.until_timer());
        let first = silence.into_iter().chain(timer).min();
        let mut timer = pin!(runtime::sleep_for(first));
        let (control, questions, bell) = (&self.control, &self.chain.questions, &self.bell);
        let waited = poll_fn(|cx| {
            bell.register(cx.waker());
            if control.is_ready() || questions.are_asked() {
                return Poll::Ready(Waited::Control);
            }
            if let Poll::Ready(read) = read.as_mut().poll(cx) {
                return Poll::Ready(Waited::Read(read));
            }
            timer.as_mut().poll(cx).map(|()| Waited::Timer)
        })
        .await;
        drop(read);
        budget.refill();
        let silence = runtime::now() - begun;
        self.chain.waited(silence);
        for news in self.idleness.waited(silence) {
            self.chain.partition(&news)?;
        }
        self.tell_silence();
        self.settle().await?;
        Ok(waited)
    }

    async fn settle(&mut self) -> Result<(), Stop> {
        self.chain.settle().await?;
        if let (Some(aligned), Some(time)) = (&self.aligned, self.chain.clock()) {
            aligned.come_to(time);
        }
        Ok(())
    }

    /// Whether it must wait for others because it is too far ahead in time.
    fn is_held(&self) -> bool {
        let aligned = self.aligned.as_ref();
        aligned.is_some_and(|aligned| aligned.held().is_some())
    }

    /// Waits until those behind have got on, or somebody wants something of it. What passes is no silence of its
    /// partitions.
    async fn pause(&mut self, budget: &mut Budget) -> Result<(), Stop> {
        self.chain.flush().await?;
        if let Some(aligned) = &self.aligned {
            aligned.set_paused(true);
            let mut timer = pin!(runtime::sleep_for(self.chain.until_timer()));
            poll_fn(|cx| {
                self.bell.register(cx.waker());
                let called = self.control.is_ready() || self.chain.questions.are_asked();
                if called || aligned.held().is_none() {
                    return Poll::Ready(());
                }
                timer.as_mut().poll(cx)
            })
            .await;
            aligned.set_paused(false);
        }
        budget.refill();
        self.settle().await
    }

    fn answer(&self) {
        self.chain.questions.answer(|| TaskTime {
            held: self.aligned.as_ref().and_then(Aligned::held),
            ..self.chain.time()
        });
    }

    /// Takes over what the reader took in.
    async fn unload(&mut self) -> Result<(), Stop> {
        for news in self.reader.take_news() {
            self.idleness.news(&news);
            self.chain.partition(&news)?;
        }
        let mut bad = self.reader.take_bad();
        let settled = self.desk.settle(&mut bad).await;
        settled.map_err(|error| self.here(error))?;
        let head = &mut self.chain.stages[0];
        let load = self.reader.unload(&mut head.out);
        if let Some(load) = load.map_err(|error| error.at(&self.vertex, self.replica))? {
            head.counters.took(load.records);
            self.idleness.heard(load.partition);
            self.tell_silence();
            self.chain.head_has_output();
        }
        self.settle().await
    }

    /// Time need not wait for this source while all its partitions are silent: for those that make watermarks
    /// behind a task edge.
    fn tell_silence(&mut self) {
        let frontier = if self.idleness.all_idle() {
            Frontier::Idle
        } else {
            Frontier::Unknown
        };
        if frontier != self.chain.stages[0].input {
            self.chain.frontier(frontier);
        }
    }

    async fn tell_epoch(&mut self, barrier: Barrier) -> Result<(), Stop> {
        self.desk.flush().await.map_err(|error| self.here(error))?;
        let positions = self.reader.positions();
        let mut states = Vec::new();
        if barrier.purpose == Purpose::Stop {
            states = self.chain.snapshot(self.shards)?;
            let kind = StateKind {
                name: "source".to_owned(),
                version: 1,
            };
            let state = VertexState {
                kind,
                positions: positions.clone(),
                ..VertexState::default()
            };
            states.push((self.vertex.clone(), state));
        }
        self.uncommitted.push_back((barrier.epoch, positions));
        let told = Told::Epoch {
            task: self.id,
            epoch: barrier.epoch,
            states,
        };
        Ok(self.told.send(told).await?)
    }

    fn committed(&mut self, epoch: u64) -> Result<(), Stop> {
        while let Some((next, _)) = self.uncommitted.front()
            && *next <= epoch
        {
            if let Some((next, positions)) = self.uncommitted.pop_front()
                && next == epoch
            {
                self.reader
                    .committed(&positions)
                    .map_err(|error| self.here(error))?;
            }
        }
        Ok(())
    }

    /// Ended, it stays to take part in epochs until everybody else has finished: only then are its last
    /// positions good to commit.
    async fn outlast(&mut self) -> Result<(), Stop> {
        self.told.send(Told::Ended { task: self.id }).await?;
        loop {
            self.chain.questions.answer(|| TaskTime {
                has_ended: true,
                ..self.chain.time()
            });
            let (control, questions, bell) = (&self.control, &self.chain.questions, &self.bell);
            poll_fn(|cx| {
                bell.register(cx.waker());
                if control.is_ready() || questions.are_asked() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
            match self.control.try_recv() {
                Received::Empty | Received::Message(Control::Drain) => {}
                Received::Closed => return Err(Stop::Orphaned),
                Received::Message(Control::Committed(epoch)) => self.committed(epoch)?,
                Received::Message(Control::Barrier(barrier)) => self.tell_epoch(barrier).await?,
                Received::Message(Control::Finish { commit }) => {
                    if commit {
                        let last = self.reader.positions();
                        let committed = self.reader.committed(&last);
                        committed.map_err(|error| self.here(error))?;
                    }
                    let closed = self.reader.close().await;
                    closed.map_err(|error| self.here(error))?;
                    return self
                        .desk
                        .close()
                        .await
                        .map_err(|error| self.here(error).into());
                }
            }
        }
    }

    fn here(&self, error: Error) -> Error {
        error.at(&self.vertex, self.replica)
    }
}
