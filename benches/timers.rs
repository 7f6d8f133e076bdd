//! What timers cost while a million of them are set: each of another key, in no order of keys.
//!
//! All variants keep a number for each key. Some set timers besides: the difference is theirs.

#![allow(clippy::expect_used)] // A bench that cannot run has to stop.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use common::{Contest, argument, nanos_each, verdict};
use millstream::connectors::memory::discard;
use millstream::operators::{Process, Timer, Turn};
use millstream::prelude::*;

/// Counts what is allocated.
struct Counting;

static ALLOCATED: AtomicI64 = AtomicI64::new(0);

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What timers are set.
#[derive(Clone, Copy, PartialEq)]
enum Set {
    None,
    /// One by each record, that goes off when as many more records have come as there are keys.
    Each,
    /// The key's only one, moved by each record.
    Moved,
}

#[derive(Clone)]
struct Timers {
    set: Set,
    after: Duration,
}

/// How many timers went off, and what was allocated when the input had ended and none had since.
static GONE_OFF: AtomicU64 = AtomicU64::new(0);
static AT_END: AtomicI64 = AtomicI64::new(0);

fn note_end() {
    let now = ALLOCATED.load(Ordering::Relaxed);
    _ = AT_END.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
}

impl Process<u64, (u64, i64)> for Timers {
    type State = i64; // when the key's timer goes off
    type Out = ();

    fn on_record(&self, _: (u64, i64), at: &mut i64, turn: &mut Turn<'_, u64, ()>) {
        if self.set == Set::Moved && *at > 0 {
            turn.cancel_timer(Timer::EventTime(Timestamp::from_micros(*at)));
        }
        let time = turn.time() + self.after;
        if self.set != Set::None {
            turn.set_timer(Timer::EventTime(time));
        }
        *at = time.as_micros();
    }

    fn on_timer(&self, _: Timer, _: &mut i64, turn: &mut Turn<'_, u64, ()>) {
        if turn.has_ended() {
            note_end();
        }
        GONE_OFF.fetch_add(1, Ordering::Relaxed);
    }

    fn on_end(&self, _: &mut i64, _: &mut Turn<'_, u64, ()>) {
        note_end();
    }
}

/// Each key once in every round, each round in another order.
fn records(keys: u64, records: u64) -> impl Iterator<Item = (u64, i64)> + Send + 'static {
    const ORDERS: [u64; 5] = [7_368_787, 15_485_863, 32_452_843, 49_979_687, 67_867_967];
    (0..records).map(move |n| {
        let order = ORDERS[(n / keys) as usize % ORDERS.len()];
        ((n % keys) * order % keys, n as i64)
    })
}

/// Runs a flow; says what it had allocated, more than before, when its input had ended.
fn run(keys: u64, rounds: u64, set: Set) -> i64 {
    AT_END.store(0, Ordering::Relaxed);
    GONE_OFF.store(0, Ordering::Relaxed);
    let before = ALLOCATED.load(Ordering::Relaxed);
    let after = Duration::from_micros(keys);
    let flow = Flow::new("timers", move |flow| {
        flow.source("records", from_iter(records(keys, keys * rounds)))
            .event_time(|(_, at)| Timestamp::from_micros(*at), Lateness::none())
            .key_by(|(key, _)| *key)
            .process("timers", Timers { set, after })
            .values()
            .sink("out", discard());
    });
    flow.with_parallelism(1).run_blocking().expect("it runs");
    let expected = match set {
        Set::None => 0,
        Set::Each => keys * rounds,
        Set::Moved => keys,
    };
    assert!(GONE_OFF.load(Ordering::Relaxed) >= expected);
    AT_END.load(Ordering::Relaxed) - before
}

fn main() {
    let keys = argument("keys", 1_000_000);
    let rounds = argument("rounds", 7) as usize;
    const MANY: u64 = 5;
    let bytes = |set| run(keys, 1, set) as f64;
    let (without, with) = (bytes(Set::None), bytes(Set::Each));
    let mut contest = Contest::new();
    let none = contest.add("no timers", || _ = run(keys, MANY, Set::None));
    let each = contest.add("one set by each record, and gone off", || {
        _ = run(keys, MANY, Set::Each);
    });
    let moved = contest.add("each key's one moved by each record", || {
        _ = run(keys, MANY, Set::Moved);
    });
    contest.run(rounds);
    contest.print("timers", keys * MANY);
    let more = |variant: usize| {
        contest.middle(|costs| {
            nanos_each(costs[variant].cpu, keys * MANY) - nanos_each(costs[none].cpu, keys * MANY)
        })
    };
    let (each, moved) = (more(each), more(moved));
    println!();
    verdict(
        "a timer set and gone off, CPU ns",
        each,
        each.median <= 250.0,
        "<= 250",
    );
    verdict(
        "a timer moved (taken back and set anew), CPU ns",
        moved,
        moved.median <= 250.0,
        "<= 250",
    );
    let bytes = (with - without) / keys as f64;
    verdict(
        "bytes of a timer that is set",
        format!("{bytes:.1}"),
        bytes <= 40.0,
        "<= 40",
    );
    println!("bytes of a key with a number: {:.1}", without / keys as f64);
}
