//! The machine's own hiccups: what a thread that only sleeps oversleeps.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::recorder::Recorder;
use crate::runtime;

/// How often it looks. A wake-up costs about 45 µs on a virtual machine, so this is half a per cent of a
/// core; an idle flow has one per cent for all it does.
const INTERVAL: Duration = Duration::from_millis(10);

/// The running thread; dropping this ends it.
#[derive(Debug)]
pub(super) struct HiccupMeter {
    _running: Sender<()>,
}

impl HiccupMeter {
    /// Starts to note; `None` if there can be no thread (in a simulation there is none).
    pub(super) fn start(noted: Recorder) -> Option<Self> {
        let (running, stopped) = channel();
        let started = runtime::thread("hiccups", move || measure(&noted, &stopped));
        started.ok().map(|()| HiccupMeter { _running: running })
    }
}

/// Open loop: look-ups are due at fixed times, and one stall makes all of them late that fell into it.
/// (A closed loop would note a stall of a second as one slow sample among hundreds of fast ones.)
///
/// Idea: Gil Tene's jHiccup.
fn measure(noted: &Recorder, stopped: &Receiver<()>) {
    let mut due = runtime::now() + INTERVAL;
    loop {
        let pause = due.since(runtime::now());
        if stopped.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
        let now = runtime::now();
        while due <= now {
            noted.record(now.since(due), 1);
            due = due + INTERVAL;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_notes_while_it_is_held_and_ends_when_it_is_dropped() {
        let (running, stopped) = channel();
        let noted = Recorder::on();
        let notes = noted.clone();
        let (done, ended) = channel::<()>();
        runtime::thread("hiccups", move || {
            measure(&notes, &stopped);
            drop(done);
        })
        .unwrap();
        while noted.snapshot().is_empty() {
            std::thread::yield_now();
        }
        drop(running);
        assert!(ended.recv().is_err(), "the thread has let go of its end");
    }
}
