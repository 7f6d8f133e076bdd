//! Sources that run ahead in event time wait for those behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use crate::edge::Bell;
use crate::time::{Frontier, whole_micros};

/// The sources of a flow that keep together in event time.
///
/// 1. A source that is more than the drift ahead of the lowest one reads no more until it is not.
/// 2. One that has made no watermark yet holds the others: what it will give is not known. It is not held itself.
/// 3. One that is idle or has ended holds nobody.
/// 4. So the lowest one is never paused, and whoever moves it on wakes those it held.
///
/// Idea: Flink's watermark alignment, FLIP-182.
#[derive(Debug)]
pub(crate) struct Alignment {
    drift: i64,
    sources: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    /// Nothing earlier comes from it, in microseconds: `MIN` before its first watermark, `MAX` when nothing comes at all.
    at: AtomicI64,
    is_paused: AtomicBool,
    bell: Arc<Bell>,
}

/// Why a source must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// The number of the one furthest behind.
    pub(crate) by: usize,
    /// How far it is ahead of that one; `None` while that one has made no watermark.
    pub(crate) ahead: Option<Duration>,
    /// How far it may be.
    pub(crate) allowed: Duration,
}

/// One source task's part in it.
#[derive(Debug)]
pub(crate) struct Aligned {
    group: Arc<Alignment>,
    number: usize,
}

impl Alignment {
    /// For source tasks with these bells; each takes its number in it.
    pub(crate) fn new(drift: Duration, bells: Vec<Arc<Bell>>) -> Arc<Self> {
        let source = |bell| Source {
            at: AtomicI64::new(i64::MIN),
            is_paused: AtomicBool::new(false),
            bell,
        };
        Arc::new(Alignment {
            drift: whole_micros(drift),
            sources: bells.into_iter().map(source).collect(),
        })
    }

    /// The part of source `number`.
    pub(crate) fn part(self: &Arc<Self>, number: usize) -> Aligned {
        Aligned {
            group: self.clone(),
            number,
        }
    }

    /// By whom it is held, if `number` must wait.
    fn held(&self, number: usize) -> Option<Held> {
        let at = self.sources[number].at.load(Ordering::SeqCst);
        if at == i64::MIN || at == i64::MAX {
            return None;
        }
        let times = self.sources.iter().map(|s| s.at.load(Ordering::SeqCst));
        let (lowest, slowest) = times.enumerate().map(|(i, at)| (at, i)).min()?;
        let ahead = at.saturating_sub(lowest);
        (ahead > self.drift).then(|| Held {
            by: slowest,
            ahead: (lowest > i64::MIN).then(|| Duration::from_micros(ahead.unsigned_abs())),
            allowed: Duration::from_micros(self.drift.unsigned_abs()),
        })
    }
}

impl Aligned {
    /// Its number among those aligned.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// This source has come so far.
    pub(crate) fn come_to(&self, frontier: Frontier) {
        let at = match frontier {
            Frontier::Unknown => i64::MIN,
            Frontier::At(watermark) => watermark.time.as_micros(),
            Frontier::Idle => i64::MAX,
        };
        let source = &self.group.sources[self.number];
        if source.at.load(Ordering::Relaxed) == at {
            return;
        }
        source.at.store(at, Ordering::SeqCst);
        // Either the one that is about to sleep sees the new time, or it is seen here.
        for (number, other) in self.group.sources.iter().enumerate() {
            if other.is_paused.load(Ordering::SeqCst) && self.group.held(number).is_none() {
                other.bell.ring();
            }
        }
    }

    /// Whom this source must wait for, and how far it is ahead, if that is too far.
    pub(crate) fn held(&self) -> Option<Held> {
        self.group.held(self.number)
    }

    /// Whether it sleeps until others get on.
    pub(crate) fn set_paused(&self, is_paused: bool) {
        let source = &self.group.sources[self.number];
        source.is_paused.store(is_paused, Ordering::SeqCst);
    }
}

impl Drop for Aligned {
    /// A source that is gone holds nobody, however it went.
    fn drop(&mut self) {
        self.come_to(Frontier::Idle);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::{Wake, Waker};

    use proptest::prelude::*;

    use super::*;
    use crate::runtime::Instant;
    use crate::time::{Timestamp, Watermark};

    fn group(sources: usize, drift: u64) -> (Vec<Aligned>, Vec<Arc<Rings>>) {
        let bells: Vec<Arc<Bell>> = (0..sources).map(|_| Arc::default()).collect();
        let rings = bells.iter().map(|bell| {
            let rings = Arc::new(Rings::default());
            bell.register(&Waker::from(rings.clone()));
            rings
        });
        let rings = rings.collect();
        let group = Alignment::new(Duration::from_micros(drift), bells);
        ((0..sources).map(|n| group.part(n)).collect(), rings)
    }

    #[derive(Default)]
    struct Rings(AtomicUsize);

    impl Wake for Rings {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whom a source must wait for.
    fn held_by(source: &Aligned) -> Option<usize> {
        source.held().map(|held| held.by)
    }

    fn at(micros: i64) -> Frontier {
        Frontier::At(Watermark {
            time: Timestamp::from_micros(micros),
            arrival: Instant::from_nanos(0),
        })
    }

    #[test]
    fn who_is_ahead_waits_for_the_lowest_and_is_woken_by_it() {
        let (sources, rings) = group(3, 10);
        sources[0].come_to(at(25));
        assert_eq!(
            held_by(&sources[0]),
            Some(1),
            "what 1 will give is not known"
        );
        sources[1].come_to(at(16));
        let held = sources[0].held().unwrap();
        assert_eq!((held.by, held.ahead), (2, None));
        assert_eq!(held_by(&sources[2]), None, "it must read to be known");
        sources[0].set_paused(true);
        sources[2].come_to(at(14));
        let micros = Duration::from_micros;
        let held = Held {
            by: 2,
            ahead: Some(micros(11)),
            allowed: micros(10),
        };
        assert_eq!(sources[0].held(), Some(held));
        assert_eq!(rings[0].0.load(Ordering::Relaxed), 0, "in vain");
        sources[2].come_to(at(15));
        assert_eq!(
            held_by(&sources[0]),
            None,
            "by the drift itself it may be ahead"
        );
        assert_eq!(rings[0].0.load(Ordering::Relaxed), 1);
        assert_eq!(rings[1].0.load(Ordering::Relaxed), 0, "it did not sleep");
    }

    #[test]
    fn the_idle_and_the_ended_hold_nobody() {
        let (mut sources, rings) = group(3, 0);
        sources[0].come_to(at(100));
        sources[0].set_paused(true);
        sources[1].come_to(at(1));
        sources[1].come_to(Frontier::Idle);
        assert_eq!(held_by(&sources[0]), Some(2));
        drop(sources.remove(2));
        assert_eq!(rings[0].0.load(Ordering::Relaxed), 1);
        assert_eq!(held_by(&sources[0]), None);
        sources[1].come_to(at(99));
        assert_eq!(held_by(&sources[0]), Some(1), "back again, and behind");
        assert_eq!(held_by(&sources[1]), None);
    }

    proptest! {
        /// Somebody may always read on: a flow in which all wait for each other would never end.
        #[test]
        fn never_all_wait(
            times in prop::collection::vec(prop::option::of(prop::option::of(any::<i64>())), 1..6),
            drift in 0..1_000_u64,
        ) {
            let (sources, _) = group(times.len(), drift);
            for (source, time) in sources.iter().zip(&times) {
                source.come_to(match time {
                    None => Frontier::Unknown,
                    Some(None) => Frontier::Idle,
                    Some(Some(micros)) => at(*micros),
                });
            }
            prop_assert!(sources.iter().any(|source| source.held().is_none()));
            for source in &sources {
                if let Some(slower) = held_by(source) {
                    prop_assert!(held_by(&sources[slower]).is_none(), "it waits for one that waits");
                }
            }
        }
    }
}
