//! Whole flows, on the simulated runtime.

// Clippy takes only the tests themselves for tests, not what helps them.
#![allow(clippy::unwrap_used)]

mod asking;
mod asynchronous;
mod edges;
mod joins;
mod live;
mod mistakes;
mod own;
mod process;
mod schedules;
mod seeds;
mod shape;
mod stopping;
mod time;
mod two_stages;
mod windows;
