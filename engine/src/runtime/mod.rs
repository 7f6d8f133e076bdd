//! The seam between the engine and whatever runs its tasks.
//!
//! Everything that waits, spawns or asks for the time goes through here. There are two
//! implementations: `native` (async-std, the only file that names it) and `simulation` (one
//! thread, virtual time, a seed). Which one answers depends on where the caller runs: inside
//! [`simulate`] the simulation does, everywhere else async-std. User code that wants to be
//! simulated as well calls [`sleep`] and [`now`] from here instead of its own.
//!
//! Invariant: no other file of the engine reads a clock, draws a random number without a seed, or
//! spawns a thread.

mod native;
mod simulation;
mod steady;
mod task;

use std::fmt;
use std::future::Future;
use std::ops::{Add, Sub};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures::Stream;

use crate::error::Error;
use crate::time::Timestamp;

pub use simulation::{Stalled, simulate};
pub use task::{Task, TaskFailed, panic_message};

/// A moment on the monotonic clock: nanoseconds since the process (or the simulation) started.
///
/// Unlike [`std::time::Instant`] it can be virtual. Not to be confused with event time, which is a
/// [`Timestamp`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// From nanoseconds since the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Instant(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time passed since `earlier`; zero if that is not earlier.
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, duration: Duration) -> Instant {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(nanos))
    }
}

/// Back to the start at the most.
impl Sub<Duration> for Instant {
    type Output = Instant;
    fn sub(self, duration: Duration) -> Instant {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_sub(nanos))
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Instant) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Duration::from_nanos(self.0), f)
    }
}

/// The monotonic clock.
pub fn now() -> Instant {
    match simulation::current() {
        Some(simulation) => simulation.now(),
        None => native::now(),
    }
}

/// The wall clock, as event time. It may be set back meanwhile.
pub fn wall() -> Timestamp {
    match simulation::current() {
        Some(simulation) => simulation.wall(),
        None => native::wall(),
    }
}

/// The wall clock, for what goes by processing time: it never goes back, and never stands still.
///
/// When the wall clock is set back (by hand, by NTP, in a virtual machine that was moved), this one goes on from where it
/// was, at the pace of [`now`]; when it is set forward, this one goes with it. After a restart both are the same again.
pub fn processing_time() -> Timestamp {
    match simulation::current() {
        Some(simulation) => simulation.processing_time(),
        None => native::processing_time(),
    }
}

/// Sets the wall clock of a simulation, as it may happen to a machine's.
///
/// ```
/// use millstream_engine::runtime;
/// use millstream_engine::time::Timestamp;
///
/// runtime::simulate(1, async {
///     let (wall, processing_time) = (runtime::wall(), runtime::processing_time());
///     runtime::set_wall(Timestamp::EPOCH).unwrap();
///     assert!(runtime::wall() < wall);
///     assert!(runtime::processing_time() >= processing_time);
/// })?;
/// assert!(runtime::set_wall(Timestamp::EPOCH).is_err()); // outside of one
/// # Ok::<(), runtime::Stalled>(())
/// ```
///
/// # Errors
/// The caller is not simulated.
pub fn set_wall(time: Timestamp) -> Result<(), Error> {
    match simulation::current() {
        Some(simulation) => simulation.set_wall(time),
        None => return Err(Error::config("only a simulated wall clock can be set")),
    }
    Ok(())
}

/// Whether the caller runs inside [`simulate`].
pub fn is_simulated() -> bool {
    simulation::current().is_some()
}

/// Starts `future` as a task of its own. Dropping the [`Task`] cancels it.
pub fn spawn<T, F>(future: F) -> Task<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let (task, future) = task::prepare(future);
    match simulation::current() {
        Some(simulation) => simulation.spawn(future),
        None => native::spawn(future),
    }
    task
}

/// Waits for `duration`.
pub async fn sleep(duration: Duration) {
    let virtual_timer = simulation::current().map(|simulation| simulation.sleep(duration));
    match virtual_timer {
        Some(timer) => timer.await,
        None => native::sleep(duration).await,
    }
}

/// Waits for `duration`, or for ever if there is none.
pub(crate) async fn sleep_for(duration: Option<Duration>) {
    match duration {
        Some(duration) => sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// Waits for `future`, at most for `duration`; `None` if that was too short.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut timer = pin!(sleep(duration));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        timer.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// Lets the other tasks of this thread run.
pub async fn yield_now() {
    // The same on every executor: wake oneself and go to the end of the queue.
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Runs what blocks (a file read, a DNS look-up) where it does not hold up the tasks.
///
/// In a simulation it runs on the spot, in no time.
pub async fn blocking<T, F>(work: F) -> T
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    if is_simulated() {
        work()
    } else {
        native::blocking(work).await
    }
}

/// Starts a thread of its own for a library that must block for ever (librdkafka).
///
/// # Errors
/// The system has no thread left, or the caller is simulated: a thread would break determinism.
pub fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    if is_simulated() {
        return Err(Error::config(format!(
            "`{name}` needs a thread of its own, and a simulated flow has none"
        )));
    }
    native::thread(name, body)
}

/// SIGINT and SIGTERM as they come; `None` in a simulation, or where the system gives none.
pub(crate) fn stop_signals() -> Option<impl Stream<Item = ()> + Send + Unpin> {
    if is_simulated() {
        None
    } else {
        native::stop_signals()
    }
}

/// Drives `future` to its end on the calling thread, for a plain `main` or a test.
pub fn block_on<F: Future>(future: F) -> F::Output {
    native::block_on(future)
}
