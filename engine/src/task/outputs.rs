//! The way out of a task: its remote edges, and what waits to be sent on them.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Stop;
use super::budget::MAX_AGE;
use super::questions::Blocked;
use super::stage::Stage;
use crate::batch::AnyBatch;
use crate::edge::{Closed, Message, Sender};
use crate::runtime::{self, Instant};
use crate::time::{Frontier, Watermark};

/// The remote edges of a task.
///
/// 1. What was put out earlier on an edge is sent earlier, and a promise only behind all records
///    put out before it.
/// 2. A promise goes out at once where it can change a result (it passes a multiple of the edge's beat), else
///    with the next flush.
pub(crate) struct Outputs {
    edges: Vec<RemoteEdge>,
    outgoing: Vec<(usize, usize, AnyBatch)>,
    flushed: Instant,
}

/// An edge to another task.
pub(crate) struct RemoteEdge {
    /// Stage, port and number of the edge within the port.
    pub(crate) from: (usize, usize, usize),
    /// The receiving vertex, and the first of its replicas it can send to.
    to: (usize, usize),
    /// One for each replica from there on.
    senders: Vec<Sender<Message>>,
    /// Event time at the other end matters in steps of so many microseconds.
    beat: Option<i64>,
    said: Frontier,
    due: Frontier,
    /// A watermark that goes before the idleness that is due.
    before_idle: Option<Watermark>,
}

/// Where a task waits for room, for who asks while it does. (Its own memory, because sending has hold of the outputs.)
#[derive(Debug, Default)]
pub(crate) struct Room(AtomicU64);

impl Room {
    fn wait_for(&self, edge: &RemoteEdge, lane: usize) {
        let (vertex, first) = edge.to;
        let place = (vertex as u64) << 32 | (first + lane) as u64;
        self.0.store(place, Ordering::Relaxed);
    }

    /// Where it has waited last.
    pub(crate) fn waited_for(&self) -> Blocked {
        let place = self.0.load(Ordering::Relaxed);
        Blocked::Room {
            vertex: (place >> 32) as usize,
            replica: place as u32 as usize,
        }
    }
}

impl RemoteEdge {
    pub(crate) fn new(
        from: (usize, usize, usize),
        to: (usize, usize),
        senders: Vec<Sender<Message>>,
        beat: Option<i64>,
    ) -> Self {
        RemoteEdge {
            from,
            to,
            senders,
            beat,
            said: Frontier::Unknown,
            due: Frontier::Unknown,
            before_idle: None,
        }
    }

    /// Sends the same to all.
    async fn send_to_all(&self, message: impl Fn() -> Message, room: &Room) -> Result<(), Closed> {
        for (lane, sender) in self.senders.iter().enumerate() {
            if let Some(message) = sender.try_send(message()) {
                room.wait_for(self, lane);
                sender.send(message).await?;
            }
        }
        Ok(())
    }

    /// Whether the promise that is due changes something at the other end.
    fn is_urgent(&self) -> bool {
        let is_news = match (self.said, self.due) {
            (Frontier::At(said), Frontier::At(due)) => self.beat.is_some_and(|beat| {
                said.time.as_micros().div_euclid(beat) != due.time.as_micros().div_euclid(beat)
            }),
            (Frontier::Unknown, Frontier::At(_)) => self.beat.is_some(),
            (said, due) => said != due,
        };
        is_news || self.before_idle.is_some()
    }
}

impl Outputs {
    pub(crate) fn new(edges: Vec<RemoteEdge>) -> Self {
        Outputs {
            edges,
            outgoing: Vec::new(),
            flushed: runtime::now(),
        }
    }

    /// A batch to be sent.
    pub(crate) fn add(&mut self, edge: usize, lane: usize, batch: AnyBatch) {
        self.outgoing.push((edge, lane, batch));
    }

    /// Whether batches are ready to be sent.
    pub(crate) fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// A promise to be sent behind what was put out so far.
    pub(crate) fn promise(&mut self, edge: usize, promise: Frontier) {
        if let Some(edge) = self.edges.get_mut(edge) {
            if let (Frontier::At(watermark), Frontier::Idle) = (edge.due, promise)
                && edge.is_urgent()
            {
                edge.before_idle = Some(watermark);
            }
            edge.due = promise;
        }
    }

    /// Sends the batches that are ready.
    pub(crate) async fn send(&mut self, room: &Room) -> Result<(), Stop> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        let mut now = runtime::now();
        for (edge, lane, batch) in self.outgoing.drain(..) {
            let Some(edge) = self.edges.get(edge) else {
                continue;
            };
            let Some(sender) = edge.senders.get(lane) else {
                continue;
            };
            if let Some(message) = sender.try_send(Message::Batch(batch, now)) {
                room.wait_for(edge, lane);
                sender.send(message).await?;
                // The wait was this task's, not the next batch's.
                now = runtime::now();
            }
        }
        Ok(())
    }

    /// How many edges there are.
    pub(crate) fn len(&self) -> usize {
        self.edges.len()
    }

    /// Whether what is held has become so old that everything should be sent.
    pub(crate) fn are_old(&self) -> bool {
        !self.edges.is_empty() && runtime::now() - self.flushed > MAX_AGE
    }

    /// Everything was sent.
    pub(crate) fn flushed(&mut self) {
        self.flushed = runtime::now();
    }

    /// Whether the promise that is due on an edge changes something at the other end.
    pub(crate) fn is_urgent(&self, edge: usize) -> bool {
        self.edges[edge].is_urgent()
    }

    /// Sends what was sealed, then the promise that is due on an edge.
    pub(crate) async fn send_promise(&mut self, index: usize, room: &Room) -> Result<(), Stop> {
        self.send(room).await?;
        let edge = &mut self.edges[index];
        if let Some(watermark) = edge.before_idle.take() {
            edge.send_to_all(|| Message::Watermark(watermark), room)
                .await?;
        }
        if edge.due == edge.said {
            return Ok(());
        }
        edge.said = edge.due;
        match edge.due {
            Frontier::At(watermark) => {
                edge.send_to_all(|| Message::Watermark(watermark), room)
                    .await?;
            }
            Frontier::Idle => edge.send_to_all(|| Message::Idle, room).await?,
            Frontier::Unknown => {}
        }
        Ok(())
    }

    /// Makes a batch of what a stage has begun for an edge.
    pub(crate) fn seal(&mut self, index: usize, stages: &mut [Stage]) {
        let (stage, port, edge) = self.edges[index].from;
        let Some(stage) = stages.get_mut(stage) else {
            return;
        };
        let Some(port) = stage.out.ports_mut().get_mut(port) else {
            return;
        };
        port.seal_edge(edge);
        let mut sealed = Vec::new();
        port.take_sealed(&mut sealed);
        for sealed in sealed {
            stage.counters.gave(sealed.batch.len() as u64);
            self.outgoing.push((index, sealed.lane, sealed.batch));
        }
    }

    /// Sends the same on every channel of every edge.
    pub(crate) async fn send_everywhere(
        &mut self,
        message: impl Fn() -> Message,
        room: &Room,
    ) -> Result<(), Stop> {
        for edge in &self.edges {
            edge.send_to_all(&message, room).await?;
        }
        Ok(())
    }
}
