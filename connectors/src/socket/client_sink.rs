//! Records to a peer one connects to.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use futures::io::AsyncWriteExt;
use millstream_engine::bad_record::BadRecord;
use millstream_engine::batch::Batch;
use millstream_engine::sink::{Sink, SinkSetup, SinkWriter};
use millstream_engine::{Result, runtime};

use super::dialer::Dialer;
use super::peer_closed::{farewell, see_whether_open};
use super::settings::Reconnect;
use super::transport::{Address, Socket, no_simulation};
use crate::codec::{Encoder, Format, WriteFormat};
use crate::frame_writer::FrameWriter;
use crate::framing::{Framing, Lines};

/// A peer to send to.
///
/// It need not be there when the flow starts; while it is away, the flow waits.
#[derive(Clone, Debug)]
pub struct SendTo {
    address: Address,
    reconnect: Reconnect,
    write_deadline: Option<Duration>,
}

impl SendTo {
    pub(super) fn new(address: Address) -> Self {
        SendTo {
            address,
            reconnect: Reconnect::default(),
            write_deadline: Some(Duration::from_secs(30)),
        }
    }

    /// A peer that takes nothing at all for so long is taken for gone, and connected to again
    /// (default: 30 seconds; `None`: never, for a peer that may hold up the flow as long as it likes).
    #[must_use]
    pub fn with_write_deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.write_deadline = deadline.into();
        self
    }

    /// Comes back in another way.
    #[must_use]
    pub fn with_reconnect(mut self, reconnect: Reconnect) -> Self {
        self.reconnect = reconnect;
        self
    }
}

impl WriteFormat for SendTo {
    type Records = Lines;
    type Sink<F: Framing, E: Encoder> = SocketSink<F, E>;

    fn format<F: Framing, E: Encoder>(self, format: Format<F, E>) -> SocketSink<F, E> {
        SocketSink::new(self, format)
    }
}

/// Records to a peer one connects to. Made from [`SendTo`].
///
/// # What it promises
/// 1. While the peer is away the flow waits, and fails when it stays away.
/// 2. A new connection begins with a whole frame (and the head, if the format has one). What the system had
///    not taken over is sent again there.
/// 3. What the system had taken over, and the peer had not, is lost with the connection: nobody
///    tells. A peer that closes its side is taken for gone.
pub struct SocketSink<F, E> {
    send_to: SendTo,
    format: Format<F, E>,
}

impl<F, E> SocketSink<F, E> {
    pub(super) fn new(send_to: SendTo, format: Format<F, E>) -> Self {
        SocketSink { send_to, format }
    }
}

impl<F: Framing, E: Encoder> Sink for SocketSink<F, E> {
    type In = E::In;
    type Writer = SocketWriter<F, E>;

    async fn open(self, _: SinkSetup) -> Result<Vec<Self::Writer>> {
        no_simulation(&self.send_to.address)?;
        self.send_to.address.check()?;
        let address = self.send_to.address;
        Ok(vec![SocketWriter {
            name: address.to_string(),
            dialer: Dialer::new(address, self.send_to.reconnect),
            write_deadline: self.send_to.write_deadline,
            socket: None,
            frames: FrameWriter::new(self.format.clone()),
            format: self.format,
            unsent: VecDeque::new(),
            written: 0,
        }])
    }
}

/// Writes to a [`SocketSink`].
pub struct SocketWriter<F, E: Encoder> {
    name: String,
    dialer: Dialer,
    write_deadline: Option<Duration>,
    socket: Option<Socket>,
    format: Format<F, E>,
    frames: FrameWriter<F, E>,
    /// The records in `frames`, each with where its frame ends: to be encoded again if the connection breaks.
    unsent: VecDeque<(usize, E::In)>,
    /// How many bytes of `frames` the system took.
    written: usize,
}

impl<F: Framing, E: Encoder> SinkWriter for SocketWriter<F, E> {
    type In = E::In;

    async fn write(&mut self, batch: &mut Batch<E::In>, bad: &mut Vec<BadRecord>) -> Result<()> {
        for record in batch.records.drain(..) {
            if self.frames.append(&record.value, &self.name, bad) {
                let end = self.frames.bytes().len();
                self.unsent.push_back((end, record.value));
            }
            if self.frames.is_full() {
                self.send().await?;
            }
        }
        Ok(())
    }

    async fn hand_over(&mut self) -> Result<()> {
        self.send().await
    }

    async fn flush(&mut self, _: &mut Vec<BadRecord>) -> Result<()> {
        self.send().await
    }

    async fn close(&mut self, _: &mut Vec<BadRecord>) -> Result<()> {
        self.send().await?;
        if let Some(socket) = self.socket.take() {
            farewell(socket).await;
        }
        Ok(())
    }
}

impl<F: Framing, E: Encoder> SocketWriter<F, E> {
    /// Hands over all there is, over as many connections as it takes.
    async fn send(&mut self) -> Result<()> {
        while !self.unsent.is_empty() {
            let mut socket = match self.socket.take() {
                Some(socket) => socket,
                None => self.dialer.dial().await?,
            };
            match self.send_over(&mut socket).await {
                Ok(()) => {
                    self.dialer.succeeded();
                    self.socket = Some(socket);
                }
                Err(cause) => {
                    tracing::warn!(peer = self.name, %cause, "connection lost");
                    self.start_again();
                }
            }
        }
        Ok(())
    }

    async fn send_over(&mut self, socket: &mut Socket) -> io::Result<()> {
        see_whether_open(socket).await?;
        loop {
            let rest = self.frames.bytes().get(self.written..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let write = socket.write(rest);
            let taken = match self.write_deadline {
                Some(deadline) => runtime::timeout(deadline, write)
                    .await
                    .unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into())),
                None => write.await,
            };
            match taken? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                bytes => self.written += bytes,
            }
        }
        self.frames.clear();
        self.unsent.clear();
        self.written = 0;
        Ok(())
    }

    /// Encodes what is left as the beginning of a new stream.
    fn start_again(&mut self) {
        self.frames = FrameWriter::new(self.format.clone());
        let written = std::mem::take(&mut self.written);
        self.unsent.retain(|(end, _)| *end > written);
        for (end, value) in &mut self.unsent {
            // It had a form the first time.
            self.frames.append(value, &self.name, &mut Vec::new());
            *end = self.frames.bytes().len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::csv;
    use crate::memory::batch_of;
    use crate::socket::Tcp;
    use millstream_engine::runtime::block_on;

    #[derive(serde::Serialize)]
    struct Row {
        n: u32,
    }

    #[test]
    fn what_the_system_did_not_take_whole_is_sent_again() {
        block_on(async {
            let sink = Tcp::send_to("127.0.0.1:1").format(csv::<Row>());
            let opened = sink.open(SinkSetup::new("out", 1)).await;
            let mut writer = opened.unwrap().remove(0);
            let rows = [10, 20, 30].map(|n| Row { n });
            writer
                .write(&mut batch_of(rows), &mut vec![])
                .await
                .unwrap();
            assert_eq!(writer.frames.bytes(), b"n\n10\n20\n30\n");
            for (written, left) in [(6, "n\n20\n30\n"), (5, "n\n30\n"), (0, "n\n30\n")] {
                writer.written = written;
                writer.start_again();
                assert_eq!(writer.frames.bytes(), left.as_bytes());
            }
        });
    }
}
