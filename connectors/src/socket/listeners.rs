//! Those who listen to a broadcast: one task and one bounded queue each.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flume::{Receiver, Sender};
use futures::AsyncWriteExt;
use futures::channel::oneshot;
use futures::future::{Either, select};
use millstream_engine::runtime::{self, Task};

use super::peer_closed::{farewell, until_closed};
use super::transport::{Listener, Socket};

/// Who takes nothing for so long is cut off.
const STALLED: Duration = Duration::from_secs(10);
/// What an order weighs in a queue beside its bytes.
const OVERHEAD: usize = 128;

/// One who listens. Dropping it cuts the connection.
pub(super) struct Listening {
    pub(super) orders: Sender<Order>,
    queued: Arc<AtomicUsize>,
    task: Task<()>,
}

pub(super) enum Order {
    Send(Chunk),
    /// Says that everything before was sent.
    Tell(oneshot::Sender<()>),
}

/// Whole frames.
#[derive(Clone)]
pub(super) struct Chunk {
    /// What must come before, for those for whom it is the first.
    pub(super) head: Arc<[u8]>,
    pub(super) body: Arc<[u8]>,
}

impl Chunk {
    fn weight(&self) -> usize {
        self.body.len() + OVERHEAD
    }
}

impl Listening {
    fn new(socket: Socket, peer: String, place: Place) -> Self {
        // Bounded by what its orders weigh.
        let (orders, received) = flume::unbounded();
        let queued = Arc::new(AtomicUsize::new(0));
        let serve = serve(socket, peer, received, queued.clone(), place);
        Listening {
            orders,
            queued,
            task: runtime::spawn(serve),
        }
    }

    /// Queues `chunk`; `false` if there is no room for it, or nobody any more.
    pub(super) fn offer(&self, chunk: &Chunk, max_queue: usize) -> bool {
        let queued = self.queued.load(Ordering::Acquire);
        if queued > 0 && queued + chunk.weight() > max_queue {
            tracing::warn!(queued, "a listener is too slow: cut off");
            return false;
        }
        self.queued.fetch_add(chunk.weight(), Ordering::AcqRel);
        self.orders.send(Order::Send(chunk.clone())).is_ok()
    }

    /// Whether its connection is not known to have ended.
    pub(super) fn is_there(&self) -> bool {
        !self.orders.is_disconnected()
    }

    /// Lets it have what is queued, and says goodbye.
    pub(super) async fn dismiss(self) {
        drop(self.orders);
        // A task that failed has no more to send either.
        let _ = self.task.await;
    }
}

async fn serve(
    mut socket: Socket,
    peer: String,
    orders: Receiver<Order>,
    queued: Arc<AtomicUsize>,
    _place: Place,
) {
    let mut is_first = true;
    loop {
        // While there is nothing to send, only this tells that it has gone: its place is free then.
        let order = match select(pin!(orders.recv_async()), pin!(until_closed(&mut socket))).await {
            Either::Left((Ok(order), _)) => order,
            Either::Left((Err(_), _)) => break,
            Either::Right((cause, _)) => return tracing::debug!(peer, %cause, "a listener is gone"),
        };
        let chunk = match order {
            Order::Send(chunk) => chunk,
            Order::Tell(tell) => {
                // Nobody waits any more: nothing is lost.
                let _ = tell.send(());
                continue;
            }
        };
        let send = async {
            if std::mem::take(&mut is_first) {
                socket.write_all(&chunk.head).await?;
            }
            socket.write_all(&chunk.body).await
        };
        match runtime::timeout(STALLED, send).await {
            Some(Ok(())) => {}
            Some(Err(cause)) => return tracing::debug!(peer, %cause, "a listener is gone"),
            None => return tracing::warn!(peer, "a listener takes nothing: cut off"),
        }
        queued.fetch_sub(chunk.weight(), Ordering::AcqRel);
    }
    farewell(socket).await;
}

/// Lets in who comes, up to `max`. Who comes then is turned away: better than to be let in too late
/// without a word.
pub(super) async fn admit(listener: Listener, max: usize, arrivals: Arrivals) {
    let places = Arc::new(AtomicUsize::new(0));
    loop {
        let (socket, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(cause) => {
                tracing::warn!(%cause, "cannot accept a connection");
                runtime::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let peer = peer.map_or_else(|| "a local process".to_owned(), |peer| peer.to_string());
        let Some(place) = Place::take(&places, max) else {
            tracing::warn!(peer, max, "too many listeners: turned away");
            continue;
        };
        arrivals.add(Listening::new(socket, peer, place));
    }
}

/// Those who were let in and are not known to the writer yet.
#[derive(Clone, Default)]
pub(super) struct Arrivals(Arc<Mutex<Vec<Listening>>>);

impl Arrivals {
    /// Those who have gone meanwhile are forgotten, so there are never many more than places.
    fn add(&self, listening: Listening) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(Listening::is_there);
        waiting.push(listening);
    }

    pub(super) fn take(&self) -> Vec<Listening> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One of the places there are, given back by dropping it.
struct Place(Arc<AtomicUsize>);

impl Place {
    /// Only one task takes places, so looking first is enough.
    fn take(places: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
        if places.load(Ordering::Acquire) >= max {
            return None;
        }
        places.fetch_add(1, Ordering::AcqRel);
        Some(Place(places.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
