//! Event time of whole flows: how watermarks are made, who waits for whom, and what a flow says of it.

mod alignment;
mod day;
mod held;
mod waits;
mod watermarks;
mod why;

use std::time::Duration;

use futures::StreamExt;
use millstream::prelude::*;
use millstream::runtime;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

/// Numbers, one after each pause; then nothing until `silence` has passed, then the end.
fn ticks(
    count: i64,
    pause: Duration,
    silence: Duration,
) -> impl futures::Stream<Item = i64> + Send + 'static {
    let ticks = futures::stream::iter(0..count).then(move |n| async move {
        runtime::sleep(pause).await;
        n
    });
    let silence = async move {
        runtime::sleep(silence).await;
        None
    };
    let silence = futures::stream::once(silence).filter_map(|none| async move { none });
    ticks.chain(silence)
}

/// A source of such ticks whose records are a second of event time apart.
fn seconds_of(flow: &Scope, name: &str, count: i64, silence: Duration) -> Stream<i64> {
    flow.source(name, from_stream(ticks(count, millis(100), silence)))
        .event_time(|n| at(*n), Lateness::none())
}
