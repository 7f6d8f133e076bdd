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

    /// The one furthest behind, if `number` must wait for it.
    fn held_by(&self, number: usize) -> Option<usize> {
        let at = self.sources[number].at.load(Ordering::SeqCst);
        if at == i64::MIN || at == i64::MAX {
            return None;
        }
        let times = self.sources.iter().map(|s| s.at.load(Ordering::SeqCst));
        let (lowest, slowest) = times.enumerate().map(|(i, at)| (at, i)).min()?;
        (at.saturating_sub(lowest) > self.drift).then_some(slowest)
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
            if other.is_paused.load(Ordering::SeqCst) && self.group.held_by(number).is_none() {
                other.bell.ring();
            }
        }
    }

    /// Whom this source must wait for, if it is too far ahead.
    pub(crate) fn held_by(&self) -> Option<usize> {
        self.group.held_by(self.number)
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
