//! How a flow runs.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::latency::LatencySettings;
use crate::plan::check_parallelism;

/// Shards of a flow that does not say otherwise.
const SHARDS: u32 = 128;

/// How a flow runs. Every field has a default that is good for most.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Replicas of each vertex that does not say otherwise (default: the machine's cores, 128 at the most).
    pub parallelism: usize,
    /// Into how many shards the key space is cut: the most replicas a keyed vertex can ever have, and
    /// more are refused at the start (default 128). Part of every snapshot; fixed for the life of a flow's state.
    pub shards: u32,
    /// Batches a channel between two tasks holds before its sender waits (default 8).
    pub channel_batches: usize,
    /// A source partition that gives nothing for this long, while its task waits for it, stops holding back event
    /// time (default 5 s; `None`: never). Bounded sources are never idle.
    pub idle_after: Option<Duration>,
    /// How far, in event time, a source may be ahead of the one that is furthest behind before it is paused (default
    /// `None`: as far as it likes).
    pub alignment: Option<Duration>,
    /// How often positions are committed to sources that keep them outside (default 1 s).
    pub commit_interval: Duration,
    /// Which latencies are measured (default: all).
    pub latency: LatencySettings,
}

impl Default for Settings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Settings {
            // No more than there are shards, or a keyed vertex could not have so many.
            parallelism: cores.min(SHARDS as usize),
            shards: SHARDS,
            channel_batches: 8,
            idle_after: Some(Duration::from_secs(5)),
            alignment: None,
            commit_interval: Duration::from_secs(1),
            latency: LatencySettings::default(),
        }
    }
}

impl Settings {
    /// Refuses what cannot be.
    pub(super) fn check(&self) -> Result<()> {
        check_parallelism(self.parallelism)?;
        if self.shards == 0 || self.shards > 65_536 {
            return Err(Error::config(format!(
                "`with_shards({})`: 1 to 65536 are allowed",
                self.shards
            )));
        }
        if self.channel_batches == 0 {
            return Err(Error::config(
                "`with_channel_batches(0)`: a channel holds at least 1",
            ));
        }
        Ok(())
    }
}
