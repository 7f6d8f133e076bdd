//! Processes against a naive model, and their timers one by one.

mod naive;
mod timers;

pub(crate) use naive::{harness, harness_with};
pub(super) use timers::{UnderTest, under_test};
