//! Records from connections.

use millstream_engine::Result;
use millstream_engine::source::{Replay, Source, SourceSetup};

use super::incoming::Door;
use super::reader::SocketReader;
use super::settings::Limits;
use super::transport::no_simulation;
use super::{Connect, Listen};
use crate::codec::{Decoder, Format};
use crate::framing::Framing;

/// Records of a peer one connects to, or of all who connect. Made from [`Connect`] or [`Listen`].
///
/// # What it promises
/// 1. Records arrive when their bytes are read; what is there is handed on at once.
/// 2. A source that is not read reads no socket: peers feel the back-pressure.
/// 3. A frame that is left unfinished when its connection breaks is no record and no bad one: its
///    sender knows. After a reconnect framing starts afresh.
/// 4. What was read and not yet handed on is lost in a crash ([`Replay::Never`]).
/// 5. A stream whose frames cannot be told apart any more is one bad record and the end of its
///    connection.
pub struct SocketSource<F, D> {
    way: Way,
    format: Format<F, D>,
}

pub(super) enum Way {
    Connect(Connect),
    Listen(Listen),
}

impl<F, D> SocketSource<F, D> {
    pub(super) fn new(way: Way, format: Format<F, D>) -> Self {
        SocketSource { way, format }
    }
}

impl<F: Framing, D: Decoder> Source for SocketSource<F, D> {
    type Out = D::Out;
    type Reader = SocketReader<F, D>;

    fn max_parallelism(&self) -> usize {
        match self.way {
            Way::Connect(_) => 1,
            Way::Listen(_) => usize::MAX,
        }
    }

    fn is_bounded(&self) -> bool {
        matches!(&self.way, Way::Connect(connect) if connect.reconnect.is_none())
    }

    fn replay(&self) -> Replay {
        Replay::Never
    }

    async fn open(self, setup: SourceSetup) -> Result<Vec<Self::Reader>> {
        let format = self.format;
        match self.way {
            Way::Connect(connect) => {
                no_simulation(&connect.address)?;
                connect.address.check()?;
                let limits = Limits::trusting().with_idle_deadline(connect.idle_deadline);
                let door = Door::dial(connect.address, connect.reconnect);
                Ok(vec![SocketReader::new(door, limits, format)])
            }
            Way::Listen(listen) => {
                let listener = listen.open().await?;
                // Each replica takes from the one queue, and has its part of the bound.
                let bound = listen.limits.max_connections;
                let parallelism = setup.parallelism.min(bound).max(1);
                let part = bound / parallelism;
                let limits = listen.limits.with_max_connections(part);
                let reader = |_| {
                    let door = Door::Listen(listener.clone());
                    SocketReader::new(door, limits.clone(), format.clone())
                };
                Ok((0..parallelism).map(reader).collect())
            }
        }
    }
}
