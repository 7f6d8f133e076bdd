//! A source others connect to, as it is set up.

use millstream_engine::Result;

use super::settings::Limits;
use super::source::Way;
use super::transport::{Address, Listener, Reach, no_simulation};
use super::{BoundAddress, SocketSource};
use crate::codec::{Decoder, Format, ReadFormat};
use crate::framing::{Framing, Lines};

/// A place where others connect.
#[derive(Clone, Debug)]
pub struct Listen {
    pub(super) address: Address,
    reach: Reach,
    pub(super) limits: Limits,
    bound: Option<BoundAddress>,
}

impl Listen {
    pub(super) fn new(address: Address) -> Self {
        Listen {
            address,
            reach: Reach::Loopback,
            limits: Limits::default(),
            bound: None,
        }
    }

    /// Lets other machines connect: without it, an address that is not loopback is refused.
    #[must_use]
    pub fn allow_remote(mut self) -> Self {
        self.reach = Reach::Remote;
        self
    }

    /// Other bounds and deadlines.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Tells `bound` the address, once it listens.
    #[must_use]
    pub fn report_address(mut self, bound: &BoundAddress) -> Self {
        self.bound = Some(bound.clone());
        self
    }

    /// Binds and listens, and tells where.
    pub(super) async fn open(&self) -> Result<Listener> {
        no_simulation(&self.address)?;
        let listener = self.address.listen(self.reach).await?;
        if let (Some(bound), Some(address)) = (&self.bound, listener.tcp_address()) {
            bound.set(address);
        }
        Ok(listener)
    }
}

impl ReadFormat for Listen {
    type Records = Lines;
    type Source<F: Framing, D: Decoder> = SocketSource<F, D>;

    fn format<F: Framing, D: Decoder>(self, format: Format<F, D>) -> SocketSource<F, D> {
        SocketSource::new(Way::Listen(self), format)
    }
}
