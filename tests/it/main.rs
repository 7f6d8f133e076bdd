//! What Millstream promises, held through the facade alone, as a user would.
//!
//! One binary, so that it links once. Nearly all of it runs in simulations: on virtual time, under seeds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod flights;
mod ledger;
mod outside;
mod panics;
mod process;
mod resume;
mod seeds;
mod support;
mod tidy;
mod time;
mod waits;
mod year;
