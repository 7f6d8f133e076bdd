//! All connections of one replica, read in one task.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use millstream_engine::batch::PartitionId;
use millstream_engine::source::{Intake, PartitionNews, Position, Read, SourceReader};
use millstream_engine::{Error, Result};

use super::connection::{Connection, Received};
use super::incoming::Door;
use super::settings::Limits;
use super::transport::Socket;
use crate::codec::{Decoder, Format};
use crate::framing::Framing;

/// One replica of a [`SocketSource`](super::SocketSource).
///
/// It has no task of its own: its connections are read while it is read itself.
pub struct SocketReader<F, D> {
    format: Format<F, D>,
    limits: Limits,
    /// Here while no new connection is waited for.
    door: Option<Door>,
    awaited: FuturesUnordered<BoxFuture<'static, Event<F, D>>>,
    open: OpenPartitions,
    /// Partitions that ended with the last batch.
    left: Vec<PartitionId>,
    accepted: u64,
}

/// The numbers of the partitions that are open; they stay below the most that ever were at once.
#[derive(Default)]
struct OpenPartitions {
    free: Vec<PartitionId>,
    numbered: usize,
}

impl OpenPartitions {
    fn count(&self) -> usize {
        self.numbered - self.free.len()
    }

    fn take(&mut self) -> PartitionId {
        self.free.pop().unwrap_or_else(|| {
            self.numbered += 1;
            PartitionId(self.numbered as u32 - 1)
        })
    }

    fn give_back(&mut self, partition: PartitionId) {
        self.free.push(partition);
    }
}

enum Event<F, D> {
    Came(Door, Result<(Socket, Option<SocketAddr>)>),
    Received(Connection<F, D>, Received),
}

impl<F: Framing, D: Decoder> SocketReader<F, D> {
    pub(super) fn new(door: Door, limits: Limits, format: Format<F, D>) -> Self {
        let mut reader = SocketReader {
            format,
            limits,
            door: Some(door),
            awaited: FuturesUnordered::new(),
            open: OpenPartitions::default(),
            left: Vec::new(),
            accepted: 0,
        };
        reader.invite();
        reader
    }

    /// Waits for one more connection, if there is room for it.
    fn invite(&mut self) {
        if self.open.count() < self.limits.max_connections
            && let Some(mut door) = self.door.take()
        {
            let next = async move {
                let next = door.next().await;
                Event::Came(door, next)
            };
            self.awaited.push(Box::pin(next));
        }
    }

    fn welcome(&mut self, socket: Socket, peer: Option<SocketAddr>, intake: &mut Intake<D::Out>) {
        self.accepted += 1;
        let partition = self.open.take();
        let peer: Arc<str> = match (&self.door, peer) {
            (Some(Door::Dial { dialer, .. }), _) => dialer.address().to_string().into(),
            (_, Some(peer)) => peer.to_string().into(),
            (_, None) => format!("connection {}", self.accepted).into(),
        };
        if matches!(self.door, Some(Door::Listen(_))) {
            intake.partition(PartitionNews::Assigned(partition, peer.clone()));
        }
        tracing::debug!(%peer, "connected");
        let (format, limits) = (self.format.clone(), self.limits.clone());
        self.go_on(Connection::new(socket, peer, partition, format, limits));
    }

    fn go_on(&mut self, connection: Connection<F, D>) {
        self.awaited.push(Box::pin(async move {
            let (connection, received) = connection.receive().await;
            Event::Received(connection, received)
        }));
    }

    fn parted(&mut self, connection: &Connection<F, D>) {
        let partition = connection.partition();
        self.open.give_back(partition);
        match &mut self.door {
            Some(Door::Dial { again: false, .. }) => self.door = None,
            Some(Door::Dial { dialer, .. }) if connection.was_useful() => dialer.succeeded(),
            Some(Door::Dial { .. }) => {}
            // The only one that can be away is a listener, waiting for the next connection.
            Some(Door::Listen(_)) | None => self.left.push(partition),
        }
    }

    fn received(
        &mut self,
        mut connection: Connection<F, D>,
        received: Received,
        intake: &mut Intake<D::Out>,
    ) -> Result<()> {
        let peer = connection.peer().clone();
        match received {
            Received::Bytes => match connection.take(intake) {
                Ok(()) if !connection.is_finished() => {
                    self.go_on(connection);
                    return Ok(());
                }
                Ok(()) => tracing::debug!(%peer, "disconnected"),
                Err(bad) => intake.bad(bad),
            },
            Received::TooSlow(reason) => tracing::warn!(%peer, reason, "peer cut off"),
            Received::Failed(cause) => {
                tracing::warn!(%peer, %cause, "connection lost");
                if let Some(Door::Dial { again: false, .. }) = self.door {
                    let message = format!("the connection to {peer} broke");
                    return Err(Error::connection(message).caused_by(cause));
                }
            }
        }
        self.parted(&connection);
        Ok(())
    }
}

impl<F: Framing, D: Decoder> SourceReader for SocketReader<F, D> {
    type Out = D::Out;

    async fn read(&mut self, intake: &mut Intake<D::Out>) -> Result<Read> {
        loop {
            self.invite();
            // Not beside its last records: news of partitions is heard before the records of a call.
            if intake.is_empty() {
                let left = self.left.drain(..).map(PartitionNews::Revoked);
                left.for_each(|news| intake.partition(news));
            }
            if !intake.is_empty() {
                return Ok(Read::More);
            }
            match self.awaited.next().await {
                None => return Ok(Read::End),
                Some(Event::Received(connection, received)) => {
                    self.received(connection, received, intake)?;
                }
                Some(Event::Came(door, came)) => {
                    let (socket, peer) = came?;
                    self.door = Some(door);
                    self.welcome(socket, peer, intake);
                }
            }
        }
    }

    fn positions(&self) -> Vec<Position> {
        Vec::new()
    }
}
