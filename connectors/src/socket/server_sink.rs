//! Records to all who connect.

use std::sync::Arc;

use futures::channel::oneshot;
use millstream_engine::Result;
use millstream_engine::bad_record::BadRecord;
use millstream_engine::batch::Batch;
use millstream_engine::runtime::{self, Task};
use millstream_engine::sink::{Sink, SinkSetup, SinkWriter};

use super::listeners::{Arrivals, Chunk, Listening, Order, admit};
use super::transport::Address;
use super::{BoundAddress, Listen};
use crate::codec::{Encoder, Format, WriteFormat};
use crate::frame_writer::FrameWriter;
use crate::framing::{Framing, Lines};

/// A place where others connect to listen.
#[derive(Clone, Debug)]
pub struct Broadcast {
    listen: Listen,
    max_queue: usize,
}

impl Broadcast {
    pub(super) fn new(address: Address) -> Self {
        Broadcast {
            listen: Listen::new(address),
            max_queue: 4 << 20,
        }
    }

    /// Lets other machines connect: without it, an address that is not loopback is refused.
    #[must_use]
    pub fn allow_remote(mut self) -> Self {
        self.listen = self.listen.allow_remote();
        self
    }

    /// At most so many at once (default: 1,024); more are turned away.
    #[must_use]
    pub fn with_max_connections(mut self, connections: usize) -> Self {
        self.listen.limits = self.listen.limits.with_max_connections(connections);
        self
    }

    /// Who lets more than about so many bytes wait is cut off (default: 4 MiB).
    #[must_use]
    pub fn with_max_queue(mut self, bytes: usize) -> Self {
        self.max_queue = bytes;
        self
    }

    /// Tells `bound` the address, once it listens.
    #[must_use]
    pub fn report_address(mut self, bound: &BoundAddress) -> Self {
        self.listen = self.listen.report_address(bound);
        self
    }
}

impl WriteFormat for Broadcast {
    type Records = Lines;
    type Sink<F: Framing, E: Encoder> = BroadcastSink<F, E>;

    fn format<F: Framing, E: Encoder>(self, format: Format<F, E>) -> BroadcastSink<F, E> {
        BroadcastSink::new(self, format)
    }
}

/// Records to all who are connected. Made from [`Broadcast`].
///
/// # What it promises
/// 1. Who connects gets all records from then on, in order (and first the head, if the format has
///    one); what came before is gone, and where nobody listens everything is.
/// 2. Nobody can hold up the flow: who lets more wait than the bound, or takes nothing for ten
///    seconds, is cut off.
/// 3. Who closes its side is taken for gone, also if nothing is sent just then, and leaves its place
///    to another; what it says counts for nothing.
/// 4. A flush waits until the system has taken over what waits for those who are left.
pub struct BroadcastSink<F, E> {
    broadcast: Broadcast,
    format: Format<F, E>,
}

impl<F, E> BroadcastSink<F, E> {
    pub(super) fn new(broadcast: Broadcast, format: Format<F, E>) -> Self {
        BroadcastSink { broadcast, format }
    }
}

impl<F: Framing, E: Encoder> Sink for BroadcastSink<F, E> {
    type In = E::In;
    type Writer = BroadcastWriter<F, E>;

    async fn open(self, _: SinkSetup) -> Result<Vec<Self::Writer>> {
        let listen = self.broadcast.listen;
        let listener = listen.open().await?;
        let arrivals = Arrivals::default();
        let admission = runtime::spawn(admit(
            listener,
            listen.limits.max_connections,
            arrivals.clone(),
        ));
        Ok(vec![BroadcastWriter {
            name: listen.address.to_string(),
            max_queue: self.broadcast.max_queue,
            frames: FrameWriter::new(self.format),
            head: None,
            arrivals,
            listening: Vec::new(),
            _admission: admission,
        }])
    }
}

/// Writes to a [`BroadcastSink`].
pub struct BroadcastWriter<F, E> {
    name: String,
    max_queue: usize,
    frames: FrameWriter<F, E>,
    /// Known once there was a record.
    head: Option<Arc<[u8]>>,
    arrivals: Arrivals,
    listening: Vec<Listening>,
    /// Ends with the writer.
    _admission: Task<()>,
}

impl<F: Framing, E: Encoder> SinkWriter for BroadcastWriter<F, E> {
    type In = E::In;

    async fn write(&mut self, batch: &mut Batch<E::In>, bad: &mut Vec<BadRecord>) -> Result<()> {
        for record in batch.records.drain(..) {
            if self.head.is_none() {
                self.head = self.frames.head(&record.value).map(Arc::from);
            }
            self.frames.append(&record.value, &self.name, bad);
            if self.frames.is_full() {
                self.distribute();
            }
        }
        Ok(())
    }

    async fn hand_over(&mut self) -> Result<()> {
        self.distribute();
        Ok(())
    }

    async fn flush(&mut self, _: &mut Vec<BadRecord>) -> Result<()> {
        self.distribute();
        let mut taken = Vec::new();
        for listening in &self.listening {
            let (tell, told) = oneshot::channel();
            if listening.orders.send(Order::Tell(tell)).is_ok() {
                taken.push(told);
            }
        }
        // Who is cut off meanwhile is not waited for.
        futures::future::join_all(taken).await;
        Ok(())
    }

    async fn close(&mut self, bad: &mut Vec<BadRecord>) -> Result<()> {
        self.flush(bad).await?;
        let leaving = self.listening.drain(..).map(Listening::dismiss);
        futures::future::join_all(leaving).await;
        Ok(())
    }
}

#[cfg(test)]
impl<F, E> BroadcastWriter<F, E> {
    pub(super) fn listening(&self) -> usize {
        self.listening.len()
    }
}

impl<F: Framing, E: Encoder> BroadcastWriter<F, E> {
    fn distribute(&mut self) {
        self.listening.retain(Listening::is_there);
        self.listening.extend(self.arrivals.take());
        if self.frames.bytes().is_empty() {
            return;
        }
        let chunk = Chunk {
            head: self.head.clone().unwrap_or_else(|| Arc::from([])),
            body: Arc::from(self.frames.bytes()),
        };
        self.frames.clear();
        let max_queue = self.max_queue;
        self.listening
            .retain(|listening| listening.offer(&chunk, max_queue));
    }
}
