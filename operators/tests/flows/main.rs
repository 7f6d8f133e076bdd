//! Whole flows, on the simulated runtime.
//!
//! Where to look:
//! - `schedules`: each kind of operator under a thousand seeds, fed from several partitions out of order. Begin with
//!   `schedules/facts.rs` (the records) and `schedules/windows.rs` (the plainest flows).
//! - `joins`, `shape`, `time`: the same for joins, for rate and shape, and for event time, and what is special to them.
//! - `asynchronous`, `timers`, `two_stages`: calls, processes and windows in two stages, by example and when stopped.
//! - `edges`, `custom_operators`, `endless_sources`: how streams leave a task, operators of one's own, sources that stay.
//! - `mistakes`: what is said of a flow that cannot be.
//!
//! What they share: `seeds` (a flow under many seeds, with stops), `stopping` (a stop that goes on with another
//! parallelism) and `asking` (a running flow that is asked why it waits).

// Clippy takes only the tests themselves for tests, not what helps them.
#![allow(clippy::unwrap_used)]

mod asking;
mod asynchronous;
mod custom_operators;
mod edges;
mod endless_sources;
mod joins;
mod mistakes;
mod schedules;
mod seeds;
mod shape;
mod stopping;
mod time;
mod timers;
mod two_stages;
