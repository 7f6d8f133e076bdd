//! Datagrams.

mod drops;
mod sink;
mod source;
#[cfg(test)]
mod tests;

use super::BoundAddress;
use super::transport::Reach;
use crate::codec::{Decoder, Encoder, Format, ReadFormat, WriteFormat};
use crate::framing::{Framing, Whole};

pub use drops::DropCounter;
pub use sink::{UdpSink, UdpWriter};
pub use source::{UdpReader, UdpSource};

/// The most bytes a datagram can hold (over IPv4).
const MAX_DATAGRAM: usize = 65_507;

/// UDP. Addresses are `host:port`.
///
/// Each datagram is a stream of its own: without another framing it holds one record. Datagrams can be lost,
/// doubled and reordered on the way, and are dropped by the system where the flow is too slow.
#[derive(Debug)]
#[non_exhaustive]
pub struct Udp;

impl Udp {
    /// Records sent to `address`; port 0 lets the system choose one.
    pub fn bind(address: impl Into<String>) -> UdpBind {
        UdpBind {
            address: address.into(),
            reach: Reach::Loopback,
            max_datagram: MAX_DATAGRAM,
            bound: None,
            drops: DropCounter::new(),
        }
    }

    /// Records to the one at `address`.
    pub fn send_to(address: impl Into<String>) -> UdpSendTo {
        UdpSendTo {
            address: address.into(),
        }
    }
}

/// A port where datagrams come in.
#[derive(Clone, Debug)]
pub struct UdpBind {
    address: String,
    reach: Reach,
    max_datagram: usize,
    bound: Option<BoundAddress>,
    drops: DropCounter,
}

impl UdpBind {
    /// Lets other machines send: without it, an address that is not loopback is refused.
    #[must_use]
    pub fn allow_remote(mut self) -> Self {
        self.reach = Reach::Remote;
        self
    }

    /// Datagrams of at most `bytes` bytes (default: 65,507, the most there is); a longer one is a bad
    /// record.
    #[must_use]
    pub fn with_max_datagram(mut self, bytes: usize) -> Self {
        self.max_datagram = bytes.min(MAX_DATAGRAM);
        self
    }

    /// Tells `bound` the address, once it is bound.
    #[must_use]
    pub fn report_address(mut self, bound: &BoundAddress) -> Self {
        self.bound = Some(bound.clone());
        self
    }

    /// Tells `drops` how many datagrams the system dropped because the flow was too slow.
    #[must_use]
    pub fn report_drops(mut self, drops: &DropCounter) -> Self {
        self.drops = drops.clone();
        self
    }
}

/// Where datagrams are sent.
#[derive(Clone, Debug)]
pub struct UdpSendTo {
    address: String,
}

impl ReadFormat for UdpBind {
    type Records = Whole;
    type Source<F: Framing, D: Decoder> = UdpSource<F, D>;

    fn format<F: Framing, D: Decoder>(self, format: Format<F, D>) -> UdpSource<F, D> {
        UdpSource::new(self, format)
    }
}

impl WriteFormat for UdpSendTo {
    type Records = Whole;
    type Sink<F: Framing, E: Encoder> = UdpSink<F, E>;

    fn format<F: Framing, E: Encoder>(self, format: Format<F, E>) -> UdpSink<F, E> {
        UdpSink::new(self, format)
    }
}
