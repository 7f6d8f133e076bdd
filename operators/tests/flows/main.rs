//! Whole flows, on the simulated runtime.

// Clippy takes only the tests themselves for tests, not what helps them.
#![allow(clippy::unwrap_used)]

mod edges;
mod live;
mod mistakes;
mod own;
mod seeds;
mod time;
