//! Which port it became.

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// Learns the address of a listener whose port the system chose (port 0).
///
/// It is made before the flow, for a flow may be built again; it always knows the last address.
///
/// ```
/// use millstream_connectors::socket::{BoundAddress, Tcp};
///
/// let bound = BoundAddress::new();
/// let listen = Tcp::listen("127.0.0.1:0").report_address(&bound);
/// // When the flow runs, `bound.wait().await` says where.
/// assert_eq!(bound.get(), None);
/// ```
#[derive(Clone, Default)]
pub struct BoundAddress(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    address: Option<SocketAddr>,
    waiting: Vec<Waker>,
}

impl BoundAddress {
    /// Of a listener that is not bound yet.
    pub fn new() -> Self {
        BoundAddress::default()
    }

    /// The address, once it is bound.
    pub fn get(&self) -> Option<SocketAddr> {
        self.lock().address
    }

    /// Waits until it is bound.
    pub async fn wait(&self) -> SocketAddr {
        poll_fn(|cx| {
            let mut state = self.lock();
            match state.address {
                Some(address) => Poll::Ready(address),
                None => {
                    state.waiting.push(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    pub(super) fn set(&self, address: SocketAddr) {
        let waiting = {
            let mut state = self.lock();
            state.address = Some(address);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for BoundAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BoundAddress({:?})", self.get())
    }
}
