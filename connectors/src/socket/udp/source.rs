//! Records from datagrams.

use std::io;
use std::net::SocketAddr;

use async_net::UdpSocket;
use futures::FutureExt;
use millstream_engine::bad_record::BadRecord;
use millstream_engine::batch::PartitionId;
use millstream_engine::runtime::{self, Instant};
use millstream_engine::source::{
    Intake, Position, Read, Replay, Source, SourceReader, SourceSetup,
};
use millstream_engine::{Error, Result};

use super::super::transport::resolve;
use super::UdpBind;
use super::drops::DropWatch;
use crate::codec::{Decoder, Format, FrameDecoder};
use crate::framing::Framing;

/// Records of the datagrams that come in at a port. Made from [`UdpBind`].
///
/// What is there is handed on at once. What was received and not yet handed on is lost in a crash.
pub struct UdpSource<F, D> {
    bind: UdpBind,
    format: Format<F, D>,
}

impl<F, D> UdpSource<F, D> {
    pub(super) fn new(bind: UdpBind, format: Format<F, D>) -> Self {
        UdpSource { bind, format }
    }
}

impl<F: Framing, D: Decoder> Source for UdpSource<F, D> {
    type Out = D::Out;
    type Reader = UdpReader<F, D>;

    fn is_bounded(&self) -> bool {
        false
    }

    fn replay(&self) -> Replay {
        Replay::Never
    }

    async fn open(self, _: SourceSetup) -> Result<Vec<Self::Reader>> {
        let bind = self.bind;
        let addresses = resolve(&bind.address, bind.reach).await?;
        let socket = UdpSocket::bind(addresses.as_slice()).await;
        let socket = socket.map_err(|cause| {
            Error::config(format!("cannot bind UDP {}", bind.address)).caused_by(cause)
        })?;
        if let (Some(bound), Ok(address)) = (&bind.bound, socket.local_addr()) {
            bound.set(address);
        }
        Ok(vec![UdpReader {
            drops: DropWatch::new(&socket, bind.drops),
            socket,
            format: self.format,
            // One byte more, to see what is too long.
            bytes: vec![0; bind.max_datagram + 1],
            datagram: None,
        }])
    }
}

/// Reads a [`UdpSource`].
pub struct UdpReader<F, D> {
    socket: UdpSocket,
    format: Format<F, D>,
    pub(super) drops: DropWatch,
    bytes: Vec<u8>,
    /// What is in `bytes`, if not all of it was taken.
    datagram: Option<Datagram<F, D>>,
}

struct Datagram<F, D> {
    peer: String,
    decoder: FrameDecoder<F, D>,
    taken: usize,
    length: usize,
    arrival: Instant,
}

impl<F: Framing, D: Decoder> SourceReader for UdpReader<F, D> {
    type Out = D::Out;

    async fn read(&mut self, intake: &mut Intake<D::Out>) -> Result<Read> {
        loop {
            if self.datagram.is_none() {
                let received = self.socket.recv_from(&mut self.bytes).await;
                self.received(received)?;
            }
            if let Some(datagram) = &self.datagram {
                intake.begin(PartitionId::ONLY, datagram.arrival);
            }
            self.take_ready(intake)?;
            self.drops.look(runtime::now());
            if !intake.is_empty() {
                return Ok(Read::More);
            }
        }
    }

    fn positions(&self) -> Vec<Position> {
        Vec::new()
    }
}

impl<F: Framing, D: Decoder> UdpReader<F, D> {
    /// Takes what is here and what else has come, as far as there is room.
    fn take_ready(&mut self, intake: &mut Intake<D::Out>) -> Result<()> {
        loop {
            self.take(intake);
            if intake.is_full() {
                return Ok(());
            }
            match self.socket.recv_from(&mut self.bytes).now_or_never() {
                None => return Ok(()),
                Some(received) => self.received(received)?,
            }
        }
    }

    fn received(&mut self, received: io::Result<(usize, SocketAddr)>) -> Result<()> {
        let (length, peer) = received
            .map_err(|cause| Error::connection("cannot receive datagrams").caused_by(cause))?;
        self.datagram = Some(Datagram {
            peer: peer.to_string(),
            decoder: FrameDecoder::new(self.format.clone()),
            taken: 0,
            length,
            arrival: runtime::now(),
        });
        Ok(())
    }

    /// Takes records of the datagram; forgets it when it is all taken.
    fn take(&mut self, intake: &mut Intake<D::Out>) {
        let Some(datagram) = &mut self.datagram else {
            return;
        };
        let whole = self.bytes.get(..datagram.length).unwrap_or_default();
        if datagram.length == self.bytes.len() {
            let limit = self.bytes.len() - 1;
            intake.bad(datagram.bad(whole, format!("longer than the bound of {limit} bytes")));
            self.datagram = None;
            return;
        }
        loop {
            let rest = whole.get(datagram.taken..).unwrap_or_default();
            match datagram.decoder.take(rest, true, &datagram.peer, intake) {
                Ok(0) => break,
                Ok(used) => datagram.taken += used,
                Err(cause) => {
                    intake.bad(datagram.bad(rest, cause.to_string()));
                    break;
                }
            }
            if intake.is_full() && datagram.taken < datagram.length {
                return;
            }
        }
        self.datagram = None;
    }
}

impl<F, D> Datagram<F, D> {
    fn bad(&self, payload: &[u8], cause: String) -> BadRecord {
        BadRecord::new(&self.peer, format!("byte {}", self.taken), payload, cause)
    }
}
