//! Records to datagrams.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use async_net::UdpSocket;
use millstream_engine::bad_record::BadRecord;
use millstream_engine::batch::Batch;
use millstream_engine::sink::{Sink, SinkSetup, SinkWriter};
use millstream_engine::{Error, Result};

use super::super::transport::no_simulation;
use super::{MAX_DATAGRAM, UdpSendTo};
use crate::codec::{CodecError, Encoder, Format, FrameEncoder};
use crate::frame_writer::unwritable;
use crate::framing::Framing;

/// A datagram for each record. Made from [`UdpSendTo`].
///
/// Nobody learns whether they arrive. A record that does not fit into a datagram is a bad one.
pub struct UdpSink<F, E> {
    send_to: UdpSendTo,
    format: Format<F, E>,
}

impl<F, E> UdpSink<F, E> {
    pub(super) fn new(send_to: UdpSendTo, format: Format<F, E>) -> Self {
        UdpSink { send_to, format }
    }
}

/// Writes to a [`UdpSink`].
pub struct UdpWriter<F, E> {
    socket: UdpSocket,
    address: String,
    format: Format<F, E>,
    bytes: Vec<u8>,
    records: u64,
}

impl<F: Framing, E: Encoder> Sink for UdpSink<F, E> {
    type In = E::In;
    type Writer = UdpWriter<F, E>;

    async fn open(self, _: SinkSetup) -> Result<Vec<Self::Writer>> {
        let address = self.send_to.address;
        no_simulation(&address)?;
        let unreachable =
            |cause| Error::config(format!("cannot send to UDP {address}")).caused_by(cause);
        let peers = async_net::resolve(address.as_str())
            .await
            .map_err(unreachable)?;
        let any: SocketAddr = match peers.first() {
            Some(SocketAddr::V6(_)) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            _ => (Ipv4Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await.map_err(unreachable)?;
        socket
            .connect(peers.as_slice())
            .await
            .map_err(unreachable)?;
        Ok(vec![UdpWriter {
            socket,
            address,
            format: self.format,
            bytes: Vec::new(),
            records: 0,
        }])
    }
}

impl<F: Framing, E: Encoder> SinkWriter for UdpWriter<F, E> {
    type In = E::In;

    async fn write(&mut self, batch: &mut Batch<E::In>, bad: &mut Vec<BadRecord>) -> Result<()> {
        for record in batch.records.drain(..) {
            self.records += 1;
            if let Err(cause) = self.encode(&record.value) {
                bad.push(unwritable(&self.address, self.records, &cause));
                continue;
            }
            send(&self.socket, &self.bytes).await.map_err(|cause| {
                Error::connection(format!("cannot send to UDP {}", self.address)).caused_by(cause)
            })?;
        }
        Ok(())
    }

    async fn hand_over(&mut self) -> Result<()> {
        Ok(())
    }

    async fn flush(&mut self, _: &mut Vec<BadRecord>) -> Result<()> {
        Ok(())
    }
}

impl<F: Framing, E: Encoder> UdpWriter<F, E> {
    fn encode(&mut self, value: &E::In) -> Result<(), CodecError> {
        self.bytes.clear();
        // Each datagram is a stream of its own: it can be understood without the others.
        FrameEncoder::new(self.format.clone()).append(value, &mut self.bytes)?;
        match self.bytes.len() {
            ..=MAX_DATAGRAM => Ok(()),
            bytes => Err(CodecError::new(format!(
                "its {bytes} bytes do not fit into a datagram"
            ))),
        }
    }
}

async fn send(socket: &UdpSocket, bytes: &[u8]) -> io::Result<()> {
    let mut sent = socket.send(bytes).await;
    if refused(&sent) {
        // That is what an earlier datagram met (nobody there); this one was not sent yet.
        sent = socket.send(bytes).await;
    }
    if refused(&sent) {
        return Ok(());
    }
    sent.map(drop)
}

fn refused(sent: &io::Result<usize>) -> bool {
    matches!(sent, Err(cause) if cause.kind() == io::ErrorKind::ConnectionRefused)
}
