//! How a chain sends: what waits for room answers questions meanwhile.

use std::future::Future;

use super::Stop;
use super::chain::Chain;
use super::outputs::Room;
use super::questions::{Questions, TaskTime, times};
use super::stage::{LetGo, Stage};
use crate::edge::{Barrier, InputTime, Message};

impl Chain {
    /// Sends the batches that are ready.
    pub(crate) async fn send(&mut self) -> Result<(), Stop> {
        if !self.outputs.has_outgoing() {
            return Ok(());
        }
        let sending = self.outputs.send(&self.room);
        let (questions, room) = (&self.questions, &self.room);
        answering(questions, room, &mut self.stages, &self.inputs, sending).await
    }

    /// Sends everything, what operators keep back to send less included.
    pub(crate) async fn flush(&mut self) -> Result<(), Stop> {
        self.let_go(LetGo::Flush).await?;
        self.send_all().await
    }

    /// Sends what was put out: begun batches, then the promises behind them.
    async fn send_all(&mut self) -> Result<(), Stop> {
        for edge in 0..self.outputs.len() {
            self.flush_edge(edge).await?;
        }
        self.outputs.flushed();
        Ok(())
    }

    /// Sends the promises that change something; and everything, once it is old enough.
    pub(crate) async fn send_promises_due(&mut self) -> Result<(), Stop> {
        if self.outputs.are_old() {
            return self.send_all().await;
        }
        for edge in 0..self.outputs.len() {
            if self.outputs.is_urgent(edge) {
                self.flush_edge(edge).await?;
            }
        }
        Ok(())
    }

    /// Sends a barrier behind everything.
    pub(crate) async fn send_barrier(&mut self, barrier: Barrier) -> Result<(), Stop> {
        self.let_go(LetGo::Release).await?;
        self.send_all().await?;
        self.send_everywhere(|| Message::Barrier(barrier)).await
    }

    /// Sends the end behind everything.
    pub(crate) async fn send_end(&mut self) -> Result<(), Stop> {
        self.send_all().await?;
        self.send_everywhere(|| Message::End).await
    }

    async fn send_everywhere(&mut self, message: impl Fn() -> Message) -> Result<(), Stop> {
        let sending = self.outputs.send_everywhere(message, &self.room);
        let (questions, room) = (&self.questions, &self.room);
        answering(questions, room, &mut self.stages, &self.inputs, sending).await
    }

    async fn flush_edge(&mut self, edge: usize) -> Result<(), Stop> {
        self.outputs.seal(edge, &mut self.stages);
        let sending = self.outputs.send_promise(edge, &self.room);
        let (questions, room) = (&self.questions, &self.room);
        answering(questions, room, &mut self.stages, &self.inputs, sending).await
    }
}

/// Waits until all is sent. A task that waits for room can still say how far time has come in it.
async fn answering(
    questions: &Questions,
    room: &Room,
    // Nothing changes in them; but operators cannot be shared between threads.
    stages: &mut [Stage],
    inputs: &[InputTime],
    sending: impl Future<Output = Result<(), Stop>>,
) -> Result<(), Stop> {
    let blocked = move || TaskTime {
        inputs: inputs.to_vec(),
        stages: times(stages),
        blocked: Some(room.waited_for()),
        ..TaskTime::default()
    };
    questions.meanwhile(sending, blocked).await
}
