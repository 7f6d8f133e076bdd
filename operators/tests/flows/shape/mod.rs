//! Rate and shape: under every schedule the same, where that is promised; else the law of each.

mod by_time;
mod clocks;
mod gathered;
mod held;
mod latency;
