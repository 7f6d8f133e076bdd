//! The calls in flight: thousands of futures, of which only those are polled that were woken.

mod wakes;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::BoxFuture;
use millstream_engine::runtime;
use wakes::Wakes;

/// The number of a call among those in flight; given again when it has ended.
pub(super) type Slot = usize;

/// Calls in flight, each in its slot.
///
/// A slot keeps its memory and its waker from call to call: once there have been as many calls as there may be, one
/// more allocates nothing.
///
/// (Instead of `FuturesUnordered`, which allocates a task for each future, and must box it to know its type.)
pub(super) struct CallPool<F> {
    places: Vec<Place<F>>,
    wakes: Wakes,
    /// Those to be polled next.
    ready: VecDeque<Slot>,
}

struct Place<F> {
    call: Pin<Box<Option<F>>>,
    /// Without a call: what it waits for. With one: when its time is over.
    timer: Option<BoxFuture<'static, ()>>,
    waker: Waker,
}

/// What has happened in a slot.
pub(super) enum Landing<A> {
    /// Its pause is over.
    Due,
    /// Its call has ended.
    Answered(A),
    /// Its call took too long and was dropped.
    TimedOut,
}

impl<F: Future> CallPool<F> {
    pub(super) fn new() -> Self {
        CallPool {
            places: Vec::new(),
            wakes: Wakes::new(),
            ready: VecDeque::new(),
        }
    }

    /// Starts a call in a free slot.
    pub(super) fn start(&mut self, slot: Slot, call: F, timeout: Option<Duration>) {
        let place = self.place(slot);
        place.call.set(Some(call));
        place.timer = timeout.map(timer);
    }

    /// Lets a free slot wait.
    pub(super) fn pause(&mut self, slot: Slot, pause: Duration) {
        self.place(slot).timer = Some(timer(pause));
    }

    /// Who is woken when there is something to poll.
    pub(super) fn register(&self, task: &Waker) {
        self.wakes.register(task);
    }

    /// The next slot in which something has happened, while there are `turns` left, one for each look.
    pub(super) fn next(&mut self, turns: &mut u32) -> Option<(Slot, Landing<F::Output>)> {
        while *turns > 0 {
            if self.ready.is_empty() {
                self.wakes.take(&mut self.ready);
            }
            let slot = self.ready.pop_front()?;
            *turns -= 1;
            // A call may have been woken after its end.
            if let Some(landing) = self.places.get_mut(slot).and_then(Place::poll) {
                return Some((slot, landing));
            }
        }
        None
    }

    fn place(&mut self, slot: Slot) -> &mut Place<F> {
        while self.places.len() <= slot {
            let waker = self.wakes.waker(self.places.len());
            self.places.push(Place {
                call: Box::pin(None),
                timer: None,
                waker,
            });
        }
        self.ready.push_back(slot);
        &mut self.places[slot]
    }
}

fn timer(duration: Duration) -> BoxFuture<'static, ()> {
    Box::pin(runtime::sleep(duration))
}

impl<F: Future> Place<F> {
    fn poll(&mut self) -> Option<Landing<F::Output>> {
        let cx = &mut Context::from_waker(&self.waker);
        let call = self.call.as_mut().as_pin_mut();
        let is_pause = call.is_none();
        let landing = if let Some(call) = call
            && let Poll::Ready(answer) = call.poll(cx)
        {
            Landing::Answered(answer)
        } else if self.timer.as_mut()?.as_mut().poll(cx).is_pending() {
            return None;
        } else if is_pause {
            Landing::Due
        } else {
            Landing::TimedOut
        };
        // Whatever the call holds is set free before it counts as ended.
        self.call.set(None);
        self.timer = None;
        Some(landing)
    }
}
