//! A source one connects to, as it is set up.

use std::time::Duration;

use super::SocketSource;
use super::settings::Reconnect;
use super::source::Way;
use super::transport::Address;
use crate::codec::{Decoder, Format, ReadFormat};
use crate::framing::{Framing, Lines};

/// A connection to be made, and made again when it is lost.
///
/// The peer need not be there when the flow starts: unless told otherwise by
/// [`with_reconnect`](Connect::with_reconnect) or [`once`](Connect::once), connecting is tried again and again, at
/// growing intervals, and each failure is logged as a warning (by `tracing`).
#[derive(Clone, Debug)]
pub struct Connect {
    pub(super) address: Address,
    pub(super) reconnect: Option<Reconnect>,
    pub(super) idle_deadline: Option<Duration>,
}

impl Connect {
    pub(super) fn new(address: Address) -> Self {
        Connect {
            address,
            reconnect: Some(Reconnect::default()),
            idle_deadline: None,
        }
    }

    /// Comes back in another way.
    #[must_use]
    pub fn with_reconnect(mut self, reconnect: Reconnect) -> Self {
        self.reconnect = Some(reconnect);
        self
    }

    /// Does not come back: the source ends where the peer ends, and fails where the connection
    /// breaks.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.reconnect = None;
        self
    }

    /// Takes a connection for lost that is silent for so long (default: none is). Where the peer always has
    /// something to say, this finds connections that died without a word.
    #[must_use]
    pub fn with_idle_deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.idle_deadline = deadline.into();
        self
    }
}

impl ReadFormat for Connect {
    type Records = Lines;
    type Source<F: Framing, D: Decoder> = SocketSource<F, D>;

    fn format<F: Framing, D: Decoder>(self, format: Format<F, D>) -> SocketSource<F, D> {
        SocketSource::new(Way::Connect(self), format)
    }
}
