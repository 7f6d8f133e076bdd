//! One thread, virtual time, a seed: the same tasks, replayed to the bit.
//!
//! Which of the ready tasks runs next is drawn from the seed, every poll costs a drawn few
//! microseconds, and when nothing is ready the clock jumps to the next timer. So a year of event
//! time takes as long as its work, and two runs with one seed do the same in the same order.
//!
//! Idea: FoundationDB's simulation (Zhou et al., SIGMOD 2021), madsim, TigerBeetle's VOPR.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::Instant;
use super::steady::SteadyClock;
use crate::random::SplitMix64;
use crate::time::Timestamp;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Simulation>>> = const { RefCell::new(None) };
}

/// Where every simulation's wall clock starts: 2020-01-01T00:00:00Z.
const WALL_START: Timestamp = Timestamp::from_secs(1_577_836_800);

/// The main future waits for something that can never come: no task is ready, no timer is set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the simulation stalled at {at:?}: every task waits and no timer is set ({tasks} tasks)")]
pub struct Stalled {
    /// Virtual time of the standstill.
    pub at: Instant,
    /// Tasks that were waiting.
    pub tasks: usize,
}

/// Runs `main`, and everything it spawns, on this thread and on virtual time.
///
/// ```
/// use millstream_engine::runtime;
/// use std::time::Duration;
///
/// let year = Duration::from_secs(365 * 24 * 3600);
/// let slept = runtime::simulate(42, async move {
///     let start = runtime::now();
///     runtime::sleep(year).await;
///     runtime::now() - start
/// });
/// assert!(slept? >= year); // and took no time at all
/// # Ok::<(), runtime::Stalled>(())
/// ```
///
/// # Errors
/// [`Stalled`] when `main` can never finish.
pub fn simulate<T, F: Future<Output = T>>(seed: u64, main: F) -> Result<T, Stalled> {
    let simulation = Rc::new(Simulation::new(seed));
    let outer = CURRENT.with(|current| current.replace(Some(simulation.clone())));
    let _restore = Restore(outer);
    let outcome = simulation.run(main);
    // Tasks hold wakers and may spawn while being dropped: drop them while we are still current.
    simulation.clear();
    outcome
}

/// Puts the outer simulation (or none) back, however the inner one ends.
struct Restore(Option<Rc<Simulation>>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.with(|current| current.replace(self.0.take()));
    }
}

pub(super) fn current() -> Option<Rc<Simulation>> {
    CURRENT.with(|current| current.borrow().clone())
}

type Body = Pin<Box<dyn Future<Output = ()>>>;
type Ready = Arc<Mutex<Vec<Arc<Awake>>>>;

pub(super) struct Simulation {
    now: Cell<u64>,
    /// What the wall clock showed at the start, as far as it can be seen now.
    wall_start: Cell<Timestamp>,
    steady: SteadyClock,
    random: Cell<SplitMix64>,
    ready: Ready,
    tasks: RefCell<BTreeMap<u64, Body>>,
    timers: RefCell<BTreeMap<(u64, u64), Waker>>,
    serial: Cell<u64>,
}

/// The waker of one task: puts it on the list of the ready, once.
struct Awake {
    task: u64,
    queued: AtomicBool,
    ready: Ready,
}

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            let ready = self.ready.clone();
            ready
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(self);
        }
    }
}

/// The task number of the main future.
const MAIN: u64 = 0;

impl Simulation {
    fn new(seed: u64) -> Self {
        Simulation {
            now: Cell::new(0),
            wall_start: Cell::new(WALL_START),
            steady: SteadyClock::new(),
            random: Cell::new(SplitMix64::new(seed)),
            ready: Ready::default(),
            tasks: RefCell::default(),
            timers: RefCell::default(),
            serial: Cell::new(MAIN),
        }
    }

    pub(super) fn now(&self) -> Instant {
        Instant::from_nanos(self.now.get())
    }

    pub(super) fn wall(&self) -> Timestamp {
        self.wall_start.get() + Duration::from_nanos(self.now.get())
    }

    pub(super) fn set_wall(&self, time: Timestamp) {
        // What it showed last: from there it goes on, or nobody would have seen it.
        self.processing_time();
        self.wall_start
            .set(time - Duration::from_nanos(self.now.get()));
    }

    pub(super) fn processing_time(&self) -> Timestamp {
        self.steady.read(self.wall(), self.now())
    }

    pub(super) fn spawn(&self, body: impl Future<Output = ()> + 'static) {
        let task = self.next_serial();
        self.tasks.borrow_mut().insert(task, Box::pin(body));
        self.waker(task).wake();
    }

    pub(super) fn sleep(&self, duration: Duration) -> Sleep {
        let at = (self.now() + duration).as_nanos();
        Sleep {
            timer: (at, self.next_serial()),
        }
    }

    fn waker(&self, task: u64) -> Arc<Awake> {
        Arc::new(Awake {
            task,
            queued: AtomicBool::new(false),
            ready: self.ready.clone(),
        })
    }

    fn run<T>(&self, main: impl Future<Output = T>) -> Result<T, Stalled> {
        let mut main = std::pin::pin!(main);
        self.waker(MAIN).wake();
        loop {
            let Some(awake) = self.next_ready() else {
                let tasks = self.tasks.borrow().len();
                return Err(Stalled {
                    at: self.now(),
                    tasks,
                });
            };
            awake.queued.store(false, Ordering::Relaxed);
            self.now.set(self.now.get() + 1_000 + self.draw(20_000));
            let task = awake.task;
            let waker = Waker::from(awake);
            let mut cx = Context::from_waker(&waker);
            if task == MAIN {
                if let Poll::Ready(output) = main.as_mut().poll(&mut cx) {
                    return Ok(output);
                }
                continue;
            }
            // Taken out while it runs, so that it can spawn and be woken meanwhile.
            let Some(mut body) = self.tasks.borrow_mut().remove(&task) else {
                continue;
            };
            if body.as_mut().poll(&mut cx).is_pending() {
                self.tasks.borrow_mut().insert(task, body);
            }
        }
    }

    /// A drawn one of the ready tasks; if there is none, the clock goes to the next timer.
    fn next_ready(&self) -> Option<Arc<Awake>> {
        loop {
            self.fire_timers();
            {
                let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
                if !ready.is_empty() {
                    let drawn = self.draw(ready.len() as u64) as usize;
                    return Some(ready.swap_remove(drawn));
                }
            }
            let next = self.timers.borrow().keys().next().map(|&(at, _)| at)?;
            self.now.set(next.max(self.now.get()));
        }
    }

    fn fire_timers(&self) {
        loop {
            let mut timers = self.timers.borrow_mut();
            let Some(entry) = timers.first_entry() else {
                return;
            };
            if entry.key().0 > self.now.get() {
                return;
            }
            let waker = entry.remove();
            drop(timers);
            waker.wake();
        }
    }

    fn clear(&self) {
        while let Some((_, body)) = { self.tasks.borrow_mut().pop_first() } {
            drop(body);
        }
        self.timers.borrow_mut().clear();
        self.ready
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn next_serial(&self) -> u64 {
        self.serial.set(self.serial.get() + 1);
        self.serial.get()
    }

    /// A number below `bound`, from the seed.
    fn draw(&self, bound: u64) -> u64 {
        let mut random = self.random.get();
        let drawn = random.below(bound);
        self.random.set(random);
        drawn
    }
}

/// A timer of the simulation. It finds the simulation again by itself, so that it can be `Send`.
pub(super) struct Sleep {
    timer: (u64, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Outside its simulation nothing would ever wake it, so it does not wait there.
        let Some(simulation) = current() else {
            return Poll::Ready(());
        };
        if simulation.now.get() >= self.timer.0 {
            return Poll::Ready(());
        }
        simulation
            .timers
            .borrow_mut()
            .insert(self.timer, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        // A timer nobody waits for must not pull the clock forward.
        if let Some(simulation) = current() {
            let timer = simulation.timers.borrow_mut().remove(&self.timer);
            drop(timer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime;

    fn order_of_ten_tasks(seed: u64) -> Vec<usize> {
        let order = Arc::new(Mutex::new(Vec::new()));
        let seen = order.clone();
        simulate(seed, async move {
            let tasks: Vec<_> = (0..10)
                .map(|n| {
                    let order = order.clone();
                    runtime::spawn(async move {
                        runtime::yield_now().await;
                        order.lock().unwrap().push(n);
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        })
        .unwrap();
        seen.lock().unwrap().clone()
    }

    #[test]
    fn a_seed_replays_and_seeds_differ() {
        assert_eq!(order_of_ten_tasks(1), order_of_ten_tasks(1));
        assert!((2..12).any(|seed| order_of_ten_tasks(seed) != order_of_ten_tasks(1)));
    }

    #[test]
    fn time_is_virtual_and_cancelled_timers_do_not_move_it() {
        let hour = Duration::from_secs(3_600);
        let (first, second) = simulate(7, async move {
            let quick = runtime::timeout(hour, runtime::sleep(Duration::from_millis(5))).await;
            assert!(quick.is_some());
            let first = runtime::now();
            runtime::sleep(hour).await;
            (first, runtime::now())
        })
        .unwrap();
        assert!(first < Instant::from_nanos(0) + Duration::from_millis(6));
        assert!(second - first >= hour && second - first < hour + Duration::from_millis(1));
    }

    #[test]
    fn waiting_for_nothing_is_an_error_not_a_hang() {
        let stalled = simulate(1, std::future::pending::<()>()).unwrap_err();
        assert_eq!(stalled.tasks, 0);
    }

    #[test]
    fn a_dropped_task_is_cancelled_and_a_panic_is_told() {
        simulate(3, async {
            let (sender, receiver) = futures::channel::oneshot::channel::<()>();
            let task = runtime::spawn(async move {
                std::future::pending::<()>().await;
                drop(sender);
            });
            drop(task);
            assert!(receiver.await.is_err(), "the task's future was dropped");
            let failed = runtime::spawn(async { panic!("on purpose") }).await;
            assert_eq!(
                failed,
                Err(runtime::TaskFailed::Panicked("on purpose".into()))
            );
        })
        .unwrap();
    }
}
