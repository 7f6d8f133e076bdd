//! A running flow that is asked why it waits.

use millstream::prelude::*;
use millstream::runtime::{self, simulate};
use millstream_engine::why::{ReplicaTime, Why};

/// What the flow says after so many seconds.
pub(crate) fn asked(seed: u64, after: u64, flow: Flow) -> Why {
    simulate(seed, async move {
        let running = flow.start().await.unwrap();
        runtime::sleep(seconds(after)).await;
        let why = running.why().await;
        running.handle().kill();
        running.join().await.unwrap();
        why
    })
    .unwrap()
}

/// The only one that is told of this vertex.
pub(crate) fn only<'a>(why: &'a Why, vertex: &str) -> &'a ReplicaTime {
    let mut all = why.vertex(vertex);
    let first = all.next().unwrap();
    assert!(all.next().is_none());
    first
}
