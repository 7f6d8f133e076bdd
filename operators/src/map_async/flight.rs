//! The calls in flight, and what time may not overtake.

use std::collections::BTreeMap;
use std::future::Future;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, FuturesUnordered};
use futures::{FutureExt, StreamExt};
use millstream_engine::runtime::Instant;
use millstream_engine::time::{Frontier, Timestamp, Watermark};

/// When a record happened, and when it arrived.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    pub(super) time: Timestamp,
    pub(super) arrival: Instant,
    /// When it was taken in here.
    pub(super) since: Instant,
    /// Whether the watermark waits for it. Late records hold nothing back.
    holds: bool,
}

/// Calls in flight.
pub(super) struct Flight<U> {
    calls: Calls<U>,
    most: usize,
    /// Times of the records that hold the watermark back, and how many there are of each.
    times: BTreeMap<Timestamp, usize>,
}

type Call<U> = BoxFuture<'static, (U, Stamp)>;

enum Calls<U> {
    Ordered(FuturesOrdered<Call<U>>),
    Unordered(FuturesUnordered<Call<U>>),
}

impl<U: Send + 'static> Flight<U> {
    pub(super) fn new(most: usize, in_order: bool) -> Self {
        let calls = if in_order {
            Calls::Ordered(FuturesOrdered::new())
        } else {
            Calls::Unordered(FuturesUnordered::new())
        };
        Flight {
            calls,
            most,
            times: BTreeMap::new(),
        }
    }

    /// The stamp of a record that came in: from now on it holds back the watermark, unless it is late.
    pub(super) fn stamp(
        &mut self,
        time: Timestamp,
        arrival: Instant,
        since: Instant,
        watermark: Option<Watermark>,
    ) -> Stamp {
        let holds = watermark.is_none_or(|watermark| watermark.time <= time);
        if holds {
            *self.times.entry(time).or_default() += 1;
        }
        Stamp {
            time,
            arrival,
            since,
            holds,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        let calls = match &self.calls {
            Calls::Ordered(calls) => calls.len(),
            Calls::Unordered(calls) => calls.len(),
        };
        calls < self.most
    }

    pub(super) fn start(&mut self, call: impl Future<Output = U> + Send + 'static, stamp: Stamp) {
        let call = call.map(move |value| (value, stamp)).boxed();
        match &mut self.calls {
            Calls::Ordered(calls) => calls.push_back(call),
            Calls::Unordered(calls) => calls.push(call),
        }
    }

    /// The next result; `None` if no call is in flight.
    pub(super) fn poll_landed(&mut self, cx: &mut Context<'_>) -> Poll<Option<(U, Stamp)>> {
        let landed = match &mut self.calls {
            Calls::Ordered(calls) => calls.poll_next_unpin(cx),
            Calls::Unordered(calls) => calls.poll_next_unpin(cx),
        };
        if let Poll::Ready(Some((_, stamp))) = &landed
            && stamp.holds
            && let Some(count) = self.times.get_mut(&stamp.time)
        {
            *count -= 1;
            if *count == 0 {
                self.times.remove(&stamp.time);
            }
        }
        landed
    }

    /// What may be promised behind the calls when `input` is promised before them: nothing that is later than a
    /// record in flight.
    pub(super) fn frontier(&self, input: Frontier, latest: Option<Watermark>) -> Frontier {
        let Some((&lowest, _)) = self.times.first_key_value() else {
            return input;
        };
        let watermark = match input {
            Frontier::At(watermark) => Some(watermark),
            Frontier::Unknown => None,
            Frontier::Idle => latest,
        };
        watermark.map_or(Frontier::Unknown, |watermark| {
            Frontier::At(Watermark {
                time: watermark.time.min(lowest),
                ..watermark
            })
        })
    }
}
