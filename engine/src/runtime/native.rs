//! The real thing: async-std's executor, timers and thread pool, and the machine's clocks.
//!
//! The only file that names async-std. It is no longer developed (its successor smol shares its
//! reactor and executor), so a move is an edit of this file and nothing else.

use std::future::Future;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use async_signal::{Signal, Signals};
use futures::{Stream, StreamExt};

use super::Instant;
use super::steady::SteadyClock;
use crate::error::Error;
use crate::time::{Timestamp, whole_micros};

fn origin() -> std::time::Instant {
    static ORIGIN: OnceLock<std::time::Instant> = OnceLock::new();
    *ORIGIN.get_or_init(std::time::Instant::now)
}

pub(super) fn now() -> Instant {
    let nanos = origin().elapsed().as_nanos();
    Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

pub(super) fn wall() -> Timestamp {
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => Timestamp::from_micros(whole_micros(since)),
        Err(before) => Timestamp::from_micros(-whole_micros(before.duration())),
    }
}

pub(super) fn processing_time() -> Timestamp {
    static CLOCK: SteadyClock = SteadyClock::new();
    let wall = wall();
    CLOCK.read(wall, now())
}

pub(super) fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    // Dropping async-std's handle detaches; our own `Task` cancels instead.
    drop(async_std::task::spawn(future));
}

pub(super) async fn sleep(duration: Duration) {
    async_std::task::sleep(duration).await;
}

pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    async_std::task::spawn_blocking(work).await
}

pub(super) fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map(drop)
        .map_err(|cause| Error::internal(format!("no thread for `{name}`")).caused_by(cause))
}

pub(super) fn stop_signals() -> Option<impl Stream<Item = ()> + Send + Unpin> {
    let signals = Signals::new([Signal::Int, Signal::Term]).ok()?;
    Some(signals.map(|_| ()))
}

pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    async_std::task::block_on(future)
}
