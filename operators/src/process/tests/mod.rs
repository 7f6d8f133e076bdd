//! Processes against a naive model, and their timers one by one.

mod naive;
mod timers;

pub(crate) use naive::{Given, given, harness, harness_with, script};
pub(super) use timers::{UnderTest, under_test};
